#include "engine/storage/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <new>

#include "engine/core/handle.h"
#include "engine/core/text.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kIdleMax = 16;
constexpr std::size_t kHeadersMax = 200;
constexpr long kReceivedAtOnce = 256L * 1024;  // sixteen times fewer calls than with curl's own
constexpr std::size_t kErrorBytesMax = 64 * 1024;

using HeaderList = std::unique_ptr<curl_slist, ClosedBy<curl_slist_free_all>>;

void append(HeaderList& list, const std::string& line) {
  curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  static_cast<void>(list.release());
  list.reset(longer);
}

HeaderList header_list(const HttpRequest& request) {
  HeaderList list;
  for (const auto& [name, value] : request.headers) append(list, name + ": " + value);
  // What curl would add by itself: a wait before each larger body, and a type that is not true.
  append(list, "Expect:");
  append(list, "Accept:");
  append(list, "Content-Type:");
  return list;
}

// What comes in, put where it belongs. The functions are called by curl: they must not throw past
// it, and anything but the full size makes it give up.
class Incoming {
 public:
  Incoming(const HttpRequest& request, HttpAnswer& answer, CURL* handle)
      : request_(request), answer_(answer), handle_(handle) {}

  static std::size_t take_header(char* data, std::size_t, std::size_t size, void* self) noexcept {
    return static_cast<Incoming*>(self)->header(std::string_view(data, size)) ? size : 0;
  }
  static std::size_t take_body(char* data, std::size_t, std::size_t size, void* self) noexcept {
    return static_cast<Incoming*>(self)->body(as_bytes({data, size})) ? size : 0;
  }

 private:
  bool header(std::string_view line) noexcept {
    try {
      if (line.starts_with("HTTP/")) answer_.headers.clear();  // a "100 Continue" came before
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) return true;
      if (answer_.headers.size() == kHeadersMax) return false;
      std::string name(trimmed(line.substr(0, colon)));
      std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      });
      answer_.headers.emplace_back(std::move(name), trimmed(line.substr(colon + 1)));
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  bool body(ByteView bytes) noexcept {
    const bool success = is_success();
    const bool filling = success && request_.into;
    const std::size_t taken = filling ? answer_.into_bytes : answer_.body.size();
    const std::size_t most = filling   ? request_.into->size()
                             : success ? request_.body_bytes_max
                                       : kErrorBytesMax;
    if (bytes.size() > most - taken) {
      if (success) return refuse_body();
      bytes = bytes.first(most - taken);  // enough of it to tell what the server said
    }
    if (filling) {
      copy_bytes(bytes, request_.into->subspan(taken));
      answer_.into_bytes += bytes.size();
      return true;
    }
    try {
      answer_.body.insert(answer_.body.end(), bytes.begin(), bytes.end());
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  bool refuse_body() noexcept {
    answer_.oversized = true;
    return false;
  }

  [[nodiscard]] bool is_success() const noexcept {
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
  }

  const HttpRequest& request_;
  HttpAnswer& answer_;
  CURL* handle_;
};

bool may_pass(CURLcode code) noexcept {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
      return true;
    default:
      return false;
  }
}

void set_method(CURL* handle, const HttpRequest& request) {
  if (request.method == "HEAD") {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    return;
  }
  // As "posted fields" whatever the method: curl can then send them again by itself when a kept
  // connection turns out to be dead.
  if (request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, as_text(request.body).data());
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

}  // namespace

std::optional<std::string> HttpAnswer::header(std::string_view name) const {
  const auto found = std::ranges::find(
      headers, name, [](const auto& field) { return std::string_view(field.first); });
  if (found == headers.end()) return std::nullopt;
  return found->second;
}

HttpClient::HttpClient(HttpTimes times, std::string ca_bundle)
    : times_(times), ca_bundle_(std::move(ca_bundle)) {
  curl_global_init(CURL_GLOBAL_DEFAULT);  // counts its calls, and may be called from any thread
}

HttpClient::~HttpClient() = default;

void HttpClient::Close::operator()(void* handle) const noexcept { curl_easy_cleanup(handle); }

HttpAnswer HttpClient::exchange(const HttpRequest& request) {
  HttpAnswer answer;
  Handle owner = take();
  CURL* const handle = owner.get();
  Incoming incoming(request, answer, handle);
  std::array<char, CURL_ERROR_SIZE> detail{};
  const HeaderList headers = header_list(request);

  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail.data());
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, kReceivedAtOnce);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &Incoming::take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &incoming);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Incoming::take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &incoming);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(times_.connect.count()));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(times_.stall.count()));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.time_max.count()));
  if (!ca_bundle_.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, ca_bundle_.c_str());
  set_method(handle, request);

  const CURLcode code = curl_easy_perform(handle);
  if (code == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<int>(status);
  } else {
    answer.failure = detail[0] != '\0' ? detail.data() : curl_easy_strerror(code);
    if (answer.oversized) answer.failure = "the answer has more bytes than make sense";
    answer.transient = may_pass(code);
  }
  give_back(std::move(owner));
  return answer;
}

HttpClient::Handle HttpClient::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Handle handle = std::move(idle_.back());
      idle_.pop_back();
      return handle;
    }
  }
  Handle handle(curl_easy_init());
  if (!handle) throw std::bad_alloc();
  return handle;
}

void HttpClient::give_back(Handle handle) {
  curl_easy_reset(handle.get());  // forgets the request; connections and names stay
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(handle));
}

}  // namespace epochfs::engine
