#pragma once

#include <string>
#include <utility>

#include "core/status.h"

#include <catch2/catch.hpp>

template <>
struct Catch::StringMaker<stemma::Status> {
  static std::string convert(const stemma::Status& s) {
    return "code " + std::to_string(static_cast<int>(s.code())) + ", '" + s.message() + "'";
  }
};

namespace stemma::tests {

// Matches a Status with this code, whose message contains `text`:
//   CHECK_THAT(Agree(cohort, mine), HasCode(Code::kIo, "rank 2"));
class HasCode : public Catch::MatcherBase<Status> {
 public:
  explicit HasCode(Code code, std::string text = "") : code_(code), text_(std::move(text)) {}

  bool match(const Status& s) const override {
    return s.code() == code_ && s.message().find(text_) != std::string::npos;
  }
  std::string describe() const override {
    return "has code " + std::to_string(static_cast<int>(code_)) + " and says '" + text_ + "'";
  }

 private:
  Code code_;
  std::string text_;
};

inline HasCode IsOk() { return HasCode(Code::kOk); }

}  // namespace stemma::tests
