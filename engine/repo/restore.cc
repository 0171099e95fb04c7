// restore(), restore_to_descriptor(): an epoch's image out of the repository, on all cores.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "engine/capture/integrity.h"
#include "engine/core/ordered_pipeline.h"
#include "engine/repo/image_walk.h"
#include "engine/repo/operations.h"
#include "engine/repo/restore_logged.h"
#include "engine/storage/output_file.h"
#include "engine/storage/set_aside.h"
#include "engine/storage/temporary_directory.h"

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

std::vector<std::string> side_files_of(const std::string& output) {
  std::vector<std::string> files;
  for (const char* suffix : kSideFiles) files.push_back(output + suffix);
  return files;
}

// What SQLite has to look at before anybody else gets it lies in a file first.
Result<RestoreReport> restore_checked(Database& database, Epoch epoch, int descriptor,
                                      const Progress& progress) {
  constexpr std::size_t kBytesAtOnce = 1024 * 1024;
  TRY_ASSIGN(const TemporaryDirectory directory, TemporaryDirectory::create(temporary_parent()));
  const std::string file = directory.file("database");
  TRY_ASSIGN(RestoreReport report,
             restore(database, epoch, {.output = file, .force = false, .progress = progress}));
  std::ifstream restored(file, std::ios::binary);
  std::string bytes(kBytesAtOnce, '\0');
  for (std::uint64_t left = report.size_bytes; left > 0;) {
    const std::size_t count = std::min<std::uint64_t>(left, bytes.size());
    if (!restored.read(bytes.data(), static_cast<std::streamsize>(count)))
      return Error::io(file + ": cannot be read back");
    TRY(write_all(descriptor, as_bytes(std::string_view(bytes).substr(0, count))));
    left -= count;
  }
  return report;
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
  std::optional<SetAside> old_log;
  if (is_sqlite && options.force) {
    TRY(output.make_durable(image->facts().size_bytes, image->facts().committed));
    TRY_ASSIGN(SetAside taken, SetAside::take(side_files_of(options.output), options.output));
    old_log.emplace(std::move(taken));
  }
  TRY(output.commit(image->facts().size_bytes, image->facts().committed));
  if (old_log) TRY(old_log->drop());
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
  if (database.needs_integrity_check()) {
    TRY_ASSIGN(RestoreReport report, restore_checked(database, epoch, descriptor, progress));
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
