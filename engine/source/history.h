// A manifest's segments, and how each of them gets into the index: what repositories of all kinds
// have in common.
#pragma once

#include <optional>
#include <string>

#include "engine/index/page_index.h"

namespace epochfs::engine {

// The segments of one database in the order of its manifest. Implemented once per kind.
class History {
 public:
  History() = default;
  History(const History&) = delete;
  History& operator=(const History&) = delete;
  virtual ~History() = default;

  [[nodiscard]] virtual const std::string& database() const noexcept = 0;
  [[nodiscard]] virtual std::uint32_t segment_count() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t stored_bytes(SegmentNo segment) const noexcept = 0;
  // Folds what the manifest says of a segment into the sum that tells whether an index was built
  // from the same history.
  [[nodiscard]] virtual std::uint64_t fold(std::uint64_t sum, SegmentNo segment) const = 0;

  // Reads a segment into an open transaction, and tells in `row` what that adds to the history; to
  // the problems there it may add others. Returns the epoch that the segment holds whole, if it
  // does: that one is not lost, whatever happened before. kCorrupt, kUnsupported, kNotFound:
  // nothing of it can be used; transaction and row are dropped, and give_up() tells in the row
  // before it what that costs.
  virtual Result<std::optional<Epoch>> take(PageIndex::Writer& writer, DatabaseRow& row,
                                            SegmentNo segment) const = 0;
  virtual void give_up(DatabaseRow& row, SegmentNo segment, const Error& error) const = 0;

  // Whether the manifest is the one that is in the storage now.
  [[nodiscard]] virtual Result<bool> is_newest() const = 0;
  // Of an object that a problem names, as it is now; empty: it is not there.
  [[nodiscard]] virtual std::string version_of(const std::string& object) const = 0;
  // Of the object that take() looked at last, as it was then; empty: it was not there, or not to be
  // read. nullopt: another object, or not known.
  [[nodiscard]] virtual std::optional<std::string> version_seen(
      const std::string& /*object*/) const {
    return std::nullopt;
  }
  // Whether what the index holds of the segments is still true of the storage. Asked for when it
  // matters that everything is looked at anew.
  virtual Result<bool> is_current(const PageIndex::Reader& reader,
                                  const DatabaseRow& row) const = 0;
};

// Takes in what the index does not have yet; another history than it was built from replaces that.
// `again`: also looks anew at a history that has a problem with an object that is another one by
// now, or that is not current. An object that the storage refuses is looked at anew each time.
//
// Threads   any; writers of the index take turns, also across processes
// Cost      one index transaction for many new segments; what is there already is not
//           read again. Damaged ones are if the process ends before the next that can be used
// Errors    of the storage and the index; damage is no error but a problem in the row. kBusy: the
//           manifest was replaced meanwhile, and the index may have been built from the new one:
//           load it
Result<DatabaseRow> take_in(PageIndex& index, const History& history, bool again);

// Whether `row` is still what the index knows the database by: another process that found the
// history replaced has dropped the rows of its old number.
Result<bool> is_indexed(const PageIndex& index, const DatabaseRow& row,
                        const std::string& database);

// Damage of a segment, as opposed to a failure of the storage.
[[nodiscard]] bool is_damage(const Error& error) noexcept;
// A disk that cannot give what it holds: may be gone the next time, and is damage while it lasts.
[[nodiscard]] bool is_bad_medium(const Error& error) noexcept;

// Adds to the row's problems, of which there are at most kProblemsMax.
void add_problem(DatabaseRow& row, IndexProblem problem);

// Epochs are counted up one by one; no honest history comes near, and E + 1 must not wrap.
inline constexpr Epoch kEpochMax{std::uint64_t{1} << 62U};

}  // namespace epochfs::engine
