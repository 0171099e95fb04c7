#include "engine/storage/s3_xml.h"

#include <fmt/format.h>

#include <charconv>
#include <pugixml.hpp>
#include <sstream>

#include "engine/core/time.h"

namespace epochfs::engine {
namespace {

constexpr const char* kTooMany = "a page of a listing with more keys than were asked for";

std::string child_text(const pugi::xml_node& node, const char* name) {
  return node.child_value(name);
}

// The root called `name`; an empty node when there is none. A prolog and doctype are stepped over.
pugi::xml_node load(pugi::xml_document& document, ByteView xml, const char* name) {
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8))
    return {};
  return document.child(name);
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// "a%2Fb+c" -> "a/b c"
Result<std::string> url_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return Error::io("a listing with a key that is not encoded");
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

Result<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return Error::io("a listing with a size that is none");
  return value;
}

std::string printed(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "", pugi::format_raw);
  return std::move(out).str();
}

void append_text(pugi::xml_node node, const char* name, const std::string& text) {
  node.append_child(name).text().set(text.c_str());
}

S3Failure failure_of(const pugi::xml_node& node) {
  return {child_text(node, "Code"), child_text(node, "Message"), child_text(node, "Region")};
}

}  // namespace

std::optional<S3Failure> parse_s3_failure(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node error = load(document, xml, "Error");
  if (!error) return std::nullopt;
  return failure_of(error);
}

Result<S3Page> parse_s3_page(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = load(document, xml, "ListBucketResult");
  if (!root) return Error::io("the answer is no listing");
  const bool encoded = child_text(root, "EncodingType") == "url";
  const auto key_of = [&](const pugi::xml_node& node, const char* name) -> Result<std::string> {
    std::string key = child_text(node, name);
    if (!encoded) return key;
    return url_decoded(key);
  };
  S3Page page;
  for (const pugi::xml_node& node : root.children("Contents")) {
    S3Page::Object object;
    TRY_ASSIGN(object.key, key_of(node, "Key"));
    TRY_ASSIGN(object.size_bytes, number(child_text(node, "Size")));
    object.etag = without_quotes(child_text(node, "ETag"));
    object.modified = parse_moment(child_text(node, "LastModified"), UtcTime()).value_or(UtcTime());
    if (page.objects.size() == kPageKeysMax) return Error::io(kTooMany);
    page.objects.push_back(std::move(object));
  }
  for (const pugi::xml_node& node : root.children("CommonPrefixes")) {
    TRY_ASSIGN(std::string prefix, key_of(node, "Prefix"));
    if (page.prefixes.size() == kPageKeysMax) return Error::io(kTooMany);
    page.prefixes.push_back(std::move(prefix));
  }
  if (child_text(root, "IsTruncated") == "true") {
    page.next = child_text(root, "NextContinuationToken");
    if (page.next->empty()) return Error::io("a listing that goes on, but does not say where");
  }
  return page;
}

Result<std::string> parse_s3_upload_id(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = load(document, xml, "InitiateMultipartUploadResult");
  std::string id = child_text(root, "UploadId");
  if (id.empty()) return Error::io("the answer names no upload");
  return id;
}

Result<std::optional<S3NotDeleted>> parse_s3_deleted(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = load(document, xml, "DeleteResult");
  if (!root) return Error::io("the answer does not say what was deleted");
  const pugi::xml_node error = root.child("Error");
  if (!error) return std::optional<S3NotDeleted>();
  return std::optional(S3NotDeleted{child_text(error, "Key"), failure_of(error)});
}

std::string complete_upload_xml(std::span<const std::string> etags) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("CompleteMultipartUpload");
  for (std::size_t i = 0; i < etags.size(); ++i) {
    pugi::xml_node part = root.append_child("Part");
    append_text(part, "PartNumber", fmt::format("{}", i + 1));
    append_text(part, "ETag", fmt::format("\"{}\"", etags[i]));
  }
  return printed(document);
}

std::string delete_objects_xml(std::span<const std::string> keys) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("Delete");
  append_text(root, "Quiet", "true");
  for (const std::string& key : keys) append_text(root.append_child("Object"), "Key", key);
  return printed(document);
}

std::string_view without_quotes(std::string_view etag) noexcept {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    return etag.substr(1, etag.size() - 2);
  return etag;
}

}  // namespace epochfs::engine
