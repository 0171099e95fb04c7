#include "tests/support/faulty_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <system_error>

namespace epochfs::test {
namespace {

using engine::UniqueFd;

int socket_call(int value, const char* what) {
  if (value < 0) throw std::system_error(errno, std::generic_category(), what);
  return value;
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// The one cast that the socket interface wants.
template <class Call>
int with_address(sockaddr_in& address, const Call& call) {
  return call(static_cast<sockaddr*>(static_cast<void*>(&address)));
}

bool receive_more(int socket, std::string& text) {
  std::array<char, 64 * 1024> buffer{};
  const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
  if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

bool send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::size_t head_size(const std::string& message) {
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string::npos ? end : end + 4;
}

// Where the value of a header begins that is spelled so; npos: there is none.
std::size_t value_of(const std::string& head, const std::string& name) {
  const std::size_t at = head.find("\r\n" + name + ": ");
  return at == std::string::npos ? at : at + name.size() + 4;
}

std::size_t content_length(const std::string& head) {
  const std::size_t at = value_of(head, "Content-Length");
  return at == std::string::npos ? 0 : std::strtoull(head.c_str() + at, nullptr, 10);
}

std::string shortened(std::string answer) {
  const std::size_t at = value_of(answer.substr(0, head_size(answer)), "Content-Length");
  const std::string length = std::to_string(content_length(answer));
  answer.replace(at, length.size(), std::to_string(content_length(answer) - 1));
  answer.pop_back();
  return answer;
}

std::string corrupted(std::string answer) {
  const std::size_t head = head_size(answer);
  if (answer.size() == head) return answer;
  for (const std::size_t at : {head + (answer.size() - head) / 2, answer.size() - 1})
    answer[at] = static_cast<char>(answer[at] ^ 0x10);
  return answer;
}

}  // namespace

FaultyProxy::FaultyProxy(int server_port, int port) : server_port_(server_port) {
  listener_ = UniqueFd(socket_call(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const int yes = 1;  // also where one was until just now
  socket_call(::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), "reuse");
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof(address);
  with_address(address, [&](sockaddr* raw) {
    socket_call(::bind(listener_.get(), raw, size), "bind");
    return socket_call(::getsockname(listener_.get(), raw, &size), "getsockname");
  });
  socket_call(::listen(listener_.get(), SOMAXCONN), "listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FaultyProxy::~FaultyProxy() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const UniqueFd& client : clients_) ::shutdown(client.get(), SHUT_RDWR);
  }
  for (std::thread& worker : workers_) worker.join();
}

void FaultyProxy::fail(ProxyPlan plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
}

std::string FaultyProxy::heads() const {
  const std::lock_guard lock(mutex_);
  return heads_;
}

void FaultyProxy::accept_all() {
  while (!stopping_) {
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) continue;
    ++connections_;
    const std::lock_guard lock(mutex_);
    const int socket = client.get();
    clients_.push_back(std::move(client));
    workers_.emplace_back([this, socket] { serve(socket); });
  }
}

// The descriptor stays open until the end, so that its number means this connection only.
void FaultyProxy::serve(int client) {
  std::string received;
  for (;;) {
    while (head_size(received) == std::string::npos) {
      if (!receive_more(client, received)) return;
    }
    const std::string head = received.substr(0, head_size(received));
    const std::size_t size = head.size() + content_length(head);
    while (received.size() < size) {
      if (!receive_more(client, received)) return;
    }
    if (!answer(client, received.substr(0, size))) break;
    if (head.find("Connection: close\r\n") != std::string::npos) break;  // another proxy's
    received.erase(0, size);
  }
  ::shutdown(client, SHUT_RDWR);
}

std::optional<ProxyPlan> FaultyProxy::plan_for(const std::string& request) {
  ++requests_;
  const std::lock_guard lock(mutex_);
  heads_ += request.substr(0, head_size(request));
  const bool meant = (plan_.method.empty() || request.starts_with(plan_.method + " ")) &&
                     request.substr(0, request.find('\r')).find(plan_.target) != std::string::npos;
  if (!meant || plan_.times == 0) return std::nullopt;
  if (plan_.after > 0) {
    --plan_.after;
    return std::nullopt;
  }
  --plan_.times;
  return plan_;
}

// Over a connection of its own that ends with the answer; the client is not told of that end.
std::string FaultyProxy::forward(const std::string& request) const {
  const UniqueFd server(socket_call(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in address = loopback(server_port_);
  const int connected = with_address(
      address, [&](sockaddr* raw) { return ::connect(server.get(), raw, sizeof(address)); });
  std::string answer;
  const std::string head = request.substr(0, head_size(request) - 2);
  if (connected != 0 ||
      !send_all(server.get(), head + "Connection: close\r\n" + request.substr(head.size())))
    return answer;
  while (receive_more(server.get(), answer)) continue;
  const std::string_view farewell = "Connection: close\r\n";
  if (const std::size_t at = answer.find(farewell); at < head_size(answer))
    answer.erase(at, farewell.size());
  return answer;
}

bool FaultyProxy::answer(int client, const std::string& request) {
  const std::optional<ProxyPlan> plan = plan_for(request);
  if (!plan) {
    const std::string answered = forward(request);
    return !answered.empty() && send_all(client, answered);
  }
  switch (plan->fault) {
    case ProxyFault::kDrop:
      return false;
    case ProxyFault::kLoseAnswer:
      static_cast<void>(forward(request));
      return false;
    case ProxyFault::kSilence: {
      static_cast<void>(forward(request));
      std::string ignored;
      while (receive_more(client, ignored)) continue;
      return false;
    }
    case ProxyFault::kAnswer:
      return send_all(client, plan->answer);
    case ProxyFault::kTruncate: {
      const std::string whole = forward(request);
      send_all(client, std::string_view(whole).substr(0, whole.size() - 1));
      return false;
    }
    case ProxyFault::kShorten:
      return send_all(client, shortened(forward(request)));
    case ProxyFault::kCorrupt:
      return send_all(client, corrupted(forward(request)));
    case ProxyFault::kDelay:
      std::this_thread::sleep_for(plan->delay);
      return send_all(client, forward(request));
    case ProxyFault::kDrip:
      for (const char c : forward(request)) {
        if (stopping_ || !send_all(client, std::string_view(&c, 1))) return false;
        std::this_thread::sleep_for(plan->delay);
      }
      return true;
  }
  return false;
}

}  // namespace epochfs::test
