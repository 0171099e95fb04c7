// A small history of a database made up at random, the segments that hold it, and what is read back
// out of them.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/hash.h"
#include "engine/segment/codec.h"
#include "engine/segment/segment_reader.h"
#include "engine/segment/segment_writer.h"
#include "engine/storage/memory_storage.h"

namespace epochfs::engine::test {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

struct StoredSegment {
  Bytes bytes;
  SegmentSummary summary;
};

// What `write` puts into an upload, as stored.
template <class Write>
StoredSegment store_segment(const Write& write) {
  const auto storage = make_memory_storage();
  const auto upload = must(storage->create("segment"));
  StoredSegment stored;
  stored.summary = must(write(*upload));
  must(upload->finish());
  stored.bytes = must(storage->get("segment", ~std::uint64_t{0})).bytes;
  return stored;
}

inline std::shared_ptr<const Blob> blob_of(const Bytes& bytes) {
  const auto storage = make_memory_storage();
  const auto upload = must(storage->create("segment"));
  must(upload->append(bytes));
  must(upload->finish());
  return must(storage->open("segment"));
}

inline Result<SegmentReader> open_segment(const Bytes& bytes) {
  return SegmentReader::open(blob_of(bytes), nullptr);
}

class History {
 public:
  History(PageSize page_size, std::uint64_t seed) : page_size_(page_size), random_(seed) {}

  // The next epoch: the one before, cut or grown to `size_bytes`, with some of its pages changed.
  History& commit(std::uint64_t size_bytes, std::size_t changes) {
    Bytes image = epochs_.empty() ? Bytes() : epochs_.back();
    const std::size_t old_size = image.size();
    image.resize(size_bytes);
    if (size_bytes > old_size) scribble(MutableByteView(image).subspan(old_size));
    for (; changes > 0 && size_bytes > 0; --changes) {
      const std::uint64_t at = random_() % size_bytes;
      scribble(MutableByteView(image).subspan(at, std::min<std::uint64_t>(40, size_bytes - at)));
    }
    return commit(std::move(image));
  }
  History& commit(Bytes image) {
    epochs_.push_back(std::move(image));
    return *this;
  }

  [[nodiscard]] PageSize page_size() const { return page_size_; }
  [[nodiscard]] Epoch newest() const { return Epoch(epochs_.size()); }
  [[nodiscard]] const Bytes& image(Epoch epoch) const { return epochs_.at(epoch.get() - 1); }
  [[nodiscard]] std::uint64_t page_count(Epoch epoch) const {
    return page_size_.pages_in(image(epoch).size());
  }
  // Whole; empty when the epoch has no such page.
  [[nodiscard]] Bytes page(Epoch epoch, PageNo number) const {
    if (epoch == Epoch(0) || number.get() > page_count(epoch)) return {};
    const ByteView rest = ByteView(image(epoch)).subspan(page_size_.offset_of(number));
    const ByteView part = rest.first(std::min<std::size_t>(rest.size(), page_size_.bytes()));
    Bytes bytes(part.begin(), part.end());
    bytes.resize(page_size_.bytes());
    return bytes;
  }
  [[nodiscard]] StateHash state(Epoch epoch) const {
    StateHash state;
    for (std::uint32_t number = 1; number <= page_count(epoch); ++number)
      state.add(PageNo(number), page_hash(page(epoch, PageNo(number))));
    state.add_size(image(epoch).size());
    return state;
  }
  [[nodiscard]] native::EpochFacts facts(Epoch epoch) const {
    native::EpochFacts facts;
    facts.epoch = epoch;
    facts.committed = UtcTime(1'700'000'000'000'000'000 + static_cast<std::int64_t>(epoch.get()));
    facts.captured = facts.committed;
    facts.size_bytes = image(epoch).size();
    facts.state = state(epoch);
    facts.commits_folded = 1;
    return facts;
  }

  [[nodiscard]] StoredSegment full(Epoch epoch, const SegmentWriterOptions& options = {}) const {
    return store_segment([&](Upload& upload) -> Result<SegmentSummary> {
      FullWriter writer(upload, page_size_, options);
      // In pieces that have nothing to do with pages.
      for (ByteView rest = image(epoch); !rest.empty();) {
        const ByteView piece = rest.first(std::min<std::size_t>(rest.size(), 10'007));
        TRY(writer.append(piece));
        rest = rest.subspan(piece.size());
      }
      native::EpochFacts facts = this->facts(epoch);
      facts.state = StateHash();  // the writer's business
      return writer.finish(facts);
    });
  }

  [[nodiscard]] StoredSegment incremental(Epoch base, Epoch first, Epoch last,
                                          const SegmentWriterOptions& options = {}) const {
    return store_segment([&](Upload& upload) -> Result<SegmentSummary> {
      IncrementalWriter writer(upload, page_size_, {base, image(base).size()}, first, last,
                               options);
      std::uint64_t pages = 0;
      std::vector<native::EpochFacts> epochs;
      for (Epoch epoch = first; epoch <= last; epoch = Epoch(epoch.get() + 1)) {
        epochs.push_back(facts(epoch));
        pages = std::max(pages, page_count(epoch));
      }
      for (std::uint32_t number = 1; number <= pages; ++number) {
        for (Epoch epoch = first; epoch <= last; epoch = Epoch(epoch.get() + 1)) {
          const Bytes now = page(epoch, PageNo(number));
          if (now.empty() || now == page(Epoch(epoch.get() - 1), PageNo(number))) continue;
          TRY(writer.append(PageNo(number), epoch, page_hash(now), now,
                            page(base, PageNo(number))));
        }
      }
      return writer.finish(epochs);
    });
  }

 private:
  // Half noise, half text, so that compression has something to do and something to miss.
  void scribble(MutableByteView bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>(i / 32 % 2 == 0 ? random_() : 'a' + i % 7);
  }

  PageSize page_size_;
  std::mt19937_64 random_;
  std::vector<Bytes> epochs_;
};

// The image that a full holds, read with what its tables say.
inline Result<Bytes> read_image(const SegmentReader& full) {
  const native::Footer& footer = full.footer();
  TRY_ASSIGN(const PageSize page_size, PageSize::from(footer.page_size));
  Bytes image;
  TRY(full.visit_blocks([&](std::uint64_t offset, const native::BlockRow& row) -> Result<void> {
    Bytes stored(row.stored_bytes);
    TRY(full.blob().read(offset, stored));
    const std::size_t plain =
        std::min<std::uint64_t>(footer.block_size, footer.image_bytes - image.size());
    TRY_ASSIGN(const Buffer pages, decode_block(stored, plain, page_size, row.page_hashes));
    const ByteView bytes = pages.bytes().first(plain);
    image.insert(image.end(), bytes.begin(), bytes.end());
    return {};
  }));
  return image;
}

using EpochImages = std::map<Epoch, Bytes>;

// Every epoch of a full and one incremental above it. kCorrupt when anything is not as it must be.
inline Result<EpochImages> read_epochs(const SegmentReader& full,
                                       const SegmentReader& incremental) {
  TRY_ASSIGN(const PageSize page_size, PageSize::from(full.footer().page_size));
  if (incremental.footer().kind != native::SegmentKind::kIncremental)
    return Error::corrupt("not an incremental");
  TRY_ASSIGN(const Bytes base, read_image(full));
  EpochImages images;
  TRY(full.visit_epochs([&](const native::EpochFacts& facts) -> Result<void> {
    images[facts.epoch] = base;
    return {};
  }));

  std::map<std::pair<PageNo, Epoch>, Bytes> versions;
  TRY(incremental.visit_records([&](std::uint64_t offset,
                                    const native::RecordRow& row) -> Result<void> {
    Bytes stored(row.stored_bytes);
    TRY(incremental.blob().read(offset, stored));
    Bytes prefix;
    if (page_size.offset_of(row.page) < base.size()) {
      const ByteView rest = ByteView(base).subspan(page_size.offset_of(row.page));
      const ByteView part = rest.first(std::min<std::size_t>(rest.size(), page_size.bytes()));
      prefix.assign(part.begin(), part.end());
      prefix.resize(page_size.bytes());
    }
    TRY_ASSIGN(const DecodedRecord record, decode_record(stored, row.page, page_size, prefix));
    if (record.epochs != row.epochs) return Error::corrupt("record and table disagree");
    for (std::size_t i = 0; i < record.epochs.size(); ++i) {
      const ByteView page = record.pages.bytes().subspan(i * page_size.bytes(), page_size.bytes());
      versions[{row.page, record.epochs[i]}] = Bytes(page.begin(), page.end());
    }
    return {};
  }));

  Bytes whole_pages = base;
  TRY(incremental.visit_epochs([&](const native::EpochFacts& facts) -> Result<void> {
    const std::uint64_t pages = page_size.pages_in(facts.size_bytes);
    if (pages > 100'000) return Error::corrupt("size");
    whole_pages.resize(pages * page_size.bytes());
    for (const auto& [key, bytes] : versions) {
      if (key.second != facts.epoch || key.first.get() > pages) continue;
      std::ranges::copy(
          bytes, MutableByteView(whole_pages).subspan(page_size.offset_of(key.first)).begin());
    }
    Bytes image = whole_pages;
    image.resize(facts.size_bytes);
    images[facts.epoch] = std::move(image);
    return {};
  }));
  return images;
}

// A directory that goes away again.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "epochfs-segment-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, ByteView bytes) const {
    std::ofstream out(path(name), std::ios::binary);
    const std::string_view text = as_text(bytes);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + name);
  }
  [[nodiscard]] Bytes read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + name);
    return to_bytes(std::string(std::istreambuf_iterator<char>(in), {}));
  }
  // Exit code of a command line that is run in this directory.
  [[nodiscard]] int shell(const std::string& command) const {
    const int status = std::system(("cd " + path_.string() + " && " + command).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace epochfs::engine::test
