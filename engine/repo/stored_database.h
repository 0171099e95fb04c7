// What databases of repositories of all kinds tell their repository.
#pragma once

#include "engine/repo/repository.h"

namespace epochfs::engine {

class StoredDatabase : public Database {
 public:
  // From the storage, in stored form, since it was opened.
  [[nodiscard]] virtual std::uint64_t stored_bytes_read() const noexcept = 0;
};

}  // namespace epochfs::engine
