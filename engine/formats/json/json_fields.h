// JSON documents of a repository, read strictly: one object of plain values, and of its members one
// array of such objects, handed out row by row.
//
// Trust     none: types, ranges, nesting, counts and lengths are checked; a name may not occur
//           twice in an object. Unknown members are passed over, whatever they hold
// Memory    one object at a time, whatever the document's size
// Errors    kCorrupt names the field, or the byte where the text stops being JSON
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "engine/core/bytes.h"

namespace epochfs::engine {

class JsonFields {
 public:
  struct Null {};
  struct Array {};  // that it is one, not what it holds
  struct Other {};  // fractions and objects: no field that is asked for has such a type
  using Value = std::variant<Other, Null, Array, bool, std::uint64_t, std::int64_t, std::string>;

  static constexpr std::size_t kFieldsMax = 256;

  // Each fails when the field is missing or has another type.
  [[nodiscard]] Result<std::string> text(std::string_view name) const;
  [[nodiscard]] Result<std::optional<std::string>> text_or_null(std::string_view name) const;
  [[nodiscard]] Result<bool> flag(std::string_view name) const;
  [[nodiscard]] Result<std::uint64_t> number(std::string_view name) const;
  [[nodiscard]] Result<std::int64_t> signed_number(std::string_view name) const;
  // Fails when the number does not fit into T.
  template <class T>
  [[nodiscard]] Result<T> number_as(std::string_view name) const {
    TRY_ASSIGN(const std::uint64_t wide, number(name));
    if (wide > std::numeric_limits<T>::max()) return out_of_range(name);
    return static_cast<T>(wide);
  }

  [[nodiscard]] Result<void> expect_array(std::string_view name) const;
  // It is missing, or null.
  [[nodiscard]] bool is_nothing(std::string_view name) const;

  // False: there is one of this name already, or there are too many.
  bool add(std::string name, Value value);

 private:
  static Failure out_of_range(std::string_view name);
  template <class T>
  [[nodiscard]] Result<T> get(std::string_view name, std::string_view type) const;
  [[nodiscard]] Result<const Value*> find(std::string_view name) const;

  std::map<std::string, Value, std::less<>> fields_;
};

// Called for each element of the array, in order. kCorrupt: it is no object of plain values, which
// says nothing of the others. What the visitor itself fails with ends the reading and is returned.
using JsonRowVisitor = std::function<Result<void>(const Result<JsonFields>& row)>;

// The document's own fields. `rows_name` is the member whose array goes to `visit`, possibly before
// the fields are known; empty: none.
Result<JsonFields> read_json_object(ByteView json, std::string_view rows_name,
                                    const JsonRowVisitor& visit);

}  // namespace epochfs::engine
