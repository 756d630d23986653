// What the change of a tensor is, and between which bounds the upper halves of its numbers put it.
#include "tools/cli/tensor_change.h"

#include <cmath>
#include <cstring>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"
#include "lineage/memory_storage.h"
#include "lineage/planes.h"
#include "tools/cli/bounds_lines.h"
#include "tools/cli/state_diff.h"

#include "tests/support/metered_storage.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"
#include "tests/support/toy_state.h"

#include <catch2/catch.hpp>

namespace stemma::cli {
namespace {

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  std::string out(values.size() * sizeof(T), '\0');
  if (!out.empty()) std::memcpy(out.data(), values.data(), out.size());
  return out;
}

TEST_CASE("the change of a tensor is what closed form says", "[diff]") {
  const auto a = Bytes<float>({3, 0, 4, 0}), b = Bytes<float>({3, 4, 4, 0});
  const Change change = Compare(DType::kF32, a, b, 0);
  CHECK(change.count == 4);
  CHECK(change.changed == 1);
  CHECK(change.L2() == 4);
  CHECK(change.max == 4);
  CHECK(change.RelativeL2() == 4.0 / 5);
  CHECK(std::fabs(change.Cosine() - 25 / (5 * std::sqrt(41.0))) < 1e-15);
}

TEST_CASE("parts add up to the whole", "[diff]") {
  const auto a = Bytes<double>({1, 2, 3, 4}), b = Bytes<double>({1, 2, 5, 0});
  Change sum = Compare(DType::kF64, a.substr(0, 16), b.substr(0, 16), 0);
  sum.Add(Compare(DType::kF64, a.substr(16), b.substr(16), 0));
  const Change whole = Compare(DType::kF64, a, b, 0);
  CHECK(sum.count == whole.count);
  CHECK(sum.changed == whole.changed);
  CHECK(sum.difference_squared == whole.difference_squared);
  CHECK(sum.Cosine() == whole.Cosine());
  CHECK(sum.max == 4);
}

TEST_CASE("bits count, not values: a changed sign of zero or a NaN is a change", "[diff]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Change zero = Compare(DType::kF64, Bytes<double>({0.0}), Bytes<double>({-0.0}), 0);
  CHECK(zero.changed == 1);
  CHECK(zero.L2() == 0);
  CHECK(Compare(DType::kF64, Bytes<double>({nan}), Bytes<double>({nan}), 0).changed == 0);
  const Change lost = Compare(DType::kF64, Bytes<double>({1, 1}), Bytes<double>({nan, 9}), 0);
  CHECK(lost.changed == 2);
  CHECK(std::isnan(lost.max));  // a later finite difference must not hide it
  CHECK(Compare(DType::kF64, Bytes<double>({1}), Bytes<double>({nan}), 1e9).changed == 1);
}

TEST_CASE("eps forgives small differences, but the bits are still different", "[diff]") {
  const auto a = Bytes<double>({1, 1}), b = Bytes<double>({1.25, 2});
  const Change change = Compare(DType::kF64, a, b, 0.5);
  CHECK(change.changed == 1);
  CHECK(change.different == 2);
}

TEST_CASE("tensors of zeros have a defined cosine and ratio", "[diff]") {
  const auto zero = Bytes<float>({0, 0}), one = Bytes<float>({1, 0});
  CHECK(Compare(DType::kF32, zero, zero, 0).Cosine() == 1);
  CHECK(Compare(DType::kF32, zero, zero, 0).RelativeL2() == 0);
  CHECK(Compare(DType::kF32, zero, one, 0).Cosine() == 0);
  CHECK(std::isinf(Compare(DType::kF32, zero, one, 0).RelativeL2()));
}

TEST_CASE("narrow floats are read by their own formats", "[diff]") {
  // bf16 1.0 and 2.5; f16 1.0, 65504 and the smallest subnormal.
  const auto from = Bytes<uint16_t>({0x3f80}), to = Bytes<uint16_t>({0x4020});
  CHECK(Compare(DType::kBF16, from, to, 0).max == 1.5);
  CHECK(Compare(DType::kF16, Bytes<uint16_t>({0x3c00}), Bytes<uint16_t>({0x7bff}), 0).max == 65503);
  CHECK(Compare(DType::kF16, Bytes<uint16_t>({0x0000}), Bytes<uint16_t>({0x8001}), 0).max ==
        std::ldexp(1, -24));
  CHECK(Compare(DType::kI64, Bytes<int64_t>({-3}), Bytes<int64_t>({4}), 0).max == 7);
}

TEST_CASE("a layer is a tensor's name without its last word", "[diff]") {
  CHECK(LayerOf("block3.gate.weight") == "block3.gate");
  CHECK(LayerOf("scale") == "scale");
}

std::string HighOf(const std::string& f32) {
  std::string high(f32.size() / 2, '\0');
  lineage::SplitHigh(f32, high.data());
  return high;
}

// Numbers near which a bound may go wrong: any bits, small and large ones, both zeros, denormals,
// infinities, NaNs that lie in either half, and the ends of what an upper half leaves open.
uint32_t DrawBits(Random* draw, uint64_t kind) {
  constexpr uint32_t kSpecial[] = {0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x7f800000,
                                   0xff800000, 0x7f800001, 0x7fc00000, 0xffc01234, 0x7f7fffff,
                                   0x3f800000, 0x3f80ffff, 0x3f810000, 0xbf800000, 0x0000ffff};
  if (kind == 0) return draw->U32();
  if (kind == 1) return kSpecial[draw->Below(sizeof kSpecial / sizeof kSpecial[0])];
  const auto value = static_cast<float>(draw->Normal());
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// b is another number, a with other lower bits, a with the other sign, or a.
uint32_t Partner(Random* draw, uint32_t a, uint64_t kind) {
  switch (draw->Below(5)) {
    case 0:
      return DrawBits(draw, kind);
    case 1:
      return (a & 0xffff0000) | (draw->U32() & 0xffff);
    case 2:
      return a ^ 0x80000000;
    case 3:
      return a + 1;
    default:
      return a;
  }
}

bool Holds(const ChangeBounds& bounds, const Change& exact) {
  return bounds.count == exact.count && bounds.L2().Holds(exact.L2()) &&
         bounds.RelativeL2().Holds(exact.RelativeL2()) && bounds.max.Holds(exact.max) &&
         bounds.Cosine().Holds(exact.Cosine()) && bounds.changed_least <= exact.changed &&
         exact.changed <= bounds.changed_most;
}

TEST_CASE("no change of f32 leaves the bounds that its upper halves give", "[bounds]") {
  uint64_t numbers = 0;
  for (uint64_t round = 0; round < 20000; ++round) {
    Random draw(round, "bounds");
    const uint64_t kind = round % 4;  // the last one without special numbers
    const double eps = draw.Below(2) == 0 ? 0 : std::ldexp(1, -static_cast<int>(draw.Below(12)));
    std::vector<uint32_t> from(draw.Below(6)), to;
    for (uint32_t& bits : from) bits = DrawBits(&draw, kind == 3 ? 2 : draw.Below(kind + 1));
    for (const uint32_t bits : from) to.push_back(Partner(&draw, bits, kind == 3 ? 2 : kind));
    const std::string a = Bytes(from), b = Bytes(to);
    const Change exact = Compare(DType::kF32, a, b, eps);
    const ChangeBounds bounds = BoundUpperHalves(HighOf(a), HighOf(b), eps);
    INFO("round " << round << ": L2 " << exact.L2() << " in " << IntervalText(bounds.L2()));
    REQUIRE(Holds(bounds, exact));
    if (!std::isfinite(exact.L2()) || kind != 3) continue;
    ++numbers;
    const double room = (std::sqrt(exact.a_squared) + std::sqrt(exact.b_squared)) / 64;
    REQUIRE(bounds.L2().high - bounds.L2().low <= room + 1e-40);
  }
  CHECK(numbers > 1000);
}

TEST_CASE("what an upper half leaves open is where the bounds lie", "[bounds]") {
  // 1.0 and 2.0, of which only the upper halves are known: up to 1 + 127 / 2^14 and twice that.
  const auto one = Bytes<uint16_t>({0x3f80}), two = Bytes<uint16_t>({0x4000});
  const double open = 0xffff / 8388608.0;
  const ChangeBounds apart = BoundUpperHalves(one, two, 0);
  CHECK(apart.L2().low == Approx(1 - open).epsilon(1e-12));
  CHECK(apart.L2().high == Approx(1 + 2 * open).epsilon(1e-12));
  CHECK(apart.changed_least == 1);
  const ChangeBounds same = BoundUpperHalves(one, one, 0);
  CHECK(same.L2().low == 0);
  CHECK(same.max.high == Approx(open).epsilon(1e-12));
  CHECK(same.changed_least == 0);
  CHECK(same.changed_most == 1);
  const ChangeBounds forgiven = BoundUpperHalves(one, one, 0.01);
  CHECK(forgiven.changed_most == 0);
  CHECK(BoundUpperHalves("", "", 0).L2().high == 0);
  const auto infinite = Bytes<uint16_t>({0x7f80}), nan = Bytes<uint16_t>({0x7fc0});
  CHECK(BoundUpperHalves(infinite, infinite, 0).L2().may_be_nan);
  CHECK(std::isinf(BoundUpperHalves(one, infinite, 0).L2().low));
  CHECK(BoundUpperHalves(one, nan, 0).L2().is_nan);
}

// Is dot / sqrt(squares) at least `bound`, a multiple of 2^-40 between -1 and 1? In integers.
bool IsAtLeast(int64_t dot, int64_t squares, double bound) {
  const auto steps = static_cast<int64_t>(std::ldexp(bound, 40));
  if ((dot < 0) != (steps < 0)) return dot >= 0;
  const auto left = static_cast<unsigned __int128>(dot * dot) << 80;
  const auto square = static_cast<unsigned __int128>(static_cast<__int128>(steps) * steps);
  const unsigned __int128 right = square * static_cast<uint64_t>(squares);
  return dot >= 0 ? left >= right : left <= right;
}

// Integers of 10 bits have lower halves of f32 that are not 0, and exact sums of products.
TEST_CASE("the exact cosine of integers lies between the bounds of their upper halves",
          "[bounds]") {
  for (uint64_t round = 0; round < 20000; ++round) {
    Random draw(round, "cosine");
    std::vector<float> a, b;
    int64_t dot = 0, a_squared = 0, b_squared = 0;
    for (int i = 0; i < 3; ++i) {
      const int64_t x = static_cast<int64_t>(draw.Below(2047)) - 1023;
      const int64_t other = static_cast<int64_t>(draw.Below(2047)) - 1023;
      const int64_t near = x + static_cast<int64_t>(draw.Below(9)) - 4;
      const int64_t y = round % 3 == 0 ? other : round % 3 == 1 ? near : -near;
      a.push_back(static_cast<float>(x));
      b.push_back(static_cast<float>(y));
      dot += x * y;
      a_squared += x * x;
      b_squared += y * y;
    }
    if (a_squared == 0 || b_squared == 0) continue;
    const Interval cosine = BoundUpperHalves(HighOf(Bytes(a)), HighOf(Bytes(b)), 0).Cosine();
    INFO("round " << round << ": " << CosineText(cosine));
    REQUIRE_FALSE(cosine.may_be_nan);
    const double low = std::floor(std::ldexp(cosine.low, 40));
    const double high = std::ceil(std::ldexp(cosine.high, 40));
    REQUIRE(IsAtLeast(dot, a_squared * b_squared, std::ldexp(low, -40)));
    REQUIRE(IsAtLeast(-dot, a_squared * b_squared, std::ldexp(-high, -40)));
    REQUIRE(cosine.high - cosine.low < 1.0 / 32);  // twice the sum of the two angles at most
  }
}

TEST_CASE("the bounds of a cosine are reached, and say nothing where nothing is known",
          "[bounds]") {
  // (1, y) and (y, 1): as far from their common middle as the lower halves of (1, 1) allow.
  const auto ones = Bytes<uint16_t>({0x3f80, 0x3f80});
  const double y = 1 + 0xffff / 8388608.0, exact = 2 * y / (1 + y * y);
  const Interval same = BoundUpperHalves(ones, ones, 0).Cosine();
  CHECK(same.low <= exact);
  CHECK(same.low > exact - 1e-8);
  CHECK(same.high == 1);
  const auto minus = Bytes<uint16_t>({0xbf80, 0xbf80}), mixed = Bytes<uint16_t>({0x3f80, 0xbf80});
  const Interval back = BoundUpperHalves(ones, minus, 0).Cosine();
  CHECK(back.low == -1);
  CHECK(back.high >= -exact);
  CHECK(back.high < -exact + 1e-8);
  const Interval across = BoundUpperHalves(ones, mixed, 0).Cosine();
  const double turn = (y * y - 1) / (1 + y * y);  // of (y, 1) and (y, -1)
  CHECK(across.high >= turn);
  CHECK(across.high < turn + 1e-6);
  CHECK(across.low == Approx(-across.high));

  const auto zeros = Bytes<uint16_t>({0, 0}), nan = Bytes<uint16_t>({0x7fc0, 0});
  CHECK(CosineText(BoundUpperHalves(zeros, ones, 0).Cosine()) == "-1.00000000 .. 1.00000000");
  CHECK(BoundUpperHalves(ones, nan, 0).Cosine().is_nan);
  CHECK(BoundUpperHalves(zeros, nan, 0).Cosine().Holds(0));  // so is the cosine of zeros
  CHECK(BoundUpperHalves("", "", 0).Cosine().Holds(1));
  CHECK(CosineText(same) == "0.99996971 .. 1.00000000");
}

TEST_CASE("the cosine of what was read whole is known but for float64's rounding", "[bounds]") {
  const auto of = [](DType dtype, const std::string& a, const std::string& b) {
    return BoundsOf(dtype, Compare(dtype, a, b, 0)).Cosine();
  };
  const auto two = of(DType::kI32, Bytes<int32_t>({3, 4}), Bytes<int32_t>({4, 3}));
  CHECK(two.Holds(24.0 / 25));
  CHECK(CosineText(two) == "0.96000000");
  CHECK(CosineText(of(DType::kI32, Bytes<int32_t>({0}), Bytes<int32_t>({0}))) == "1.00000000");
  CHECK(CosineText(of(DType::kI32, Bytes<int32_t>({0}), Bytes<int32_t>({7}))) == "0.00000000");
  const auto f64 = of(DType::kF64, Bytes<double>({1, 0}), Bytes<double>({1, 1}));
  CHECK(f64.Holds(std::sqrt(0.5)));
  CHECK(f64.high - f64.low < 1e-12);
  // Squares that are below every double, and beyond.
  const auto tiny = of(DType::kF64, Bytes<double>({1e-200, 0}), Bytes<double>({1e-200, 1e-200}));
  CHECK(tiny.Holds(std::sqrt(0.5)));
  const auto huge = of(DType::kF64, Bytes<double>({1e200, 0}), Bytes<double>({1e200, 1e200}));
  CHECK(huge.Holds(std::sqrt(0.5)));
  const auto infinite = Bytes<uint16_t>({0x7f80}), one = Bytes<uint16_t>({0x3f80});
  CHECK(of(DType::kBF16, one, infinite).is_nan);
}

TEST_CASE("bounds of what was read whole hold what float64 rounds away", "[bounds]") {
  const auto of = [](DType dtype, const std::string& a, const std::string& b) {
    return BoundsOf(dtype, Compare(dtype, a, b, 0));
  };
  // 1 apart, which no double at 2^62 can show; a distance whose square is below every double.
  const int64_t large = int64_t{1} << 62;
  CHECK(of(DType::kI64, Bytes<int64_t>({large}), Bytes<int64_t>({large + 1})).L2().Holds(1));
  const auto tiny = of(DType::kF64, Bytes<double>({0}), Bytes<double>({1e-200}));
  CHECK(tiny.L2().Holds(1e-200));
  const auto huge = of(DType::kF64, Bytes<double>({0}), Bytes<double>({1e200}));
  CHECK(huge.L2().Holds(1e200));
  CHECK(IntervalText(of(DType::kF32, Bytes<float>({3}), Bytes<float>({7})).L2()) == "4");
}

TEST_CASE("an interval is shown no narrower than it is", "[bounds]") {
  CHECK(IntervalText({0, 0}) == "0");
  CHECK(IntervalText({0.123449, 0.123461}) == "0.1234 .. 0.1235");
  CHECK(IntervalText({1, 2, true}) == "1 .. 2 or nan");
  CHECK(IntervalText({0, 0, true, true}) == "nan");
  CHECK(IntervalText({3, std::numeric_limits<double>::infinity()}) == "3 .. inf");
  for (uint64_t round = 0; round < 2000; ++round) {
    Random draw(round, "shown");
    const double low = std::ldexp(draw.Uniform(), static_cast<int>(draw.Below(200)) - 100);
    const double high = low * (1 + draw.Uniform());
    const std::string text = IntervalText({low, high});
    const size_t dots = text.find(" .. ");
    REQUIRE(dots != text.npos);
    REQUIRE(std::strtod(text.c_str(), nullptr) <= low);
    REQUIRE(std::strtod(text.c_str() + dots + 4, nullptr) >= high);
  }
}

// Two states of random bits: f32 in planes, one of them without elements, f64, i64, and bytes of
// the rank's own.
TEST_CASE("states are bounded from half of the bytes of their f32", "[bounds]") {
  lineage::MemoryStorage disk;
  tests::MeteredStorage metered(disk);
  const auto store = lineage::OpenStore(metered);
  std::vector<lineage::Span> spans = tests::ToySpans::SmallModel(true);
  spans[0].shape = {1 << 20};  // two chunks for each plane
  tests::ToySpans state(spans, 0);
  SoloCohort solo;
  tests::ToyRank toy{*store, solo, state, nullptr, nullptr};
  REQUIRE_THAT(toy.Begin("r", false, {}), tests::IsOk());
  std::vector<lineage::Record> records;
  for (const int64_t step : {1, 2}) {
    const auto durable = toy.CaptureStep(step, std::nullopt);
    REQUIRE_THAT(durable.status(), tests::IsOk());
    records.push_back((*durable)->record);
  }
  const uint64_t before = metered.data_bytes();
  const auto bounds = BoundTensors(*store, records[0], records[1], 0);
  REQUIRE_THAT(bounds.status(), tests::IsOk());
  const uint64_t half = metered.data_bytes() - before;
  const auto exact = DiffTensors(*store, records[0], records[1], 0);
  REQUIRE_THAT(exact.status(), tests::IsOk());
  const uint64_t whole = metered.data_bytes() - before - half;
  REQUIRE(bounds->layers.size() == exact->layers.size());
  for (size_t i = 0; i < exact->layers.size(); ++i) {
    INFO(exact->layers[i].layer);
    CHECK(bounds->layers[i].layer == exact->layers[i].layer);
    CHECK(Holds(bounds->layers[i].change, exact->layers[i].change));
  }
  const uint64_t f32 = 4 * (uint64_t{1 << 20} + 7 + 61 * 53), rest = 5 * 8 + 8 + 13;
  CHECK(bounds->bytes_whole == 2 * (f32 + rest));
  CHECK(bounds->bytes_read == 2 * (f32 / 2 + rest));
  CHECK(half < whole);
  CHECK(half <= bounds->bytes_read + 4 * lineage::kChunkBytes);  // the last chunks hold more

  const std::string text = BoundsText(*bounds, true);
  CHECK_THAT(text, Catch::Contains("first layer that differs for certain: w1\n") &&
                       Catch::Contains("of tensors: f32 by their upper 16 bits"));
  const auto same = BoundTensors(*store, records[0], records[0], 0);
  REQUIRE_THAT(same.status(), tests::IsOk());
  CHECK_THAT(BoundsText(*same, false), Catch::Contains("identical"));
}

}  // namespace
}  // namespace stemma::cli
