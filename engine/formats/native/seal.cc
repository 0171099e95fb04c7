#include "engine/formats/native/seal.h"

#include "engine/core/hash.h"

namespace epochfs::engine::native {
namespace {

constexpr std::string_view kEnd = "\n}\n";
constexpr std::string_view kBefore = ",\n  \"document_sha256\": \"";
constexpr std::size_t kDigits = 64;
constexpr std::string_view kAfter = "\"\n}\n";
constexpr std::size_t kSealBytes = kBefore.size() + kDigits + kAfter.size();

}  // namespace

std::string sealed(std::string json) {
  const std::string digits = to_hex(Sha256::of(as_bytes(json)));
  json.resize(json.size() - kEnd.size());
  return json.append(kBefore).append(digits).append(kAfter);
}

Result<void> check_seal(ByteView document) {
  const std::string_view text = as_text(document);
  if (text.size() < kSealBytes) return Error::corrupt("it lacks its seal");
  const std::string_view rest = text.substr(0, text.size() - kSealBytes);
  const std::string_view seal = text.substr(rest.size());
  if (!seal.starts_with(kBefore) || !seal.ends_with(kAfter))
    return Error::corrupt("it lacks its seal");
  Sha256 sum;
  sum.update(as_bytes(rest));
  sum.update(as_bytes(kEnd));
  if (to_hex(sum.finish()) != seal.substr(kBefore.size(), kDigits))
    return Error::corrupt("it is not what was written: its seal does not fit");
  return {};
}

}  // namespace epochfs::engine::native
