#include "core/text.h"

#include "core/toml.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {

TEST_CASE("the edit distance counts what a hand gets wrong", "[text]") {
  CHECK(EditDistance("", "") == 0);
  CHECK(EditDistance("", "abc") == 3);
  CHECK(EditDistance("kitten", "sitting") == 3);
  CHECK(EditDistance("lmab", "lamb") == 1);  // swapped neighbours are one slip
  CHECK(EditDistance("lamb", "lamb") == 0);
}

TEST_CASE("a suggestion is near or there is none", "[text]") {
  const std::vector<std::string> verbs = {"log", "show", "diff", "fork", "fsck"};
  CHECK(Nearest("logg", verbs) == "log");
  CHECK(Nearest("fsk", verbs) == "fsck");
  CHECK(Nearest("zebra", verbs).empty());
  CHECK(Nearest("xyz", verbs).empty());  // three of three letters wrong is no neighbour
  CHECK(Nearest("", verbs).empty());
  CHECK(Nearest("learning", {"learning_rate_max"}) == "learning_rate_max");
}

TEST_CASE("numbers with units never show four digits where three were meant", "[text]") {
  CHECK(HumanBytes(0) == "0 B");
  CHECK(HumanBytes(999) == "999 B");
  CHECK(HumanBytes(1000) == "1.00 kB");
  CHECK(HumanBytes(41'182'304) == "41.2 MB");
  CHECK(HumanBytes(999'949) == "1.00 MB");
  CHECK(HumanBytes(UINT64_MAX) == "18.4 EB");
  CHECK(HumanDuration(0) == "0 us");
  CHECK(HumanDuration(0.0412) == "41.2 ms");
  CHECK(HumanDuration(3.5) == "3.50 s");
  CHECK(HumanDuration(245) == "4m05s");
  CHECK(HumanDuration(19 * 3600 + 12 * 60) == "19h12m");
  CHECK(HumanDuration(-2) == "-2.00 s");
}

TEST_CASE("what others wrote reaches no terminal as it is", "[text]") {
  CHECK(Printable("conv1.weight [64]~") == "conv1.weight [64]~");
  CHECK(Printable("a\x1b[2J\nb\x7f\xc3\xa9") == "a?[2J?b???");
  CHECK(Printable("abcdef", 6) == "abcdef");
  CHECK(Printable("abcdef", 5) == "abcde...");
  CHECK(Printable("", 0).empty());
}

TEST_CASE("doubles as TOML keep their type", "[toml]") {
  CHECK(DoubleText(3) == "3.0");
  CHECK(DoubleText(1e300) == "1e+300");
  CHECK(DoubleText(-0.0) == "-0.0");
  CHECK(TomlText(int64_t{3}) == "3");
  const auto entries = ParseToml("a = 1e+300\nb = inf\n[c]\nd = 'x'\n", "t");
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 3);
  CHECK(std::get<double>((*entries)[0].value) == 1e300);
  CHECK((*entries)[2].key == "c.d");
  CHECK((*entries)[2].line == 4);
}

}  // namespace
}  // namespace stemma
