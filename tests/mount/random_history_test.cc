// The oracle: histories made at random by SQLite itself. Every epoch in a real mount is what a
// reader saw then, adds up to its state hash, and is opened by SQLite like any other database.
#include "tests/support/random_history.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <stop_token>
#include <thread>
#include <unordered_map>

#include "engine/core/hash.h"
#include "engine/formats/sqlite/database_header.h"
#include "tests/mount/mounted_repository.h"
#include "tests/support/samples.h"

namespace epochfs::test {
namespace {

using Json = nlohmann::json;
using RandomMoments = std::vector<RandomHistory::Moment>;
using Words = std::vector<std::string>;

constexpr const char* kNotAsNobody = "all of it holds, but only root can open it as nobody";

bool is_root() { return ::geteuid() == 0; }

std::string state_hash(const std::string& image) {
  const engine::ByteView bytes = engine::as_bytes(image);
  const auto header = engine::sqlite::parse_database_header(bytes);
  EXPECT_TRUE(header) << (header ? "" : header.error().text);
  if (!header) return {};
  const std::uint32_t page_size = header->page_size.bytes();
  engine::StateHash state;
  for (std::uint32_t page = 0; page < bytes.size() / page_size; ++page)
    state.add(engine::PageNo(page + 1),
              engine::page_hash(bytes.subspan(std::size_t{page} * page_size, page_size)));
  state.add_size(bytes.size());
  return state.hex();
}

class RandomHistoryTest : public MountedRepositoryTest,
                          public testing::WithParamInterface<RandomHistoryOptions> {
 protected:
  RandomHistoryTest() { RecordProperty("seed", std::to_string(seed_)); }

  // The number of the newest epoch after a backup.
  [[nodiscard]] std::uint64_t back_up() const {
    const ProcessResult result = epochfs({"backup", "--json", database(), repository()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const Json report = Json::parse(result.out, nullptr, false);
    return report.is_object() ? report.value("epoch", std::uint64_t{0}) : 0;
  }

  // What the mount tells of each epoch, oldest first.
  [[nodiscard]] std::vector<Json> epoch_facts() const {
    std::vector<Json> facts;
    std::istringstream lines(read_file(tree() + "/.epochfs/epochs.jsonl"));
    for (std::string line; std::getline(lines, line);) facts.push_back(Json::parse(line));
    return facts;
  }

  // Mounts, and finds the moment that each epoch is, by its bytes. Gives their indices, epoch by
  // epoch, up to one that is none.
  [[nodiscard]] std::vector<std::size_t> compare_epochs(const RandomMoments& moments) const {
    mount(is_root() ? Words{"-o", "allow_other"} : Words{});
    std::unordered_map<std::string_view, std::size_t> index_of_image;
    for (std::size_t i = 0; i < moments.size(); ++i) index_of_image[moments[i].image] = i;

    std::vector<std::size_t> indices;
    const std::vector<Json> facts = epoch_facts();
    for (const std::string& name : epochs()) {
      SCOPED_TRACE("epoch " + name);
      const auto found = index_of_image.find(read_file(epoch_file(name)));
      if (found == index_of_image.end() || indices.size() == facts.size()) {
        ADD_FAILURE() << "a state that never was, or that nothing is told of";
        break;
      }
      const Json& told = facts[indices.size()];
      if (!indices.empty()) expect_order(told, indices.back(), found->second);
      expect_epoch(indices.size(), name, told, moments[found->second]);
      indices.push_back(found->second);
    }
    return indices;
  }

  // A proven transaction is the next one, all else some later state.
  static void expect_order(const Json& told, std::size_t before, std::size_t index) {
    if (told.at("how") == "commit") {
      EXPECT_EQ(index, before + 1);
    } else {
      EXPECT_GT(index, before);
    }
  }

  // By everything but its bytes. The ways to open it and the users who do take turns.
  void expect_epoch(std::size_t turn, const std::string& name, const Json& told,
                    const RandomHistory::Moment& moment) const {
    EXPECT_EQ(told.at("epoch"), std::stoull(name));
    EXPECT_EQ(told.at("size_bytes"), moment.image.size());
    EXPECT_EQ(told.at("state_hash"), state_hash(moment.image));
    const auto ways = ways_to_open(epoch_file(name));
    const Words user = is_root() && turn % 2 == 1 ? as_nobody() : Words{};
    expect_answer(joined(user, ways[turn % ways.size()]),
                  "PRAGMA integrity_check; SELECT n FROM counter",
                  "ok\n" + moment.transactions + "\n");
  }

  const std::uint64_t seed_ = test_seed();
  const testing::ScopedTrace trace_{__FILE__, __LINE__,
                                    "EPOCHFS_TEST_SEED=" + std::to_string(seed_)};
};

TEST_P(RandomHistoryTest, IsServedAsReadersSawIt) {
  std::mt19937_64 random(seed_);
  RandomHistory history(database(), GetParam(), seed_);
  std::map<std::uint64_t, std::size_t> moment_of;  // of each backup's newest epoch
  for (int round = 0; round < 8; ++round) {
    moment_of[back_up()] = history.moments().size() - 1;
    for (std::uint64_t steps = random() % 8; steps > 0; --steps) history.step();
  }
  const std::vector<std::size_t> moments = compare_epochs(history.moments());
  ASSERT_EQ(moments.size(), moment_of.rbegin()->first);
  for (const auto& [epoch, moment] : moment_of) EXPECT_EQ(moments.at(epoch - 1), moment) << epoch;
  if (!is_root()) GTEST_SKIP() << kNotAsNobody;
}

// Every page size with every journal mode that leaves its trace in files; under sanitizers each
// page size once and each mode twice.
std::vector<RandomHistoryOptions> all_histories() {
  const std::vector<std::string> vacuums = {"NONE", "FULL", "INCREMENTAL"};
  std::vector<RandomHistoryOptions> cases;
  constexpr std::size_t kOneOf = one_of_many_under_sanitizers(4);
  std::size_t first = 0;
  for (const char* const journal_mode : {"WAL", "DELETE", "TRUNCATE", "PERSIST"})
    for (std::size_t size = first++ % kOneOf; size < 8; size += kOneOf)
      cases.push_back({512U << size, vacuums[cases.size() % vacuums.size()], journal_mode});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Real, RandomHistoryTest, testing::ValuesIn(all_histories()),
                         [](const auto& row) { return row.param.name(); });

class BusyHistoryTest : public RandomHistoryTest {
 protected:
  static void write_until(const std::stop_token& stop, RandomHistory& history) {
    try {
      while (!stop.stop_requested()) {
        history.step();
        std::this_thread::sleep_for(std::chrono::milliseconds(2 * one_of_many_under_sanitizers(5)));
      }
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
};

TEST_P(BusyHistoryTest, IsServedAsReadersSawItAlthoughTheWriterNeverStopped) {
  RandomHistory history(database(), GetParam(), seed_);
  std::jthread writer([&](const std::stop_token& stop) { write_until(stop, history); });
  for (int round = 0; round < 10; ++round) static_cast<void>(back_up());
  writer.request_stop();
  writer.join();
  const std::uint64_t newest = back_up();
  const std::vector<std::size_t> moments = compare_epochs(history.moments());
  ASSERT_EQ(moments.size(), newest);
  EXPECT_EQ(moments.back(), history.moments().size() - 1);
  if (!is_root()) GTEST_SKIP() << kNotAsNobody;
}

INSTANTIATE_TEST_SUITE_P(Real, BusyHistoryTest,
                         testing::Values(RandomHistoryOptions{4096, "NONE", "WAL"},
                                         RandomHistoryOptions{1024, "FULL", "WAL"},
                                         RandomHistoryOptions{2048, "INCREMENTAL", "DELETE"},
                                         RandomHistoryOptions{4096, "FULL", "PERSIST"}),
                         [](const auto& row) { return row.param.name(); });

}  // namespace
}  // namespace epochfs::test
