// The simplest repository there is: whole images, one per epoch, made of nothing but what a
// snapshot gives. What it holds is what any repository could restore.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "engine/capture/snapshot.h"

namespace epochfs::test {

using engine::ByteView;
using engine::PageNo;
using engine::Result;

class Replay {
 public:
  explicit Replay(std::string path) { options_.path = std::move(path); }

  engine::SnapshotOptions& options() noexcept { return options_; }
  // Runs between the parts of a backup, where other programs may do anything.
  std::function<void()> meanwhile = [] {};

  // A full when there is none yet or one is needed, else what changed.
  Result<void> back_up() {
    last_batches = last_epochs = last_commits = 0;
    last_reason.clear();
    last_full_reason.clear();
    TRY_ASSIGN(const auto snapshot, engine::open_snapshot(options_));
    meanwhile();
    std::deque<std::string> images = images_;
    TRY(read(*snapshot, images));
    meanwhile();
    TRY(snapshot->confirm());
    last_bytes_read = snapshot->bytes_read();
    images_ = std::move(images);
    page_size_ = snapshot->info().page_size;
    cursor_ = snapshot->cursor();
    cursor_->epoch = engine::Epoch(images_.size());
    return {};
  }

  [[nodiscard]] const std::deque<std::string>& images() const noexcept { return images_; }
  [[nodiscard]] const std::string& newest() const { return images_.back(); }
  std::optional<engine::native::Cursor>& cursor() noexcept { return cursor_; }
  [[nodiscard]] std::uint8_t newest_flags() const noexcept { return flags_; }

  // Of the last backup.
  std::size_t last_batches = 0;
  std::size_t last_epochs = 0;
  std::size_t last_commits = 0;  // epochs that are proven transactions
  std::uint32_t last_folded = 0;
  std::string last_reason;  // why pages were compared
  std::string last_full_reason;
  std::uint64_t last_bytes_read = 0;

 private:
  Result<void> read(engine::Snapshot& snapshot, std::deque<std::string>& images) {
    if (images.empty()) return read_full(snapshot, images);
    const std::string known_image = images.back();
    engine::KnownState known;
    known.newest.epoch = engine::Epoch(images.size());
    known.newest.size_bytes = known_image.size();
    known.newest.flags = flags_;
    known.page_size = page_size_;
    known.cursor = cursor_;
    known.page_hashes = [&](engine::PageRange range) { return hashes(known_image, range); };
    TRY_ASSIGN(const auto changes, snapshot.changes_since(known));
    if (changes->needs_full()) {
      last_full_reason = *changes->needs_full();
      return read_full(snapshot, images);
    }
    last_reason = changes->page_diff_reason();
    while (true) {
      TRY_ASSIGN(const auto batch, changes->next());
      if (!batch) return {};
      ++last_batches;
      TRY(apply(*batch, snapshot.info().page_size.bytes(), images));
    }
  }

  Result<void> read_full(engine::Snapshot& snapshot, std::deque<std::string>& images) {
    std::string image;
    TRY(snapshot.read_image([&](ByteView bytes) -> Result<void> {
      image += engine::as_text(bytes);
      return {};
    }));
    if (image.size() != snapshot.info().size_bytes)
      return engine::Error::corrupt("the image has another size than announced");
    images.push_back(std::move(image));
    flags_ = snapshot.image_draft().flags;
    ++last_epochs;
    return {};
  }

  Result<void> apply(engine::ChangeBatch& batch, std::size_t page_bytes,
                     std::deque<std::string>& images) {
    const std::size_t first = images.size();
    if (batch.epochs().empty()) return engine::Error::corrupt("a batch without epochs");
    // Which pages of each epoch were given; a page that only grew into view must be.
    std::vector<std::vector<bool>> given;
    for (const engine::EpochDraft& draft : batch.epochs()) {
      given.emplace_back((draft.size_bytes + page_bytes - 1) / page_bytes);
      images.emplace_back();
      if (draft.how == engine::native::Captured::kCommit) ++last_commits;
      last_folded = draft.commits_folded;
      flags_ = draft.flags;
    }
    last_epochs += batch.epochs().size();
    struct Version {
      std::uint32_t page;
      std::uint32_t ordinal;
      std::string bytes;
    };
    std::vector<Version> versions;
    std::pair<std::uint32_t, std::uint32_t> last(0, 0);
    TRY(batch.visit([&](PageNo page, std::uint32_t ordinal, ByteView bytes) -> Result<void> {
      const std::pair now(page.get(), ordinal);
      if (!versions.empty() && now <= last) return engine::Error::corrupt("out of order");
      if (bytes.size() != page_bytes) return engine::Error::corrupt("not a page");
      if (page.get() > given.at(ordinal).size()) return engine::Error::corrupt("behind the end");
      last = now;
      given[ordinal][page.get() - 1] = true;
      versions.push_back({page.get(), ordinal, std::string(engine::as_text(bytes))});
      return {};
    }));
    std::stable_sort(versions.begin(), versions.end(),
                     [](const Version& a, const Version& b) { return a.ordinal < b.ordinal; });
    std::size_t next = 0;
    for (std::uint32_t ordinal = 0; ordinal < given.size(); ++ordinal) {
      std::string image = images[first + ordinal - 1];
      const std::size_t pages_before = (image.size() + page_bytes - 1) / page_bytes;
      for (std::size_t page = pages_before; page < given[ordinal].size(); ++page)
        if (!given[ordinal][page]) return engine::Error::corrupt("a new page was not given");
      image.resize(given[ordinal].size() * page_bytes);
      for (; next < versions.size() && versions[next].ordinal == ordinal; ++next)
        image.replace((versions[next].page - 1) * page_bytes, page_bytes, versions[next].bytes);
      image.resize(batch.epochs()[ordinal].size_bytes);
      images[first + ordinal] = std::move(image);
    }
    return {};
  }

  Result<std::vector<std::uint64_t>> hashes(const std::string& image, engine::PageRange range) {
    std::vector<std::uint64_t> hashes;
    const std::size_t page_bytes = page_size_.bytes();
    for (std::size_t page = range.first.get(); page <= range.last.get(); ++page) {
      if ((page - 1) * page_bytes >= image.size())
        return engine::Error::invalid("asked for a page behind the end");
      std::string bytes = image.substr((page - 1) * page_bytes, page_bytes);
      bytes.resize(page_bytes);
      hashes.push_back(engine::page_hash(engine::as_bytes(bytes)));
    }
    return hashes;
  }

  engine::SnapshotOptions options_;
  std::deque<std::string> images_;
  engine::PageSize page_size_;
  std::optional<engine::native::Cursor> cursor_;
  std::uint8_t flags_ = 0;
};

}  // namespace epochfs::test

#define ASSERT_WORKS(expression)                              \
  do {                                                        \
    const auto& assert_result = (expression);                 \
    ASSERT_TRUE(assert_result) << assert_result.error().text; \
  } while (false)
#define EXPECT_FAILS(expression, wanted)                                           \
  do {                                                                             \
    const auto& expect_result = (expression);                                      \
    if (expect_result) {                                                           \
      ADD_FAILURE() << "did not fail";                                             \
    } else {                                                                       \
      EXPECT_EQ(expect_result.error().code, wanted) << expect_result.error().text; \
    }                                                                              \
  } while (false)
