// One HTTP exchange at a time per thread, over connections that are kept: libcurl, its traps
// handled once.
//
// Threads   any; each exchange under way has a connection of its own
// Trust     none: lengths, headers and bodies are bounded by what the request allows
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/bytes.h"

namespace epochfs::engine {

struct HttpRequest {
  std::string method;
  std::string url;  // sent as it is: no dots resolved, nothing encoded
  std::vector<std::pair<std::string, std::string>> headers;
  ByteView body;
  // Where the body of a successful answer goes; without it to HttpAnswer::body, `body_bytes_max`
  // bytes at most. Of other answers the body may have 64 KiB.
  std::optional<MutableByteView> into;
  std::size_t body_bytes_max = 0;
  std::chrono::milliseconds time_max{};  // for all of it
};

struct HttpAnswer {
  int status = 0;  // 0: there was no answer, or not all of it
  std::vector<std::pair<std::string, std::string>> headers;  // lower-case names
  Bytes body;
  std::size_t into_bytes = 0;  // how many went to HttpRequest::into
  std::string failure;         // why there is no answer
  bool transient = false;      // no answer, but another attempt may get one
  bool oversized = false;      // no answer, because it has more bytes than the request allows

  [[nodiscard]] bool is_success() const noexcept { return status >= 200 && status < 300; }
  // Of the first header with this lower-case name.
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;
};

struct HttpTimes {
  std::chrono::milliseconds connect{5'000};  // until the connection stands, TLS included
  std::chrono::seconds stall{20};            // without a single byte either way
};

class HttpClient {
 public:
  // `ca_bundle`: path of the authorities to accept; "": the system's.
  HttpClient(HttpTimes times, std::string ca_bundle);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  // Redirects are answers, not followed: a signature is valid for one place only.
  HttpAnswer exchange(const HttpRequest& request);

 private:
  struct Close {
    void operator()(void* handle) const noexcept;
  };
  using Handle = std::unique_ptr<void, Close>;

  Handle take();
  void give_back(Handle handle);

  const HttpTimes times_;
  const std::string ca_bundle_;
  std::mutex mutex_;
  std::vector<Handle> idle_;  // each with its connection; the one used last is used next
};

}  // namespace epochfs::engine
