#include "engine/capture/continuity.h"

namespace epochfs::engine {

const native::Cursor* fitting_cursor(const KnownState& known) noexcept {
  return known.cursor && known.cursor->epoch == known.newest.epoch ? &*known.cursor : nullptr;
}

bool file_untouched(const native::Cursor& cursor, const FileStamp& stamp) noexcept {
  return cursor.ctime_ns != 0 && stamp == FileStamp{cursor.device, cursor.inode, cursor.size_bytes,
                                                    cursor.mtime_ns, cursor.ctime_ns};
}

Verdict judge(const KnownState& known, const WalIndexState& now, const FileStamp& stamp) {
  const native::Cursor* const cursor = fitting_cursor(known);
  if (cursor == nullptr)
    return {Continuity::kUnknown, "nothing tells where the last backup stopped reading"};
  if (cursor->device != stamp.device || cursor->inode != stamp.inode)
    return {Continuity::kUnknown, "the database is another file than at the last backup"};

  const sqlite::WalIndexHeader& header = now.header;
  const sqlite::WalSalts salts = {cursor->position.salt1, cursor->position.salt2};
  const sqlite::WalChecksum checksum = {cursor->checksum1, cursor->checksum2};
  if (cursor->has_wal && header.salts == salts) {
    if (header.last_frame == cursor->position.frame && header.checksum == checksum)
      return {Continuity::kUnchanged, {}};
    if (header.last_frame > cursor->position.frame) return {Continuity::kContinues, {}};
    return {Continuity::kUnknown, "the database went back to an earlier state"};
  }
  if (file_untouched(*cursor, stamp)) {
    if (header.last_frame == 0) return {Continuity::kUnchanged, {}};
    // Frames that were copied would have changed the file.
    if (now.backfilled == 0) return {Continuity::kFromStart, {}};
  }
  if (cursor->has_wal && header.salts.first == salts.first + 1) return {Continuity::kRestarted, {}};
  if (cursor->has_wal && header.last_frame == 0)
    return {Continuity::kUnknown, "the write-ahead log was emptied or removed since"};
  if (cursor->has_wal)
    return {Continuity::kUnknown, "the write-ahead log was restarted more than once since"};
  return {Continuity::kUnknown, "the database file was written to since, outside of its log"};
}

}  // namespace epochfs::engine
