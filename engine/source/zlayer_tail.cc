#include "engine/source/zlayer_tail.h"

#include <algorithm>

namespace epochfs::engine {
namespace {

constexpr std::uint64_t kFirstLook = 16ULL * 1024;

Result<Bytes> last_bytes(const Blob& blob, std::uint64_t count) {
  Bytes bytes(static_cast<std::size_t>(std::min(count, blob.size_bytes())));
  TRY(blob.read(blob.size_bytes() - bytes.size(), bytes));
  return bytes;
}

}  // namespace

Result<std::optional<zlayer::Tail>> read_zlayer_tail(const Blob& blob) {
  TRY_ASSIGN(Bytes bytes, last_bytes(blob, kFirstLook));
  if (bytes.size() < zlayer::kTailEndBytes) return std::optional<zlayer::Tail>();
  const auto wanted = zlayer::tail_bytes(ByteView(bytes).last<zlayer::kTailEndBytes>());
  if (!wanted) return std::optional<zlayer::Tail>();
  if (*wanted > blob.size_bytes() || *wanted > zlayer::kTailBytesMax)
    return Error::corrupt("its table of frames is damaged");
  if (*wanted > bytes.size()) {
    TRY_ASSIGN(bytes, last_bytes(blob, *wanted));
  }
  return zlayer::parse_tail(ByteView(bytes).last(static_cast<std::size_t>(*wanted)),
                            blob.size_bytes());
}

}  // namespace epochfs::engine
