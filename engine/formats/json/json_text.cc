#include "engine/formats/json/json_text.h"

#include <nlohmann/json.hpp>

namespace epochfs::engine {
namespace {

std::string dump(const nlohmann::ordered_json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

struct JsonObject::Impl {
  nlohmann::ordered_json value = nlohmann::ordered_json::object();
};
struct JsonArray::Impl {
  nlohmann::ordered_json value = nlohmann::ordered_json::array();
};

JsonObject::JsonObject() : impl_(std::make_unique<Impl>()) {}
JsonObject::JsonObject(JsonObject&&) noexcept = default;
JsonObject& JsonObject::operator=(JsonObject&&) noexcept = default;
JsonObject::~JsonObject() = default;

JsonObject& JsonObject::set(std::string_view key, std::string_view text) {
  impl_->value[std::string(key)] = text;
  return *this;
}

JsonObject& JsonObject::set(std::string_view key, bool flag) {
  impl_->value[std::string(key)] = flag;
  return *this;
}

JsonObject& JsonObject::set(std::string_view key, double number) {
  impl_->value[std::string(key)] = number;
  return *this;
}

JsonObject& JsonObject::set_signed(std::string_view key, std::int64_t number) {
  impl_->value[std::string(key)] = number;
  return *this;
}

JsonObject& JsonObject::set_unsigned(std::string_view key, std::uint64_t number) {
  impl_->value[std::string(key)] = number;
  return *this;
}

JsonObject& JsonObject::set_null(std::string_view key) {
  impl_->value[std::string(key)] = nullptr;
  return *this;
}

JsonObject& JsonObject::set(std::string_view key, JsonObject child) {
  impl_->value[std::string(key)] = std::move(child.impl_->value);
  return *this;
}

JsonObject& JsonObject::set(std::string_view key, JsonArray child) {
  impl_->value[std::string(key)] = std::move(child.impl_->value);
  return *this;
}

std::string JsonObject::line() const { return dump(impl_->value, -1); }
std::string JsonObject::pretty() const { return dump(impl_->value, 2) + '\n'; }

JsonArray::JsonArray() : impl_(std::make_unique<Impl>()) {}
JsonArray::JsonArray(JsonArray&&) noexcept = default;
JsonArray& JsonArray::operator=(JsonArray&&) noexcept = default;
JsonArray::~JsonArray() = default;

JsonArray& JsonArray::add(std::string_view text) {
  impl_->value.push_back(text);
  return *this;
}

JsonArray& JsonArray::add(JsonObject child) {
  impl_->value.push_back(std::move(child.impl_->value));
  return *this;
}

std::string JsonArray::pretty() const { return dump(impl_->value, 2) + '\n'; }

}  // namespace epochfs::engine
