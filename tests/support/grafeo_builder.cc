#include "tests/support/grafeo_builder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/core/hash.h"
#include "engine/formats/grafeo/bincode.h"
#include "engine/formats/grafeo/gbak.h"
#include "engine/formats/grafeo/image_header.h"
#include "engine/formats/grafeo/v1_frames.h"
#include "engine/formats/grafeo/v2_frames.h"
#include "engine/formats/grafeo/v2_segment.h"

namespace epochfs::test {

namespace grafeo = engine::grafeo;
using engine::ByteWriter;
using engine::Epoch;
using engine::MutableByteView;

namespace {

std::string as_string(engine::ByteView bytes) { return std::string(engine::as_text(bytes)); }

std::uint32_t crc_of(std::string_view bytes) {
  engine::Crc32 crc;
  crc.update(engine::as_bytes(bytes));
  return crc.value();
}

void write(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class T>
void put_at(std::string& bytes, std::size_t at, T value) {
  std::array<std::byte, sizeof(T)> raw{};
  engine::store_le<T>(MutableByteView(raw), value);
  bytes.replace(at, raw.size(), engine::as_text(raw));
}

constexpr std::size_t kSecondSlot = 2 * grafeo::kImagePageSize;

// Container 1, checkpointed at `epoch`.
std::string v1_image(std::uint64_t epoch, const std::string& snapshot) {
  constexpr std::string_view kMagic = "GRAF";
  ByteWriter page;
  for (const std::uint64_t number :
       {std::uint64_t{1}, std::uint64_t{grafeo::kImagePageSize}, std::uint64_t{1'795'245'418'000}})
    grafeo::put_number(page, number);
  ByteWriter slot;
  for (const std::uint64_t number :
       {std::uint64_t{2}, std::uint64_t{crc_of(snapshot)}, std::uint64_t{snapshot.size()}, epoch,
        std::uint64_t{7}, std::uint64_t{8}, std::uint64_t{9}, std::uint64_t{1000}})
    grafeo::put_number(slot, number);
  std::string image(grafeo::kImageHeaderSize, '\0');
  image.replace(0, kMagic.size(), kMagic);
  image.replace(kMagic.size(), page.size(), engine::as_text(page.view()));
  image.replace(kSecondSlot, slot.size(), engine::as_text(slot.view()));
  return image + snapshot;
}

// Container 3 at `epoch`, with all of the log before `lsn` in it.
std::string v2_image(std::uint64_t epoch, std::uint64_t lsn, const grafeo::DatabaseId& id,
                     const std::string& root) {
  std::string image(grafeo::kImageHeaderSize, '\0');
  image.replace(0, 4, "GRAF");
  put_at<std::uint32_t>(image, 4, 3);
  put_at<std::uint32_t>(image, 8, grafeo::kImagePageSize);
  image.replace(16, id.size(), engine::as_text(id));
  image.replace(40, 5, "0.6.0");
  put_at(image, 72, crc_of(std::string_view(image).substr(0, 72)));
  image.replace(kSecondSlot, 4, "GDBH");
  put_at<std::uint64_t>(image, kSecondSlot + 8, 1);
  put_at(image, kSecondSlot + 16, lsn);
  put_at(image, kSecondSlot + 24, epoch);
  put_at<std::uint64_t>(image, kSecondSlot + 40, grafeo::kImageHeaderSize);
  put_at(image, kSecondSlot + 48, static_cast<std::uint32_t>(root.size()));
  put_at(image, kSecondSlot + 52, crc_of(root));
  put_at(image, kSecondSlot + 80, crc_of(std::string_view(image).substr(kSecondSlot, 80)));
  return image + root;
}

}  // namespace

GrafeoBuilder::GrafeoBuilder(std::string directory, Generation generation, std::uint64_t seed)
    : directory_(std::move(directory)), generation_(generation), random_(seed) {
  std::filesystem::create_directories(directory_);
  manifest_.generation = generation;
  id_.fill(std::byte{0xa1});
}

std::string GrafeoBuilder::noise(std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random_());
  return bytes;
}

std::string GrafeoBuilder::image() {
  const std::string content = noise(40 + random_() % 40);
  return generation_ == Generation::kV1 ? v1_image(epoch_, content)
                                        : v2_image(epoch_, lsn_, id_, content);
}

// --- the log ---

void GrafeoBuilder::put_v1(engine::ByteView payload) {
  ByteWriter frame;
  grafeo::put_v1_frame(frame, payload);
  open_.push_back({as_string(frame.view()), std::nullopt, 0, 0, false});
}

// Every frame holds so many records.
void GrafeoBuilder::put_group(std::optional<std::uint64_t> epoch, std::uint64_t records,
                              int frames) {
  const std::uint64_t begin = lsn_;
  ++transaction_;
  ByteWriter group;
  for (int i = 0; i < frames; ++i) {
    ByteWriter payload;
    if (i == 0 && epoch)
      grafeo::put_v2_group_start(payload, grafeo::Lsn(begin),
                                 {Epoch(*epoch), grafeo::UnixMillis(++time_ms_)});
    else if (i == 0)
      payload.put_le(begin);
    for (std::uint64_t k = 0; k < records; ++k) {
      const std::string content = noise(1 + random_() % 20);
      grafeo::put_v2_record(payload, 16, engine::as_bytes(content));
    }
    const int flags = (i == 0 ? grafeo::kV2First : 0) | (i + 1 == frames ? grafeo::kV2Last : 0);
    const std::size_t before = group.size();
    grafeo::put_v2_frame(
        group,
        {grafeo::Lsn(lsn_), grafeo::TransactionId(transaction_), static_cast<std::uint8_t>(flags)},
        payload.view());
    lsn_ += group.size() - before;
  }
  const bool begins_segment = open_.empty();
  const std::uint64_t all_records = records * static_cast<std::uint64_t>(frames);
  open_.push_back({as_string(group.view()), epoch, all_records, epoch ? 1U : 0U, begins_segment});
}

GrafeoBuilder& GrafeoBuilder::commit(int count) {
  for (int i = 0; i < count; ++i) {
    const std::uint64_t records = 1 + random_() % 3;
    if (generation_ == Generation::kV2) {
      put_group(++epoch_, records);
      continue;
    }
    for (std::uint64_t k = 0; k < records; ++k) {
      put_v1(engine::as_bytes(std::string(1, '\x04') + noise(random_() % 20)));
      open_.back().records = 1;
    }
    commit_without_epoch();
    advance_to(epoch_ + 1);
  }
  return *this;
}

GrafeoBuilder& GrafeoBuilder::commit_in_frames(int count) {
  put_group(++epoch_, 2, count);
  return *this;
}

GrafeoBuilder& GrafeoBuilder::schema() {
  put_group(epoch_, 1);
  return *this;
}

GrafeoBuilder& GrafeoBuilder::sync() {
  put_group(std::nullopt, 0);
  return *this;
}

GrafeoBuilder& GrafeoBuilder::rotate() {
  open_.push_back({"", std::nullopt, 0, 0, true});
  return *this;
}

GrafeoBuilder& GrafeoBuilder::abort() {
  put_v1(engine::as_bytes(std::string("\x00\x01", 2)));
  open_.back().records = 1;
  ByteWriter frame;
  grafeo::put_v1_abort(frame, grafeo::TransactionId(++transaction_));
  open_.push_back({as_string(frame.view()), std::nullopt, 0, 0, false});
  return *this;
}

GrafeoBuilder& GrafeoBuilder::commit_without_epoch() {
  ByteWriter frame;
  grafeo::put_v1_commit(frame, grafeo::TransactionId(++transaction_));
  open_.push_back({as_string(frame.view()), std::nullopt, 0, 1, false});
  return *this;
}

GrafeoBuilder& GrafeoBuilder::advance_to(std::uint64_t epoch) {
  ByteWriter frame;
  epoch_ = epoch;
  grafeo::put_v1_epoch(frame, Epoch(epoch));
  open_.push_back({as_string(frame.view()), epoch, 0, 0, false});
  return *this;
}

GrafeoBuilder& GrafeoBuilder::silent() {
  ++epoch_;
  return *this;
}

GrafeoBuilder& GrafeoBuilder::garbage(std::string bytes) {
  lsn_ += bytes.size();
  open_.push_back({std::move(bytes), std::nullopt, 0, 0, false});
  return *this;
}

GrafeoBuilder& GrafeoBuilder::lose_log() {
  open_.clear();
  return *this;
}

// --- backups ---

std::string GrafeoBuilder::file(std::size_t segment) const {
  return directory_ + "/" + manifest_.segments.at(segment).filename;
}

void GrafeoBuilder::save_manifest() const {
  const auto bytes = grafeo::encode_manifest(manifest_);
  ASSERT_TRUE(bytes) << bytes.error().text;
  write(directory_ + "/" + std::string(grafeo::kManifestFile), engine::as_text(*bytes));
}

void GrafeoBuilder::reseal(std::size_t segment) {
  const std::string bytes = read(file(segment));
  manifest_.segments.at(segment).crc32 = crc_of(bytes);
  manifest_.segments.at(segment).size_bytes = bytes.size();
  save_manifest();
}

void GrafeoBuilder::add_segment(grafeo::SegmentKind kind, std::uint64_t start,
                                const std::string& bytes) {
  const bool is_full = kind == grafeo::SegmentKind::kFull;
  grafeo::SegmentEntry entry;
  entry.kind = kind;
  entry.filename = fmt::format("backup_{}_{:04}.{}", is_full ? "full" : "incr",
                               manifest_.segments.size(), is_full ? "grafeo" : "wal");
  entry.start_epoch = Epoch(start);
  entry.end_epoch = Epoch(epoch_);
  entry.crc32 = crc_of(bytes);
  entry.size_bytes = bytes.size();
  entry.created = grafeo::UnixMillis(time_ms_ += 1000);
  manifest_.segments.push_back(entry);
  write(directory_ + "/" + entry.filename, bytes);
  save_manifest();
  backed_up_epoch_ = epoch_;
}

GrafeoBuilder& GrafeoBuilder::full() {
  base_ = image();
  add_segment(grafeo::SegmentKind::kFull, 0, base_);
  open_.clear();
  chain_log_.clear();
  chain_first_lsn_ = lsn_;
  chain_told_ = 0;
  carried_ = {};
  expected_.try_emplace(epoch_, Expected{base_, "", "", 0, 0, 0});
  return *this;
}

std::string GrafeoBuilder::v2_header(std::uint64_t first_lsn) const {
  grafeo::V2SegmentHeader header;
  header.database_id = id_;
  header.first_lsn = grafeo::Lsn(first_lsn);
  return as_string(grafeo::encode_v2_segment_header(header));
}

// The log of an epoch ends where the first greater one begins.
void GrafeoBuilder::tell_epochs(const std::vector<Item>& items, std::uint64_t start) {
  const bool is_v2 = generation_ == Generation::kV2;
  std::uint64_t open_epoch = 0;
  Expected told;
  for (const Item& item : items) {
    if (is_v2 && chain_log_.empty()) {
      chain_log_ = v2_header(chain_first_lsn_);
      chain_told_ = chain_log_.size();
    }
    chain_log_ += item.bytes;
    carried_.records += item.records;
    carried_.transactions += item.transactions;
    const bool is_new = item.epoch && *item.epoch >= start && !expected_.contains(*item.epoch) &&
                        *item.epoch > (expected_.empty() ? 0 : expected_.rbegin()->first);
    if (is_new) {
      open_epoch = *item.epoch;
      told = {};
    }
    if (open_epoch == 0 || (!is_v2 && !item.epoch)) continue;
    told.image = base_;
    told.log = chain_log_;
    told.records += std::exchange(carried_.records, 0);
    told.transactions += std::exchange(carried_.transactions, 0);
    told.bytes += chain_log_.size() - std::exchange(chain_told_, chain_log_.size());
    told.log_name =
        is_v2 ? grafeo::v2_segment_name(grafeo::Lsn(chain_first_lsn_)) : "wal_00000000.log";
    if (is_v2) {
      const std::uint64_t end = chain_first_lsn_ + chain_log_.size() - grafeo::kV2SegmentHeaderSize;
      told.log += as_string(grafeo::encode_v2_barrier(grafeo::Lsn(end)));
    }
    expected_[open_epoch] = told;
  }
}

GrafeoBuilder& GrafeoBuilder::incremental() {
  const std::uint64_t start = backed_up_epoch_ + 1;
  std::string content;
  std::uint64_t groups = 0;
  if (generation_ == Generation::kV1) {
    for (const Item& item : open_) content += item.bytes;
    groups = 1;
  } else {
    std::uint64_t first_lsn = lsn_;
    for (const Item& item : open_) first_lsn -= item.bytes.size();
    for (std::size_t i = 0; i < open_.size();) {
      std::string segment = v2_header(first_lsn);
      do {
        segment += open_[i].bytes;
        first_lsn += open_[i].bytes.size();
        groups += open_[i].transactions;
        ++i;
      } while (i < open_.size() && !open_[i].begins_segment);
      ByteWriter length;
      length.put_le(std::uint64_t{segment.size()});
      content += as_string(length.view()) + segment;
    }
  }
  tell_epochs(open_, start);
  open_.clear();
  const auto header =
      grafeo::encode_gbak_header({generation_, Epoch(start), Epoch(epoch_), groups});
  add_segment(grafeo::SegmentKind::kIncremental, start, as_string(header) + content);
  return *this;
}

GrafeoBuilder& GrafeoBuilder::rewrite_manifest_as(Generation generation) {
  manifest_.generation = generation;
  save_manifest();
  return *this;
}

GrafeoBuilder& GrafeoBuilder::become(Generation generation) {
  generation_ = generation;
  id_.fill(std::byte{0xb2});
  open_.clear();
  return rewrite_manifest_as(Generation::kV2);
}

}  // namespace epochfs::test
