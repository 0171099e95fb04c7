#include "engine/storage/s3_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <random>
#include <thread>

#include "engine/core/hash.h"
#include "engine/core/text.h"
#include "engine/core/time.h"
#include "engine/storage/store_requests.h"

namespace epochfs::engine {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kBytesPerSecondMin = 64 * 1024;
constexpr std::uint64_t kBytesPerSecondTried = 1024 * 1024;
constexpr std::size_t kServerTextMax = 300;

milliseconds time_for(const S3Request& request, const S3Times& times, bool is_silent) {
  const std::uint64_t moved = request.body.size() + (request.into ? request.into->size() : 0);
  // While nothing is heard of the store a large request is no reason to wait much longer.
  const std::uint64_t speed = is_silent ? kBytesPerSecondTried : kBytesPerSecondMin;
  return (is_silent ? std::min(times.silent, times.total) : times.total) +
         milliseconds(moved * 1000 / speed);
}

bool was_answered(const S3Answer& answer) noexcept {
  return answer.http.status != 0 || !answer.http.headers.empty();
}

// Half of the pause is certain, half is chance, so that many clients do not come back as one.
milliseconds jittered(milliseconds pause) {
  thread_local std::minstd_rand random{std::random_device()()};
  return milliseconds(std::uniform_int_distribution(pause.count() / 2, pause.count())(random));
}

// What the server asks for, when it says so in seconds.
milliseconds retry_after(const S3Answer& answer) {
  const std::string text = answer.http.header("retry-after").value_or("");
  unsigned seconds = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || stop != text.data() + text.size()) return milliseconds(0);
  return std::chrono::seconds(std::min(seconds, 3600U));
}

bool may_pass(const S3Answer& answer) {
  switch (answer.http.status) {
    case 0:
      return answer.http.transient;
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return answer.failure.code == "RequestTimeout" || answer.failure.code == "OperationAborted" ||
             answer.is_conflict() || answer.failure.code == "IncompleteBody" ||
             answer.failure.code == "BadDigest";
  }
}

std::string_view advice(const S3Answer& answer) {
  const std::string& code = answer.failure.code;
  if (code == "NoSuchBucket") return "; the bucket must exist already";
  if (code == "RequestTimeTooSkewed") return "; set the clock of this machine";
  if (code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" || code == "ExpiredToken" ||
      code == "InvalidToken")
    return "; check the credentials";
  if (answer.http.status == 301 || code == "AuthorizationHeaderMalformed")
    return "; check AWS_REGION and the endpoint";
  if (code == "InvalidObjectState")
    return "; it is archived, as by a rule of the bucket: restore the object first";
  if (answer.http.status == 401 || answer.http.status == 403)
    return "; check the credentials and what they allow";
  return "";
}

// It is about this object, not about who asks or for what bucket.
bool refuses_object(const S3Request& request, const S3Answer& answer) {
  if (request.key.empty() || (request.method != "GET" && request.method != "HEAD")) return false;
  if (answer.http.status != 403 && answer.http.status != 405) return false;
  const std::string& code = answer.failure.code;  // none in the answer to a HEAD
  return code.empty() || code == "AccessDenied" || code == "InvalidObjectState" ||
         code == "MethodNotAllowed";
}

std::string region_of(const S3Answer& answer) {
  return answer.failure.region.empty() ? answer.http.header("x-amz-bucket-region").value_or("")
                                       : answer.failure.region;
}

std::string shortened(const std::string& text) { return printable(text.substr(0, kServerTextMax)); }

// "503 SlowDown (please)", or why there was no answer.
std::string outcome(const S3Answer& answer) {
  if (answer.http.status == 0) return shortened(answer.http.failure);
  std::string text = fmt::format("HTTP {}", answer.http.status);
  if (!answer.failure.code.empty()) text += " " + shortened(answer.failure.code);
  if (!answer.failure.message.empty()) text += " (" + shortened(answer.failure.message) + ")";
  return text;
}

// Completing a large upload answers 200 before it knows the outcome.
void find_failure(S3Answer& answer) {
  auto failure = parse_s3_failure(answer.http.body);
  if (!failure) return;
  answer.failure = std::move(*failure);
  if (answer.http.is_success()) answer.http.status = 500;
}

// Of the whole process; see store_requests.h.
struct Counts {
  std::atomic<std::uint64_t> gets = 0;
  std::atomic<std::uint64_t> heads = 0;
  std::atomic<std::uint64_t> puts = 0;
  std::atomic<std::uint64_t> lists = 0;
  std::atomic<std::uint64_t> deletes = 0;
  std::atomic<std::uint64_t> retries = 0;
  std::atomic<std::uint64_t> bytes_received = 0;
  std::atomic<std::uint64_t> bytes_sent = 0;
};
Counts& counts() noexcept {
  static Counts counts;
  return counts;
}

bool asks(const S3Request& request, std::string_view parameter) {
  return std::ranges::any_of(request.query,
                             [&](const auto& field) { return field.first == parameter; });
}

std::atomic<std::uint64_t>& count_of(const S3Request& request) {
  if (asks(request, "list-type")) return counts().lists;
  if (asks(request, "delete") || request.method == "DELETE") return counts().deletes;
  if (request.method == "HEAD") return counts().heads;
  return request.method == "GET" ? counts().gets : counts().puts;
}

std::string host_of(std::string_view scheme, std::string_view authority) {
  const std::string_view port = scheme == "https://" ? ":443" : ":80";
  if (authority.ends_with(port)) authority.remove_suffix(port.size());
  return std::string(authority);
}

}  // namespace

std::pair<std::string, std::string> content_md5(ByteView body) {
  return {"content-md5", to_base64(md5(body))};
}

std::string S3Answer::etag() const {
  return std::string(without_quotes(http.header("etag").value_or("")));
}

S3Client::S3Client(S3Settings settings, S3Times times)
    : settings_(std::move(settings)), times_(times), http_(times.http, settings_.ca_bundle.value) {
  times_.attempts_max = settings_.attempts_max.value.value_or(times_.attempts_max);
  const std::string_view endpoint = settings_.endpoint.value;
  const std::size_t authority = endpoint.find("://") + 3;
  const std::size_t path = std::min(endpoint.find('/', authority), endpoint.size());
  scheme_ = endpoint.substr(0, authority);
  host_ = host_of(scheme_, endpoint.substr(authority, path - authority));
  base_path_ = uri_encode(endpoint.substr(path), true);
  const std::string& bucket = settings_.location.bucket;
  if (settings_.path_style.value)
    base_path_ += "/" + bucket;
  else
    host_.insert(0, bucket + ".");
}

HttpRequest S3Client::signed_request(const S3Request& request) const {
  const std::string path = base_path_ + "/" + uri_encode(request.key, true);
  const std::string query = canonical_query(request.query);
  HttpRequest http;
  http.method = request.method;
  http.url = scheme_ + host_ + path + (query.empty() ? "" : "?" + query);
  http.headers = request.headers;
  http.headers.emplace_back("host", host_);
  http.body = request.body;
  http.into = request.into;
  http.body_bytes_max = request.body_bytes_max;
  if (settings_.credentials.value) {
    S3Fields added =
        signature_headers({request.method, path, query, http.headers, Sha256::of(request.body)},
                          *settings_.credentials.value, settings_.region.value, utc_now());
    std::ranges::move(added, std::back_inserter(http.headers));
  }
  return http;
}

StoreRequests store_requests() noexcept {
  const Counts& now = counts();
  return {now.gets,    now.heads,   now.puts,           now.lists,
          now.deletes, now.retries, now.bytes_received, now.bytes_sent};
}

S3Answer S3Client::attempt(const S3Request& request, milliseconds time_max) const {
  HttpRequest http = signed_request(request);
  http.time_max = time_max;
  S3Answer answer;
  count_of(request).fetch_add(1, std::memory_order_relaxed);
  counts().bytes_sent.fetch_add(request.body.size(), std::memory_order_relaxed);
  answer.http = http_.exchange(http);
  counts().bytes_received.fetch_add(answer.http.body.size() + answer.http.into_bytes,
                                    std::memory_order_relaxed);
  if (!answer.http.is_success() || request.method == "POST") find_failure(answer);
  if (request.into && answer.http.is_success() && answer.http.into_bytes != request.into->size()) {
    answer.http.failure =
        fmt::format("{} came, where {} were asked for", counted(answer.http.into_bytes, "byte"),
                    request.into->size());
    answer.http.status = 0;
    answer.http.transient = true;
  }
  return answer;
}

Result<S3Answer> S3Client::send(const S3Request& request, std::string_view what) const {
  const bool is_silent = is_silent_;
  const auto deadline = Clock::now() + time_for(request, times_, is_silent);
  bool any_answer = false;
  milliseconds pause = times_.first_pause;
  for (int attempts = 1;; ++attempts) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    S3Answer answer = attempt(request, std::max(left, milliseconds(1)));
    answer.attempts = attempts;
    if (was_answered(answer)) {
      any_answer = true;
      is_silent_ = false;
    }
    if (!may_pass(answer)) {
      if (answer.http.status != 0) return answer;
      return refused(request, answer, what);
    }
    const milliseconds wait = std::max(jittered(pause), retry_after(answer));
    const bool last = request.one_attempt || is_silent || attempts == times_.attempts_max;
    if (last || Clock::now() + wait >= deadline) {
      if (answer.is_conflict()) return answer;  // who wrote may look at what is there
      if (!any_answer && !request.one_attempt) is_silent_ = true;
      return refused(request, answer, what);
    }
    counts().retries.fetch_add(1, std::memory_order_relaxed);
    std::this_thread::sleep_for(wait);
    pause = std::min(pause * 2, times_.pause_max);
  }
}

Failure S3Client::refused(const S3Request& request, const S3Answer& answer,
                          std::string_view what) const {
  const std::string attempts =
      answer.attempts > 1 ? fmt::format(", after {} attempts", answer.attempts) : "";
  const std::string region = region_of(answer);
  std::string text = fmt::format("{}: {} at {}{}: {}{}{}", what, request.method, scheme_, host_,
                                 outcome(answer), attempts, advice(answer));
  if (!region.empty() && region != settings_.region.value)
    text += fmt::format("; the bucket is in region {}", shortened(region));
  if (answer.http.oversized) return Error::corrupt(std::move(text));
  const bool is_full = answer.http.status == 507 || answer.failure.code == "QuotaExceeded";
  if (is_full) return Error::no_space(std::move(text));
  Failure failure = Error::unreachable(std::move(text));
  if (refuses_object(request, answer)) failure.value().system_errno = EACCES;
  return failure;
}

Result<S3Answer> S3Client::send_expecting_success(const S3Request& request,
                                                  std::string_view what) const {
  TRY_ASSIGN(S3Answer answer, send(request, what));
  if (!answer.is_success()) return refused(request, answer, what);
  return answer;
}

}  // namespace epochfs::engine
