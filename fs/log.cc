#include "fs/log.h"

#include <fcntl.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "engine/core/handle.h"

namespace epochfs::fs {
namespace {

void log_to(std::shared_ptr<spdlog::sinks::sink> sink, const char* pattern) {
  auto logger = std::make_shared<spdlog::logger>("epochfs", std::move(sink));
  logger->set_pattern(pattern, spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void log_to_stderr() {
  log_to(std::make_shared<spdlog::sinks::stderr_sink_mt>(), "epochfs: %l: %v");
}

engine::Result<void> log_to_file(const std::string& path) {
  constexpr std::size_t kFileBytesMax = 1024 * 1024;
  constexpr std::size_t kOldFiles = 2;
  try {
    log_to(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, kFileBytesMax, kOldFiles),
           "%Y-%m-%dT%H:%M:%S.%eZ %P %l: %v");
  } catch (const spdlog::spdlog_ex& failure) {
    return engine::Error::io(failure.what());
  }
  const engine::UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!file || ::dup2(file.get(), STDERR_FILENO) < 0) return engine::Error::from_errno(errno, path);
  return {};
}

}  // namespace epochfs::fs
