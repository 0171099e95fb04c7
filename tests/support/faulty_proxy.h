// A proxy in front of an HTTP server that fails the requests it is told to, and counts.
//
//   FaultyProxy proxy(server_port);
//   proxy.fail({.fault = ProxyFault::kLoseAnswer, .method = "PUT"});   // the next PUT
//
// Threads   any; each connection has a thread of its own
#pragma once

#include <atomic>
#include <chrono>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/core/handle.h"

namespace epochfs::test {

enum class ProxyFault {
  kDrop,        // the connection ends, and the server hears nothing of the request
  kLoseAnswer,  // the server does what it is asked, then the connection ends
  kSilence,     // the server does what it is asked, and the answer never comes
  kAnswer,      // with `answer`, and the server hears nothing of the request
  kTruncate,    // the connection ends in the middle of the answer
  kCorrupt,     // two bytes of the body, the last of them too, are others
  kShorten,     // the last byte of the body is missing, and the headers agree with that
  kDelay,       // the answer comes late, by `delay`
  kDrip,        // the answer comes byte by byte, with `delay` between them
};

struct ProxyPlan {
  ProxyFault fault = ProxyFault::kDrop;
  std::string method = {};  // of the requests that fail; empty: any
  std::string target = {};  // what is in their first lines too
  int after = 0;            // so many of them are answered as usual first
  int times = 1;            // then so many fail
  std::string answer = {};  // whole: "HTTP/1.1 503 …\r\n\r\n…"
  std::chrono::milliseconds delay{};
};

class FaultyProxy {
 public:
  // On `port`; 0: one that nobody has.
  explicit FaultyProxy(int server_port, int port = 0);
  FaultyProxy(const FaultyProxy&) = delete;
  FaultyProxy& operator=(const FaultyProxy&) = delete;
  ~FaultyProxy();

  [[nodiscard]] int port() const noexcept { return port_; }  // on 127.0.0.1
  void fail(ProxyPlan plan);                                 // in place of the plan before
  [[nodiscard]] int requests() const noexcept { return requests_; }
  [[nodiscard]] int connections() const noexcept { return connections_; }
  // The first lines of all requests, with the headers: to look for what must not be there.
  [[nodiscard]] std::string heads() const;

 private:
  void accept_all();
  void serve(int client);
  std::optional<ProxyPlan> plan_for(const std::string& request);
  [[nodiscard]] std::string forward(const std::string& request) const;
  // False: the connection is to end.
  bool answer(int client, const std::string& request);

  const int server_port_;
  int port_ = 0;
  engine::UniqueFd listener_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> requests_ = 0;
  std::atomic<int> connections_ = 0;

  mutable std::mutex mutex_;  // for what follows
  ProxyPlan plan_{.times = 0};
  std::string heads_;
  std::list<engine::UniqueFd> clients_;
  std::vector<std::thread> workers_;

  std::thread acceptor_;  // last: it starts when the rest is there
};

}  // namespace epochfs::test
