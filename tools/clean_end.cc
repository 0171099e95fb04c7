#include "tools/clean_end.h"

#include "engine/repo/operations.h"

namespace epochfs::tools {

CleanEnd::CleanEnd() {
  auto signals = fs::StopSignals::block(true);
  if (!signals) return;
  signals_.emplace(std::move(*signals));
  ends_.emplace(*signals_, engine::remove_temporary_copies);
}

}  // namespace epochfs::tools
