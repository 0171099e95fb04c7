#include "engine/core/units.h"

#include <fmt/format.h>

#include <bit>

namespace epochfs::engine {

Result<PageSize> PageSize::from(std::uint64_t bytes) {
  if (bytes < kMin || bytes > kMax || !std::has_single_bit(bytes))
    return Error::corrupt(fmt::format("page size {}", bytes));
  return PageSize(static_cast<std::uint32_t>(bytes));
}

}  // namespace epochfs::engine
