#include "engine/repo/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "engine/core/hash.h"
#include "engine/core/text.h"
#include "engine/formats/grafeo/manifest.h"
#include "engine/formats/native/manifest.h"
#include "engine/formats/native/seal.h"
#include "engine/source/zlayer_indexer.h"
#include "engine/storage/has_object.h"
#include "engine/storage/local_storage.h"
#include "engine/storage/s3_storage.h"

namespace epochfs::engine {
namespace {

using Check = Examination::Check;
using Verdict = Examination::Verdict;

std::string credentials_text(const std::optional<S3Credentials>& credentials) {
  if (!credentials) return "none: requests are not signed";
  return fmt::format("key {}, secret (hidden){}", printable(credentials->access_key_id),
                     credentials->session_token.empty() ? "" : ", session token (hidden)");
}

std::vector<Examination::Setting> settings_of(const S3Settings& from) {
  const auto shown = [](const Sourced<std::string>& text, std::string_view when_empty) {
    return text.value.empty() ? std::string(when_empty) : printable(text.value);
  };
  return {{"endpoint", shown(from.endpoint, ""), from.endpoint.source},
          {"region", shown(from.region, ""), from.region.source},
          {"bucket", from.location.bucket, "location"},
          {"prefix", from.location.prefix, "location"},
          {"addressing",
           from.path_style.value ? "bucket in the path" : "bucket in the name of the host",
           from.path_style.source},
          {"credentials", credentials_text(from.credentials.value), from.credentials.source},
          {"ca bundle", shown(from.ca_bundle, "the system's"), from.ca_bundle.source}};
}

// One storage, tried in one way after another.
class Examiner {
 public:
  Examiner(std::shared_ptr<Storage> storage, bool read_only, Examination& into)
      : storage_(std::move(storage)),
        read_only_(read_only),
        into_(into),
        name_("epochfs-doctor-" + random_identity()) {}

  void run() {
    // Where the place itself cannot be looked at, nothing else tells more.
    if (!check("list", [this] { return list(); })) return;
    check("repository", [this] { return look_for_repository(); });
    if (!read_only_) {
      if (!storage_->is_remote()) check("lock", [this] { return lock(); });
      try_object();
    } else {
      if (!readable_.empty()) check("read", [this] { return read_what_is_there(); });
      for (const char* name : {"write", "conditional write"})
        into_.checks.push_back({name, Verdict::kSkipped, "not tried: --read-only"});
    }
    if (!storage_->is_remote()) check("space", [this] { return space(); });
  }

 private:
  // Whether it passed; what it found goes into the answer.
  bool check(const char* name, const std::function<Result<std::string>()>& try_it) {
    const auto found = try_it();
    if (found)
      into_.checks.push_back({name, Verdict::kPassed, *found});
    else
      into_.checks.push_back({name, Verdict::kFailed, found.error().text, found.error().code});
    return found.has_value();
  }

  Result<std::string> list() {
    const auto listing = storage_->list("");
    // A store has no empty directories; there the place comes into being with its first object.
    if (!listing && listing.error().code == Code::kNotFound && storage_->is_remote())
      return std::string("nothing there yet");
    if (!listing) return tl::unexpected(listing.error());
    if (!listing->objects.empty()) readable_ = listing->objects.front().name;
    return fmt::format("{}, {}", counted(listing->objects.size(), "object"),
                       counted(listing->directories.size(), "directory", "directories"));
  }

  Result<std::string> look_for_repository() {
    const auto content =
        storage_->get(std::string(native::kRepositoryFile), native::kRepositoryBytesMax);
    if (content) {
      TRY(native::check_seal(content->bytes));
      TRY_ASSIGN(const auto info, native::parse_repository(content->bytes));
      return "id " + info.id;
    }
    if (content.error().code != Code::kNotFound) return tl::unexpected(content.error());
    TRY_ASSIGN(const bool is_of_grafeo, has_object(*storage_, grafeo::kManifestFile));
    if (is_of_grafeo) return std::string("none, but backups of Grafeo's own");
    TRY_ASSIGN(const ZlayerListing zlayer, list_zlayer(*storage_, {}));
    if (zlayer.empty()) return std::string("none yet");
    readable_ = (zlayer.snapshots.empty() ? zlayer.copies : zlayer.snapshots).back().name;
    return fmt::format("none, but ZLayer's backups: {}, {}",
                       counted(zlayer.snapshots.size(), "snapshot"),
                       counted(zlayer.copies.size(), "copy of the log", "copies of the log"));
  }

  Result<std::string> read_what_is_there() const {
    TRY_ASSIGN(const auto blob, storage_->open(readable_));
    Bytes bytes(std::min(blob->size_bytes(), kBytesMax));
    TRY(blob->read(0, bytes));
    return fmt::format("{} of {}", counted(bytes.size(), "byte"), printable(readable_));
  }

  Result<std::string> lock() const {
    const auto lock = storage_->lock_writer("", false);
    if (lock) return std::string("free");
    if (lock.error().code == Code::kLocked) return std::string("held: a writer is at work");
    return tl::unexpected(lock.error());
  }

  void try_object() {
    const bool written = check("write", [this] { return write(); });
    if (written) {
      check("read", [this] { return read_back(kFirst); });
      check("conditional write", [this] { return write_on_conditions(); });
    }
    // Also after a write that failed: it may have been carried out all the same.
    const auto removed = storage_->remove(name_);
    if (!written) return;
    check("remove", [&]() -> Result<std::string> {
      TRY(removed);
      const auto there = storage_->stat(name_);
      if (there) return Error::io(storage_->describe(name_) + ": is still there");
      if (there.error().code != Code::kNotFound) return tl::unexpected(there.error());
      return std::string("ok");
    });
  }

  Result<void> create() const {
    TRY_ASSIGN(const auto upload, storage_->create(name_));
    TRY(upload->append(as_bytes(kFirst)));
    return upload->finish();
  }
  Result<std::string> write() const {
    TRY(create());
    return std::string("ok");
  }

  Result<std::string> read_back(std::string_view want) const {
    TRY_ASSIGN(const auto content, storage_->get(name_, kBytesMax));
    if (as_text(content.bytes) != want)
      return Error::io(storage_->describe(name_) + ": other bytes come back than were written");
    return std::string("ok");
  }

  // Two writers are kept apart by nothing else in an object store.
  Result<std::string> write_on_conditions() const {
    constexpr const char* kConsequence = ": only one writer at a time may use this place";
    const auto again = create();
    if (again)
      return Error::io(std::string("an object that is there was overwritten") + kConsequence);
    if (again.error().code != Code::kExists) return tl::unexpected(again.error());
    TRY_ASSIGN(const ObjectInfo first, storage_->stat(name_));
    TRY(storage_->replace(name_, as_bytes(kSecond), first.version));
    TRY(read_back(kSecond));
    const auto late = storage_->replace(name_, as_bytes(kFirst), first.version);
    if (late) return Error::io(std::string("an outdated version was replaced") + kConsequence);
    if (late.error().code != Code::kLocked) return tl::unexpected(late.error());
    return read_back(kSecond);
  }

  Result<std::string> space() const {
    std::error_code error;
    const auto space = std::filesystem::space(storage_->location(), error);
    if (error) return Error::from_errno(error.value(), storage_->location());
    return human_bytes(space.available) + " free";
  }

  static constexpr std::string_view kFirst = "written by epochfs doctor\n";
  static constexpr std::string_view kSecond = "replaced by epochfs doctor\n";
  static constexpr std::uint64_t kBytesMax = 1024;

  const std::shared_ptr<Storage> storage_;
  const bool read_only_;
  Examination& into_;
  const std::string name_;
  std::string readable_;  // an object that is there; empty: none was seen
};

}  // namespace

bool Examination::is_sound() const noexcept {
  return std::ranges::none_of(checks,
                              [](const Check& check) { return check.verdict == Verdict::kFailed; });
}

Result<Examination> examine(const std::string& location, bool read_only) {
  Examination examination;
  examination.is_remote = is_s3_location(location);
  std::shared_ptr<Storage> storage;
  if (examination.is_remote) {
    TRY_ASSIGN(S3Settings settings, resolve_s3_settings(location, process_surroundings()));
    examination.settings = settings_of(settings);
    storage = make_s3_storage(std::move(settings));
  } else {
    storage = open_local_storage(location);
  }
  examination.location = storage->location();
  Examiner(std::move(storage), read_only, examination).run();
  return examination;
}

}  // namespace epochfs::engine
