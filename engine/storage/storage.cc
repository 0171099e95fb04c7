#include "engine/storage/storage.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/text.h"

namespace epochfs::engine {
namespace {

constexpr int kComponentsMax = 8;

bool is_object_name(std::string_view name) noexcept {
  for (int count = 1; count <= kComponentsMax; ++count) {
    const std::size_t slash = name.find('/');
    const std::string_view component = name.substr(0, slash);
    if (!is_plain_name(component) || component.front() == '.') return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
  return false;
}

}  // namespace

std::string Storage::describe(std::string_view name) const {
  std::string text = printable(location());
  if (name.empty()) return text;
  if (!text.ends_with('/')) text += '/';
  return text + printable(name);
}

Result<Storage::Tailed> Storage::open_with_tail(std::string_view name,
                                                std::uint64_t tail_bytes_max) const {
  Tailed tailed;
  TRY_ASSIGN(tailed.blob, open(name));
  const std::uint64_t size_bytes = tailed.blob->size_bytes();
  tailed.tail.resize(std::min(size_bytes, tail_bytes_max));
  TRY(tailed.blob->read(size_bytes - tailed.tail.size(), tailed.tail));
  return tailed;
}

Result<std::shared_ptr<const Blob>> Storage::open_known(std::string_view name, std::uint64_t,
                                                        const std::string&) const {
  return open(name);
}

Result<Storage::Content> Storage::get(std::string_view name, std::uint64_t bytes_max) const {
  TRY_ASSIGN(const auto blob, open(name));
  if (blob->size_bytes() > bytes_max) {
    return Error::corrupt(fmt::format("{}: {} bytes, where at most {} make sense", describe(name),
                                      blob->size_bytes(), bytes_max));
  }
  Content content{Bytes(blob->size_bytes()), blob->version()};
  TRY(blob->read(0, content.bytes));
  return content;
}

Result<void> Storage::remove_all(std::span<const std::string> names) {
  for (const std::string& name : names) TRY(remove(name));
  return {};
}

bool is_plain_name(std::string_view component) noexcept { return is_path_component(component); }

Result<void> check_inside(std::uint64_t size_bytes, std::uint64_t offset, std::uint64_t count,
                          std::string_view what) {
  if (offset > size_bytes || count > size_bytes - offset) {
    return Error::corrupt(
        fmt::format("{}: {} bytes at {} asked for, it has {}", what, count, offset, size_bytes));
  }
  return {};
}

Result<void> check_object_name(std::string_view name) {
  if (!is_object_name(name))
    return Error::invalid(fmt::format("'{}' cannot be the name of an object", printable(name)));
  return {};
}

Result<void> check_directory_name(std::string_view directory) {
  if (directory.empty()) return {};
  return check_object_name(directory);
}

std::string_view directory_of(std::string_view name) noexcept {
  const std::size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(0, slash);
}

std::string_view leaf_of(std::string_view name) noexcept {
  return name.substr(name.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace epochfs::engine
