// What becomes of a program whose index is damaged where LMDB does not notice: it trusts what its
// pages say of themselves, and a file that is cut short under its map is a SIGBUS. Private to this
// room.
//
// Such a fault ends the program with exit code 1 and a line on stderr that says so. The index holds
// nothing that the segments do not hold: it is removed, and whoever comes next builds it anew.
// Other faults stay what they are.
#pragma once

#include <lmdb.h>

#include <string>

#include "engine/core/error.h"

namespace epochfs::engine {

// From now on faults in the map of this file are meant too, not only those of its LmdbCalls.
void watch_index(MDB_env* env, const std::string& file);
void forget_index(const std::string& file);

// With its lock. May be called in a signal handler.
void remove_index(const char* file);
// Of an index that is found to be damaged without a fault: it is removed, too. kIo.
Failure damaged_index(MDB_txn* txn);

// While LMDB follows what the file says, as far as into memory that is not the file's. `file` must
// outlive it.
class LmdbCall {
 public:
  explicit LmdbCall(const char* file) noexcept;
  explicit LmdbCall(MDB_txn* txn) noexcept;
  LmdbCall(const LmdbCall&) = delete;
  LmdbCall& operator=(const LmdbCall&) = delete;
  ~LmdbCall();

 private:
  const char* outer_;
};

}  // namespace epochfs::engine
