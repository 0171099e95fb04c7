// The directories of a place, each looked at: many at once where a look costs a round trip.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/ordered_pipeline.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// What `look(directory)`, a Result<std::optional<Found>>, finds, in the order of the directories.
// Of a remote storage's it is called on many threads at once.
template <class Found, class Look>
Result<std::vector<Found>> look_at_each(const Storage& storage,
                                        const std::vector<std::string>& directories,
                                        const Look& look) {
  constexpr unsigned kAtOnce = 16;
  std::vector<Found> all;
  const auto keep = [&](std::optional<Found>&& found) -> Result<void> {
    if (found) all.push_back(*std::move(found));
    return {};
  };
  if (!storage.is_remote() || directories.size() < 2) {
    for (const std::string& directory : directories) {
      TRY_ASSIGN(std::optional<Found> found, look(directory));
      TRY(keep(std::move(found)));
    }
    return all;
  }
  OrderedPipeline<std::string, std::optional<Found>> pipeline(
      kAtOnce, std::size_t{2} * kAtOnce, [&](std::string&& directory) { return look(directory); },
      keep);
  for (const std::string& directory : directories) TRY(pipeline.push(directory));
  TRY(pipeline.finish());
  return all;
}

}  // namespace epochfs::engine
