// `epochfs backup` in trouble: the same look at what each run left, whatever the trouble was.
//
// A run ends well or says what is wrong and where; what was acknowledged is there, byte for byte,
// and so is all that was there before; the repository is sound; the next backup needs no human; the
// source is as it was.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/repo/operations.h"
#include "tests/support/process.h"
#include "tests/support/sqlite_history.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {

class TroubledBackup : public testing::Test {
 protected:
  using Images = std::vector<std::string>;  // of epochs, from the first

  TroubledBackup() { std::filesystem::create_directory(directory_ / "live"); }

  [[nodiscard]] ProcessResult epochfs(std::vector<std::string> words,
                                      std::vector<std::string> under = {}) const {
    std::vector<std::string> command = std::move(under);
    command.emplace_back(EPOCHFS_COMMAND);
    command.insert(command.end(), words.begin(), words.end());
    return run(command, {.environment = {{"EPOCHFS_CACHE_DIR", cache_}, {"TMPDIR", temporary_}},
                         .timeout = std::chrono::seconds(20)});
  }
  [[nodiscard]] ProcessResult back_up(std::vector<std::string> under = {}) const {
    return epochfs({"backup", database_, repository_}, std::move(under));
  }
  static Images images_of(const SqliteHistory& history) {
    Images images;
    for (const SqliteHistory::Moment& moment : history.moments()) images.push_back(moment.image);
    return images;
  }

  // What is there now is where each run begins, and the source is to stay as it is.
  void save() {
    for (const std::string& place : {repository_, cache_})
      if (std::filesystem::exists(place))
        std::filesystem::copy(place, saved(place), std::filesystem::copy_options::recursive);
    save_source();
  }
  void save_source() { source_ = source(); }
  void prepare() const {
    for (const std::string& place : {repository_, cache_, temporary_}) {
      if (std::filesystem::exists(place))
        for (const auto& entry : std::filesystem::directory_iterator(place))
          std::filesystem::remove_all(entry.path());
      if (std::filesystem::exists(saved(place)))
        std::filesystem::copy(saved(place), place, std::filesystem::copy_options::recursive);
    }
    std::filesystem::create_directory(temporary_);
  }

  // The images of all epochs in the repository, which must be sound.
  [[nodiscard]] Images epochs_there() const {
    Images images;
    if (!std::filesystem::exists(repository_ + "/app/manifest.json")) return images;
    const auto verified = engine::verify(repository_, "", false, {});
    EXPECT_TRUE(verified) << verified.error().text;
    for (const engine::Damage& damage : verified->damage) ADD_FAILURE() << damage.text;
    const auto repository = engine::Repository::open({repository_, directory_ / "readers-cache"});
    const auto database =
        repository.and_then([](const auto& opened) { return opened->database("app"); });
    EXPECT_TRUE(database) << database.error().text;
    for (engine::Epoch epoch(1);; epoch = engine::Epoch(epoch.get() + 1)) {
      const auto image = image_of(**database, epoch);
      if (image) {
        images.push_back(*image);
        continue;
      }
      EXPECT_EQ(image.error().code, engine::Code::kNoSuchEpoch) << image.error().text;
      return images;
    }
  }

  static void expect_a_plain_end(const ProcessResult& result) {
    EXPECT_FALSE(result.timed_out) << "it hangs";
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 1 || result.exit_code == 3)
        << result.exit_code << "\n"
        << result.out << result.err;
    if (result.exit_code == 1) {
      EXPECT_TRUE(result.err.starts_with("epochfs: ")) << result.err;
      EXPECT_GE(std::count(result.err.begin(), result.err.end(), ':'), 2) << result.err;
    }
  }
  // `old_epochs` were there before the run, `new_epochs` are there when it went well.
  void expect_good(const ProcessResult& result, const Images& old_epochs,
                   const Images& new_epochs) const {
    expect_a_plain_end(result);
    const Images left = epochs_there();
    const bool is_acknowledged = result.out.find("epoch ") != std::string::npos;
    EXPECT_EQ(is_acknowledged, result.exit_code != 1) << result.out;
    if (is_acknowledged || left != old_epochs) expect_new(left, old_epochs, new_epochs, result);
    const ProcessResult next = back_up();
    EXPECT_EQ(next.exit_code, 0) << next.out << next.err;
    EXPECT_TRUE(epochs_there() == (left == old_epochs ? new_epochs : left)) << next.out;
    EXPECT_TRUE(source() == source_) << "the source has changed";
  }

  const TemporaryDirectory directory_;
  const std::string database_ = directory_ / "live/app.db";
  std::string repository_ = directory_ / "repo";
  std::string cache_ = directory_ / "cache";
  std::string temporary_ = directory_ / "tmp";

 private:
  [[nodiscard]] std::string saved(const std::string& place) const {
    return directory_ / "saved-" + std::filesystem::path(place).filename().string();
  }
  [[nodiscard]] std::pair<std::string, std::string> source() const {
    return {file_bytes(database_), file_bytes(database_ + "-wal")};
  }

  static engine::Result<std::string> image_of(engine::Database& database, engine::Epoch epoch) {
    TRY_ASSIGN(const auto view, database.view(epoch));
    TRY_ASSIGN(const auto file, view->open(0));
    TRY_ASSIGN(const engine::Pieces pieces, file->read({0, file->size_bytes()}));
    std::string image;
    for (const engine::Piece& piece : pieces) image += engine::as_text(piece.bytes);
    return image;
  }

  // All of them; or, where the run says why, the newest alone.
  static void expect_new(const Images& left, const Images& old_epochs, const Images& new_epochs,
                         const ProcessResult& result) {
    Images newest_alone = old_epochs;
    newest_alone.push_back(new_epochs.back());
    const bool says_why = result.out.find("\nreason: ") != std::string::npos;
    EXPECT_TRUE(left == new_epochs || (says_why && left == newest_alone))
        << left.size() << " epochs\n"
        << result.out;
  }

  std::pair<std::string, std::string> source_;
};

}  // namespace epochfs::test
