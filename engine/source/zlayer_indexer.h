// Takes the objects of ZLayer's replicator into the index: what each of them holds, once, and which
// epochs that makes.
//
// Trust     none in names and bytes. What is damaged is remembered as a problem and left out
// Cost      an object is read once per version of it; after that a listing that did not change
//           costs the listing, and one that did a derivation of the whole history
// Threads   any; writers of the index take turns, also across processes
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/index/page_index.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// A prefix that holds one database's objects.
struct ZlayerPlace {
  std::string directory;  // "" is the storage's root
  std::string database;   // what it is called here: the replicator stores no name
  bool with_unproven = false;

  // "wal/….wal.zst" in the storage.
  [[nodiscard]] std::string object(std::string_view name) const;
  // What the index knows its history by: without the unproven epochs it is another one.
  [[nodiscard]] std::string history() const;
};

struct ZlayerObject {
  std::string name;  // below the place
  UtcTime taken;     // of a snapshot, as its name tells
  ObjectInfo info;
};
struct ZlayerListing {
  std::vector<ZlayerObject> snapshots;
  std::vector<ZlayerObject> copies;
  [[nodiscard]] bool empty() const noexcept { return snapshots.empty() && copies.empty(); }
};
// Objects that are called as the replicator calls them; there may be none.
Result<ZlayerListing> list_zlayer(const Storage& storage, const ZlayerPlace& place);

// Errors of the storage and the index. kBusy: an object was replaced or removed meanwhile. One that
// the storage refuses is a problem, and is asked for again when `again` says so.
Result<DatabaseRow> take_in_zlayer(PageIndex& index, const Storage& storage,
                                   const ZlayerPlace& place, const ZlayerListing& listing,
                                   bool again = true);

}  // namespace epochfs::engine
