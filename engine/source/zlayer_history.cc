#include "engine/source/zlayer_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_set>

#include "engine/core/text.h"
#include "engine/source/zlayer_images.h"
#include "engine/source/zlayer_states.h"

namespace epochfs::engine {
namespace {

using native::Basis;
using zlayer::SnapshotFacts;
using zlayer::WalCommit;
using zlayer::WalFacts;
using zlayer::WalFrame;

struct Generation {
  std::vector<const ZlayerCopy*> copies;  // that agree with the longest
  const ZlayerCopy* longest = nullptr;
  std::size_t longest_place = 0;
  UtcTime first_seen;
  UtcTime last_seen;

  [[nodiscard]] const WalFacts& facts() const { return longest->facts; }
  [[nodiscard]] std::uint32_t lineage() const { return facts().salts().first - facts().sequence(); }
};

struct Candidate {
  std::size_t snapshot = 0;
  std::uint32_t first_frame = 0;  // it is a base for the commits from there on
  Basis basis = Basis::kShown;
};

// Whether both say the same up to the last commit that both have.
bool agree(const WalFacts& one, const WalFacts& other) {
  const WalFacts& shorter = one.frame_count() <= other.frame_count() ? one : other;
  const WalFacts& longer = &shorter == &one ? other : one;
  std::uint32_t at = 0;
  std::uint32_t behind = longer.commit_count();
  const WalCommit last = shorter.commit(shorter.commit_count() - 1);
  while (at < behind) {  // commits ascend by frame
    const std::uint32_t middle = at + (behind - at) / 2;
    if (longer.commit(middle).frame < last.frame)
      at = middle + 1;
    else
      behind = middle;
  }
  return at < longer.commit_count() && longer.commit(at) == last;
}

// Pages that the commit with that index wrote.
std::uint32_t pages_changed(const WalFacts& facts, std::uint32_t index) {
  std::unordered_set<std::uint32_t> pages;
  for (std::uint32_t frame = index == 0 ? 1 : facts.commit(index - 1).frame + 1;
       frame <= facts.commit(index).frame; ++frame)
    pages.insert(facts.frame(frame).page.get());
  return static_cast<std::uint32_t>(pages.size());
}

class Derivation {
 public:
  Derivation(std::span<const ZlayerSnapshot> snapshots, std::span<const ZlayerCopy> copies,
             bool with_unproven)
      : snapshots_(snapshots), copies_(copies), with_unproven_(with_unproven) {}

  ZlayerHistory run() {
    gather_generations();
    weigh_times();
    for (std::uint32_t i = 0; i < generations_.size(); ++i) images_.add(generations_[i].facts(), i);
    for (const ZlayerSnapshot& snapshot : snapshots_) {
      states_.push_back(ZlayerStates(snapshot.facts).state());
      const auto low = images_.weigh(snapshot.facts, 0).low;
      watched_.push_back({low ? std::optional(low->generation) : std::nullopt});
    }
    for (std::uint32_t i = 0; i < generations_.size(); ++i) find_bases(i);
    for (std::uint32_t i = 0; i < generations_.size(); ++i) add_commits(i);
    add_snapshots();
    return number();
  }

 private:
  // An epoch and its place in the order.
  struct Placed {
    std::uint32_t generation = 0;
    std::int64_t frame = 0;  // of a snapshot before the generation: -1
    UtcTime taken;
    ZlayerEpoch epoch;
  };

  void gather_generations() {
    using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
    std::map<Key, std::vector<const ZlayerCopy*>> by_salts;
    for (const ZlayerCopy& copy : copies_) {
      if (copy.facts.commit_count() == 0) continue;
      const auto [first, second] = copy.facts.salts();
      by_salts[{first, second, copy.facts.sequence()}].push_back(&copy);
    }
    for (auto& [salts, copies] : by_salts) generations_.push_back(generation_of(copies));
    std::map<std::uint32_t, UtcTime> lineage_seen;
    for (const Generation& generation : generations_) {
      const auto [at, is_new] =
          lineage_seen.try_emplace(generation.lineage(), generation.first_seen);
      at->second = std::min(at->second, generation.first_seen);
    }
    std::ranges::stable_sort(generations_, {}, [&](const Generation& generation) {
      return std::tuple(lineage_seen.at(generation.lineage()), generation.lineage(),
                        generation.facts().sequence(), generation.first_seen);
    });
  }

  // Of copies that contradict each other the one that was stored last is right: a commit was lost
  // in a crash, and its place taken by another.
  Generation generation_of(std::vector<const ZlayerCopy*>& copies) {
    std::ranges::stable_sort(copies, [](const ZlayerCopy* one, const ZlayerCopy* other) {
      return one->modified > other->modified;
    });
    Generation generation;
    for (const ZlayerCopy* copy : copies) {
      const bool is_first = generation.copies.empty();
      if (!is_first && !agree(copy->facts, generation.facts())) {
        history_.notes.push_back(fmt::format(
            "{}: other commits than the later {} has under the same frames; they are left out",
            printable(copy->object), printable(generation.longest->object)));
        continue;
      }
      generation.copies.push_back(copy);
      if (is_first || copy->facts.frame_count() > generation.facts().frame_count()) {
        generation.longest = copy;
        generation.longest_place = static_cast<std::size_t>(copy - copies_.data());
      }
    }
    generation.first_seen = generation.copies.back()->modified;
    generation.last_seen = generation.copies.front()->modified;
    return generation;
  }

  // When each snapshot was taken, by the clock that the copies' times are of: by its name, unless
  // it was stored at quite another time. Then the objects were copied from elsewhere, or that clock
  // is another; and what was copied in an order of its own has times that say nothing.
  void weigh_times() {
    bool is_any_off = false;
    for (const ZlayerSnapshot& snapshot : snapshots_) {
      const std::int64_t late = snapshot.stored.get() - snapshot.taken.get();
      const bool is_off = late > kOffAtLeast || late < -kOffAtLeast;
      is_any_off = is_any_off || is_off;
      moments_.push_back(is_off ? snapshot.stored : snapshot.taken);
    }
    times_are_void_ = is_any_off && are_in_other_order();
    if (!times_are_void_) return;
    history_.notes.emplace_back(
        "the times of these objects are those of a copy, in another order than they were made in: "
        "what rests on times is not offered; copy them with their times (cp -p), or in their "
        "order");
  }

  // Generations that overlap, although one log comes after the other; or snapshots that all lie on
  // one side of several logs, as when one directory was copied after the other.
  [[nodiscard]] bool are_in_other_order() const {
    std::vector<std::pair<UtcTime, UtcTime>> spans;
    for (const Generation& generation : generations_)
      spans.emplace_back(generation.first_seen, generation.last_seen);
    const bool is_lineage_wrong = !std::ranges::is_sorted(spans);
    std::ranges::sort(spans);
    for (std::size_t i = 1; i < spans.size(); ++i) {
      if (spans[i].first < spans[i - 1].second) return true;
    }
    if (is_lineage_wrong) return true;
    if (moments_.empty() || spans.size() < 2 || (moments_.size() == 1 && is_one_lineage()))
      return false;
    const auto [first, last] = std::ranges::minmax(moments_);
    return last < spans.front().first || first > spans.back().second;
  }

  // Whether a pair stands without the times: where contents show it, and the order of the logs is
  // that of their own numbers.
  [[nodiscard]] bool stands_without_times(const Candidate& candidate) const {
    return candidate.first_frame > 0 || (candidate.basis == Basis::kShown && is_one_lineage());
  }

  [[nodiscard]] bool is_one_lineage() const {
    return std::ranges::all_of(generations_, [&](const Generation& generation) {
      return generation.lineage() == generations_.front().lineage();
    });
  }

  // Whether a snapshot that holds a page of the middle of a generation was taken there: then every
  // page that was last written by then is in it, even if a checkpoint was under way.
  [[nodiscard]] static bool is_inside(const SnapshotFacts& snapshot, const WalFacts& facts,
                                      std::uint32_t low) {
    for (std::uint32_t frame = 1; frame <= low; ++frame) {
      const WalFrame found = facts.frame(frame);
      const bool is_last = facts.newest(found.page, facts.frame_count()) == frame;
      if (is_last && snapshot.hash(found.page) != found.hash) return false;
    }
    return true;
  }

  // Pages that the generation before wrote differ between the two.
  [[nodiscard]] static bool differ_in(const WalFacts& before, const SnapshotFacts& one,
                                      const SnapshotFacts& other) {
    for (std::uint32_t frame = 1; frame <= before.frame_count(); ++frame) {
      const PageNo page = before.frame(frame).page;
      if (one.hash(page) != other.hash(page)) return true;
    }
    return false;
  }

  // The first write of page 1 in a log goes on from the counter of the page that it rests on, or
  // from an earlier one that its connection had read.
  [[nodiscard]] static bool counter_fits(const SnapshotFacts& snapshot, const WalFacts& facts) {
    const auto counter = facts.change_counter();
    return !counter || *counter - snapshot.change_counter() <= 1;
  }

  // By the numbers, logs are missing between the generation and the one that is known before it.
  [[nodiscard]] bool is_behind_gap(std::uint32_t number) const {
    const Generation& before = generations_[number - 1];
    const Generation& generation = generations_[number];
    const bool is_new_file = before.lineage() != generation.lineage();
    return generation.facts().sequence() != (is_new_file ? 0 : before.facts().sequence() + 1);
  }

  // Whether it could be a base at all. A snapshot that was taken behind a generation can only be if
  // it was taken inside, of which its pages tell; one that was found too old stays that.
  [[nodiscard]] bool is_worth_weighing(std::size_t place, std::uint32_t number) const {
    const ZlayerSnapshot& snapshot = snapshots_[place];
    const Generation& generation = generations_[number];
    if (snapshot.facts.page_size() != generation.facts().page_size()) return false;
    if (moments_[place] > generation.last_seen) return watched_[place].newest_page_in == number;
    return !watched_[place].is_stale;
  }

  // kUnproven: nothing speaks against it.
  [[nodiscard]] std::optional<Candidate> judge(std::size_t place, std::uint32_t number) {
    if (!is_worth_weighing(place, number)) return std::nullopt;
    const ZlayerSnapshot& snapshot = snapshots_[place];
    const Generation& generation = generations_[number];
    const WalFacts& facts = generation.facts();
    const UtcTime taken = moments_[place];
    const ZlayerEvidence evidence = images_.weigh(snapshot.facts, number);
    if (evidence.stale < number) watched_[place].is_stale = true;
    if (evidence.stale < number) return std::nullopt;
    std::optional<ZlayerMoment> low = evidence.low;
    if (low && low->generation == number && low->frame > 0 &&
        !is_inside(snapshot.facts, facts, low->frame)) {
      // It is newer than all that is known of that generation. Or, where it is older by its time,
      // it merely holds a page that came to look alike again.
      if (taken > generation.first_seen) return std::nullopt;
      low.reset();
    }
    if (low && low->generation > number) return std::nullopt;
    if (low && low->generation == number && low->frame > 0)
      return Candidate{place, low->frame, Basis::kShown};
    if (taken > generation.last_seen || !counter_fits(snapshot.facts, facts)) return std::nullopt;
    if (number == 0)
      return Candidate{place, 0, facts.sequence() == 0 ? Basis::kShown : Basis::kAssumed};
    if (is_behind_gap(number)) {
      // Whatever was lost came before it only if the log had begun when it was taken.
      if (taken <= generation.first_seen) return std::nullopt;
      return Candidate{place, 0, Basis::kAssumed};
    }
    if (evidence.holds_end_before) return Candidate{place, 0, Basis::kShown};
    const auto& base = bases_[number - 1];
    const Generation& before = generations_[number - 1];
    if (base && before.last_seen <= taken &&
        differ_in(before.facts(), snapshots_[*base].facts, snapshot.facts))
      return Candidate{place, 0, Basis::kAssumed};
    return Candidate{place, 0, Basis::kUnproven};
  }

  // What a generation of our own rests on, as its copies say.
  [[nodiscard]] static std::optional<StateHash> claimed_base(const Generation& generation) {
    for (const ZlayerCopy* copy : generation.copies) {
      if (copy->facts.base()) return copy->facts.base();
    }
    return std::nullopt;
  }

  [[nodiscard]] std::vector<Candidate> candidates_for(std::uint32_t number) {
    std::vector<Candidate> found;
    const Generation& generation = generations_[number];
    const auto base = claimed_base(generation);
    for (std::size_t place = 0; place < snapshots_.size(); ++place) {
      const bool is_base = base == states_[place] &&
                           snapshots_[place].facts.page_size() == generation.facts().page_size();
      if (is_base) found.push_back({place, 0, Basis::kShown});
      if (base) continue;
      const auto candidate = judge(place, number);
      if (candidate && (!times_are_void_ || stands_without_times(*candidate)))
        found.push_back(*candidate);
    }
    return found;
  }

  // A snapshot for which nothing speaks is a base only if it is later than one for which something
  // does.
  void settle_unproven(std::vector<Candidate>& candidates) const {
    std::optional<UtcTime> earliest;
    for (const Candidate& candidate : candidates) {
      const UtcTime taken = moments_[candidate.snapshot];
      if (candidate.first_frame == 0 && candidate.basis != Basis::kUnproven)
        earliest = std::min(earliest.value_or(taken), taken);
    }
    std::erase_if(candidates, [&](const Candidate& candidate) {
      return candidate.basis == Basis::kUnproven &&
             (!earliest || moments_[candidate.snapshot] < *earliest);
    });
    for (Candidate& candidate : candidates) {
      if (candidate.basis == Basis::kUnproven) candidate.basis = Basis::kAssumed;
    }
  }

  // What is shown of a snapshot is shown of all that are equal to it.
  void share_evidence(std::vector<Candidate>& candidates) const {
    for (Candidate& candidate : candidates) {
      const SnapshotFacts& facts = snapshots_[candidate.snapshot].facts;
      const bool is_shown = std::ranges::any_of(candidates, [&](const Candidate& other) {
        return other.basis == Basis::kShown && other.first_frame == candidate.first_frame &&
               snapshots_[other.snapshot].facts.is_equal(facts);
      });
      if (is_shown) candidate.basis = Basis::kShown;
    }
  }

  // The best first: usable from the earliest frame, shown, and late.
  void find_bases(std::uint32_t number) {
    std::vector<Candidate> found = candidates_for(number);
    settle_unproven(found);
    share_evidence(found);
    std::ranges::stable_sort(found, {}, [&](const Candidate& candidate) {
      return std::tuple(candidate.first_frame, candidate.basis != Basis::kShown,
                        -moments_[candidate.snapshot].get());
    });
    if (times_are_void_ && !claimed_base(generations_[number])) {
      for (Candidate& candidate : found) {
        if (candidate.first_frame == 0) candidate.basis = Basis::kAssumed;
      }
    }
    const bool has_base = !found.empty() && found.front().first_frame == 0;
    bases_.push_back(has_base ? std::optional(found.front().snapshot) : std::nullopt);
    candidates_.push_back(std::move(found));
    if (!has_base) return;
    const SnapshotFacts& base = snapshots_[*bases_.back()].facts;
    const WalFacts& facts = generations_[number].facts();
    for (std::uint32_t frame = 1; frame <= facts.frame_count(); ++frame) {
      const PageNo page = facts.frame(frame).page;
      if (const auto hash = base.hash(page)) images_.add_base(page, number, *hash);
    }
  }

  [[nodiscard]] UtcTime time_of(const Generation& generation, std::uint32_t frame) const {
    UtcTime earliest = generation.last_seen;
    for (const ZlayerCopy* copy : generation.copies) {
      if (copy->facts.frame_count() >= frame) earliest = std::min(earliest, copy->modified);
    }
    return earliest;
  }

  // Of the commit with that index.
  [[nodiscard]] native::EpochFacts facts_of(const Generation& generation, std::uint32_t index,
                                            const ZlayerStates& states, Basis basis) const {
    const WalCommit commit = generation.facts().commit(index);
    native::EpochFacts facts;
    facts.committed = time_of(generation, commit.frame);
    facts.captured = facts.committed;
    facts.size_bytes = states.size_bytes();
    facts.state = states.state();
    facts.position = {generation.facts().salts().first, generation.facts().salts().second,
                      generation.facts().sequence(), commit.frame};
    facts.pages_changed = pages_changed(generation.facts(), index);
    facts.commits_folded = 1;
    facts.flags = native::kEpochWalMode;
    facts.basis = basis;
    return facts;
  }

  // The commits of a generation, each on the best base that covers it.
  void add_commits(std::uint32_t number) {
    const Generation& generation = generations_[number];
    const WalFacts& facts = generation.facts();
    const std::vector<Candidate>& candidates = candidates_[number];
    std::vector<ZlayerCoverage> coverage;
    coverage.reserve(candidates.size());
    for (const Candidate& candidate : candidates)
      coverage.emplace_back(snapshots_[candidate.snapshot].facts);
    std::optional<Carried> below = follows(number) ? std::move(end_before_) : std::nullopt;
    if (below) {
      below->is_used = false;
      below->states.begin_log();
    }
    end_before_.reset();
    std::optional<std::size_t> base;
    std::optional<ZlayerStates> states;
    ZlayerLayer newest;
    for (std::uint32_t i = 0; i < facts.commit_count(); ++i) {
      const WalCommit commit = facts.commit(i);
      const auto chosen = first_base(candidates, coverage, facts, commit);
      ZlayerLayer layer{generation.longest_place, commit.frame, commit.pages};
      if (!chosen) {
        ++history_.unproven;
        if (below) add_unproven(number, i, layer, *below);
        continue;
      }
      if (base != chosen->snapshot) states.emplace(snapshots_[chosen->snapshot].facts);
      base = chosen->snapshot;
      states->apply(facts, commit);
      placed_.push_back(
          {number,
           commit.frame,
           {},
           {facts_of(generation, i, *states, chosen->basis), chosen->snapshot, {layer}}});
      newest = layer;
    }
    if (with_unproven_ && newest.frame == facts.frame_count())
      end_before_ = Carried{*base, {newest}, *std::move(states)};
    if (with_unproven_ && !end_before_ && below && below->is_used) end_before_ = std::move(below);
  }

  // The state that a generation ended with, for the next one to rest on.
  struct Carried {
    std::size_t base = 0;
    std::vector<ZlayerLayer> layers;
    ZlayerStates states;
    bool is_used = false;  // by the generation that is on top now
  };

  // One that was taken before another which does not cover the commit is too old, even if it
  // happens to be larger.
  [[nodiscard]] std::optional<Candidate> first_base(const std::vector<Candidate>& candidates,
                                                    std::vector<ZlayerCoverage>& coverage,
                                                    const WalFacts& facts,
                                                    const WalCommit& commit) const {
    UtcTime too_early(std::numeric_limits<std::int64_t>::min());
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const UtcTime taken = moments_[candidates[i].snapshot];
      if (candidates[i].first_frame > commit.frame || taken < too_early) continue;
      if (coverage[i].covers(facts, commit)) return candidates[i];
      too_early = taken;
    }
    return std::nullopt;
  }

  // The generation began where the one before ended, as far as the numbers tell.
  [[nodiscard]] bool follows(std::uint32_t number) const {
    if (number == 0) return false;
    const WalFacts& before = generations_[number - 1].facts();
    const WalFacts& facts = generations_[number].facts();
    return before.sequence() + 1 == facts.sequence() &&
           before.salts().first + 1 == facts.salts().first &&
           before.page_size() == facts.page_size();
  }

  void add_unproven(std::uint32_t number, std::uint32_t index, const ZlayerLayer& layer,
                    Carried& below) {
    const Generation& generation = generations_[number];
    const WalCommit commit = generation.facts().commit(index);
    if (below.is_used) below.layers.pop_back();
    below.is_used = false;
    if (below.layers.size() >= kLayersMax) return;
    // No honest log grows a database by more pages than it has frames, and the page of the locks.
    if (commit.pages > below.layers.back().pages + std::uint64_t{commit.frame} + 1) return;
    below.is_used = true;
    below.layers.push_back(layer);
    below.states.apply(generation.facts(), commit);
    placed_.push_back(
        {number,
         commit.frame,
         {},
         {facts_of(generation, index, below.states, Basis::kUnproven), below.base, below.layers}});
  }

  // A checkpoint was under way when it was taken: it has a page of frame `low`, and lacks an
  // earlier one.
  [[nodiscard]] bool is_mixture(const SnapshotFacts& snapshot, std::uint32_t number,
                                std::uint32_t low) const {
    if (snapshot.size_disagrees()) return true;
    for (const auto& [page, moments] : images_.all()) {
      std::optional<ZlayerMoment> past;
      std::optional<ZlayerMoment> held;
      const auto hash = snapshot.hash(PageNo(page));
      for (const ZlayerImages::Image& image : moments) {
        const ZlayerMoment moment = image.moment;
        if (moment.generation == number && moment.frame > 0 && moment.frame <= low) past = moment;
        if (hash && image.hash == *hash) held = moment;
      }
      if (past && (!hash || (held && *held < *past))) return true;
    }
    return false;
  }

  void add_snapshots() {
    std::unordered_set<std::string> known;
    const auto key = [](const native::EpochFacts& facts) {
      return fmt::format("{}.{}", facts.state.hex(), facts.size_bytes);
    };
    for (const Placed& placed : placed_) {
      if (placed.epoch.facts.basis != Basis::kUnproven) known.insert(key(placed.epoch.facts));
    }
    for (std::size_t place = 0; place < snapshots_.size(); ++place) {
      const ZlayerSnapshot& snapshot = snapshots_[place];
      native::EpochFacts facts;
      facts.committed = snapshot.taken;
      facts.captured = snapshot.taken;
      facts.size_bytes =
          std::uint64_t{snapshot.facts.page_count()} * snapshot.facts.page_size().bytes();
      facts.state = states_[place];
      facts.how = native::Captured::kPageDiff;
      facts.pages_changed = snapshot.facts.page_count();
      facts.flags = snapshot.facts.wal_mode() ? native::kEpochWalMode : std::uint8_t{0};
      facts.basis = Basis::kShown;
      if (snapshot.facts.begins()) {
        known.insert(key(facts));
        placed_.push_back({place_of_own(place), -1, moments_[place], {facts, place, {}}});
        continue;
      }
      if (known.contains(key(facts))) continue;  // another name of a commit
      if (const auto at = place_of(place)) {
        known.insert(key(facts));
        placed_.push_back({*at, -1, moments_[place], {facts, place, {}}});
      } else {
        history_.notes.push_back(fmt::format(
            "{}: taken while a checkpoint was under way, so it was never a state of the "
            "database; it still serves as a base",
            printable(snapshot.object)));
      }
    }
  }

  // The generation that a snapshot of our own stands before: the one that it was made for, or
  // would have.
  [[nodiscard]] std::uint32_t place_of_own(std::size_t place) const {
    const zlayer::GenerationName& name = *snapshots_[place].facts.begins();
    const std::uint32_t lineage = name.salts.first - name.sequence;
    std::optional<std::uint32_t> behind;
    for (std::uint32_t i = 0; i < generations_.size(); ++i) {
      if (generations_[i].lineage() != lineage) continue;
      if (generations_[i].facts().sequence() >= name.sequence) return i;
      behind = i + 1;
    }
    return behind.value_or(first_seen_from(moments_[place]));
  }

  [[nodiscard]] std::uint32_t first_seen_from(UtcTime taken) const {
    const auto found = std::ranges::find_if(
        generations_, [&](const Generation& generation) { return generation.first_seen >= taken; });
    return static_cast<std::uint32_t>(found - generations_.begin());
  }

  // The generation that a snapshot stands before; nullopt: it is no epoch.
  [[nodiscard]] std::optional<std::uint32_t> place_of(std::size_t place) const {
    const ZlayerSnapshot& snapshot = snapshots_[place];
    std::optional<std::uint32_t> inside;
    for (std::uint32_t i = 0; i < generations_.size(); ++i) {
      const auto found = std::ranges::find(candidates_[i], place, &Candidate::snapshot);
      if (found == candidates_[i].end()) continue;
      if (found->first_frame == 0) return i;
      if (!inside && is_mixture(snapshot.facts, i, found->first_frame)) return std::nullopt;
      inside = i;
    }
    return first_seen_from(moments_[place]);
  }

  // A snapshot of our own that is what came right before it, and merely the next base.
  [[nodiscard]] bool repeats_newest(const ZlayerEpoch& epoch) const {
    if (history_.epochs.empty() || !epoch.layers.empty()) return false;
    const native::EpochFacts& newest = history_.epochs.back().facts;
    return snapshots_[epoch.base].facts.begins() && newest.state == epoch.facts.state &&
           newest.size_bytes == epoch.facts.size_bytes;
  }

  ZlayerHistory number() {
    std::ranges::stable_sort(placed_, {}, [](const Placed& placed) {
      return std::tuple(placed.generation, placed.frame, placed.taken);
    });
    UtcTime newest(std::numeric_limits<std::int64_t>::min());
    for (Placed& placed : placed_) {
      if (repeats_newest(placed.epoch)) continue;
      native::EpochFacts& facts = placed.epoch.facts;
      facts.epoch = Epoch(history_.epochs.size() + 1);
      // Copies may have been stored in another order than they were made in.
      newest = std::max(newest, facts.committed);
      facts.committed = newest;
      history_.epochs.push_back(std::move(placed.epoch));
    }
    return std::move(history_);
  }

  static constexpr std::size_t kLayersMax = 16;
  static constexpr std::int64_t kOffAtLeast = std::int64_t{15} * 60 * 1'000'000'000;

  struct Watched {
    std::optional<std::uint32_t> newest_page_in{};  // generation of the latest of its pages
    bool is_stale = false;
  };

  std::span<const ZlayerSnapshot> snapshots_;
  std::span<const ZlayerCopy> copies_;
  bool with_unproven_;
  std::vector<Generation> generations_;
  std::vector<UtcTime> moments_;  // of each snapshot
  bool times_are_void_ = false;
  ZlayerImages images_;
  std::vector<StateHash> states_;                   // of each snapshot
  std::vector<Watched> watched_;                    // of each snapshot
  std::vector<std::optional<std::size_t>> bases_;   // of each generation, from its first frame on
  std::vector<std::vector<Candidate>> candidates_;  // of each generation
  std::optional<Carried> end_before_;
  std::vector<Placed> placed_;
  ZlayerHistory history_;
};

}  // namespace

ZlayerHistory derive_zlayer_history(std::span<const ZlayerSnapshot> snapshots,
                                    std::span<const ZlayerCopy> copies, bool with_unproven) {
  return Derivation(snapshots, copies, with_unproven).run();
}

}  // namespace epochfs::engine
