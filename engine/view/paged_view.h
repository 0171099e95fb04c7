// One epoch that is a single file of pages: the database, side files of SQLite's that hold nothing,
// epoch.json.
#pragma once

#include <memory>
#include <string>

#include "engine/view/view.h"

namespace epochfs::engine {

struct PagedEpoch {
  std::string database;
  native::Engine engine = native::Engine::kSqlite;
  std::string file_name;
  native::EpochFacts facts;
  PageSize page_size;
  std::string segment;               // file that brought it
  std::string base;                  // full below it
  std::shared_ptr<const File> file;  // the database
};

// `timeline` is where parent and successor are looked up, and until when the newest epoch is
// covered.
Result<std::shared_ptr<const View>> open_paged_view(PagedEpoch epoch, const Timeline& timeline);

}  // namespace epochfs::engine
