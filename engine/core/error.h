// Failures as values: what went wrong, in a word a caller can act on and a sentence a person can
// read.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace epochfs::engine {

// What the caller can do about it; the command maps each to an exit code, the mount to an errno.
enum class Code {
  kNotFound,      // a name that somebody asked for does not exist
  kNoRepository,  // there is no repository at the given place
  kNoSuchEpoch,   // the repository holds no epoch for this number, time or tag
  kExists,        // the target is there already
  kInvalid,       // the request makes no sense: a usage error
  kCorrupt,       // bytes are not what they must be
  kUnsupported,   // written by a newer version, or a feature that is not known here
  kIo,            // the storage failed
  kUnreachable,   // remote storage does not answer, or refuses
  kNoSpace,       // the storage is full
  kBusy,          // the database is locked by its own users; later may work
  kLocked,        // another writer holds the repository, or won the race for it
  kMount,         // the kernel or fusermount would not mount or unmount
};

struct Error;
using Failure = tl::unexpected<Error>;

struct Error {
  Code code = Code::kIo;
  std::string text;
  int system_errno = 0;  // errno of the system call behind it, 0 if none

  // Each returns something that converts to any Result: `return Error::corrupt("page size 7");`
  static Failure not_found(std::string text);
  static Failure no_repository(std::string text);
  static Failure no_such_epoch(std::string text);
  static Failure exists(std::string text);
  static Failure invalid(std::string text);
  static Failure corrupt(std::string text);
  static Failure unsupported(std::string text);
  static Failure io(std::string text);
  static Failure unreachable(std::string text);
  static Failure no_space(std::string text);
  static Failure busy(std::string text);
  static Failure locked(std::string text);
  static Failure mount(std::string text);
  // From errno: ENOENT is kNotFound, ENOSPC/EDQUOT kNoSpace, EEXIST kExists, everything else kIo.
  static Failure from_errno(int error_number, std::string_view what);
};

template <class T>
using Result = tl::expected<T, Error>;

// Prefixes `where: ` to the text of a failure. `where` is called on failure only and returns a
// string.
template <class T, class Where>
Result<T> with_context(Result<T> result, const Where& where) {
  if (!result) result.error().text = where() + ": " + result.error().text;
  return result;
}

}  // namespace epochfs::engine

#define EPOCHFS_CONCAT_INNER(a, b) a##b
#define EPOCHFS_CONCAT(a, b) EPOCHFS_CONCAT_INNER(a, b)

// Returns the failure of `expression` from the calling function; its value, if any, is dropped. The
// names inside are numbered, because an expression may hold a lambda that uses the macros itself.
#define TRY(expression) EPOCHFS_TRY_AS(EPOCHFS_CONCAT(try_result_, __COUNTER__), expression)
#define EPOCHFS_TRY_AS(result, expression)                                                       \
  do {                                                                                           \
    if (auto result = (expression); !result) return ::tl::unexpected(std::move(result).error()); \
  } while (false)

// TRY_ASSIGN(const auto value, expression): declares `value`, or returns the failure.
#define TRY_ASSIGN(declaration, expression) \
  EPOCHFS_TRY_ASSIGN_AS(EPOCHFS_CONCAT(try_result_, __COUNTER__), declaration, expression)
#define EPOCHFS_TRY_ASSIGN_AS(result, declaration, expression)     \
  auto result = (expression);                                      \
  if (!result) return ::tl::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
