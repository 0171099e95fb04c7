// Small databases in repositories of our own, as the files they are made of, and what each of their
// epochs must give: what is to be damaged.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/formats/native/manifest.h"
#include "engine/repo/repository.h"

namespace epochfs::test {

inline const std::string kManifest(engine::native::kManifestFile);

using Files = std::map<std::string, std::string>;  // name in the database's directory -> content

struct EpochFile {
  std::string path;  // in the epoch's directory
  std::string bytes;
  friend bool operator==(const EpochFile&, const EpochFile&) = default;
};

struct Specimen {
  std::string label;                  // "sqlite-512"
  std::string identity;               // epochfs.json of its repository
  std::string database;               // how it is called there
  Files files;                        // manifest, segments, cursor, lock
  std::vector<std::string> segments;  // their names, as in the manifest
  struct Expected {
    engine::native::EpochFacts facts;
    std::vector<EpochFile> files;       // without epoch.json
    std::vector<std::string> contents;  // of those that hold anything
  };
  std::map<std::uint64_t, Expected> epochs;
};

// Another history of the same shape, whose files have the same names.
enum class Variant { kOne, kOther };

// A few pages of that size: a full, incrementals, a second full, an incremental; it grows and
// shrinks on the way.
Specimen make_sqlite_specimen(std::uint32_t page_size, Variant variant = Variant::kOne);
Specimen make_file_specimen(Variant variant = Variant::kOne);
Specimen make_grafeo_specimen(engine::grafeo::Generation generation,
                              Variant variant = Variant::kOne);
// All of the above.
std::vector<Specimen> make_specimens(Variant variant = Variant::kOne);

// The files of an epoch as the mount reads them.
engine::Result<std::vector<EpochFile>> files_of(engine::Database& database, engine::Epoch epoch);
// Of those that hold anything: of SQLite's side files one is empty, and one is a log without a
// frame.
std::vector<std::string> contents_of(const std::vector<EpochFile>& files);
// The files of an epoch past the cache, as a restore reads them; their names are not told.
engine::Result<std::vector<std::string>> restored_files_of(engine::Database& database,
                                                           engine::Epoch epoch);

// The manifest in `files`, and one in its place, sealed.
engine::native::Manifest manifest_in(const Files& files);
void put_manifest(Files& files, const engine::native::Manifest& manifest);
// The same database under another name.
Files renamed(const Files& files, const std::string& database);

}  // namespace epochfs::test
