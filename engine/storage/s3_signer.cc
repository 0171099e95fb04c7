#include "engine/storage/s3_signer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/time.h"

namespace epochfs::engine {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

// 20130524T000000Z
std::string compact_time(UtcTime now) {
  std::string text = format_utc_millis(now);  // 2013-05-24T00:00:00.000Z
  text.resize(text.find('.'));
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + 'Z';
}

std::string hex_of_text(std::string_view text) { return to_hex(Sha256::of(as_bytes(text))); }

// Valid for one day, region and service: what is signed with it says nothing about the secret.
Sha256Digest signing_key(const S3Credentials& credentials, std::string_view date,
                         std::string_view region) {
  Sha256Digest key = hmac_sha256(as_bytes("AWS4" + credentials.secret_access_key), as_bytes(date));
  for (const std::string_view part :
       {region, std::string_view("s3"), std::string_view("aws4_request")})
    key = hmac_sha256(key, as_bytes(part));
  return key;
}

}  // namespace

std::string uri_encode(std::string_view text, bool keep_slashes) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slashes);
    if (plain)
      encoded += c;
    else
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

std::string canonical_query(const S3Fields& parameters) {
  S3Fields encoded;
  for (const auto& [name, value] : parameters)
    encoded.emplace_back(uri_encode(name, false), uri_encode(value, false));
  std::ranges::sort(encoded);
  std::string query;
  for (const auto& [name, value] : encoded)
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", name, value);
  return query;
}

S3Fields signature_headers(const S3Signable& request, const S3Credentials& credentials,
                           std::string_view region, UtcTime now) {
  const std::string time = compact_time(now);
  const std::string date = time.substr(0, time.find('T'));
  S3Fields added = {{"x-amz-content-sha256", to_hex(request.body_sha256)}, {"x-amz-date", time}};
  if (!credentials.session_token.empty())
    added.emplace_back("x-amz-security-token", credentials.session_token);

  S3Fields headers = request.headers;
  headers.insert(headers.end(), added.begin(), added.end());
  std::ranges::sort(headers);
  std::string header_lines;
  std::string header_names;
  for (const auto& [name, value] : headers) {
    header_lines += fmt::format("{}:{}\n", name, value);
    header_names += fmt::format("{}{}", header_names.empty() ? "" : ";", name);
  }

  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path, request.query,
                  header_lines, header_names, to_hex(request.body_sha256));
  const std::string scope = fmt::format("{}/{}/s3/aws4_request", date, region);
  const std::string to_sign =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, scope, hex_of_text(canonical));
  const Sha256Digest signature =
      hmac_sha256(signing_key(credentials, date, region), as_bytes(to_sign));
  added.emplace_back(
      "authorization",
      fmt::format("{} Credential={}/{},SignedHeaders={},Signature={}", kAlgorithm,
                  credentials.access_key_id, scope, header_names, to_hex(signature)));
  return added;
}

}  // namespace epochfs::engine
