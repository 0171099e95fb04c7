#include "engine/storage/s3_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include "engine/core/text.h"
#include "engine/storage/ini_file.h"

namespace epochfs::engine {
namespace {

using Text = Sourced<std::string>;

// One of the two files, as far as the profile is concerned.
struct ProfileFile {
  IniFile sections;
  std::string section;  // "backup" in credentials, "profile backup" in config
  std::string source;   // "profile backup in <path>"

  [[nodiscard]] bool has_profile() const { return sections.contains(section); }
  [[nodiscard]] std::optional<Text> find(const std::string& key) const {
    return find_in(section, key);
  }
  [[nodiscard]] std::optional<Text> find_in(const std::string& name, const std::string& key) const {
    const auto found = sections.find(name);
    if (found == sections.end()) return std::nullopt;
    const auto value = found->second.find(key);
    if (value == found->second.end() || value->second.empty()) return std::nullopt;
    return Text{value->second, source};
  }
};

class Resolver {
 public:
  static Result<Resolver> prepare(const S3Surroundings& from) {
    Resolver resolver(from);
    const auto chosen = resolver.variable("AWS_PROFILE");
    resolver.profile_ = chosen ? chosen->value : "default";
    const std::string& profile = resolver.profile_;
    TRY_ASSIGN(resolver.credentials_,
               resolver.read("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", profile));
    TRY_ASSIGN(resolver.config_,
               resolver.read("AWS_CONFIG_FILE", "/.aws/config", "profile " + profile));
    // Of the default profile both spellings are known there.
    if (profile == "default" && !resolver.config_.has_profile()) resolver.config_.section = profile;
    if (chosen && !resolver.credentials_.has_profile() && !resolver.config_.has_profile())
      return Error::invalid(fmt::format("AWS_PROFILE is '{}', which is in no configuration file",
                                        printable(profile)));
    return resolver;
  }

  Result<S3Settings> settings(std::string_view location) const {
    S3Settings settings;
    TRY_ASSIGN(settings.location, parse_s3_location(location));
    settings.region = region();
    TRY(check_region(settings.region));
    settings.ca_bundle = ca_bundle();
    TRY_ASSIGN(settings.attempts_max, attempts_max());
    TRY_ASSIGN(settings.endpoint, endpoint());
    settings.path_style = path_style(custom_endpoint().has_value(), settings.location.bucket);
    TRY_ASSIGN(settings.credentials, credentials(settings.location));
    return settings;
  }

  Result<Text> endpoint() const {
    const auto custom = custom_endpoint();
    Text endpoint = custom ? *custom : amazon(region().value);
    TRY(check_endpoint(endpoint));
    return endpoint;
  }

 private:
  explicit Resolver(const S3Surroundings& from) : from_(&from) {}

  [[nodiscard]] std::optional<Text> variable(const std::string& name) const {
    auto value = from_->variable(name);
    if (!value || value->empty()) return std::nullopt;
    return Text{std::move(*value), name};
  }

  Result<ProfileFile> read(const std::string& path_variable, const std::string& below_home,
                           std::string section) {
    const auto chosen = variable(path_variable);
    const auto home = variable("HOME");
    ProfileFile file;
    file.section = std::move(section);
    if (!chosen && !home) return file;
    const std::string path = chosen ? chosen->value : home->value + below_home;
    file.source = fmt::format("profile {} in {}", profile_, path);
    auto text = from_->file(path);
    // Another user's home, as under sudo: that nobody named, so it must not be in the way.
    if (!text && !chosen && text.error().system_errno == EACCES) {
      closed_.push_back(path);
      return file;
    }
    if (!text) return tl::unexpected(std::move(text).error());
    if (*text) file.sections = parse_ini(**text);
    return file;
  }

  [[nodiscard]] std::optional<Text> in_profile(const std::string& key) const {
    auto value = config_.find(key);
    return value ? value : credentials_.find(key);
  }

  [[nodiscard]] Text region() const {
    if (auto value = variable("AWS_REGION")) return *value;
    if (auto value = variable("AWS_DEFAULT_REGION")) return *value;
    if (auto value = in_profile("region")) return *value;
    return {"us-east-1", "default"};
  }

  [[nodiscard]] Text ca_bundle() const {
    auto value = variable("AWS_CA_BUNDLE");
    if (!value) value = in_profile("ca_bundle");
    if (!value) return {"", "default"};
    // A mount in the background leaves the directory that it was started in.
    std::error_code error;
    const auto path = std::filesystem::absolute(value->value, error);
    if (!error) value->value = path.string();
    return *value;
  }

  [[nodiscard]] std::optional<Text> custom_endpoint() const {
    if (from_->endpoint) return from_->endpoint;
    if (auto value = variable("AWS_ENDPOINT_URL_S3")) return value;
    if (auto value = variable("AWS_ENDPOINT_URL")) return value;
    if (const auto services = config_.find("services")) {
      if (auto value = config_.find_in("services " + services->value, "s3.endpoint_url"))
        return value;
    }
    return in_profile("endpoint_url");
  }

  static Text amazon(const std::string& region) {
    const std::string_view domain =
        region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
    return {fmt::format("https://s3.{}.{}", region, domain), std::string(kDefaultSource)};
  }

  // A bucket with dots or capitals in a host name does not fit Amazon's certificate or any name.
  [[nodiscard]] static Sourced<bool> path_style(bool custom_endpoint, const std::string& bucket) {
    if (custom_endpoint) return {true, "default of endpoints that are not Amazon's"};
    const bool is_label = std::ranges::all_of(bucket, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
    return {!is_label, "default of Amazon's endpoints"};
  }

  Result<Sourced<std::optional<S3Credentials>>> credentials(const S3Location& location) const {
    using Found = Sourced<std::optional<S3Credentials>>;
    if (const auto anonymous = variable("EPOCHFS_S3_ANONYMOUS");
        anonymous && anonymous->value != "0")
      return Found{std::nullopt, anonymous->source};
    if (const auto id = variable("AWS_ACCESS_KEY_ID")) {
      const auto secret = variable("AWS_SECRET_ACCESS_KEY");
      if (!secret) return Error::invalid("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
      return checked(*id, *secret, variable("AWS_SESSION_TOKEN"));
    }
    for (const ProfileFile* file : {&credentials_, &config_}) {
      const auto id = file->find("aws_access_key_id");
      const auto secret = file->find("aws_secret_access_key");
      if (!id || !secret) continue;
      return checked(*id, *secret, file->find("aws_session_token"));
    }
    return Error::io(fmt::format(
        "{}: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a "
        "profile that holds keys (for roles and SSO: aws configure export-credentials), or "
        "EPOCHFS_S3_ANONYMOUS=1 if the bucket is public{}",
        location.text(),
        closed_.empty() ? "" : fmt::format("; {} may not be read", printable(closed_.front()))));
  }

  // They become headers; what they are is repeated nowhere.
  static Result<Sourced<std::optional<S3Credentials>>> checked(const Text& id, const Text& secret,
                                                               const std::optional<Text>& token) {
    const auto is_plain = [](const Text& text) {
      return std::ranges::none_of(text.value, [](unsigned char c) { return c < ' ' || c == 0x7f; });
    };
    const auto refuse = [](std::string_view what, const Text& text) {
      return Error::invalid(
          fmt::format("the {} from {} has a control character in it", what, text.source));
    };
    if (!is_plain(id)) return refuse("access key", id);
    if (!is_plain(secret)) return refuse("secret key", secret);
    if (token && !is_plain(*token)) return refuse("session token", *token);
    return Sourced<std::optional<S3Credentials>>{
        S3Credentials{id.value, secret.value, token ? token->value : ""}, id.source};
  }

  Result<Sourced<std::optional<int>>> attempts_max() const {
    constexpr int kMost = 1'000;
    auto text = variable("AWS_MAX_ATTEMPTS");
    if (!text) text = in_profile("max_attempts");
    if (!text) return Sourced<std::optional<int>>{std::nullopt, "default"};
    int attempts = 0;
    const char* const end = text->value.data() + text->value.size();
    const auto [stop, error] = std::from_chars(text->value.data(), end, attempts);
    if (error != std::errc() || stop != end || attempts < 1)
      return Error::invalid(fmt::format("'{}' is no number of attempts (from {})",
                                        printable(text->value), text->source));
    return Sourced<std::optional<int>>{std::min(attempts, kMost), text->source};
  }

  // Both become part of a host name or a header.
  static Result<void> check_region(const Text& region) {
    const bool plain = std::ranges::all_of(region.value, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    });
    if (plain && region.value.size() <= 63) return {};
    return Error::invalid(
        fmt::format("'{}' is no region (from {})", printable(region.value), region.source));
  }

  static Result<void> check_endpoint(Text& endpoint) {
    std::string& url = endpoint.value;
    while (url.ends_with('/')) url.pop_back();
    const bool has_scheme = url.starts_with("http://") || url.starts_with("https://");
    const std::string_view rest =
        std::string_view(url).substr(std::min(url.find("://") + 3, url.size()));
    const bool plain = std::ranges::all_of(rest, [](char c) {
      return c > ' ' && c < '\x7f' &&
             std::string_view("?#@\\\"<>%").find(c) == std::string_view::npos;
    });
    if (has_scheme && plain && !rest.empty() && rest.front() != '/') return {};
    // It may hold a password before an '@', so it is not repeated here.
    return Error::invalid(fmt::format(
        "the endpoint from {} is not of the form https://host[:port][/path]", endpoint.source));
  }

  const S3Surroundings* from_;  // outlives this
  std::string profile_;
  ProfileFile credentials_;
  ProfileFile config_;
  std::vector<std::string> closed_;  // files that could hold it, but may not be read
};

Result<std::optional<std::string>> read_text(const std::string& path) {
  constexpr std::size_t kBytesMax = 1024 * 1024;
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
  if (!in && errno != 0) return Error::from_errno(errno, "read " + printable(path));
  std::string text(kBytesMax, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad())
    return Error::io(fmt::format("{} cannot be read", printable(path)));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return std::optional(std::move(text));
}

std::optional<Text>& chosen_endpoint() {
  static std::optional<Text> endpoint;
  return endpoint;
}

}  // namespace

void choose_endpoint(Sourced<std::string> endpoint) { chosen_endpoint() = std::move(endpoint); }

S3Surroundings process_surroundings() {
  return {[](const std::string& name) -> std::optional<std::string> {
            const char* const value = std::getenv(name.c_str());
            if (value == nullptr) return std::nullopt;
            return value;
          },
          read_text, chosen_endpoint()};
}

Result<S3Settings> resolve_s3_settings(std::string_view location, const S3Surroundings& from) {
  TRY_ASSIGN(const Resolver resolver, Resolver::prepare(from));
  return resolver.settings(location);
}

Result<Sourced<std::string>> resolve_s3_endpoint(std::string_view location,
                                                 const S3Surroundings& from) {
  TRY(parse_s3_location(location));
  TRY_ASSIGN(const Resolver resolver, Resolver::prepare(from));
  return resolver.endpoint();
}

}  // namespace epochfs::engine
