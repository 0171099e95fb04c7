// Is what the last backup saw still the beginning of what the database holds now?
#pragma once

#include <string>

#include "engine/capture/file_stamp.h"
#include "engine/capture/live_wal_index.h"
#include "engine/capture/snapshot.h"

namespace epochfs::engine {

enum class Continuity {
  kUnchanged,  // not a single transaction since
  kContinues,  // the same log: what follows the cursor's frame, if that frame is still there
  kFromStart,  // the database file is what it was: all frames of the log are new
  kRestarted,  // the log was restarted once: its old frames may tell what was committed before that
  kUnknown,    // compare pages
};

struct Verdict {
  Continuity continuity = Continuity::kUnknown;
  std::string reason;  // of kUnknown, for people
};

// The cursor of `known`, if it belongs to its newest epoch.
const native::Cursor* fitting_cursor(const KnownState& known) noexcept;
// The cursor's file is this file, and has not been written to since. A cursor whose file did not
// hold the whole state by itself, or was too fresh to tell, carries no times and matches nothing.
bool file_untouched(const native::Cursor& cursor, const FileStamp& stamp) noexcept;
// No I/O: what may be concluded, and what the caller has to look at before it believes it.
Verdict judge(const KnownState& known, const WalIndexState& now, const FileStamp& stamp);

}  // namespace epochfs::engine
