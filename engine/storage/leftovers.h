// Directories that go with an object of this process, and would stay if it ended now.
//
// Threads   any
#pragma once

#include <functional>
#include <string>

namespace epochfs::engine {

// Makes a directory and notes it, the two as one. `make` returns whether it did.
bool make_leftover(const std::string& path, const std::function<bool()>& make);
void forget_leftover(const std::string& path);
// For a process that is about to end: from now on nobody makes any. Whoever is still at work in one
// of them fails.
void remove_leftovers();

}  // namespace epochfs::engine
