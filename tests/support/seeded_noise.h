// SQL's `noise(n)`: n random bytes like randomblob(n), but the same ones again for the same seed.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>

namespace epochfs::test {

// For as long as the connection is open `random` has to stay where it is.
inline void add_noise(sqlite3* database, std::mt19937_64& random) {
  const auto noise = [](sqlite3_context* context, int, sqlite3_value** arguments) {
    auto& generator = *static_cast<std::mt19937_64*>(sqlite3_user_data(context));
    // As randomblob() has it, which gives one byte at least.
    std::string bytes(static_cast<std::size_t>(std::max(sqlite3_value_int(*arguments), 1)), '\0');
    for (char& byte : bytes) byte = static_cast<char>(generator());
    sqlite3_result_blob(context, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
  };
  if (sqlite3_create_function(database, "noise", 1, SQLITE_UTF8, &random, noise, nullptr,
                              nullptr) != SQLITE_OK)
    throw std::runtime_error(sqlite3_errmsg(database));
}

}  // namespace epochfs::test
