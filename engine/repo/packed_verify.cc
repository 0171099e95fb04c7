#include "engine/repo/packed_verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/repo/grafeo_database.h"
#include "engine/repo/grafeo_verify.h"
#include "engine/source/history.h"
#include "engine/source/object_pass.h"

namespace epochfs::engine {
namespace {

Result<bool> is_as_stored(const Storage& storage, const std::string& database,
                          const native::SegmentEntry& entry) {
  TRY_ASSIGN(auto blob, storage.open(fmt::format("{}/{}", database, entry.filename)));
  ObjectPass pass(std::move(blob));
  Sha256 sha256;
  while (pass.left() > 0) {
    TRY_ASSIGN(const ByteView bytes, pass.next(ObjectPass::kPieceBytes));
    sha256.update(bytes);
  }
  TRY_ASSIGN(const std::uint32_t crc, pass.finish());
  return sha256.finish() == entry.sha256 && crc == entry.checksum;
}

}  // namespace

Result<void> verify_packed(const NativeParts& parts, const native::Manifest& manifest, bool quick,
                           const Progress& progress, VerifyReport& report) {
  const std::string& database = manifest.database;
  const auto told_before = static_cast<std::ptrdiff_t>(report.damage.size());
  TRY(verify_grafeo_place(packed_grafeo_parts(parts, database), packed_grafeo_place(database),
                          quick, progress, report));
  if (quick) return {};
  for (const native::SegmentEntry& entry : manifest.segments) {
    const bool is_told =
        std::any_of(report.damage.begin() + told_before, report.damage.end(),
                    [&](const Damage& damage) { return damage.object == entry.filename; });
    if (is_told || !entry.problem.empty()) continue;
    const auto sound = is_as_stored(*parts.storage, database, entry);
    if (!sound && !is_damage(sound.error())) return tl::unexpected(sound.error());
    if (!sound || !*sound)
      report.damage.push_back({database,
                               entry.filename,
                               sound ? "its SHA-256 is not the manifest's, in bytes that hold no "
                                       "data: what is in it is still right"
                                     : sound.error().text,
                               {},
                               {}});
  }
  return {};
}

}  // namespace epochfs::engine
