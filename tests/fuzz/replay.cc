// Stands in for clang's fuzzer: runs a target on every file of the directories that it is given, on
// each of them cut short anywhere, and with each byte changed.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/samples.h"

namespace {

using Input = std::vector<std::uint8_t>;

// In memory of just that size, so that a sanitizer sees a read beyond it.
void run(const Input& input, std::size_t size) {
  const Input exact(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void run_with_damage(Input input) {
  constexpr std::size_t kStep = epochfs::test::one_of_many_under_sanitizers(5);
  run(input, input.size());
  for (std::size_t size = 0; size < input.size(); size += kStep) run(input, size);
  constexpr std::array<std::uint8_t, 3> kPatterns = {0x01, 0x80, 0xff};
  for (std::size_t at = 0; at < input.size(); at += kStep) {
    std::uint8_t& byte = input[at];
    for (const std::uint8_t pattern : kPatterns) {
      byte = static_cast<std::uint8_t>(byte ^ pattern);
      run(input, input.size());
      byte = static_cast<std::uint8_t>(byte ^ pattern);
    }
  }
}

std::vector<std::filesystem::path> files_in(const char* directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t inputs = 0;
  for (const char* directory : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    for (const auto& path : files_in(directory)) {
      std::cout << path.filename().string()
                << std::endl;  // at once: the last is the one that fails
      std::ifstream in(path, std::ios::binary);
      run_with_damage({std::istreambuf_iterator<char>(in), {}});
      ++inputs;
    }
  }
  std::cout << inputs << " inputs, and their damage\n";
  return inputs > 0 ? 0 : 1;
}
