// AWS Signature Version 4 for S3: who sent this request, and that nobody changed it on the way.
//
// Our own and not CURLOPT_AWS_SIGV4, which in the libcurl of Debian 12 neither sorts nor encodes
// the query, and cannot be tested without a server. This is pure, and held to AWS's published
// examples.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/hash.h"
#include "engine/core/units.h"

namespace epochfs::engine {

struct S3Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // "" for long-lived keys
};

using S3Fields = std::vector<std::pair<std::string, std::string>>;

struct S3Signable {
  std::string_view method;  // "GET"
  std::string_view path;    // as it is sent: uri_encode()d
  std::string_view query;   // as it is sent: canonical_query()
  S3Fields headers;         // that are sent with it and signed: lower-case names, host among them
  Sha256Digest body_sha256{};
};

// Everything but letters, digits and "-._~" as %XX. S3 encodes a path once, and its '/' not at all.
std::string uri_encode(std::string_view text, bool keep_slashes);
// "a=1&uploads=": encoded and in the order that is signed. It must be sent exactly so.
std::string canonical_query(const S3Fields& parameters);

// The headers to add: x-amz-date, x-amz-content-sha256, x-amz-security-token, authorization.
S3Fields signature_headers(const S3Signable& request, const S3Credentials& credentials,
                           std::string_view region, UtcTime now);

}  // namespace epochfs::engine
