#include "engine/storage/s3_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "engine/core/hash.h"

namespace epochfs::engine {
namespace {

constexpr const char* kMark = "x-amz-meta-epochfs-write";
constexpr int kPreconditionFailed = 412;
constexpr std::size_t kFirstPartBytes = 16 * 1024 * 1024;
constexpr std::size_t kPartsMax = 10'000;       // S3's limit
constexpr std::size_t kPartsOfOneSize = 2'000;  // then they double

}  // namespace

S3Write::S3Write(const S3Client& client, std::string key, std::string what)
    : client_(client), key_(std::move(key)), what_(std::move(what)), identity_(random_identity()) {}

std::pair<std::string, std::string> S3Write::mark() const { return {kMark, identity_}; }

Result<S3Answer> S3Write::send(const S3Request& request) const {
  TRY_ASSIGN(S3Answer answer, client_.send(request, what_));
  const bool conflict = answer.is_conflict();
  if (!answer.is_precondition_failed() && !answer.is_missing() && !conflict) return answer;
  // However many attempts there were: libcurl repeats a request by itself when a kept connection
  // ends without an answer.
  const S3Request look{.method = "HEAD", .key = key_};
  TRY_ASSIGN(S3Answer there, client_.send(look, what_));
  if (!there.is_success() && !there.is_missing()) return client_.refused(look, there, what_);
  if (there.is_success() && there.http.header(kMark) == identity_) return there;
  // Another write of the name is under way; or the parts are used up or were cleared away, and the
  // name is somebody else's.
  if (conflict || there.is_success()) answer.http.status = kPreconditionFailed;
  return answer;
}

std::size_t s3_part_bytes(std::size_t index) noexcept {
  return kFirstPartBytes << (index / kPartsOfOneSize);
}

S3Upload::S3Upload(std::shared_ptr<const S3Client> client, std::string key, std::string what)
    : client_(std::move(client)),
      key_(std::move(key)),
      what_(std::move(what)),
      write_(*client_, key_, what_) {}

S3Upload::~S3Upload() { abort_parts(); }

Result<void> S3Upload::append(ByteView bytes) {
  if (ended_) return Error::io(what_ + ": the upload has ended");
  auto appended = append_parts(bytes);
  if (!appended) ended_ = true;
  return appended;
}

// A full part stays until there is more, so the last one is never empty.
Result<void> S3Upload::append_parts(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t part_bytes = s3_part_bytes(etags_.size());
    if (part_.size() == part_bytes) {
      TRY(send_part());
      continue;
    }
    const std::size_t count = std::min(bytes.size(), part_bytes - part_.size());
    part_.insert(part_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
  }
  return {};
}

Result<void> S3Upload::finish() {
  if (ended_) return Error::io(what_ + ": the upload has ended");
  ended_ = true;
  return upload_id_.empty() ? put_whole() : complete_parts();
}

Result<void> S3Upload::put_whole() {
  const S3Request request{.method = "PUT",
                          .key = key_,
                          .headers = {{"if-none-match", "*"}, write_.mark(), content_md5(part_)},
                          .body = part_};
  TRY_ASSIGN(const S3Answer answer, write_.send(request));
  if (answer.is_precondition_failed()) return taken();
  if (!answer.is_success()) return client_->refused(request, answer, what_);
  return {};
}

Result<void> S3Upload::begin_parts() {
  const S3Request request{
      .method = "POST", .key = key_, .query = {{"uploads", ""}}, .headers = {write_.mark()}};
  TRY_ASSIGN(const S3Answer answer, client_->send_expecting_success(request, what_));
  TRY_ASSIGN(upload_id_, with_context(parse_s3_upload_id(answer.http.body), [&] { return what_; }));
  return {};
}

Result<void> S3Upload::send_part() {
  if (etags_.size() == kPartsMax - 1)
    return Error::io(what_ + ": larger than an object in several parts can be");
  if (upload_id_.empty()) TRY(begin_parts());
  const S3Request request{
      .method = "PUT",
      .key = key_,
      .query = {{"partNumber", fmt::format("{}", etags_.size() + 1)}, {"uploadId", upload_id_}},
      .headers = {content_md5(part_)},
      .body = part_};
  TRY_ASSIGN(const S3Answer answer, client_->send_expecting_success(request, what_));
  if (answer.etag().empty()) return Error::io(what_ + ": the store gives a part no ETag");
  etags_.push_back(answer.etag());
  part_.clear();
  return {};
}

Result<void> S3Upload::complete_parts() {
  TRY(send_part());
  TRY_ASSIGN(const S3Answer there, client_->send({.method = "HEAD", .key = key_}, what_));
  if (there.is_success()) return taken();
  const std::string parts = complete_upload_xml(etags_);
  const S3Request request{.method = "POST",
                          .key = key_,
                          .query = {{"uploadId", upload_id_}},
                          .headers = {{"if-none-match", "*"}},
                          .body = as_bytes(parts)};
  TRY_ASSIGN(const S3Answer answer, write_.send(request));
  if (answer.is_precondition_failed()) return taken();
  if (!answer.is_success()) return client_->refused(request, answer, what_);
  upload_id_.clear();
  return {};
}

// What cannot be cleared away now is left to the bucket's rule for incomplete uploads.
void S3Upload::abort_parts() noexcept {
  if (upload_id_.empty()) return;
  try {
    static_cast<void>(client_->send(
        {.method = "DELETE", .key = key_, .query = {{"uploadId", upload_id_}}, .one_attempt = true},
        what_));
  } catch (const std::bad_alloc&) {  // then it is left over too
  }
}

Failure S3Upload::taken() const { return Error::exists(what_ + ": exists"); }

}  // namespace epochfs::engine
