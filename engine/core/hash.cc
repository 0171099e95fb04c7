#include "engine/core/hash.h"

#include <fmt/format.h>
#include <libdeflate.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <xxhash.h>

#include <algorithm>
#include <new>

namespace epochfs::engine {
namespace {

XXH128_hash_t term(PageNo page, std::uint64_t hash) noexcept {
  std::array<std::byte, 12> input{};
  store_le(MutableByteView(input), page.get());
  store_le(MutableByteView(input).subspan(4), hash);
  return XXH3_128bits(input.data(), input.size());
}

// OpenSSL's bytes are unsigned char, ours are std::byte.
template <std::size_t Size>
std::array<std::byte, Size> to_digest(const std::array<unsigned char, Size>& raw) {
  std::array<std::byte, Size> digest{};
  std::ranges::transform(raw, digest.begin(), [](unsigned char c) { return std::byte{c}; });
  return digest;
}

const unsigned char* raw_bytes(ByteView bytes) noexcept {
  return static_cast<const unsigned char*>(static_cast<const void*>(bytes.data()));
}

}  // namespace

std::uint64_t page_hash(ByteView bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

Xxh3::Xxh3() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  XXH3_64bits_reset(state_.get());
}

void Xxh3::Free::operator()(XXH3_state_s* state) const noexcept { XXH3_freeState(state); }

void Xxh3::update(ByteView bytes) noexcept {
  XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
}

std::uint64_t Xxh3::value() const noexcept { return XXH3_64bits_digest(state_.get()); }

void StateHash::add(PageNo page, std::uint64_t hash) noexcept {
  const XXH128_hash_t t = term(page, hash);
  *this += StateHash(t.high64, t.low64);
}

void StateHash::remove(PageNo page, std::uint64_t hash) noexcept {
  const XXH128_hash_t t = term(page, hash);
  high_ -= t.high64 + (low_ < t.low64 ? 1 : 0);
  low_ -= t.low64;
}

StateHash& StateHash::operator+=(const StateHash& other) noexcept {
  low_ += other.low_;
  high_ += other.high_ + (low_ < other.low_ ? 1 : 0);
  return *this;
}

std::string StateHash::hex() const { return fmt::format("{:016x}{:016x}", high_, low_); }

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
}

void Sha256::update(ByteView bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

Sha256Digest Sha256::finish() {
  std::array<unsigned char, 32> raw{};
  EVP_DigestFinal_ex(context_.get(), raw.data(), nullptr);
  return to_digest(raw);
}

Sha256Digest Sha256::of(ByteView bytes) {
  Sha256 sum;
  sum.update(bytes);
  return sum.finish();
}

Sha256Digest hmac_sha256(ByteView key, ByteView message) {
  std::array<unsigned char, 32> raw{};
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw_bytes(message),
           message.size(), raw.data(), nullptr) == nullptr)
    throw std::bad_alloc();
  return to_digest(raw);
}

std::array<std::byte, 16> md5(ByteView bytes) {
  std::array<unsigned char, 16> raw{};
  if (EVP_Digest(bytes.data(), bytes.size(), raw.data(), nullptr, EVP_md5(), nullptr) != 1)
    throw std::bad_alloc();
  return to_digest(raw);
}

void Crc32::update(ByteView bytes) noexcept {
  if (bytes.empty()) return;  // a null pointer would start anew
  value_ = libdeflate_crc32(value_, bytes.data(), bytes.size());
}

std::string random_identity() {
  std::array<unsigned char, 16> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) throw std::bad_alloc();
  return to_hex(std::as_bytes(std::span(random)));
}

std::string to_hex(ByteView bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) hex += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return hex;
}

std::string to_base64(ByteView bytes) {
  std::vector<unsigned char> text((bytes.size() + 2) / 3 * 4 + 1);  // and the NUL of OpenSSL
  const int size = EVP_EncodeBlock(text.data(), raw_bytes(bytes), static_cast<int>(bytes.size()));
  return {text.begin(), text.begin() + size};
}

Result<Sha256Digest> sha256_from_hex(std::string_view hex) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  Sha256Digest digest{};
  if (hex.size() != digest.size() * 2) return Error::corrupt("a SHA-256 needs 64 hex digits");
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return Error::corrupt("a SHA-256 needs 64 hex digits");
    digest[i] = static_cast<std::byte>(high * 16 + low);
  }
  return digest;
}

}  // namespace epochfs::engine
