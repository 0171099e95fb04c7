// What a fuzz target is made of: the entry point that clang's fuzzer calls, and claims.
//
// A target gives bytes from anybody to one parser. That nothing crashes, hangs or is read beyond
// its end is for the sanitizers to see; what a target claims beyond that, it says with must().
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>

#include "engine/core/bytes.h"

// NOLINTNEXTLINE(readability-identifier-naming): the name that the fuzzer looks for
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace epochfs::fuzz {

inline engine::ByteView input(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

// Ends the process, as the fuzzer wants it, when a claim does not hold.
inline void must(bool claim, const char* what) {
  if (claim) return;
  std::cerr << "does not hold: " << what << '\n';
  std::abort();
}

// The first bytes of an input, which say what to do with the rest. Zero when there are none.
template <class T>
T take_word(engine::ByteView& bytes) {
  if (bytes.size() < sizeof(T)) {
    bytes = {};
    return {};
  }
  const T value = engine::load_le<T>(bytes);
  bytes = bytes.subspan(sizeof(T));
  return value;
}

}  // namespace epochfs::fuzz
