#include "engine/formats/grafeo/manifest.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "engine/core/text.h"
#include "engine/formats/grafeo/bincode.h"
#include "engine/formats/json/json_fields.h"
#include "engine/formats/json/json_text.h"

namespace epochfs::engine::grafeo {
namespace {

constexpr std::uint32_t kNewestVersion = 2;
constexpr std::string_view kSegmentsField = "segments";
constexpr std::string_view kFullKind = "Full";
constexpr std::string_view kIncrementalKind = "Incremental";
// Kind, a name without characters and five numbers, a byte each.
constexpr std::size_t kBincodeEntryBytesMin = 7;

bool begins_like_json(ByteView document) noexcept {
  const std::string_view text = as_text(document);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && text[start] == '{';
}

// Each generation has one version, and one only.
Result<void> check_manifest_version(std::uint32_t version, Generation generation) {
  if (version > kNewestVersion)
    return Error::unsupported(
        fmt::format("manifest version {}: written by a newer release of Grafeo", version));
  if (version != static_cast<std::uint32_t>(generation))
    return Error::corrupt(fmt::format("manifest version {} in the encoding of version {}", version,
                                      static_cast<std::uint32_t>(generation)));
  return {};
}

Result<SegmentKind> kind_from_name(std::string_view name) {
  if (name == kFullKind) return SegmentKind::kFull;
  if (name == kIncrementalKind) return SegmentKind::kIncremental;
  return Error::corrupt(fmt::format("segment kind '{}'", printable(name)));
}

Result<SegmentKind> kind_from_number(std::uint64_t number) {
  if (number == static_cast<std::uint64_t>(SegmentKind::kFull)) return SegmentKind::kFull;
  if (number == static_cast<std::uint64_t>(SegmentKind::kIncremental))
    return SegmentKind::kIncremental;
  return Error::corrupt(fmt::format("segment kind {}", number));
}

Result<std::uint32_t> crc_from_number(std::uint64_t number) {
  if (number > std::numeric_limits<std::uint32_t>::max())
    return Error::corrupt(fmt::format("CRC {}", number));
  return static_cast<std::uint32_t>(number);
}

// Of an entry that makes no sense. One of no kind counts as an incremental, on which others may be
// built.
SegmentEntry unfit_entry(std::size_t index, std::string filename, const Error& error) {
  const std::string name =
      is_path_component(filename) ? fmt::format(" ({})", printable(filename)) : "";
  SegmentEntry entry;
  entry.kind = SegmentKind::kIncremental;
  entry.filename = std::move(filename);
  entry.problem = fmt::format("segment {}{}: {}", index, name, error.text);
  return entry;
}

Result<SegmentEntry> entry_from_fields(const JsonFields& row) {
  SegmentEntry entry;
  TRY_ASSIGN(const std::string kind, row.text("kind"));
  TRY_ASSIGN(entry.kind, kind_from_name(kind));
  TRY_ASSIGN(entry.filename, row.text("filename"));
  TRY_ASSIGN(entry.start_epoch, row.number("start_epoch").map(as<Epoch>));
  TRY_ASSIGN(entry.end_epoch, row.number("end_epoch").map(as<Epoch>));
  TRY_ASSIGN(entry.crc32, row.number_as<std::uint32_t>("checksum"));
  TRY_ASSIGN(entry.size_bytes, row.number("size_bytes"));
  TRY_ASSIGN(entry.created, row.number("created_at_ms").map(as<UnixMillis>));
  return entry;
}

SegmentEntry entry_from_json(const Result<JsonFields>& row, std::size_t index) {
  auto entry = row.and_then(entry_from_fields);
  if (entry) return *std::move(entry);
  const JsonFields fields = row.value_or(JsonFields());
  SegmentEntry unfit = unfit_entry(index, fields.text("filename").value_or(""), entry.error());
  unfit.kind = fields.text("kind").and_then(kind_from_name).value_or(unfit.kind);
  unfit.start_epoch = fields.number("start_epoch").map(as<Epoch>).value_or(Epoch());
  unfit.end_epoch = fields.number("end_epoch").map(as<Epoch>).value_or(Epoch());
  return unfit;
}

// Fails where the bytes cannot be a manifest at all; numbers that mean nothing cost the entry.
Result<SegmentEntry> entry_from_bincode(ByteCursor& in, std::size_t index) {
  SegmentEntry entry;
  TRY_ASSIGN(const auto kind, take_number(in).map(kind_from_number));
  TRY_ASSIGN(entry.filename, take_string(in));
  TRY_ASSIGN(entry.start_epoch, take_number(in).map(as<Epoch>));
  TRY_ASSIGN(entry.end_epoch, take_number(in).map(as<Epoch>));
  TRY_ASSIGN(const auto crc32, take_number(in).map(crc_from_number));
  TRY_ASSIGN(entry.size_bytes, take_number(in));
  TRY_ASSIGN(entry.created, take_number(in).map(as<UnixMillis>));
  if (kind && crc32) {
    entry.kind = *kind;
    entry.crc32 = *crc32;
    return entry;
  }
  SegmentEntry unfit = unfit_entry(index, entry.filename, kind ? crc32.error() : kind.error());
  unfit.kind = kind.value_or(unfit.kind);
  unfit.start_epoch = entry.start_epoch;
  unfit.end_epoch = entry.end_epoch;
  return unfit;
}

Result<Manifest> manifest_from_json(ByteView document) {
  Manifest manifest{Generation::kV2, {}};
  Result<void> listed;  // a newer version may list other things: look at the version first
  const auto add = [&](const Result<JsonFields>& row) -> Result<void> {
    if (manifest.segments.size() < kSegmentsMax)
      manifest.segments.push_back(entry_from_json(row, manifest.segments.size()));
    else
      listed = Error::corrupt(fmt::format("more than {} segments", kSegmentsMax));
    return {};
  };
  TRY_ASSIGN(const JsonFields fields, read_json_object(document, kSegmentsField, add));
  TRY_ASSIGN(const auto version, fields.number_as<std::uint32_t>("version"));
  TRY(check_manifest_version(version, Generation::kV2));
  TRY(fields.expect_array(kSegmentsField));
  TRY(std::move(listed));
  return manifest;
}

Result<Manifest> manifest_from_bincode(ByteView document) {
  Manifest manifest{Generation::kV1, {}};
  ByteCursor in(document);
  TRY_ASSIGN(const auto version, take_number_as<std::uint32_t>(in));
  TRY_ASSIGN(const std::uint64_t count, take_number(in));
  if (count > in.left() / kBincodeEntryBytesMin)
    return Error::corrupt(fmt::format("{} segments in {} bytes", count, in.left()));
  if (count > kSegmentsMax)
    return Error::corrupt(fmt::format("more than {} segments", kSegmentsMax));
  for (std::size_t i = 0; i < count; ++i) {
    TRY_ASSIGN(SegmentEntry entry, with_context(entry_from_bincode(in, i),
                                                [&] { return fmt::format("segment {}", i); }));
    manifest.segments.push_back(std::move(entry));
  }
  TRY(in.expect_end());
  // Last: anything may begin with a number, and only the whole shape makes it a version.
  TRY(check_manifest_version(version, Generation::kV1));
  return manifest;
}

JsonObject json_entry(const SegmentEntry& entry) {
  JsonObject object;
  object.set("kind", entry.kind == SegmentKind::kFull ? kFullKind : kIncrementalKind)
      .set("filename", entry.filename)
      .set("start_epoch", entry.start_epoch.get())
      .set("end_epoch", entry.end_epoch.get())
      .set("checksum", entry.crc32)
      .set("size_bytes", entry.size_bytes)
      .set("created_at_ms", entry.created.get());
  return object;
}

Bytes manifest_as_json(const Manifest& manifest) {
  JsonArray segments;
  for (const SegmentEntry& entry : manifest.segments) segments.add(json_entry(entry));
  return to_bytes(JsonObject()
                      .set("version", static_cast<std::uint32_t>(Generation::kV2))
                      .set(kSegmentsField, std::move(segments))
                      .pretty());
}

Bytes manifest_as_bincode(const Manifest& manifest) {
  ByteWriter out;
  put_number(out, static_cast<std::uint64_t>(Generation::kV1));
  put_number(out, manifest.segments.size());
  for (const SegmentEntry& entry : manifest.segments) {
    put_number(out, static_cast<std::uint64_t>(entry.kind));
    put_string(out, entry.filename);
    put_number(out, entry.start_epoch.get());
    put_number(out, entry.end_epoch.get());
    put_number(out, entry.crc32);
    put_number(out, entry.size_bytes);
    put_number(out, entry.created.get());
  }
  return std::move(out).take();
}

}  // namespace

Result<std::string> object_name(const SegmentEntry& entry) {
  // What printable() leaves alone is also well-formed UTF-8.
  if (is_path_component(entry.filename) && printable(entry.filename) == entry.filename)
    return entry.filename;
  return Error::corrupt(fmt::format(
      "the manifest names a segment '{}', which is no plain file name", printable(entry.filename)));
}

Result<Manifest> parse_manifest(ByteView document) {
  if (document.size() > kManifestBytesMax)
    return Error::corrupt(fmt::format("a manifest of {} bytes", document.size()));
  // Version 1 begins with its version, which is neither white space nor a brace.
  if (begins_like_json(document)) return manifest_from_json(document);
  return with_context(manifest_from_bincode(document),
                      [] { return std::string("neither a JSON nor a version 1 manifest"); });
}

Result<void> check_entries(const Manifest& manifest) {
  for (const SegmentEntry& entry : manifest.segments)
    if (!entry.problem.empty()) return Error::corrupt(entry.problem);
  return {};
}

Result<Bytes> encode_manifest(const Manifest& manifest) {
  const std::size_t count = manifest.segments.size();
  const auto too_long = [&] {
    return Error::no_space(
        fmt::format("a manifest cannot hold {} segments: begin another backup directory", count));
  };
  if (count > kSegmentsMax) return too_long();
  if (auto sound = check_entries(manifest); !sound) return Error::invalid(sound.error().text);
  for (const SegmentEntry& entry : manifest.segments) {
    if (auto name = object_name(entry); !name) return Error::invalid(name.error().text);
  }
  Bytes document = manifest.generation == Generation::kV1 ? manifest_as_bincode(manifest)
                                                          : manifest_as_json(manifest);
  if (document.size() > kManifestBytesMax) return too_long();
  return document;
}

}  // namespace epochfs::engine::grafeo
