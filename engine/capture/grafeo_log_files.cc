#include "engine/capture/grafeo_log_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <utility>

#include "engine/capture/source_path.h"
#include "engine/core/text.h"
#include "engine/formats/grafeo/bincode.h"
#include "engine/formats/grafeo/v2_segment.h"
#include "engine/storage/local_files.h"
#include "engine/storage/output_file.h"

namespace epochfs::engine {
namespace {

constexpr std::string_view kV1CheckpointFile = "checkpoint.meta";
constexpr std::uint64_t kSmallFileBytesMax = grafeo::kCursorBytesMax;

using DirectoryStream = std::unique_ptr<DIR, ClosedBy<::closedir>>;

// wal_<8 digits or more>.log
std::optional<std::uint64_t> parse_v1_log_name(std::string_view name) {
  constexpr std::string_view kPrefix = "wal_";
  constexpr std::string_view kSuffix = ".log";
  constexpr std::size_t kDigitsMin = 8;
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kSuffix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.begin(), name.end(), number);
  if (name.size() < kDigitsMin || error != std::errc() || end != name.end()) return std::nullopt;
  return number;
}

struct LogName {
  grafeo::Generation generation = grafeo::Generation::kV2;
  std::uint64_t number = 0;
};

std::optional<LogName> parse_log_name(std::string_view name) {
  if (const auto lsn = grafeo::parse_v2_segment_name(name))
    return LogName{grafeo::Generation::kV2, lsn->get()};
  if (const auto sequence = parse_v1_log_name(name))
    return LogName{grafeo::Generation::kV1, *sequence};
  return std::nullopt;
}

Result<DirectoryStream> open_log_directory(const std::string& directory) {
  DirectoryStream stream(::opendir(directory.c_str()));
  if (!stream && errno != ENOENT) return Error::from_errno(errno, directory);
  return stream;
}

// nullopt: it vanished since its name was read.
Result<std::optional<GrafeoLogFile>> open_log_file(int directory, const std::string& path,
                                                   const char* name, std::uint64_t number) {
  UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!file && errno == ENOENT) return std::optional<GrafeoLogFile>();
  if (!file && errno == ELOOP) return Error::corrupt(path + ": a symbolic link, not a log");
  if (!file) return Error::from_errno(errno, path);
  return std::optional(GrafeoLogFile{path, number, 0, std::move(file)});
}

Result<void> add_log_file(GrafeoLogFiles& log, int directory, const std::string& path,
                          const char* name) {
  const auto parsed = parse_log_name(name);
  if (!parsed) return {};
  if (log.generation && *log.generation != parsed->generation)
    return Error::corrupt(path +
                          ": beside a log of another generation; let Grafeo open the database");
  log.generation = parsed->generation;
  TRY_ASSIGN(auto file, open_log_file(directory, path, name, parsed->number));
  if (file) log.files.push_back(*std::move(file));
  return {};
}

// nullopt: there is none.
Result<std::optional<Bytes>> read_small_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!file && errno == ENOENT) return std::optional<Bytes>();
  if (!file) return Error::from_errno(errno, path);
  TRY_ASSIGN(const struct stat status, local::status_of_regular(file, path));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > kSmallFileBytesMax) return Error::corrupt(fmt::format("{}: {} bytes", path, size));
  Bytes bytes(size);
  TRY(local::read_exactly(file, 0, bytes, path));
  return std::optional(std::move(bytes));
}

// bincode: epoch, sequence of the log, time, transaction.
Result<std::uint64_t> parse_v1_checkpoint(ByteView document) {
  ByteCursor in(document);
  TRY(grafeo::take_number(in));
  TRY_ASSIGN(const std::uint64_t sequence, grafeo::take_number(in));
  TRY(grafeo::take_number(in));
  TRY(grafeo::take_number(in));
  TRY(in.expect_end());
  return sequence;
}

}  // namespace

Result<GrafeoLogFiles> open_grafeo_log(const std::string& directory) {
  GrafeoLogFiles log;
  TRY_ASSIGN(const DirectoryStream stream, open_log_directory(directory));
  if (!stream) return log;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return Error::from_errno(errno, directory);
    if (entry == nullptr) break;
    const std::string path = fmt::format("{}/{}", directory, printable(entry->d_name));
    TRY(add_log_file(log, ::dirfd(stream.get()), path, entry->d_name));
  }
  std::ranges::sort(log.files, {}, &GrafeoLogFile::number);
  // A file is complete once there is one behind it, but it may not have been when it was opened.
  for (GrafeoLogFile& file : log.files) {
    TRY_ASSIGN(const struct stat status, local::status_of_regular(file.file, file.path));
    file.size_bytes = static_cast<std::uint64_t>(status.st_size);
  }
  if (log.generation != grafeo::Generation::kV1) return log;
  std::string checkpoint = fmt::format("{}/{}", directory, kV1CheckpointFile);
  TRY_ASSIGN(const auto document, read_small_file(checkpoint));
  if (!document) return log;
  TRY_ASSIGN(log.first_needed_sequence,
             with_context(parse_v1_checkpoint(*document), [&] { return checkpoint; }));
  return log;
}

std::string GrafeoCursorFile::path() const {
  return fmt::format("{}/{}", directory_, grafeo::kCursorFile);
}

bool GrafeoCursorFile::directory_exists() const { return exists(directory_); }

Result<void> GrafeoCursorFile::check_writable() const {
  const std::string where = directory_exists() ? directory_ : directory_of(directory_);
  if (may_write(where)) return {};
  return Error::io(where + ": not writable, and " + std::string(grafeo::kCursorFile) +
                   " must say there how far the database is backed up");
}

std::optional<grafeo::BackupCursor> GrafeoCursorFile::load() const {
  const auto document = read_small_file(path());
  if (!document || !*document) return std::nullopt;
  const auto cursor = grafeo::parse_cursor(**document);
  return cursor ? std::optional(*cursor) : std::nullopt;
}

// Whoever runs Grafeo must be able to write there.
Result<void> GrafeoCursorFile::make_directory() const {
  struct stat image {};
  if (::stat(image_path_.c_str(), &image) != 0) return Error::from_errno(errno, image_path_);
  if (::mkdir(directory_.c_str(), 0777) != 0) {
    if (errno == EEXIST) return {};
    return Error::from_errno(errno, directory_);
  }
  if (image.st_uid != ::geteuid() &&
      ::lchown(directory_.c_str(), image.st_uid, image.st_gid) != 0) {
    const int error_number = errno;
    ::rmdir(directory_.c_str());
    return Error::from_errno(error_number, "give to the owner of the database: " + directory_);
  }
  const std::string parent = directory_of(directory_);
  const UniqueFd opened(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return Error::from_errno(errno, parent);
  return local::sync_directory(opened, parent);
}

Result<void> GrafeoCursorFile::save(const grafeo::BackupCursor& cursor) const {
  if (auto present = load()) {
    present->written = cursor.written;
    if (*present == cursor) return {};
  }
  if (!directory_exists()) TRY(make_directory());
  TRY_ASSIGN(OutputFile file, OutputFile::create(path(), true));
  const Bytes document = grafeo::encode_cursor(cursor);
  TRY(file.write(0, document));
  return file.commit(document.size(), grafeo::to_utc(cursor.written));
}

}  // namespace epochfs::engine
