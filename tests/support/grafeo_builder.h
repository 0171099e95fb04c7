// Backup directories in Grafeo's formats, written by the formats' own writers, and what every epoch
// of them must look like as files. Nobody could open the images: their content is noise.
//
//   GrafeoBuilder builder(directory, Generation::kV2);
//   builder.full();
//   builder.commit(3).incremental();
//   builder.expected().at(2).log  // what the log of epoch 2 is, byte for byte
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/formats/grafeo/manifest.h"
#include "engine/formats/grafeo/units.h"

namespace epochfs::test {

class GrafeoBuilder {
 public:
  using Generation = engine::grafeo::Generation;

  struct Expected {
    std::string image;
    std::string log_name;  // empty: it has none
    std::string log;
    std::uint64_t records = 0;
    std::uint64_t transactions = 0;
    std::uint64_t bytes = 0;  // that it added to the log
  };

  GrafeoBuilder(std::string directory, Generation generation, std::uint64_t seed = 1);

  // --- the live database: all of it goes into the log and waits for a backup ---
  // One transaction each, with some records; the epoch goes up by one.
  GrafeoBuilder& commit(int count = 1);
  // v2: one transaction in that many frames; at least 2.
  GrafeoBuilder& commit_in_frames(int count);
  // v2: a group of the current epoch that makes no new one, as of a schema.
  GrafeoBuilder& schema();
  // v2: an empty group.
  GrafeoBuilder& sync();
  // v2: what follows lies in another segment of the log.
  GrafeoBuilder& rotate();
  // v1: records that come to nothing.
  GrafeoBuilder& abort();
  // v1: a commit whose epoch is never told; it belongs to the next.
  GrafeoBuilder& commit_without_epoch();
  // v1: an EpochAdvance of that number, at which the counting goes on.
  GrafeoBuilder& advance_to(std::uint64_t epoch);
  // v2: the epoch goes up, and nothing in the log says so.
  GrafeoBuilder& silent();
  // Bytes as they are; the scanners will not like them.
  GrafeoBuilder& garbage(std::string bytes);
  // The log so far is lost for backups.
  GrafeoBuilder& lose_log();

  // --- backups ---
  GrafeoBuilder& full();
  GrafeoBuilder& incremental();
  // The manifest alone in the other encoding, as Grafeo 0.6 rewrites that of 0.5.
  GrafeoBuilder& rewrite_manifest_as(Generation generation);
  // The database goes on in the other generation, with a new identity.
  GrafeoBuilder& become(Generation generation);

  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  // Of the epochs that a careful reader offers, if nothing is done to the directory.
  [[nodiscard]] const std::map<std::uint64_t, Expected>& expected() const { return expected_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::string file(std::size_t segment) const;
  [[nodiscard]] engine::grafeo::Manifest& manifest() { return manifest_; }
  void save_manifest() const;
  // The manifest tells the truth about the segment's file again, whatever was done to it.
  void reseal(std::size_t segment);

 private:
  struct Item {  // of the log
    std::string bytes;
    std::optional<std::uint64_t> epoch;  // v1: EpochAdvance; v2: of the group
    std::uint64_t records = 0;
    std::uint64_t transactions = 0;
    bool begins_segment = false;  // v2
  };

  std::string noise(std::size_t size);
  std::string image();
  void put_v1(engine::ByteView payload);
  void put_group(std::optional<std::uint64_t> epoch, std::uint64_t records, int frames = 1);
  void tell_epochs(const std::vector<Item>& items, std::uint64_t start);
  std::string v2_header(std::uint64_t first_lsn) const;
  void add_segment(engine::grafeo::SegmentKind kind, std::uint64_t start, const std::string& bytes);

  std::string directory_;
  Generation generation_;
  std::mt19937_64 random_;
  engine::grafeo::Manifest manifest_;
  engine::grafeo::DatabaseId id_{};
  std::uint64_t epoch_ = 0;
  std::uint64_t transaction_ = 0;
  std::uint64_t time_ms_ = 1'795'000'000'000;
  std::uint64_t lsn_ = 0;
  std::vector<Item> open_;  // since the last backup
  std::uint64_t backed_up_epoch_ = 0;
  // Of the chain that the last full began.
  std::string base_;
  std::string chain_log_;
  std::uint64_t chain_first_lsn_ = 0;
  std::uint64_t chain_told_ = 0;  // bytes of the log up to the last epoch
  Item carried_;                  // counts behind it
  std::map<std::uint64_t, Expected> expected_;
};

}  // namespace epochfs::test
