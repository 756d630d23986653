#include "models/aigw/digits17.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#include "core/random.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {

std::string Ours(double value) {
  char text[kDigits17Bytes];
  return {text, PutDigits17(text, value)};
}

std::string Printf(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

TEST_CASE("digits: what printf prints, at every power of ten and of two, and beside them") {
  for (int sign = -1; sign <= 1; sign += 2) {
    for (int power = -20; power <= 20; ++power) {
      const double ten = sign * std::strtod(("1e" + std::to_string(power)).c_str(), nullptr);
      for (const double v : {ten, std::nextafter(ten, 0), std::nextafter(ten, 2 * ten), 5 * ten}) {
        CHECK(Ours(v) == Printf(v));
      }
    }
    for (int power = -1074; power < 1024; ++power) {
      const double two = sign * std::ldexp(1, power);
      for (const double v : {two, std::nextafter(two, 0)}) REQUIRE(Ours(v) == Printf(v));
    }
  }
  for (const double v :
       {0., -0., .5, 101300., 1e-4, 9.9999999999999995e-5, 123456.75,
        std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max()}) {
    CHECK(Ours(v) == Printf(v));
  }
}

// Halves: numbers with 18 significant digits of which the last is 5 and which a double holds.
TEST_CASE("digits: halves are rounded to even as printf does") {
  int halves = 0;
  for (uint64_t odd = 1; odd < 4000; odd += 2) {
    // odd / 2^k has k decimals, the last of them 5.
    for (int k = 12; k <= 20; ++k) {
      for (const double whole : {0., 1., 123., 98765., 1234567.}) {
        const double v = whole + std::ldexp(static_cast<double>(odd), -k);
        REQUIRE(Ours(v) == Printf(v));
        ++halves;
      }
    }
  }
  CHECK(halves > 50000);
}

TEST_CASE("digits: random bits, and random numbers of the size waveforms have") {
  Random draw(Key({1}), "digits");
  for (int i = 0; i < 50000; ++i) {
    const double any = std::ldexp(draw.Uniform(), static_cast<int>(draw.Below(2000)) - 1000);
    const double common = (draw.Uniform() - .5) * std::pow(10, 10 * draw.Uniform() - 5);
    REQUIRE(Ours(any) == Printf(any));
    REQUIRE(Ours(common) == Printf(common));
    REQUIRE(std::strtod(Ours(common).c_str(), nullptr) == common);
  }
}

}  // namespace
}  // namespace stemma::models
