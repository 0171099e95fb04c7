// Requests to one bucket: signed, repeated while that makes sense, given up within a deadline.
//
// Threads   any
// Silence   of the store costs one request its deadline; the others then have a short attempt each,
//           until there is an answer of any kind
// Errors    kUnreachable: no answer, or still failing after the last attempt · kCorrupt: an answer
//           longer than the request allows. Every other answer of the server is an S3Answer, for
//           the caller to judge; refused() makes an error of one
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/error.h"
#include "engine/storage/http_client.h"
#include "engine/storage/s3_settings.h"
#include "engine/storage/s3_xml.h"

namespace epochfs::engine {

struct S3Times {
  HttpTimes http;
  // For a request with all its attempts; one second more for each 64 KiB that it moves.
  std::chrono::milliseconds total{60'000};
  int attempts_max = 10;  // unless the settings say otherwise
  // For the one attempt that a request has while the store gives no answer at all, instead of
  // total.
  std::chrono::milliseconds silent{5'000};
  std::chrono::milliseconds first_pause{100};  // doubled from attempt to attempt, and jittered
  std::chrono::milliseconds pause_max{5'000};
};

struct S3Request {
  std::string method = {};
  std::string key = {};  // in the bucket, not encoded; "" is the bucket itself
  S3Fields query = {};
  S3Fields headers = {};  // lower-case names; none that signing adds
  ByteView body = {};
  // As in HttpRequest, but an answer that does not fill it is a failed attempt.
  std::optional<MutableByteView> into = {};
  std::size_t body_bytes_max = 1024 * 1024;
  bool one_attempt = false;  // for what nobody waits for
};

// Of a body that is to be stored: Amazon's refuses others in buckets where objects are locked.
[[nodiscard]] std::pair<std::string, std::string> content_md5(ByteView body);

struct S3Answer {
  HttpAnswer http;
  S3Failure failure;  // of an answer that is no success
  int attempts = 1;   // of ours: libcurl may have made more

  [[nodiscard]] bool is_success() const noexcept { return http.is_success(); }
  [[nodiscard]] bool is_missing() const noexcept {  // the object, not the bucket
    return http.status == 404 && failure.code != "NoSuchBucket";
  }
  [[nodiscard]] bool is_precondition_failed() const noexcept { return http.status == 412; }
  // Of two conditional writes of one name that met: nobody knows yet which of them counts.
  [[nodiscard]] bool is_conflict() const noexcept {
    return http.status == 409 && failure.code == "ConditionalRequestConflict";
  }
  [[nodiscard]] std::string etag() const;  // without quotes; "": none
};

class S3Client {
 public:
  explicit S3Client(S3Settings settings, S3Times times = {});

  // `what` names the object in errors.
  Result<S3Answer> send(const S3Request& request, std::string_view what) const;
  // kUnreachable, kNoSpace or kCorrupt: what the server said, and what can be done about it. With
  // EACCES: refused is this object, and others may not be.
  [[nodiscard]] Failure refused(const S3Request& request, const S3Answer& answer,
                                std::string_view what) const;
  // send(), where all but success is refused().
  Result<S3Answer> send_expecting_success(const S3Request& request, std::string_view what) const;

  [[nodiscard]] const S3Settings& settings() const noexcept { return settings_; }

 private:
  [[nodiscard]] HttpRequest signed_request(const S3Request& request) const;
  [[nodiscard]] S3Answer attempt(const S3Request& request,
                                 std::chrono::milliseconds time_max) const;

  S3Settings settings_;
  S3Times times_;
  std::string scheme_;     // "https://"
  std::string host_;       // as the Host header has it
  std::string base_path_;  // before the key, encoded, without a '/' at the end
  mutable HttpClient http_;
  // The newest request with all its attempts got no answer of any kind, and nothing has since.
  mutable std::atomic<bool> is_silent_ = false;
};

}  // namespace epochfs::engine
