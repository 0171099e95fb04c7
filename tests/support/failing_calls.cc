#include "tests/support/failing_calls.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <system_error>
#include <thread>

namespace epochfs {
namespace {

using Program = std::vector<sock_filter>;

sock_filter statement(int code, std::size_t value) {
  return {static_cast<std::uint16_t>(code), 0, 0, static_cast<std::uint32_t>(value)};
}

// Goes on when the condition holds, else skips `distance` statements.
sock_filter unless_skip(int condition, unsigned value, std::size_t distance) {
  return {static_cast<std::uint16_t>(BPF_JMP | condition | BPF_K), 0,
          static_cast<std::uint8_t>(distance), value};
}

void add(Program& program, const FailingCall& call) {
  const bool conditional = call.bits != 0;
  program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  program.push_back(unless_skip(BPF_JEQ, static_cast<unsigned>(call.number), conditional ? 3 : 1));
  if (conditional) {
    const std::size_t argument = offsetof(seccomp_data, args) + 8 * call.argument;
    program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, argument));  // low half, little-endian
    program.push_back(unless_skip(BPF_JSET, call.bits, 1));
  }
  program.push_back(
      statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(call.error_number)));
}

void install(const std::vector<FailingCall>& calls) {
  Program program;
  for (const FailingCall& call : calls) add(program, call);
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<std::uint16_t>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    throw std::system_error(errno, std::generic_category(), "seccomp");
}

}  // namespace

void with_failing_calls(const std::vector<FailingCall>& calls, const std::function<void()>& body) {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      install(calls);
      body();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace epochfs
