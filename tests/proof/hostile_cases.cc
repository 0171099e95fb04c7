#include "tests/proof/hostile_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "engine/formats/native/seal.h"
#include "engine/segment/codec.h"

namespace epochfs::test {

namespace native = engine::native;

namespace {

using Json = nlohmann::ordered_json;
using Numbers = std::vector<std::uint64_t>;

const Numbers kNumbers = {0,
                          1,
                          2,
                          0xffff,
                          std::uint64_t{1} << 31U,
                          0xffffffff,
                          std::uint64_t{1} << 32U,
                          std::uint64_t{1} << 62U,
                          std::uint64_t{1} << 63U,
                          ~std::uint64_t{0} - 1,
                          ~std::uint64_t{0}};

const std::vector<std::string> kNames = {"",
                                         ".",
                                         "..",
                                         "/",
                                         "/etc/passwd",
                                         "../c001/manifest.json",
                                         "../../outside",
                                         "./full-1.db.zst",
                                         "sub/../full-1.db.zst",
                                         "..\\outside",
                                         std::string("full\0name", 9),
                                         "line\nbreak",
                                         "\x1b[31mred",
                                         "right-to-left\u202Egpj",
                                         "zero\u200Bwidth",
                                         "manifest.json",
                                         ".lock",
                                         std::string(255, 'n'),
                                         std::string(256, 'n'),
                                         std::string(100'000, 'n')};

std::string number_at(const std::string& bytes, std::size_t at, std::size_t width,
                      std::uint64_t value) {
  std::string changed = bytes;
  for (std::size_t i = 0; i < width; ++i)
    changed.at(at + i) = static_cast<char>((value >> (8 * i)) & 0xff);
  return changed;
}

std::uint64_t number_in(const std::string& bytes, std::size_t at) {
  return engine::load_le<std::uint64_t>(engine::as_bytes(bytes).subspan(at));
}

std::size_t content_of_footer(const std::string& segment) {
  return segment.size() - native::kFooterContentSize;
}

// With the footer's hash of itself, and of the tables where it says that they are.
std::string summed(std::string segment) {
  using namespace native::footer_fields;
  const std::size_t footer = content_of_footer(segment);
  const std::uint64_t offset = number_in(segment, footer + kTablesOffset.offset);
  const std::uint64_t size = number_in(segment, footer + kTablesBytes.offset);
  const engine::ByteView bytes = engine::as_bytes(segment);
  if (offset <= bytes.size() && size <= bytes.size() - offset)
    segment = number_at(segment, footer + kTablesHash.offset, 8,
                        engine::page_hash(bytes.subspan(offset, size)));
  return number_at(segment, footer + kHash.offset, 8,
                   engine::page_hash(engine::as_bytes(segment).subspan(footer, kHash.offset)));
}

// A segment in its parts.
struct Parts {
  struct Chunk {
    std::string header;  // of the table, as stored
    std::string columns;
    std::optional<std::string> frame;  // what is stored instead of the columns
  };

  explicit Parts(const std::string& segment) {
    const native::Footer footer = must(
        native::parse_footer(engine::as_bytes(segment).last(native::kFooterSize), segment.size()));
    units = segment.substr(0, footer.tables_offset);
    end = segment.substr(segment.size() - native::kFooterSize);
    std::size_t at = footer.tables_offset;
    while (at < footer.tables_offset + footer.tables_bytes) {
      Chunk chunk;
      chunk.header = segment.substr(at, native::kTableHeaderSize);
      const auto header = must(native::parse_table_header(engine::as_bytes(chunk.header)));
      at += native::kTableHeaderSize;
      chunk.columns.resize(header.raw_bytes);
      const auto stored = engine::as_bytes(segment).subspan(at, header.stored_bytes);
      must(engine::decompress_frame(stored, {}, std::as_writable_bytes(std::span(chunk.columns))));
      at += header.stored_bytes;
      chunks.push_back(std::move(chunk));
    }
  }

  [[nodiscard]] std::string together() const {
    using namespace native::footer_fields;
    std::string tables;
    for (const Chunk& chunk : chunks) {
      const std::string frame =
          chunk.frame ? *chunk.frame
                      : std::string(engine::as_text(
                            must(engine::compress_frame(engine::as_bytes(chunk.columns), 0, 3))));
      tables += number_at(chunk.header, native::frame_fields::kLength.offset, 4,
                          frame.size() + native::kTableHeaderSize - native::kFrameHeaderSize);
      tables += frame;
    }
    std::string footer =
        number_at(end, native::kFrameHeaderSize + kTablesOffset.offset, 8, units.size());
    footer = number_at(footer, native::kFrameHeaderSize + kTablesBytes.offset, 8, tables.size());
    return summed(units + tables + footer);
  }

  template <class T>
  static T must(engine::Result<T> result) {
    if (!result) throw std::runtime_error(result.error().text);
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }

  std::string units;  // and the signature before them
  std::vector<Chunk> chunks;
  std::string end;
};

// Puts a segment in place of the one of that name, and the manifest agrees.
void replace_segment(Files& files, const std::string& name, const std::string& segment) {
  files[name] = segment;
  native::Manifest manifest = manifest_in(files);
  const auto entry = std::ranges::find(manifest.segments, name, &native::SegmentEntry::filename);
  const engine::ByteView bytes = engine::as_bytes(segment);
  engine::Crc32 crc;
  crc.update(bytes);
  entry->checksum = crc.value();
  entry->size_bytes = segment.size();
  entry->sha256 = engine::Sha256::of(bytes);
  const std::uint64_t tables =
      number_in(segment, content_of_footer(segment) + native::footer_fields::kTablesOffset.offset);
  entry->tables_sha256 =
      engine::Sha256::of(bytes.subspan(std::min<std::uint64_t>(tables, bytes.size())));
  put_manifest(files, manifest);
}

// The manifest as JSON changed, and sealed.
void change_manifest(Files& files, const std::function<void(Json&)>& change) {
  Json manifest = Json::parse(files[kManifest]);
  manifest.erase("document_sha256");
  change(manifest);
  files[kManifest] =
      native::sealed(manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

// --- frames ---

std::string rle_blocks(std::uint32_t bytes, std::uint32_t count) {
  std::string blocks;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t header = (bytes << 3U) | 2U | (i + 1 == count ? 1U : 0U);
    for (const unsigned shift : {0U, 8U, 16U})
      blocks += static_cast<char>((header >> shift) & 0xffU);
    blocks += 'b';
  }
  return blocks;
}

std::string u32(std::uint64_t value) { return number_at(std::string(4, '\0'), 0, 4, value); }

// Frames in place of one that unpacks to `plain`.
std::vector<std::pair<std::string, std::string>> odd_frames(const std::string& plain) {
  const std::string magic = "\x28\xb5\x2f\xfd";
  const std::string sum(4, 's');
  const std::uint32_t size = static_cast<std::uint32_t>(plain.size());
  const std::uint32_t most = 128 * 1024;
  const auto compress = [](std::string_view bytes) {
    return std::string(
        engine::as_text(Parts::must(engine::compress_frame(engine::as_bytes(bytes), 0, 3))));
  };
  const std::string good = compress(plain);
  const std::string half = compress(std::string_view(plain).substr(0, size / 2));
  const std::string rest = compress(std::string_view(plain).substr(size / 2));
  const std::string skippable = "\x50\x2a\x4d\x18" + u32(4) + "skip";
  return {
      {"bomb", magic + "\xa4" + u32(512 * most) + rle_blocks(most, 512) + sum},
      {"bomb that lies", magic + "\xa4" + u32(size) + rle_blocks(most, 512) + sum},
      {"bomb of frames", half + magic + "\xa4" + u32(512 * most) + rle_blocks(most, 512) + sum},
      {"no content size", magic + std::string("\x04\x58", 2) + rle_blocks(size, 1) + sum},
      {"window of 2^41", magic + "\x84\xff" + u32(size) + rle_blocks(size, 1) + sum},
      {"window of 2^31", magic + "\x84\xa8" + u32(size) + rle_blocks(size, 1) + sum},
      {"dictionary", magic + "\xa5\x07" + u32(size) + rle_blocks(size, 1) + sum},
      {"no checksum", magic + "\xa0" + u32(size) + rle_blocks(size, 1)},
      {"reserved bit", magic + "\xac" + u32(size) + rle_blocks(size, 1) + sum},
      {"reserved block", magic + "\xa4" + u32(size) + std::string("\x07\x00\x00", 3) + sum},
      {"endless blocks", magic + "\xa4" + u32(size) + std::string(60'000, '\0')},
      {"two frames", half + rest},
      {"skippable first", skippable + good},
      {"skippable last", good + skippable},
      {"skippable alone", skippable},
      {"one byte", good.substr(0, 1)},
      {"legacy", std::string("\x27\xb5\x2f\xfd", 4) + good.substr(4)},
      {"cut", good.substr(0, good.size() - 5)},
  };
}

// --- one kind of lie after the other ---

class Hostility {
 public:
  Hostility(const Specimen& specimen, const std::function<void(const HostileCase&)>& visit)
      : specimen_(specimen), visit_(visit), manifest_(manifest_in(specimen.files)) {}

  void run() {
    documents();
    names();
    manifest_numbers();
    for (const native::SegmentEntry& entry : manifest_.segments) {
      const Parts parts(specimen_.files.at(entry.filename));
      footer_numbers(entry);
      table_headers(entry, parts);
      columns(entry, parts);
      unit_numbers(entry, parts);
      frames(entry, parts);
    }
  }

 private:
  static std::uint64_t first_epoch(const native::SegmentEntry& entry) {
    const bool is_full = entry.kind == native::SegmentKind::kFull;
    return (is_full ? entry.end_epoch : entry.start_epoch).get();
  }

  void tell(const std::string& what, std::uint64_t first_touched,
            std::function<void(Files&)> damage) {
    visit_({{specimen_.label + ": " + what, "hostile", Harm::kListed, std::move(damage)},
            first_touched});
  }
  void tell(const native::SegmentEntry& entry, const std::string& what,
            const std::function<std::string()>& segment) {
    tell(entry.filename + ": " + what, first_epoch(entry),
         [name = entry.filename, segment](Files& files) {
           replace_segment(files, name, segment());
         });
  }

  void documents() {
    const auto with = [&](const std::string& what, const std::string& json) {
      tell("manifest is " + what, 0,
           [json](Files& files) { files[kManifest] = native::sealed(json); });
    };
    const std::string head = R"({"format":"epochfs-manifest","format_version":1,"segments":)";
    const std::string end = "\n}\n";
    with("nothing", end);
    for (const std::string value : {"1", "null", "{}", "\"x\"", "[]", "[[[]]]", "[7]"})
      with("segments " + value, head + value + end);
    with("deep", head + std::string(1'000'000, '[') + end);
    with("deep and closed", head + std::string(500'000, '[') + std::string(500'000, ']') + end);
    std::string objects;
    for (int i = 0; i < 200'000; ++i) objects += "{\"a\":";
    with("deep in objects", head + objects + end);
    std::string numbers = "[0";
    for (int i = 0; i < 2'000'000; ++i) numbers += ",0";
    with("of numbers", head + numbers + "]" + end);
    std::string empty = "[{}";
    for (int i = 0; i < 1'000'000; ++i) empty += ",{}";
    with("of empty objects", head + empty + "]" + end);
    std::string members;
    for (int i = 0; i < 300'000; ++i) members += fmt::format("\"m{}\":1,", i);
    with("of members", "{" + members + head.substr(1) + "[]" + end);
    with("a long text", R"({"format":")" + std::string(8'000'000, 'f') + "\"" + end);
    with("a long number", head + "[" + std::string(1'000'000, '9') + "]" + end);
    with("not UTF-8", "{\"format\":\"\xff\xfe\xc0\x80\"" + end);
    with("of an unknown engine",
         R"({"format":"epochfs-manifest","format_version":1,"engine":"../x","segments":[])" + end);
  }

  void names() {
    for (std::size_t n = 0; n < kNames.size(); ++n) {
      const std::string& name = kNames[n];
      for (const char* const field : {"database", "file_name", "engine", "previous", "format"})
        tell(fmt::format("manifest: {} is name {}", field, n), 0, [field, name](Files& files) {
          change_manifest(files, [&](Json& manifest) { manifest[field] = name; });
        });
      for (std::size_t i = 0; i < manifest_.segments.size(); ++i) {
        for (const char* const field : {"filename", "base", "kind"})
          tell(fmt::format("manifest: {} of entry {} is name {}", field, i, n),
               first_epoch(manifest_.segments[i]), [field, name, i](Files& files) {
                 change_manifest(files,
                                 [&](Json& manifest) { manifest["segments"][i][field] = name; });
               });
      }
    }
  }

  void manifest_numbers() {
    const Json good = Json::parse(specimen_.files.at(kManifest));
    for (const std::uint64_t number : kNumbers) {
      for (const auto& [field, value] : good.items()) {
        if (!value.is_number()) continue;
        tell(fmt::format("manifest: {} {}", field, number), 0,
             [name = field, number](Files& files) {
               change_manifest(files, [&](Json& manifest) { manifest[name] = number; });
             });
      }
      for (std::size_t i = 0; i < manifest_.segments.size(); ++i) {
        for (const auto& [field, value] : good["segments"][i].items()) {
          if (!value.is_number()) continue;
          tell(fmt::format("manifest: {} of entry {} {}", field, i, number),
               first_epoch(manifest_.segments[i]), [name = field, number, i](Files& files) {
                 change_manifest(files,
                                 [&](Json& manifest) { manifest["segments"][i][name] = number; });
               });
        }
      }
    }
  }

  // 32 bits at a time, and 64 where such a number begins.
  void footer_numbers(const native::SegmentEntry& entry) {
    const std::string& good = specimen_.files.at(entry.filename);
    const std::size_t footer = content_of_footer(good);
    for (std::size_t at = 0; at < native::footer_fields::kHash.offset; at += 4) {
      for (const std::uint64_t number : kNumbers) {
        const std::size_t width = at % 8 == 0 && at >= 32 ? 8 : 4;
        if (width == 4 && number > 0xffffffff) continue;
        tell(entry, fmt::format("footer byte {} is {}", at, number),
             [=] { return summed(number_at(good, footer + at, width, number)); });
      }
    }
  }

  void table_headers(const native::SegmentEntry& entry, const Parts& parts) {
    for (std::size_t chunk = 0; chunk < parts.chunks.size(); ++chunk) {
      for (std::size_t at = native::kFrameHeaderSize; at < native::kTableHeaderSize; at += 4) {
        for (const std::uint64_t number : kNumbers) {
          if (number > 0xffffffff) continue;
          Parts forged = parts;
          std::string& header = forged.chunks[chunk].header;
          header = number_at(header, at, 4, number);
          tell(entry, fmt::format("table {} byte {} is {}", chunk, at, number),
               [forged] { return forged.together(); });
        }
      }
    }
  }

  void columns(const native::SegmentEntry& entry, const Parts& parts) {
    for (std::size_t chunk = 0; chunk < parts.chunks.size(); ++chunk) {
      const std::string& good = parts.chunks[chunk].columns;
      for (std::size_t at = 0; at + 4 <= good.size(); at += 4) {
        for (const std::uint64_t number : kNumbers) {
          const bool wide = number > 0xffffffff;
          if (wide && (at % 8 != 0 || at + 8 > good.size())) continue;
          Parts forged = parts;
          forged.chunks[chunk].columns = number_at(good, at, wide ? 8 : 4, number);
          tell(entry, fmt::format("column byte {} of table {} is {}", at, chunk, number),
               [forged] { return forged.together(); });
        }
      }
    }
  }

  // Headers of records, and the first bytes of whatever else is stored.
  void unit_numbers(const native::SegmentEntry& entry, const Parts& parts) {
    const std::size_t end = std::min<std::size_t>(parts.units.size(), 80);
    for (std::size_t at = 0; at + 4 <= end; at += 2) {
      for (const std::uint64_t number : kNumbers) {
        const std::size_t width = number > 0xffffffff ? 8 : 4;
        if (at + width > end) continue;
        Parts forged = parts;
        forged.units = number_at(parts.units, at, width, number);
        tell(entry, fmt::format("byte {} is {}", at, number),
             [forged] { return forged.together(); });
      }
    }
  }

  void frames(const native::SegmentEntry& entry, const Parts& parts) {
    for (std::size_t chunk = 0; chunk < parts.chunks.size(); ++chunk) {
      for (const auto& [what, frame] : odd_frames(parts.chunks[chunk].columns)) {
        Parts forged = parts;
        forged.chunks[chunk].frame = frame;
        tell(entry, fmt::format("table {} is a frame: {}", chunk, what),
             [forged] { return forged.together(); });
      }
    }
    first_unit_frames(entry, parts);
  }

  // In place of the frame of the first unit, whose stored size the table has right.
  void first_unit_frames(const native::SegmentEntry& entry, const Parts& parts) {
    const bool is_record = entry.kind == native::SegmentKind::kIncremental;
    const std::string& good = parts.chunks[0].columns;
    const std::size_t rows =
        engine::load_le<std::uint32_t>(engine::as_bytes(parts.chunks[0].header).subspan(12));
    const std::size_t size_at = is_record ? 4 * rows : 0;  // behind the pages
    const std::size_t stored =
        engine::load_le<std::uint32_t>(engine::as_bytes(good).subspan(size_at));
    const std::string unit = parts.units.substr(native::kSignatureSize, stored);
    const std::size_t head =
        is_record ? Parts::must(native::parse_record_header(engine::as_bytes(unit))).bytes : 0;
    const std::size_t plain = is_record ? manifest_.segments[0].page_size : 16'384;
    for (const auto& [what, frame] : odd_frames(std::string(plain, 'p'))) {
      Parts forged = parts;
      forged.units.replace(native::kSignatureSize + head, stored - head, frame);
      forged.chunks[0].columns = number_at(good, size_at, 4, head + frame.size());
      tell(entry, "the first unit is a frame: " + what, [forged] { return forged.together(); });
    }
  }

  const Specimen& specimen_;
  const std::function<void(const HostileCase&)>& visit_;
  native::Manifest manifest_;
};

}  // namespace

void for_each_hostile(const Specimen& specimen,
                      const std::function<void(const HostileCase&)>& visit) {
  Hostility(specimen, visit).run();
}

}  // namespace epochfs::test
