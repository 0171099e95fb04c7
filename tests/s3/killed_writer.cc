#include "tests/s3/killed_writer.h"

#include <chrono>
#include <csignal>

#include "tests/s3/real_s3.h"
#include "tests/support/faulty_proxy.h"

namespace epochfs::test {

ProcessResult killed_after(int answered, const std::vector<std::string>& words,
                           ProcessOptions options, int port) {
  FaultyProxy proxy(RealS3::port(), port);
  proxy.fail({.fault = ProxyFault::kSilence, .after = answered, .times = 1'000'000});
  for (const auto& [name, value] : RealS3::environment(proxy.port()))
    options.environment[name] = value;
  Process writer(words, options);
  while (proxy.requests() <= answered && !writer.ends_within(std::chrono::milliseconds(1)))
    continue;
  writer.signal(SIGKILL);
  return writer.wait();
}

}  // namespace epochfs::test
