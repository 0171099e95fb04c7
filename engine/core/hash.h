// The three sums of the project, each for its own job.
//
//   page_hash   XXH3-64: is this page what was written? Checked whenever a page is served.
//   StateHash   128-bit sum over pages: are two states of a database equal? A change costs one page
//   Sha256      identity of a whole object in a manifest; Crc32 beside it, as Grafeo's manifests do
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/core/bytes.h"
#include "engine/core/handle.h"
#include "engine/core/units.h"

struct evp_md_ctx_st;
struct XXH3_state_s;

namespace epochfs::engine {

std::uint64_t page_hash(ByteView bytes) noexcept;  // XXH3-64, seed 0

// The same sum over bytes that come in pieces.
class Xxh3 {
 public:
  Xxh3();
  void update(ByteView bytes) noexcept;
  [[nodiscard]] std::uint64_t value() const noexcept;  // of all bytes so far

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

// Sum modulo 2^128 of XXH3-128(page number u32 LE, page hash u64 LE) over all pages of a state,
// plus one such term for page number 0 with the state's size in bytes in place of a hash. Pages are
// hashed whole: the last page of a file that ends within it is padded with zeros. Commutative, so a
// change is one subtraction and one addition.
class StateHash {
 public:
  constexpr StateHash() noexcept = default;
  constexpr StateHash(std::uint64_t high, std::uint64_t low) noexcept : high_(high), low_(low) {}

  void add(PageNo page, std::uint64_t hash) noexcept;
  void remove(PageNo page, std::uint64_t hash) noexcept;
  void add_size(std::uint64_t size_bytes) noexcept { add(PageNo(0), size_bytes); }
  void remove_size(std::uint64_t size_bytes) noexcept { remove(PageNo(0), size_bytes); }
  StateHash& operator+=(const StateHash& other) noexcept;

  [[nodiscard]] std::uint64_t high() const noexcept { return high_; }
  [[nodiscard]] std::uint64_t low() const noexcept { return low_; }
  [[nodiscard]] std::string hex() const;  // 32 lower-case digits, high half first
  friend bool operator==(const StateHash&, const StateHash&) = default;

 private:
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

using Sha256Digest = std::array<std::byte, 32>;

class Sha256 {
 public:
  Sha256();
  void update(ByteView bytes);
  [[nodiscard]] Sha256Digest finish();  // once
  static Sha256Digest of(ByteView bytes);

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

Sha256Digest hmac_sha256(ByteView key, ByteView message);  // RFC 2104

// For headers of protocols that ask for it (Content-MD5); no identity rests on it.
std::array<std::byte, 16> md5(ByteView bytes);

// CRC-32/ISO-HDLC, as zlib computes it.
class Crc32 {
 public:
  void update(ByteView bytes) noexcept;
  [[nodiscard]] std::uint32_t value() const noexcept { return value_; }

 private:
  std::uint32_t value_ = 0;
};

std::string random_identity();  // 32 random lower-case hex digits

std::string to_hex(ByteView bytes);
std::string to_base64(ByteView bytes);                       // RFC 4648, padded
Result<Sha256Digest> sha256_from_hex(std::string_view hex);  // kCorrupt: not 64 hex digits

}  // namespace epochfs::engine
