#include "engine/repo/epoch_states.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace epochfs::engine {
namespace {

constexpr std::uint32_t kPageBytes = 512;

// A state in plain sight: the hash of every page.
using State = std::vector<std::uint64_t>;

StateHash hash_of(const State& state) {
  StateHash sum;
  sum.add_size(state.size() * kPageBytes);
  for (std::size_t i = 0; i < state.size(); ++i)
    sum.add(PageNo(static_cast<std::uint32_t>(i + 1)), state[i]);
  return sum;
}

PageSize page_size() { return *PageSize::from(kPageBytes); }

EpochStates::HashesBefore lookup_in(const State& before) {
  return [&before](PageRange pages) -> Result<std::vector<std::uint64_t>> {
    if (pages.first.get() < 1 || pages.last.get() > before.size())
      return Error::invalid("asked for a page that the state before does not have");
    return std::vector<std::uint64_t>(before.begin() + pages.first.get() - 1,
                                      before.begin() + pages.last.get());
  };
}

TEST(EpochStatesTest, AgreesWithHashingEveryStateAnew) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 500; ++round) {
    State before(random() % 12);
    for (auto& hash : before) hash = random() % 3;
    std::vector<State> states;
    std::vector<std::uint64_t> sizes;
    std::map<std::uint32_t, std::vector<std::pair<std::uint32_t, std::uint64_t>>> versions;
    State now = before;
    const std::size_t epochs = 1 + random() % 9;
    for (std::uint32_t ordinal = 0; ordinal < epochs; ++ordinal) {
      const std::size_t old_pages = now.size();
      if (random() % 3 != 0) now.resize(random() % 14);
      for (std::size_t page = 0; page < now.size(); ++page) {
        const bool grown = page >= old_pages;
        if (!grown && random() % 3 != 0) continue;
        now[page] = random() % 3;  // often the same as before
        versions[static_cast<std::uint32_t>(page + 1)].emplace_back(ordinal, now[page]);
      }
      states.push_back(now);
      sizes.push_back(now.size() * kPageBytes);
    }
    EpochStates sums(page_size(), before.size() * kPageBytes, hash_of(before), sizes,
                     lookup_in(before));
    for (const auto& [page, list] : versions) {
      for (const auto& [ordinal, hash] : list) {
        const auto differs = sums.version(PageNo(page), ordinal, hash);
        ASSERT_TRUE(differs) << differs.error().text << ", round " << round;
        const State& earlier = ordinal == 0 ? before : states[ordinal - 1];
        const bool want = page > earlier.size() || earlier[page - 1] != hash;
        EXPECT_EQ(*differs, want) << "page " << page << ", epoch " << ordinal;
      }
    }
    const auto got = sums.finish();
    ASSERT_TRUE(got) << got.error().text << ", round " << round;
    ASSERT_EQ(got->size(), states.size());
    for (std::size_t i = 0; i < states.size(); ++i)
      EXPECT_EQ((*got)[i].hex(), hash_of(states[i]).hex()) << "epoch " << i << ", round " << round;
  }
}

TEST(EpochStatesTest, RefusesAPageThatGrewWithoutContent) {
  const State before = {1, 2};
  for (const std::uint32_t missing : {3U, 4U, 5U}) {
    EpochStates sums(page_size(), 2 * kPageBytes, hash_of(before), {5 * kPageBytes},
                     lookup_in(before));
    bool refused = false;
    for (std::uint32_t page = 3; page <= 5; ++page)
      if (page != missing) refused |= !sums.version(PageNo(page), 0, 9);
    const auto states = sums.finish();
    EXPECT_TRUE(refused || !states) << "page " << missing;
  }
}

TEST(EpochStatesTest, RefusesAPageThatComesBackWithoutContent) {
  const State before = {1, 2, 3};
  EpochStates sums(page_size(), 3 * kPageBytes, hash_of(before), {2 * kPageBytes, 3 * kPageBytes},
                   lookup_in(before));
  EXPECT_FALSE(sums.finish());
}

TEST(EpochStatesTest, RefusesVersionsOutOfOrderOrBeyondTheEnd) {
  const State before = {1, 2, 3};
  EpochStates sums(page_size(), 3 * kPageBytes, hash_of(before), {3 * kPageBytes, 2 * kPageBytes},
                   lookup_in(before));
  ASSERT_TRUE(sums.version(PageNo(2), 1, 7));
  EXPECT_FALSE(sums.version(PageNo(2), 1, 8));
  EXPECT_FALSE(sums.version(PageNo(2), 0, 8));
  EXPECT_FALSE(sums.version(PageNo(1), 1, 8));
  EXPECT_FALSE(sums.version(PageNo(3), 1, 8)) << "epoch 1 has two pages";
  EXPECT_FALSE(sums.version(PageNo(3), 2, 8)) << "there is no epoch 2";
}

}  // namespace
}  // namespace epochfs::engine
