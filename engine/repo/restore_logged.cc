#include "engine/repo/restore_logged.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <vector>

#include "engine/storage/output_directory.h"
#include "engine/storage/output_file.h"
#include "engine/storage/set_aside.h"

namespace epochfs::engine {
namespace {

// What Grafeo would take for a part of the restored database: its log, a snapshot that it reads
// instead of the image, a migration that was interrupted.
constexpr std::array kNeighbours = {".wal", ".checkpoint", ".migrating"};

Result<void> check_neighbours(const std::string& output) {
  for (const char* suffix : kNeighbours) {
    if (file_exists(output + suffix))
      return Error::exists(
          fmt::format("{}{} is there already and would be taken for the restored database's own",
                      output, suffix));
  }
  return {};
}

// An old image with a new log, or the other way round, would be a database that never was. So the
// old one has no name any more before the new one comes, and what is between the two is no database
// at all.
std::vector<std::string> parts_of(const std::string& output) {
  std::vector<std::string> parts = {output};
  for (const char* suffix : kNeighbours) parts.push_back(output + suffix);
  return parts;
}

// Counts the bytes that go by.
class Counted {
 public:
  Counted(const LoggedEpoch& epoch, const Progress& progress)
      : total_(epoch.image_bytes() + epoch.log_bytes()), progress_(progress) {}

  void add(std::uint64_t bytes) {
    done_ += bytes;
    if (progress_) progress_(done_, total_);
  }

 private:
  std::uint64_t done_ = 0;
  std::uint64_t total_;
  const Progress& progress_;
};

// Appends what it is fed.
LoggedEpoch::Sink write_to(const OutputFile& file, Counted& counted) {
  return [&file, &counted, at = std::uint64_t{0}](ByteView bytes) mutable -> Result<void> {
    TRY(file.write(at, bytes));
    at += bytes.size();
    counted.add(bytes.size());
    return {};
  };
}

// The log's file in its directory, which appears as a whole.
struct LogOutput {
  OutputDirectory directory;
  OutputFile file;

  static Result<LogOutput> create(const LoggedEpoch& epoch, const std::string& path) {
    TRY_ASSIGN(OutputDirectory directory, OutputDirectory::create(path));
    TRY_ASSIGN(OutputFile file, OutputFile::create(directory.file(epoch.log_name()), false));
    return LogOutput{std::move(directory), std::move(file)};
  }
};

}  // namespace

Result<RestoreReport> restore_logged(const LoggedEpoch& epoch, const RestoreOptions& options) {
  const std::string& output = options.output;
  const UtcTime committed = epoch.facts().committed;
  RestoreReport report;
  report.epoch = epoch.facts().epoch;
  report.size_bytes = epoch.image_bytes() + epoch.log_bytes();

  TRY_ASSIGN(OutputFile image, OutputFile::create(output, options.force));
  if (!options.force) TRY(check_neighbours(output));
  std::optional<LogOutput> log;
  if (epoch.log_bytes() > 0) {
    report.log_directory = output + std::string(epoch.log_directory_suffix());
    TRY_ASSIGN(LogOutput created, LogOutput::create(epoch, report.log_directory));
    log.emplace(std::move(created));
  }

  Counted counted(epoch, options.progress);
  const LoggedEpoch::Sink nothing = [](ByteView) { return Result<void>(); };
  TRY(epoch.read(write_to(image, counted), log ? write_to(log->file, counted) : nothing));
  if (log) TRY(log->file.commit(epoch.log_bytes(), committed));
  std::optional<SetAside> old;
  if (options.force) {
    TRY(image.make_durable(epoch.image_bytes(), committed));
    TRY_ASSIGN(SetAside taken, SetAside::take(parts_of(output), output));
    old.emplace(std::move(taken));
  }
  // The log first: alone it is nothing that anybody opens.
  if (log) TRY(log->directory.commit());
  TRY(image.commit(epoch.image_bytes(), committed));
  if (old) TRY(old->drop());
  return report;
}

Result<RestoreReport> restore_logged_to_descriptor(const LoggedEpoch& epoch, int descriptor,
                                                   const Progress& progress) {
  if (epoch.log_bytes() > 0)
    return Error::invalid(fmt::format(
        "epoch {} is an image and a log, two files: only a path can take it, not standard output",
        epoch.facts().epoch.get()));
  Counted counted(epoch, progress);
  const auto write = [&](ByteView bytes) -> Result<void> {
    TRY(write_all(descriptor, bytes));
    counted.add(bytes.size());
    return {};
  };
  TRY(epoch.read(write, write));
  RestoreReport report;
  report.epoch = epoch.facts().epoch;
  report.size_bytes = epoch.image_bytes();
  return report;
}

}  // namespace epochfs::engine
