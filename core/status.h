// Status says whether something worked and, if not, what the caller can do about it. Result<T> is a
// value or a Status. Both are plain values: copy, move and keep them as you like; no thread rule
// applies.
//
//   Result<Bytes> ReadPack(const std::string& name) {
//     STEMMA_ASSIGN_OR_RETURN(File file, disk.Open(name));
//     STEMMA_RETURN_IF_ERROR(file.Lock());
//     return file.ReadAll();
//   }
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace stemma {

enum class Code {
  kOk,
  kInvalidArgument,  // the caller asked for something that makes no sense: correct the call
  kNotFound,         // it is not there: create it or ask for something else
  kCorruption,       // bytes are not what was written: restore from another copy, never overwrite
  kIncompatible,     // good bytes, but not for this build, model or number of ranks
  kPeerLost,         // another rank is gone: end this incarnation, restart from the last state
  kTimeout,          // no answer within the deadline: as kPeerLost, but the peer may live
  kIo,               // the disk refused: make room or permissions, then try again
  kInternal,         // our mistake
  kNotFinite,        // a loss or a gradient: fork the last good state with other settings
};

// "invalid argument", "not found", ... for messages and error.json.
inline const char* CodeName(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kInvalidArgument:
      return "invalid argument";
    case Code::kNotFound:
      return "not found";
    case Code::kCorruption:
      return "corruption";
    case Code::kIncompatible:
      return "incompatible";
    case Code::kPeerLost:
      return "peer lost";
    case Code::kTimeout:
      return "timeout";
    case Code::kIo:
      return "io";
    case Code::kInternal:
      return "internal";
    case Code::kNotFinite:
      return "not finite";
  }
  return "unknown";
}

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // Returns this status with `where` put before its message. An OK status stays as it is.
  Status Within(const std::string& where) && {
    if (!ok()) message_ = where + ": " + message_;
    return std::move(*this);
  }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit, `return value;`
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit, `return status;`

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  // REQUIRES: ok()
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace stemma

#define STEMMA_RETURN_IF_ERROR(expr)                                                           \
  do {                                                                                         \
    if (::stemma::Status stemma_status_ = (expr); !stemma_status_.ok()) return stemma_status_; \
  } while (false)

#define STEMMA_ASSIGN_OR_RETURN(lhs, expr) \
  STEMMA_ASSIGN_OR_RETURN_(STEMMA_CONCAT_(stemma_result_, __LINE__), lhs, expr)
#define STEMMA_ASSIGN_OR_RETURN_(result, lhs, expr) \
  auto result = (expr);                             \
  if (!result.ok()) return result.status();         \
  lhs = *std::move(result)
#define STEMMA_CONCAT_(a, b) STEMMA_CONCAT2_(a, b)
#define STEMMA_CONCAT2_(a, b) a##b
