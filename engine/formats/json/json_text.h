// JSON documents for machines: the answers of commands, epoch.json, status.json.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace epochfs::engine {

class JsonArray;

// An object under construction; members keep the order in which they were set. Text that is not
// UTF-8 is written with replacement characters. Values are copied in; the builder is move-only.
class JsonObject {
 public:
  JsonObject();
  JsonObject(JsonObject&&) noexcept;
  JsonObject& operator=(JsonObject&&) noexcept;
  ~JsonObject();

  JsonObject& set(std::string_view key, std::string_view text);
  JsonObject& set(std::string_view key, const char* text) {
    return set(key, std::string_view(text));
  }
  JsonObject& set(std::string_view key, bool flag);
  JsonObject& set(std::string_view key, double number);
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonObject& set(std::string_view key, T number) {
    if constexpr (std::is_signed_v<T>)
      return set_signed(key, number);
    else
      return set_unsigned(key, number);
  }
  JsonObject& set_null(std::string_view key);
  JsonObject& set(std::string_view key, JsonObject child);
  JsonObject& set(std::string_view key, JsonArray child);

  [[nodiscard]] std::string line() const;    // compact, no newline
  [[nodiscard]] std::string pretty() const;  // indented by two, newline at the end

 private:
  friend class JsonArray;
  struct Impl;
  JsonObject& set_signed(std::string_view key, std::int64_t number);
  JsonObject& set_unsigned(std::string_view key, std::uint64_t number);
  std::unique_ptr<Impl> impl_;
};

class JsonArray {
 public:
  JsonArray();
  JsonArray(JsonArray&&) noexcept;
  JsonArray& operator=(JsonArray&&) noexcept;
  ~JsonArray();

  JsonArray& add(std::string_view text);
  JsonArray& add(JsonObject child);

  [[nodiscard]] std::string pretty() const;

 private:
  friend class JsonObject;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace epochfs::engine
