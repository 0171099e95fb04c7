#include "engine/formats/json/json_fields.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/core/text.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kDepthMax = 32;
constexpr std::size_t kTextBytesMax = 64 * 1024;

using nlohmann::json;

constexpr std::size_t kRowDepth = 3;

// Takes the parser's events. The document is at depth 1, the array of rows at 2, a row at
// kRowDepth; everything else that is deeper than 1 is passed over.
class FieldHandler final : public json::json_sax_t {
 public:
  FieldHandler(std::string_view rows_name, const JsonRowVisitor& visit)
      : rows_name_(rows_name), visit_(visit) {}

  bool null() override { return value(JsonFields::Null{}); }
  bool boolean(bool flag) override { return value(flag); }
  bool number_integer(number_integer_t number) override { return value(std::int64_t{number}); }
  bool number_unsigned(number_unsigned_t number) override { return value(std::uint64_t{number}); }
  bool number_float(number_float_t, const string_t&) override { return value(JsonFields::Other{}); }
  bool binary(binary_t&) override { return fail("binary"); }  // not in JSON text
  bool string(string_t& text) override {
    if (text.size() > kTextBytesMax) return misfit("text too long");
    return value(std::move(text));
  }
  bool key(string_t& name) override {
    if (name.size() > kTextBytesMax) return misfit("name too long");
    name_ = std::move(name);
    return true;
  }

  bool start_object(std::size_t) override {
    const bool begins_row = depth_ == kRowDepth - 1 && in_rows_;
    if (begins_row) begin_row();
    return (depth_ == 0 || begins_row || value(JsonFields::Other{})) && descend();
  }
  bool end_object() override {
    const bool ends_row = depth_ == kRowDepth && in_row_;
    --depth_;
    return !ends_row || end_row();
  }
  bool start_array(std::size_t) override {
    if (depth_ == 1) in_rows_ = !rows_name_.empty() && name_ == rows_name_;
    return value(JsonFields::Array{}) && descend();
  }
  bool end_array() override {
    --depth_;
    if (depth_ == 1) in_rows_ = false;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(fmt::format("not JSON at byte {}", position));
  }

  Result<JsonFields> take_fields() && {
    if (failure_) return tl::unexpected(*std::move(failure_));
    return std::move(fields_);
  }

 private:
  bool fail(std::string text) {
    failure_ = Error{Code::kCorrupt, std::move(text)};
    return false;
  }

  bool descend() {
    if (++depth_ > kDepthMax) return fail("nested too deeply");
    return true;
  }

  // What is wrong within a row costs that row only.
  bool misfit(std::string text) {
    if (!in_row_) return fail(std::move(text));
    if (row_) row_ = Error::corrupt(std::move(text));
    return true;
  }

  void begin_row() {
    row_ = JsonFields();
    in_row_ = true;
  }
  bool end_row() {
    in_row_ = false;
    if (auto visited = visit_(row_); !visited) {
      failure_ = std::move(visited).error();
      return false;
    }
    return true;
  }

  bool value(JsonFields::Value value) {
    if (depth_ == 0) return fail("not an object");
    if (depth_ == 1) return add(fields_, std::move(value));
    if (depth_ == kRowDepth - 1 && in_rows_) {
      row_ = Error::corrupt("no object");
      return end_row();
    }
    if (depth_ == kRowDepth && in_row_ && row_) return add(*row_, std::move(value));
    return true;
  }

  bool add(JsonFields& fields, JsonFields::Value value) {
    if (fields.add(name_, std::move(value))) return true;
    return misfit(fmt::format("field {} occurs twice, or there are too many", printable(name_)));
  }

  const std::string_view rows_name_;
  const JsonRowVisitor& visit_;
  std::size_t depth_ = 0;
  bool in_rows_ = false;  // inside the array of rows
  bool in_row_ = false;   // inside an object of it
  std::string name_;      // of the member whose value comes next
  JsonFields fields_;
  Result<JsonFields> row_;
  std::optional<Error> failure_;
};

}  // namespace

bool JsonFields::add(std::string name, Value value) {
  return fields_.size() < kFieldsMax && fields_.emplace(std::move(name), std::move(value)).second;
}

Result<const JsonFields::Value*> JsonFields::find(std::string_view name) const {
  const auto found = fields_.find(name);
  if (found == fields_.end()) return Error::corrupt(fmt::format("field {} is missing", name));
  return &found->second;
}

Failure JsonFields::out_of_range(std::string_view name) {
  return Error::corrupt(fmt::format("field {} is out of range", name));
}

template <class T>
Result<T> JsonFields::get(std::string_view name, std::string_view type) const {
  TRY_ASSIGN(const Value* value, find(name));
  if (const T* held = std::get_if<T>(value); held != nullptr) return *held;
  return Error::corrupt(fmt::format("field {} is not {}", name, type));
}

Result<std::string> JsonFields::text(std::string_view name) const {
  return get<std::string>(name, "text");
}

Result<std::optional<std::string>> JsonFields::text_or_null(std::string_view name) const {
  TRY_ASSIGN(const Value* value, find(name));
  if (std::holds_alternative<Null>(*value)) return std::optional<std::string>();
  TRY_ASSIGN(std::string held, text(name));
  return std::optional(std::move(held));
}

Result<bool> JsonFields::flag(std::string_view name) const {
  return get<bool>(name, "true or false");
}

Result<std::uint64_t> JsonFields::number(std::string_view name) const {
  return get<std::uint64_t>(name, "a whole number from 0 on");
}

Result<std::int64_t> JsonFields::signed_number(std::string_view name) const {
  TRY_ASSIGN(const Value* value, find(name));
  if (std::holds_alternative<std::int64_t>(*value)) return std::get<std::int64_t>(*value);
  TRY_ASSIGN(const std::uint64_t positive, get<std::uint64_t>(name, "a whole number"));
  if (positive > std::numeric_limits<std::int64_t>::max()) return out_of_range(name);
  return static_cast<std::int64_t>(positive);
}

Result<void> JsonFields::expect_array(std::string_view name) const {
  TRY(get<Array>(name, "an array"));
  return {};
}

bool JsonFields::is_nothing(std::string_view name) const {
  const auto found = find(name);
  return !found || std::holds_alternative<Null>(**found);
}

Result<JsonFields> read_json_object(ByteView json_bytes, std::string_view rows_name,
                                    const JsonRowVisitor& visit) {
  FieldHandler handler(rows_name, visit);
  const std::string_view text = as_text(json_bytes);
  // The parser takes a zero byte for the end and would not see what follows it.
  if (text.find('\0') != std::string_view::npos) return Error::corrupt("not JSON: a zero byte");
  const bool whole = json::sax_parse(text.begin(), text.end(), &handler);
  TRY_ASSIGN(JsonFields fields, std::move(handler).take_fields());
  if (!whole) return Error::corrupt("not JSON");
  return fields;
}

}  // namespace epochfs::engine
