#include "core/bytes.h"
#include "core/random.h"
#include "tests/fuzz/fuzz.h"

#include <catch2/catch.hpp>

// Danger: a decoder that crashes, hangs or breaks its promise on bytes near to valid ones. What a
// run tries depends on a number alone, so a failure comes again; Catch prints the number.

namespace stemma::fuzz {
namespace {

constexpr uint64_t kMutations = 10'000;

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// One small change, of the kinds that faults and forgers make.
void Change(Random* draw, const std::vector<std::string>& seeds, std::string* input) {
  const size_t at = draw->Below(input->size() + 1);
  const size_t length = draw->Below(9);
  switch (draw->Below(7)) {
    case 0:
      if (at < input->size()) (*input)[at] ^= static_cast<char>(1 << draw->Below(8));
      return;
    case 1:
      if (at < input->size()) (*input)[at] = static_cast<char>(draw->U32());
      return;
    case 2:
      input->erase(at, length);
      return;
    case 3:
      input->insert(at, length, static_cast<char>(draw->U32()));
      return;
    case 4:
      input->resize(at);
      return;
    case 5: {  // a number where one may be
      const uint64_t numbers[] = {0, 1, 0x7f, 0xffff, 0x7fffffff, 0xffffffff, ~uint64_t{0}};
      Encoder number;
      number.U64(numbers[draw->Below(7)]);
      return void(input->replace(at, length, number.bytes().substr(0, length)));
    }
    default: {
      const std::string& other = seeds[draw->Below(seeds.size())];
      *input = input->substr(0, at) + other.substr(draw->Below(other.size() + 1));
    }
  }
}

}  // namespace

TEST_CASE("seeds and what lies near them") {
  const std::vector<std::string> seeds = Seeds();
  REQUIRE(seeds.size() >= 3);
  for (const std::string& seed : seeds) Run(seed);
  Run("");
  for (uint64_t number = 0; number < kMutations; ++number) {
    Random draw(Key({number}), "fuzz");
    std::string input = seeds[number % seeds.size()];
    for (uint64_t changes = 1 + draw.Below(4); changes > 0; --changes) {
      Change(&draw, seeds, &input);
    }
    CAPTURE(number);
    Run(input);
  }
}

}  // namespace stemma::fuzz
