// restore(), restore_to_descriptor(): an epoch's image out of the repository, on all cores.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/capture/integrity.h"
#include "engine/core/ordered_pipeline.h"
#include "engine/repo/image_walk.h"
#include "engine/repo/operations.h"
#include "engine/repo/restore_logged.h"
#include "engine/storage/output_file.h"

namespace epochfs::engine {
namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// A log or journal that belongs to another database would be taken for this one's.
constexpr const char* kSideFiles[] = {"-wal", "-shm", "-journal"};

Result<void> check_side_files(const std::string& output) {
  for (const char* suffix : kSideFiles) {
    if (file_exists(output + suffix))
      return Error::exists(
          fmt::format("{}{} is there already and would be taken for the restored database's own",
                      output, suffix));
  }
  return {};
}

Result<void> remove_side_files(const std::string& output) {
  for (const char* suffix : kSideFiles) TRY(remove_file(output + suffix));
  return {};
}

}  // namespace

Result<RestoreReport> restore(Database& database, Epoch epoch, const RestoreOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  TRY_ASSIGN(const auto logged, database.logged(epoch));
  if (logged) {
    TRY_ASSIGN(RestoreReport report, restore_logged(*logged, options));
    report.seconds = seconds_since(begin);
    return report;
  }
  TRY_ASSIGN(const auto image, database.image(epoch));
  const bool is_sqlite = database.engine() == native::Engine::kSqlite;
  TRY_ASSIGN(OutputFile output, OutputFile::create(options.output, options.force));
  if (is_sqlite && !options.force) TRY(check_side_files(options.output));
  const auto write = [&](std::uint64_t offset, ByteView bytes) {
    return output.write(offset, bytes);
  };
  TRY(walk_image(*image, ImageSinks{write, {}, options.progress}));
  if (database.needs_integrity_check()) {
    TRY_ASSIGN(const std::string hidden, output.hidden_path());
    TRY(with_context(check_integrity(hidden),
                     [&] { return fmt::format("epoch {}", epoch.get()); }));
  }
  // Before the new file has its name: an old file without its log is merely old, a new one with a
  // foreign log is wrong. Not before the new one is safe: it may not fit.
  if (is_sqlite && options.force) {
    TRY(output.make_durable(image->facts().size_bytes, image->facts().committed));
    TRY(remove_side_files(options.output));
    TRY(sync_directory_of(options.output));
  }
  TRY(output.commit(image->facts().size_bytes, image->facts().committed));
  return RestoreReport{epoch, image->facts().size_bytes, image->facts().state, "",
                       seconds_since(begin)};
}

Result<RestoreReport> restore_to_descriptor(Database& database, Epoch epoch, int descriptor,
                                            const Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  TRY_ASSIGN(const auto logged, database.logged(epoch));
  if (logged) {
    TRY_ASSIGN(RestoreReport report, restore_logged_to_descriptor(*logged, descriptor, progress));
    report.seconds = seconds_since(begin);
    return report;
  }
  TRY_ASSIGN(const auto image, database.image(epoch));
  const auto write = [&](std::uint64_t, ByteView bytes) { return write_all(descriptor, bytes); };
  TRY(walk_image(*image, ImageSinks{{}, write, progress}));
  return RestoreReport{epoch, image->facts().size_bytes, image->facts().state, "",
                       seconds_since(begin)};
}

}  // namespace epochfs::engine
