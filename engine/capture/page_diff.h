// Which pages of a state differ from what is known of another one.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/capture/page_reader.h"
#include "engine/capture/snapshot.h"

namespace epochfs::engine {

// What the pages should hash to.
struct ExpectedPages {
  std::uint64_t count = 0;  // pages behind it are new
  std::function<Result<std::vector<std::uint64_t>>(PageRange)> hashes;
};
ExpectedPages expected_pages(const KnownState& known);

// One bit per page, in order.
using PageSet = std::vector<bool>;

// Reads every page of the state once; `on_change` is called for each that differs, in order.
using ChangedPage = std::function<Result<void>(PageNo page, ByteView bytes)>;
Result<PageSet> compare_pages(PageReader& pages, PageSize page_size, std::uint64_t page_count,
                              const ExpectedPages& expected, const ChangedPage& on_change);

// One epoch of the pages in `changed`. `read` gives the n-th of them (from 0), which is `page`.
using ReadChanged =
    std::function<Result<void>(PageNo page, std::uint64_t number, MutableByteView out)>;
std::unique_ptr<ChangeBatch> make_diff_batch(EpochDraft draft, PageSize page_size, PageSet changed,
                                             ReadChanged read);

}  // namespace epochfs::engine
