#include "tests/repo/grafeo_directory.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/repo/grafeo_verify.h"
#include "engine/source/history.h"
#include "engine/storage/memory_storage.h"

namespace epochfs::engine {
namespace {

const GrafeoPlace kPlace{"", "db"};
constexpr std::size_t kEpochsMax = 100'000;

GrafeoParts parts_of(const std::shared_ptr<Storage>& storage, const std::string& index) {
  return {storage, *PageIndex::open(index, PageIndex::Kind::kScratch)};
}

Result<std::string> content_of(const View& view, std::size_t index) {
  TRY_ASSIGN(const auto file, view.open(index));
  TRY_ASSIGN(const Pieces pieces, file->read({0, file->size_bytes()}));
  std::string bytes;
  for (const Piece& piece : pieces) bytes += as_text(piece.bytes);
  return bytes;
}

Result<SeenEpoch::Files> mounted_files(Database& database, Epoch epoch) {
  TRY_ASSIGN(const auto view, database.view(epoch));
  SeenEpoch::Files files;
  TRY_ASSIGN(files.image, content_of(*view, 0));
  if (view->files().size() < 3) return files;
  files.log_name = view->files()[1].name;
  TRY_ASSIGN(files.log, content_of(*view, 1));
  return files;
}

Result<SeenEpoch::Files> restored_files(Database& database, Epoch epoch) {
  TRY_ASSIGN(const auto logged, database.logged(epoch));
  SeenEpoch::Files files;
  const auto append_to = [](std::string& bytes) {
    return [&bytes](ByteView more) -> Result<void> {
      bytes += as_text(more);
      return {};
    };
  };
  TRY(logged->read(append_to(files.image), append_to(files.log)));
  if (logged->log_bytes() > 0) files.log_name = logged->log_name();
  return files;
}

// Damage is an answer; anything else is a failure of the test.
template <class T>
std::optional<T> unless_damaged(Result<T> result) {
  if (result) return *std::move(result);
  EXPECT_TRUE(is_damage(result.error())) << result.error().text;
  return std::nullopt;
}

}  // namespace

bool SeenDirectory::reports(std::uint64_t epoch) const {
  return std::ranges::any_of(report.damage, [&](const Damage& damage) {
    return damage.first_lost && damage.first_lost->get() <= epoch &&
           epoch <= damage.last_lost->get();
  });
}

std::string SeenDirectory::text() const {
  std::string all;
  for (const Damage& damage : report.damage) all += damage.object + ": " + damage.text + "\n";
  return all;
}

GrafeoDirectory::GrafeoDirectory() : GrafeoDirectory(make_memory_storage()) {}

GrafeoDirectory::GrafeoDirectory(std::shared_ptr<Storage> storage)
    : storage_(std::move(storage)),
      served_(parts_of(storage_, directory_ / "served")),
      verified_(parts_of(storage_, directory_ / "verified")) {}

void GrafeoDirectory::put(const std::string& name, std::string_view bytes) {
  const auto before = storage_->stat(name);
  const auto version = before ? std::optional(before->version) : std::nullopt;
  ASSERT_TRUE(storage_->replace(name, as_bytes(bytes), version));
}

void GrafeoDirectory::remove(const std::string& name) { ASSERT_TRUE(storage_->remove(name)); }

SeenDirectory GrafeoDirectory::look() {
  SeenDirectory seen;
  const auto verified = verify_grafeo_place(verified_, kPlace, false, {}, seen.report);
  EXPECT_TRUE(verified) << verified.error().text;
  const auto database = GrafeoDatabase::open(served_, kPlace);
  if (!database) {
    seen.failure = database.error();
    return seen;
  }
  const auto epochs = (*(*database)->timeline())->list(Epoch(0), kEpochsMax);
  EXPECT_TRUE(epochs);
  for (const native::EpochFacts& facts : *epochs)
    seen.epochs[facts.epoch.get()] = look_at(**database, facts.epoch);
  return seen;
}

SeenEpoch GrafeoDirectory::look_at(Database& database, Epoch epoch) {
  SeenEpoch seen;
  seen.mounted = unless_damaged(mounted_files(database, epoch));
  seen.restored = unless_damaged(restored_files(database, epoch));
  return seen;
}

}  // namespace epochfs::engine
