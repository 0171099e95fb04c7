// How to reach an object store, found where AWS users put it; and where each value was found.
//
// Secrets   the values of `credentials` must appear in no message; access_key_id may
// Errors    kInvalid: a value that makes no sense, with its source in the text · kIo: a file that
//           is there cannot be read, or there are no credentials
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/error.h"
#include "engine/storage/s3_location.h"
#include "engine/storage/s3_signer.h"

namespace epochfs::engine {

template <class T>
struct Sourced {
  T value;
  std::string source;  // "AWS_REGION", "profile backup in /home/me/.aws/config", "default"
};

// Of what nobody has set.
inline constexpr std::string_view kDefaultSource = "default";

struct S3Settings {
  S3Location location;
  Sourced<std::string> endpoint;  // "https://host[:port][/path]", without the bucket
  Sourced<bool> path_style;       // the bucket is in the path, not in the host name
  Sourced<std::string> region;
  Sourced<std::string> ca_bundle;  // absolute path of the accepted authorities; "": the system's
  Sourced<std::optional<S3Credentials>> credentials;  // nullopt: requests are not signed
  Sourced<std::optional<int>> attempts_max = {};      // nullopt: as S3Times has it
};

// What settings are made from; a test has its own.
struct S3Surroundings {
  // Of an environment variable. An empty one counts as none.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  // Of a file; nullopt: there is none.
  std::function<Result<std::optional<std::string>>(const std::string& path)> file;
  // What the user said in so many words, before anything else.
  std::optional<Sourced<std::string>> endpoint = {};
};
S3Surroundings process_surroundings();
// For this process from now on. Before it has other threads.
void choose_endpoint(Sourced<std::string> endpoint);

// `location` is "s3://bucket/prefix". In the order that counts:
//
//   credentials   EPOCHFS_S3_ANONYMOUS=1 (none) · AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY and
//                 AWS_SESSION_TOKEN · the profile
//   endpoint      the chosen one · AWS_ENDPOINT_URL_S3 · AWS_ENDPOINT_URL · the profile's
//                 `services`, then its endpoint_url · Amazon's for the region
//   region        AWS_REGION · AWS_DEFAULT_REGION · the profile · us-east-1
//   ca_bundle     AWS_CA_BUNDLE · the profile
//   attempts      AWS_MAX_ATTEMPTS · the profile's max_attempts
//
// The profile is AWS_PROFILE or "default", in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and
// AWS_CONFIG_FILE (~/.aws/config). Roles, SSO, credential_process and the metadata services of
// virtual machines are not known. Path style with every endpoint but Amazon's own, and for buckets
// whose name cannot be part of a host's. A file that may not be read counts only if it was named.
Result<S3Settings> resolve_s3_settings(std::string_view location, const S3Surroundings& from);
// The endpoint alone, for which nobody needs credentials.
Result<Sourced<std::string>> resolve_s3_endpoint(std::string_view location,
                                                 const S3Surroundings& from);

}  // namespace epochfs::engine
