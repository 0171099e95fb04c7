#include "engine/storage/s3_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>

#include "engine/core/hash.h"
#include "engine/core/text.h"
#include "engine/storage/s3_upload.h"

namespace epochfs::engine {
namespace {

constexpr int kPagesMax = 10'000;  // an end for listings that have none
constexpr std::size_t kPageBytesMax = 16 * 1024 * 1024;
constexpr std::size_t kDeletedAtOnceMax = 1'000;  // S3's limit

std::string quoted(const std::string& etag) { return fmt::format("\"{}\"", etag); }

struct Status {
  std::uint64_t size_bytes = 0;
  std::string etag;
};

Result<Status> status_from(std::string_view size, const S3Answer& answer, std::string_view what) {
  Status status{0, answer.etag()};
  const char* const end = size.data() + size.size();
  const auto [stop, error] = std::from_chars(size.data(), end, status.size_bytes);
  if (status.etag.empty() || error != std::errc() || stop != end)
    return Error::io(fmt::format("{}: the store tells no size or no ETag", what));
  return status;
}

Result<Status> status_of(const S3Answer& answer, std::string_view what) {
  return status_from(answer.http.header("content-length").value_or(""), answer, what);
}

// Of an answer that must hold the last bytes of the object, `tail_bytes_max` of them if it has so
// many.
Result<Status> status_of_tail(const S3Answer& answer, std::uint64_t tail_bytes_max,
                              std::string_view what) {
  const std::string range = answer.http.header("content-range").value_or("");
  TRY_ASSIGN(Status status,
             status_from(std::string_view(range).substr(range.find('/') + 1), answer, what));
  const std::uint64_t size = answer.http.body.size();
  const std::uint64_t begin = status.size_bytes - size;
  if (size != std::min(status.size_bytes, tail_bytes_max) || size == 0 ||
      range != fmt::format("bytes {}-{}/{}", begin, status.size_bytes - 1, status.size_bytes))
    return Error::io(fmt::format("{}: the store answers with another range than its last {} bytes",
                                 what, tail_bytes_max));
  return status;
}

class S3Blob final : public Blob {
 public:
  S3Blob(std::shared_ptr<const S3Client> client, std::string key, Status status, std::string what)
      : client_(std::move(client)),
        key_(std::move(key)),
        status_(std::move(status)),
        what_(std::move(what)) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return status_.size_bytes; }
  [[nodiscard]] const std::string& version() const noexcept override { return status_.etag; }

  Result<void> read(std::uint64_t offset, MutableByteView out) const override {
    TRY(check_inside(status_.size_bytes, offset, out.size(), what_));
    if (out.empty()) return {};
    const std::uint64_t last = offset + out.size() - 1;
    const S3Request request{.method = "GET",
                            .key = key_,
                            .headers = {{"if-match", quoted(status_.etag)},
                                        {"range", fmt::format("bytes={}-{}", offset, last)}},
                            .into = out};
    TRY_ASSIGN(const S3Answer answer, client_->send(request, what_));
    if (answer.is_precondition_failed() || answer.is_missing())
      return Error::io(what_ + ": was replaced or removed while it was read");
    if (!answer.is_success()) return client_->refused(request, answer, what_);
    return check_range(answer, offset, last);
  }

 private:
  // A store that ignores a header must not pass for one that obeys it.
  Result<void> check_range(const S3Answer& answer, std::uint64_t first, std::uint64_t last) const {
    const std::string want = fmt::format("bytes {}-{}/{}", first, last, status_.size_bytes);
    const bool whole = answer.http.status == 200 && last - first + 1 == status_.size_bytes;
    if (!whole && answer.http.header("content-range") != want)
      return Error::io(
          fmt::format("{}: the store answers with another range than {}", what_, want));
    if (answer.etag() != status_.etag) return Error::io(what_ + ": was replaced while it was read");
    return {};
  }

  std::shared_ptr<const S3Client> client_;
  std::string key_;
  Status status_;
  std::string what_;
};

class NoWriterLock final : public WriterLock {};

class S3Storage final : public Storage {
 public:
  S3Storage(S3Settings settings, S3Times times)
      : client_(std::make_shared<const S3Client>(std::move(settings), times)) {}

  [[nodiscard]] std::string location() const override { return place().text(); }

  Result<std::shared_ptr<const Blob>> open(std::string_view name) const override {
    TRY_ASSIGN(Status status, head(name));
    return std::make_shared<const S3Blob>(client_, place().key(name), std::move(status),
                                          describe(name));
  }

  Result<Tailed> open_with_tail(std::string_view name,
                                std::uint64_t tail_bytes_max) const override {
    TRY(check_object_name(name));
    const std::string what = describe(name);
    const S3Request request{.method = "GET",
                            .key = place().key(name),
                            .headers = {{"range", fmt::format("bytes=-{}", tail_bytes_max)}},
                            .body_bytes_max = tail_bytes_max};
    auto answer = client_->send(request, what);
    if (answer && answer->is_missing()) return Error::not_found(what + ": no such object");
    if (!answer && answer.error().code != Code::kCorrupt)
      return tl::unexpected(std::move(answer).error());
    // A range of an empty object is refused, and a store may not know ranges that count from the
    // end.
    const bool has_no_such_range =
        !answer || answer->is_success() || answer->http.status == 416 || answer->http.status == 501;
    if (!has_no_such_range) return client_->refused(request, *answer, what);
    if (!answer || answer->http.status != 206) return Storage::open_with_tail(name, tail_bytes_max);
    TRY_ASSIGN(Status status, status_of_tail(*answer, tail_bytes_max, what));
    return Tailed{std::make_shared<const S3Blob>(client_, request.key, std::move(status), what),
                  std::move(answer->http.body)};
  }

  Result<std::shared_ptr<const Blob>> open_known(std::string_view name, std::uint64_t size_bytes,
                                                 const std::string& version) const override {
    TRY(check_object_name(name));
    return std::make_shared<const S3Blob>(client_, place().key(name), Status{size_bytes, version},
                                          describe(name));
  }

  Result<ObjectInfo> stat(std::string_view name) const override {
    TRY_ASSIGN(Status status, head(name));
    return ObjectInfo{std::string(leaf_of(name)), status.size_bytes, std::move(status.etag)};
  }

  Result<Content> get(std::string_view name, std::uint64_t bytes_max) const override {
    TRY(check_object_name(name));
    const std::string what = describe(name);
    const S3Request request{.method = "GET", .key = place().key(name), .body_bytes_max = bytes_max};
    TRY_ASSIGN(S3Answer answer, client_->send(request, what));
    if (answer.is_missing()) return Error::not_found(what + ": no such object");
    if (!answer.is_success()) return client_->refused(request, answer, what);
    if (answer.etag().empty()) return Error::io(what + ": the store tells no ETag");
    return Content{std::move(answer.http.body), answer.etag()};
  }

  Result<Listing> list(std::string_view directory) const override {
    TRY(check_directory_name(directory));
    const std::string what = describe(directory);
    std::string prefix = place().key(directory);
    if (!prefix.empty()) prefix += '/';
    Listing listing;
    bool is_there = false;
    std::optional<std::string> next;
    for (int pages = 0; pages == 0 || next; ++pages) {
      if (pages == kPagesMax) return Error::io(what + ": more objects than make sense");
      TRY_ASSIGN(S3Page page, list_page(prefix, next, what));
      is_there = is_there || !page.objects.empty() || !page.prefixes.empty();
      add_page(listing, page, prefix);
      next = std::move(page.next);
    }
    if (!is_there) return Error::not_found(what + ": no such directory");
    std::ranges::sort(listing.directories);
    listing.directories.erase(std::unique(listing.directories.begin(), listing.directories.end()),
                              listing.directories.end());
    std::ranges::sort(listing.objects, {}, &ObjectInfo::name);
    return listing;
  }

  Result<std::unique_ptr<Upload>> create(std::string_view name) override {
    TRY(check_object_name(name));
    return std::make_unique<S3Upload>(client_, place().key(name), describe(name));
  }

  Result<void> replace(std::string_view name, ByteView content,
                       const std::optional<std::string>& expected) override {
    TRY(check_object_name(name));
    const std::string what = describe(name);
    const std::string key = place().key(name);
    const S3Write write(*client_, key, what);
    const auto digest = content_md5(content);
    S3Request request{.method = "PUT", .key = key, .body = content};
    for (const bool bare : etag_spellings(expected.has_value())) {
      request.headers = {write.mark(), digest,
                         expected ? if_match(*expected, bare)
                                  : std::pair<std::string, std::string>("if-none-match", "*")};
      TRY_ASSIGN(const S3Answer answer, write.send(request));
      if (answer.is_success()) {
        if (expected) wants_bare_etags_ = bare;
        return {};
      }
      if (!answer.is_precondition_failed() && !answer.is_missing())
        return client_->refused(request, answer, what);
    }
    return Error::locked(what + ": changed by another writer");
  }

  Result<void> remove(std::string_view name) override {
    TRY(check_object_name(name));
    const std::string what = describe(name);
    const S3Request request{.method = "DELETE", .key = place().key(name)};
    TRY_ASSIGN(const S3Answer answer, client_->send(request, what));
    if (!answer.is_success() && !answer.is_missing())
      return client_->refused(request, answer, what);
    return {};
  }

  Result<void> remove_all(std::span<const std::string> names) override {
    for (const std::string& name : names) TRY(check_object_name(name));
    while (!names.empty()) {
      const std::size_t count = std::min(names.size(), kDeletedAtOnceMax);
      TRY(remove_batch(names.first(count)));
      names = names.subspan(count);
    }
    return {};
  }

  Result<std::unique_ptr<WriterLock>> lock_writer(std::string_view directory, bool) override {
    TRY(check_directory_name(directory));
    return std::make_unique<NoWriterLock>();
  }
  [[nodiscard]] bool has_locks() const noexcept override { return false; }
  [[nodiscard]] bool is_remote() const noexcept override { return true; }

 private:
  [[nodiscard]] const S3Location& place() const noexcept { return client_->settings().location; }

  Result<Status> head(std::string_view name) const {
    TRY(check_object_name(name));
    const std::string what = describe(name);
    const S3Request request{.method = "HEAD", .key = place().key(name)};
    TRY_ASSIGN(const S3Answer answer, client_->send(request, what));
    if (answer.is_missing()) return Error::not_found(what + ": no such object");
    if (!answer.is_success()) return client_->refused(request, answer, what);
    return status_of(answer, what);
  }

  Result<S3Page> list_page(const std::string& prefix, const std::optional<std::string>& next,
                           const std::string& what) const {
    S3Request request{.method = "GET",
                      .query = {{"list-type", "2"},
                                {"prefix", prefix},
                                {"delimiter", "/"},
                                {"encoding-type", "url"},
                                {"max-keys", std::to_string(kPageKeysMax)}},
                      .body_bytes_max = kPageBytesMax};
    if (next) request.query.emplace_back("continuation-token", *next);
    TRY_ASSIGN(const S3Answer answer, client_->send_expecting_success(request, what));
    return with_context(parse_s3_page(answer.http.body), [&] { return what; });
  }

  static void add_page(Listing& listing, S3Page& page, const std::string& prefix) {
    const auto leaf = [&](std::string_view key) -> std::optional<std::string> {
      if (!key.starts_with(prefix)) return std::nullopt;
      key.remove_prefix(prefix.size());
      if (!is_plain_name(key) || key.front() == '.') return std::nullopt;
      return std::string(key);
    };
    for (S3Page::Object& object : page.objects) {
      if (auto name = leaf(object.key))
        listing.objects.push_back(
            {std::move(*name), object.size_bytes, std::move(object.etag), object.modified});
    }
    for (std::string_view directory : page.prefixes) {
      if (directory.ends_with('/')) directory.remove_suffix(1);
      if (auto name = leaf(directory)) listing.directories.push_back(std::move(*name));
    }
  }

  static std::pair<std::string, std::string> if_match(const std::string& etag, bool bare) {
    return {"if-match", bare ? etag : quoted(etag)};
  }

  // HTTP has ETags in quotes. Ceph compares what is in a PUT's If-Match as it is, so there the same
  // condition must be said without them. The one that worked last comes first; a second refusal
  // costs the loser of a race one request.
  [[nodiscard]] std::vector<bool> etag_spellings(bool conditional_on_etag) const {
    if (!conditional_on_etag) return {false};
    const bool bare = wants_bare_etags_;
    return {bare, !bare};
  }

  Result<void> remove_batch(std::span<const std::string> names) const {
    std::vector<std::string> keys;
    for (const std::string& name : names) keys.push_back(place().key(name));
    const std::string body = delete_objects_xml(keys);
    const S3Request request{.method = "POST",
                            .query = {{"delete", ""}},
                            .headers = {content_md5(as_bytes(body))},
                            .body = as_bytes(body)};
    TRY_ASSIGN(const S3Answer answer, client_->send_expecting_success(request, location()));
    TRY_ASSIGN(const auto kept,
               with_context(parse_s3_deleted(answer.http.body), [&] { return location(); }));
    if (!kept) return {};
    S3Answer refusal = answer;
    refusal.failure = kept->failure;
    return client_->refused(request, refusal,
                            fmt::format("{}: {}", location(), printable(kept->key)));
  }

  const std::shared_ptr<const S3Client> client_;
  std::atomic<bool> wants_bare_etags_ = false;
};

}  // namespace

std::shared_ptr<Storage> make_s3_storage(S3Settings settings, S3Times times) {
  return std::make_shared<S3Storage>(std::move(settings), times);
}

}  // namespace epochfs::engine
