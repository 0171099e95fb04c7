#include "engine/capture/integrity.h"

#include "engine/capture/connection.h"
#include "engine/core/text.h"

namespace epochfs::engine {

Result<void> check_integrity(const std::string& path) {
  TRY_ASSIGN(Connection connection, Connection::open(path, Access::kImmutable, 0));
  TRY_ASSIGN(const std::string found, connection.text("PRAGMA integrity_check(1)"));
  if (found != "ok") return Error::corrupt("SQLite finds it malformed: " + printable(found));
  return {};
}

}  // namespace epochfs::engine
