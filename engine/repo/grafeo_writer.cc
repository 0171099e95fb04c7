#include "engine/repo/grafeo_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/time.h"

namespace epochfs::engine {

using grafeo::SegmentKind;

Result<void> GrafeoWriter::set_history(std::shared_ptr<const Storage> storage, GrafeoPlace place,
                                       grafeo::Manifest manifest) {
  TRY(with_context(check_entries(manifest),
                   [&] { return storage->describe(place.object(place.manifest_file())); }));
  storage_ = std::move(storage);
  place_ = std::move(place);
  manifest_ = std::move(manifest);
  return {};
}

std::optional<Epoch> GrafeoWriter::last_epoch() const noexcept {
  std::optional<Epoch> last;
  for (const grafeo::SegmentEntry& entry : manifest_.segments)
    last = std::max(last.value_or(entry.end_epoch), entry.end_epoch);
  return last;
}

std::span<const grafeo::SegmentEntry> GrafeoWriter::chain() const noexcept {
  const auto is_full = [](const grafeo::SegmentEntry& entry) {
    return entry.kind == SegmentKind::kFull;
  };
  const std::span<const grafeo::SegmentEntry> segments(manifest_.segments);
  const auto base = std::ranges::find_if(segments.rbegin(), segments.rend(), is_full);
  if (base == segments.rend()) return {};
  return segments.last(static_cast<std::size_t>(base - segments.rbegin()) + 1);
}

Result<void> GrafeoWriter::check_chain() const {
  for (const grafeo::SegmentEntry& entry : chain()) {
    TRY_ASSIGN(const std::string name, grafeo::object_name(entry));
    const std::string object = place_.object(name);
    TRY_ASSIGN(const ObjectInfo info, storage_->stat(object));
    if (info.size_bytes != entry.size_bytes)
      return Error::corrupt(fmt::format("{}: {} bytes where the manifest says {}",
                                        storage_->describe(object), info.size_bytes,
                                        entry.size_bytes));
  }
  return {};
}

Result<std::shared_ptr<const Blob>> GrafeoWriter::open(const grafeo::SegmentEntry& entry) const {
  TRY_ASSIGN(const std::string name, grafeo::object_name(entry));
  return storage_->open(place_.object(name));
}

Result<void> GrafeoWriter::begin(grafeo::SegmentEntry entry) {
  entry.size_bytes = 0;
  TRY(begin_file(entry));
  entry_ = std::move(entry);
  crc_ = Crc32();
  return {};
}

Result<void> GrafeoWriter::append(ByteView bytes) {
  crc_.update(bytes);
  entry_.size_bytes += bytes.size();
  return put(bytes);
}

Result<std::uint64_t> GrafeoWriter::commit(grafeo::Generation generation) {
  entry_.crc32 = crc_.value();
  if (entry_.created == grafeo::UnixMillis()) entry_.created = grafeo::to_unix_millis(utc_now());
  grafeo::Manifest next = manifest_;
  next.generation = generation;
  next.segments.push_back(entry_);
  TRY_ASSIGN(const std::uint64_t stored_bytes, publish(next));
  manifest_ = std::move(next);
  return stored_bytes;
}

}  // namespace epochfs::engine
