#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/random.h"
#include "lineage/planes.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

std::string Bytes(const std::vector<uint32_t>& words) {
  return std::string(reinterpret_cast<const char*>(words.data()), 4 * words.size());
}

std::string RoundTrip(const std::string& f32) {
  std::string high(f32.size() / 2, '?'), low(f32.size() / 2, '?'), back(f32.size(), '?');
  SplitHigh(f32, high.data());
  SplitLow(f32, low.data());
  MergePlanes(high, low, back.data());
  return back;
}

}  // namespace

TEST_CASE("the high plane is the bf16 of each number, the low plane the rest") {
  const std::string f32 = Bytes({0x3f801234, 0xbf80ffff});
  std::string high(4, 0), low(4, 0);
  SplitHigh(f32, high.data());
  SplitLow(f32, low.data());
  CHECK(high == std::string("\x80\x3f\x80\xbf", 4));
  CHECK(low == std::string("\x34\x12\xff\xff", 4));
}

TEST_CASE("NaN payloads, infinities, zeros and denormals come back bit for bit") {
  const std::string f32 = Bytes({0x7f800001, 0xffc12345, 0x7fbfffff, 0x7f800000, 0xff800000, 0,
                                 0x80000000, 1, 0x807fffff, 0x7f7fffff});
  CHECK(RoundTrip(f32) == f32);
}

TEST_CASE("every length and every misalignment gives the same as one element at a time") {
  Random random(1, "planes");
  std::vector<uint32_t> words(131);
  for (uint32_t& word : words) word = random.U32();
  const std::string all = Bytes(words);
  for (size_t count = 0; count <= words.size(); ++count) {
    const std::string f32 = all.substr(0, 4 * count);
    REQUIRE(RoundTrip(f32) == f32);
  }
  std::string shifted = "x" + all;
  std::string high(all.size() / 2 + 1, 0);
  SplitHigh(std::string_view(shifted).substr(1), high.data() + 1);
  std::string expected(all.size() / 2, 0);
  SplitHigh(all, expected.data());
  CHECK(high.substr(1) == expected);
}

TEST_CASE("a sub-range of a tensor is the sub-range of its planes") {
  const std::string all = Bytes({0x11112222, 0x33334444, 0x55556666, 0x77778888});
  std::string whole(8, 0), part(4, 0);
  SplitLow(all, whole.data());
  SplitLow(std::string_view(all).substr(4, 8), part.data());
  CHECK(part == whole.substr(2, 4));
}

}  // namespace stemma::lineage
