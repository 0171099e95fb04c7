// The epochs of one database, asked of the index.
#pragma once

#include <memory>
#include <optional>

#include "engine/index/page_index.h"
#include "engine/view/view.h"

namespace epochfs::engine {

class IndexedTimeline final : public Timeline {
 public:
  IndexedTimeline(std::shared_ptr<PageIndex> index, DatabaseRow row,
                  std::optional<UtcTime> covered_until);

  [[nodiscard]] std::uint64_t history() const noexcept override { return row_.number.get(); }
  [[nodiscard]] std::uint64_t epoch_count() const noexcept override { return row_.epoch_count; }
  [[nodiscard]] std::optional<Epoch> oldest() const noexcept override;
  [[nodiscard]] std::optional<Epoch> newest() const noexcept override;
  [[nodiscard]] std::uint64_t stored_bytes() const noexcept override { return row_.stored_bytes; }
  [[nodiscard]] std::optional<UtcTime> covered_until() const noexcept override {
    return covered_until_;
  }
  [[nodiscard]] std::size_t problem_count() const noexcept override { return row_.problems.size(); }
  // What was taken in, problems included.
  [[nodiscard]] const DatabaseRow& row() const noexcept { return row_; }

  Result<std::optional<native::EpochFacts>> find(Epoch epoch) const override;
  Result<std::optional<native::EpochFacts>> newest_below(Epoch epoch) const override;
  Result<std::optional<native::EpochFacts>> newest_at(UtcTime moment) const override;
  Result<std::optional<native::EpochFacts>> oldest_from(UtcTime moment) const override;
  Result<std::vector<native::EpochFacts>> list(Epoch first, std::size_t count_max) const override;
  Result<std::vector<native::EpochFacts>> newest_epochs(std::size_t count_max) const override;

 private:
  Result<std::optional<native::EpochFacts>> first_where_committed(UtcTime moment,
                                                                  bool strictly_after) const;

  std::shared_ptr<PageIndex> index_;
  DatabaseRow row_;
  std::optional<UtcTime> covered_until_;
};

}  // namespace epochfs::engine
