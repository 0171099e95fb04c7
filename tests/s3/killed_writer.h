// A writer to the server that is killed when it has sent so many requests.
#pragma once

#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/samples.h"

namespace epochfs::test {

// For tests that try each number of requests; with sanitizers not each of them.
inline constexpr int kEachDeath = static_cast<int>(one_of_many_under_sanitizers(3));

// Starts the command `words` and kills it: `answered` of its requests get their answers, what the
// next one asks for is done, and the writer never hears of it. Whoever needs no more requests than
// that ends by itself. On return nothing of the writer is under way any more: what has reached the
// server is done, and nothing will come after it. It goes by way of `port`; 0: one of its own.
ProcessResult killed_after(int answered, const std::vector<std::string>& words,
                           ProcessOptions options = {}, int port = 0);

}  // namespace epochfs::test
