#include "tests/proof/specimen.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "engine/formats/native/seal.h"
#include "engine/formats/sqlite/wal.h"
#include "engine/repo/grafeo_transfer.h"
#include "tests/support/grafeo_builder.h"
#include "tests/support/live_database.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {

using engine::Epoch;
using engine::Result;
namespace native = engine::native;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// A repository that becomes a specimen.
class Workshop {
 public:
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }
  [[nodiscard]] std::string location() const { return directory_ / "repository"; }
  [[nodiscard]] std::string cache() const { return directory_ / "cache"; }

  void back_up(const std::string& path, bool full = false) const {
    engine::BackupOptions options;
    options.database_path = path;
    options.location = location();
    options.cache_directory = cache();
    options.full = full;
    must(engine::backup(options));
  }

  // `contents`: of the files of each epoch, as whoever wrote them knows them.
  [[nodiscard]] Specimen finish(
      const std::string& label,
      const std::map<std::uint64_t, std::vector<std::string>>& contents) const {
    Specimen specimen;
    specimen.label = label;
    const auto repository = must(engine::Repository::open({location(), cache()}));
    const auto database = must(engine::select_database(*repository, {}));
    specimen.database = database->name();
    specimen.identity = file_bytes(location() + "/epochfs.json");
    for (const auto& entry :
         std::filesystem::directory_iterator(location() + "/" + specimen.database))
      specimen.files[entry.path().filename().string()] = file_bytes(entry.path().string());
    for (const native::SegmentEntry& entry : manifest_in(specimen.files).segments)
      specimen.segments.push_back(entry.filename);
    const auto timeline = must(database->timeline());
    for (const native::EpochFacts& facts : must(timeline->list(Epoch(0), 100))) {
      const std::uint64_t number = facts.epoch.get();
      specimen.epochs[number] = {facts, must(files_of(*database, facts.epoch)), {}};
      specimen.epochs[number].contents = contents_of(specimen.epochs[number].files);
      if (!contents.contains(number) || specimen.epochs[number].contents != contents.at(number))
        throw std::runtime_error(fmt::format("{}: epoch {} is wrong", label, number));
    }
    if (specimen.epochs.size() != contents.size())
      throw std::runtime_error(label + " lacks epochs");
    return specimen;
  }

 private:
  TemporaryDirectory directory_;
};

Result<std::string> bytes_of(const engine::File& file) {
  TRY_ASSIGN(const engine::Pieces pieces, file.read({0, file.size_bytes()}));
  std::string bytes;
  for (const engine::Piece& piece : pieces) bytes += engine::as_text(piece.bytes);
  return bytes;
}

// Piece by piece: an epoch may claim any size.
Result<std::string> restored_image(const engine::EpochImage& image) {
  constexpr std::uint64_t kPiecePages = 64;
  const engine::PageSize page_size = image.page_size();
  const std::uint64_t pages = page_size.pages_in(image.facts().size_bytes);
  std::string bytes;
  std::string piece;
  std::vector<std::uint64_t> hashes;
  engine::StateHash state;
  state.add_size(image.facts().size_bytes);
  for (std::uint64_t done = 0; done < pages; done += kPiecePages) {
    piece.resize(std::min(kPiecePages, pages - done) * page_size.bytes());
    TRY(image.read_pages(engine::page_no(done + 1), std::as_writable_bytes(std::span(piece)),
                         hashes));
    for (std::size_t i = 0; i < hashes.size(); ++i)
      state.add(engine::page_no(done + i + 1), hashes[i]);
    bytes += piece;
  }
  if (state != image.facts().state) return engine::Error::corrupt("another state");
  bytes.resize(image.facts().size_bytes);
  return bytes;
}

}  // namespace

Specimen make_sqlite_specimen(std::uint32_t page_size, Variant variant) {
  const Workshop workshop;
  const std::string path = workshop.path("app.db");
  std::map<std::uint64_t, std::vector<std::string>> images;
  LiveDatabase database(path);
  const auto commit = [&](const std::string& statements) {
    database.run(statements);
    images[images.size() + 1] = {database.image()};
  };
  const std::string some = std::to_string(page_size / (variant == Variant::kOne ? 3 : 4));
  database.run(
      fmt::format("PRAGMA page_size = {}; PRAGMA journal_mode = WAL;"
                  "PRAGMA wal_autocheckpoint = 0; PRAGMA auto_vacuum = FULL",
                  page_size));
  commit(
      "BEGIN; CREATE TABLE note(id INTEGER PRIMARY KEY, text);"
      "INSERT INTO note(text) VALUES (hex(zeroblob(" +
      some +
      "))), ('one'), ('two'),"
      "(hex(zeroblob(" +
      some + "))); COMMIT");
  workshop.back_up(path);
  commit("UPDATE note SET text = 'three' WHERE id = 2");
  commit("INSERT INTO note(text) VALUES (hex(zeroblob(" + some + ")))");
  workshop.back_up(path);
  commit("UPDATE note SET text = 'four' WHERE id = 3");
  workshop.back_up(path);
  workshop.back_up(path, true);
  commit("DELETE FROM note WHERE id = 5");
  commit("UPDATE note SET text = 'five' WHERE id = 3");
  workshop.back_up(path);
  return workshop.finish(fmt::format("sqlite-{}", page_size), images);
}

Specimen make_file_specimen(Variant variant) {
  const Workshop workshop;
  const std::string path = workshop.path("notes.txt");
  std::map<std::uint64_t, std::vector<std::string>> contents;
  const auto back_up = [&](const std::string& content) {
    write_file(path, content);
    workshop.back_up(path);
    contents[contents.size() + 1] = {content};
  };
  std::string content(40'000, variant == Variant::kOne ? 'a' : 'b');  // blocks of 16 KiB
  back_up(content);
  content.replace(20'000, 5, "hello");
  back_up(content);
  back_up(content + "and more");
  workshop.back_up(path, true);
  back_up(content.substr(0, 30'000));
  return workshop.finish("file", contents);
}

Specimen make_grafeo_specimen(engine::grafeo::Generation generation, Variant variant) {
  const Workshop workshop;
  GrafeoBuilder builder(workshop.path("shop"), generation, variant == Variant::kOne ? 1 : 2);
  builder.commit(1).full().commit(2).incremental().commit(1).incremental();
  builder.commit(1).full().commit(1).incremental();
  engine::ImportOptions options;
  options.source = builder.directory();
  options.location = workshop.location();
  options.cache_directory = workshop.cache();
  must(engine::import_grafeo(options));
  std::map<std::uint64_t, std::vector<std::string>> contents;
  for (const auto& [number, expected] : builder.expected()) {
    contents[number] = {expected.image};
    if (!expected.log.empty()) contents[number].push_back(expected.log);
  }
  return workshop.finish(generation == engine::grafeo::Generation::kV1 ? "grafeo-v1" : "grafeo-v2",
                         contents);
}

std::vector<Specimen> make_specimens(Variant variant) {
  std::vector<Specimen> specimens;
  for (const std::uint32_t page_size : {512U, 1024U, 4096U})
    specimens.push_back(make_sqlite_specimen(page_size, variant));
  specimens.push_back(make_file_specimen(variant));
  specimens.push_back(make_grafeo_specimen(engine::grafeo::Generation::kV1, variant));
  specimens.push_back(make_grafeo_specimen(engine::grafeo::Generation::kV2, variant));
  return specimens;
}

Result<std::vector<EpochFile>> files_of(engine::Database& database, Epoch epoch) {
  TRY_ASSIGN(const auto view, database.view(epoch));
  std::vector<EpochFile> files;
  for (std::size_t i = 0; i < view->files().size(); ++i) {
    const engine::FileEntry& entry = view->files()[i];
    if (entry.name == "epoch.json") continue;
    TRY_ASSIGN(const auto file, view->open(i));
    TRY_ASSIGN(std::string bytes, bytes_of(*file));
    const std::string path =
        entry.directory.empty() ? entry.name : entry.directory + "/" + entry.name;
    files.push_back({path, std::move(bytes)});
  }
  return files;
}

std::vector<std::string> contents_of(const std::vector<EpochFile>& files) {
  const std::string empty_log(engine::sqlite::kWalHeaderSize, '\0');
  std::vector<std::string> contents;
  for (const EpochFile& file : files) {
    const bool is_empty_log = file.path.ends_with("-wal") && file.bytes == empty_log;
    if (!file.bytes.empty() && !is_empty_log) contents.push_back(file.bytes);
  }
  return contents;
}

Result<std::vector<std::string>> restored_files_of(engine::Database& database, Epoch epoch) {
  TRY_ASSIGN(const auto logged, database.logged(epoch));
  if (logged == nullptr) {
    TRY_ASSIGN(const auto image, database.image(epoch));
    TRY_ASSIGN(std::string bytes, restored_image(*image));
    return std::vector<std::string>{std::move(bytes)};
  }
  std::vector<std::string> files(logged->log_bytes() > 0 ? 2 : 1);
  const auto append_to = [](std::string& bytes) {
    return [&bytes](engine::ByteView more) -> Result<void> {
      bytes += engine::as_text(more);
      return {};
    };
  };
  TRY(logged->read(append_to(files.front()), append_to(files.back())));
  return files;
}

native::Manifest manifest_in(const Files& files) {
  return must(native::parse_manifest(engine::as_bytes(files.at(kManifest))));
}

void put_manifest(Files& files, const native::Manifest& manifest) {
  files[kManifest] = native::sealed(native::encode_manifest(manifest));
}

Files renamed(const Files& files, const std::string& database) {
  Files result = files;
  native::Manifest manifest = manifest_in(files);
  manifest.database = database;
  put_manifest(result, manifest);
  return result;
}

}  // namespace epochfs::test
