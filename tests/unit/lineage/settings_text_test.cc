#include "lineage/settings_text.h"

#include <string>

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;

TEST_CASE("changes replace lines and add lines where their keys belong") {
  const std::string blob = "a = 1\nb.x = \"two = 2\"\nd = 4\n";
  CHECK(*WithSettingChanges(blob, "") == blob);
  CHECK(*WithSettingChanges(blob, "b.x = 3\nc = 5\n") == "a = 1\nb.x = 3\nc = 5\nd = 4\n");
  CHECK(SettingChangesTo(blob, "a = 1\nb.x = 3\nc = 5\nd = 4\n") == "b.x = 3\nc = 5\n");
  CHECK(SettingChangesTo(blob, blob) == "");
}

TEST_CASE("a text that lacks a line, or is no sorted lines, has no changes") {
  const std::string blob = "a = 1\nb = 2\n";
  CHECK_FALSE(SettingChangesTo(blob, "a = 1\n"));
  for (const char* text : {"b = 2\na = 1\n", "a = 1\nb = 2", "a = 1\na = 1\nb = 2\n", "a = 1\nb\n",
                           " = 1\na = 1\nb = 2\n"}) {
    INFO(text);
    CHECK_FALSE(SettingChangesTo(blob, text));
    CHECK_FALSE(SettingChangesTo(text, blob));
  }
  CHECK_THAT(WithSettingChanges("a", "b = 2\n").status(),
             HasCode(Code::kCorruption, "settings are not lines"));
  CHECK_THAT(WithSettingChanges(blob, "c = 1").status(),
             HasCode(Code::kCorruption, "changes of settings are not lines"));
}

TEST_CASE("whatever the changes of two texts are, they lead from one to the other") {
  const auto draw = [](uint64_t number) {
    std::string text;
    for (int key = 0; key < 6; ++key) {
      const uint64_t value = (number >> (2 * key)) % 4;
      if (value > 0) text += "k" + std::to_string(key) + " = " + std::to_string(value) + "\n";
    }
    return text;
  };
  int expressed = 0;
  for (uint64_t i = 0; i < 4096; i += 37) {
    for (uint64_t j = 0; j < 4096; j += 41) {
      const std::string from = draw(i), to = draw(j);
      const auto changes = SettingChangesTo(from, to);
      expressed += changes.has_value();
      if (changes) CHECK(*WithSettingChanges(from, *changes) == to);
    }
  }
  CHECK(expressed > 500);
}

}  // namespace
}  // namespace stemma::lineage
