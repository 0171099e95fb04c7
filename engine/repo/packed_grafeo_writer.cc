#include "engine/repo/packed_grafeo_writer.h"

#include <fmt/format.h>

#include "engine/core/text.h"
#include "engine/repo/grafeo_database.h"
#include "engine/source/object_pass.h"
#include "engine/source/unpacked_blob.h"

namespace epochfs::engine {
namespace {

// One page to a block: nobody reads single pages of an image.
constexpr std::uint32_t kImageBlockBytes = native::kBlockBytesMax;

}  // namespace

Result<std::unique_ptr<PackedGrafeoWriter>> PackedGrafeoWriter::open(const NativeParts& parts,
                                                                     const Options& options) {
  std::unique_ptr<PackedGrafeoWriter> writer(new PackedGrafeoWriter(parts, options));
  if (options.lock != Lock::kNone) {
    TRY_ASSIGN(NativeWriter native,
               NativeWriter::open(parts, options.database, options.lock == Lock::kWaitFor));
    writer->native_.emplace(std::move(native));
  }
  TRY(writer->load());
  return writer;
}

Result<void> PackedGrafeoWriter::load() {
  const GrafeoParts parts = packed_grafeo_parts(parts_, options_.database);
  GrafeoPlace place = packed_grafeo_place(options_.database);
  const auto stored = load_manifest(*parts_.storage, options_.database);
  if (!stored && stored.error().code != Code::kNotFound) return tl::unexpected(stored.error());
  if (stored)
    TRY(check_same_database(stored->manifest));
  else if (native_)
    native_->describe(native::Engine::kGrafeo, options_.file_name);
  return set_history(parts.storage, std::move(place),
                     stored ? unpacked_manifest(stored->manifest) : grafeo::Manifest());
}

Result<void> PackedGrafeoWriter::check_same_database(const native::Manifest& manifest) const {
  if (manifest.engine != native::Engine::kGrafeo)
    return Error::invalid(fmt::format(
        "{} is backed up with engine {}: choose another --name for a database of Grafeo's",
        options_.database, native::engine_name(manifest.engine)));
  if (manifest.file_name != options_.file_name)
    return Error::invalid(
        fmt::format("{} holds the history of {}, not of {}: choose another with --name",
                    options_.database, printable(manifest.file_name), options_.file_name));
  return {};
}

Result<void> PackedGrafeoWriter::begin_file(grafeo::SegmentEntry& entry) {
  full_.reset();
  log_.reset();
  if (entry.kind == grafeo::SegmentKind::kFull) {
    TRY_ASSIGN(segment_, native_->begin_full(entry.end_epoch));
    TRY_ASSIGN(const PageSize page_size, PageSize::from(kImageBlockBytes));
    SegmentWriterOptions options;
    options.block_bytes = kImageBlockBytes;
    full_.emplace(*segment_.upload, page_size, options);
  } else {
    TRY_ASSIGN(segment_, native_->begin_log(entry.start_epoch, entry.end_epoch));
    log_.emplace(*segment_.upload, SegmentWriterOptions{});
  }
  entry.filename = segment_.filename;
  return {};
}

Result<void> PackedGrafeoWriter::put(ByteView bytes) {
  return full_ ? full_->append(bytes) : log_->append(bytes);
}

Result<SegmentSummary> PackedGrafeoWriter::finish_file(const grafeo::SegmentEntry& entry) {
  if (log_) return log_->finish(entry.start_epoch, entry.end_epoch);
  native::EpochFacts facts;
  facts.epoch = entry.end_epoch;
  facts.committed = facts.captured = to_utc(entry.created);
  facts.size_bytes = entry.size_bytes;
  facts.how = native::Captured::kPageDiff;
  return full_->finish(facts);
}

Result<std::uint64_t> PackedGrafeoWriter::publish(const grafeo::Manifest& next) {
  const grafeo::SegmentEntry& unpacked = next.segments.back();
  TRY_ASSIGN(const SegmentSummary summary, finish_file(unpacked));
  TRY_ASSIGN(native::SegmentEntry entry, native_->entry_of(segment_, summary));
  entry.created_at_ms = unpacked.created.get();
  entry.unpacked_bytes = unpacked.size_bytes;
  entry.unpacked_checksum = unpacked.crc32;
  TRY(segment_.upload->finish());
  if (options_.read_back) TRY(check_stored(entry));
  native_->set_generation(next.generation);
  TRY(native_->publish(std::move(entry)));
  return summary.size_bytes;
}

Result<void> PackedGrafeoWriter::check_stored(const native::SegmentEntry& entry) const {
  const std::string object = place().object(entry.filename);
  TRY_ASSIGN(auto packed, parts_.storage->open(object));
  TRY_ASSIGN(auto blob, UnpackedBlob::open(std::move(packed), entry.tables_sha256, parts_.cache,
                                           std::make_shared<std::atomic<std::uint64_t>>(0)));
  ObjectPass pass(std::move(blob));
  TRY_ASSIGN(const std::uint32_t crc, pass.finish());
  if (crc == entry.unpacked_checksum && pass.position() == entry.unpacked_bytes) return {};
  return Error::corrupt(parts_.storage->describe(object) +
                        " does not give back what was written to it");
}

}  // namespace epochfs::engine
