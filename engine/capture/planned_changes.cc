#include "engine/capture/planned_changes.h"

#include <fmt/format.h>

namespace epochfs::engine {

std::string page_size_changed(PageSize known, PageSize now) {
  return fmt::format("the page size changed from {} to {}", known.bytes(), now.bytes());
}

}  // namespace epochfs::engine
