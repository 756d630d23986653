#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "comm/reduce_kernels.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename T>
std::vector<T> Reduced(Op op, DType dtype, const std::vector<std::vector<T>>& ranks,
                       double factor = 1) {
  std::vector<const void*> in;
  for (const auto& values : ranks) in.push_back(values.data());
  std::vector<T> out(ranks[0].size());
  Reduce(op, dtype, in, static_cast<int64_t>(out.size()), factor, out.data());
  return out;
}

TEST_CASE("integers wrap around and do not overflow undefined", "[kernels]") {
  CHECK(Reduced<uint8_t>(Op::kSum, DType::kU8, {{200, 1}, {100, 2}})[0] == 44);
  CHECK(Reduced<int8_t>(Op::kSum, DType::kI8, {{100}, {100}})[0] == -56);
  const int64_t most = std::numeric_limits<int64_t>::max();
  CHECK(Reduced<int64_t>(Op::kSum, DType::kI64, {{most}, {1}})[0] ==
        std::numeric_limits<int64_t>::min());
  CHECK(Reduced<int32_t>(Op::kProduct, DType::kI32, {{1 << 20}, {1 << 20}})[0] == 0);
}

TEST_CASE("scaled integers are rounded to nearest and stop at the ends", "[kernels]") {
  CHECK(Reduced<int32_t>(Op::kSum, DType::kI32, {{3, 5, -7}, {2, 2, 0}}, 0.5) ==
        std::vector<int32_t>{2, 4, -4});
  CHECK(Reduced<uint8_t>(Op::kSum, DType::kU8, {{200}, {0}}, 2)[0] == 255);
  CHECK(Reduced<int8_t>(Op::kSum, DType::kI8, {{-100}, {0}}, 2)[0] == -128);
  const int64_t big = int64_t{1} << 62;
  CHECK(Reduced<int64_t>(Op::kSum, DType::kI64, {{big}, {0}}, 4)[0] ==
        std::numeric_limits<int64_t>::max());
}

TEST_CASE("whatever is NaN wins, wherever it stands", "[kernels]") {
  for (Op op : {Op::kMin, Op::kMax}) {
    const auto out = Reduced<float>(op, DType::kF32, {{kNan, 1, 2}, {1, kNan, 3}, {1, 1, 1}});
    CHECK(std::isnan(out[0]));
    CHECK(std::isnan(out[1]));
    CHECK(out[2] == (op == Op::kMin ? 1 : 3));
    const uint16_t nan16 = 0x7e00, one16 = 0x3c00;
    const auto half = Reduced<uint16_t>(op, DType::kF16, {{nan16}, {one16}});
    CHECK(std::isnan(FloatFromHalf(half[0])));
    const auto doubles = Reduced<double>(op, DType::kF64, {{1}, {std::nan("")}});
    CHECK(std::isnan(doubles[0]));
  }
}

TEST_CASE("bf16 rounds to nearest, ties to even, and keeps NaN", "[kernels]") {
  // 1 + 2^-8 lies half way between 1 and the next bf16, 1 + 2^-7.
  CHECK(BfloatFromFloat(1 + std::ldexp(1.0f, -8)) == 0x3f80);
  CHECK(BfloatFromFloat(1 + 3 * std::ldexp(1.0f, -8)) == 0x3f82);
  CHECK(BfloatFromFloat(1 + std::ldexp(1.0f, -8) + std::ldexp(1.0f, -20)) == 0x3f81);
  CHECK(BfloatFromFloat(std::numeric_limits<float>::max()) == 0x7f80);  // rounds to infinity
  CHECK(std::isnan(FloatFromBfloat(BfloatFromFloat(kNan))));
  float low_nan;  // only low bits set: cutting them off would leave infinity
  const uint32_t bits = 0x7f800001;
  std::memcpy(&low_nan, &bits, sizeof low_nan);
  CHECK(std::isnan(FloatFromBfloat(BfloatFromFloat(low_nan))));
  CHECK(std::isnan(FloatFromHalf(HalfFromFloat(low_nan))));
}

TEST_CASE("every f16 survives the way to f32 and back", "[kernels]") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = FloatFromHalf(half);
    const bool nan = (half & 0x7fffu) > 0x7c00u;
    if (std::isnan(value) != nan || (!nan && HalfFromFloat(value) != half)) {
      INFO("bits " << bits);
      CHECK(HalfFromFloat(value) == half);
    }
  }
  CHECK(FloatFromHalf(0x3c00) == 1);
  CHECK(FloatFromHalf(0x0001) == std::ldexp(1.0f, -24));
  CHECK(FloatFromHalf(0x03ff) == 1023 * std::ldexp(1.0f, -24));
  CHECK(FloatFromHalf(0xfbff) == -65504);
  CHECK(FloatFromHalf(0x7c00) == kInfinity);
}

TEST_CASE("f16 rounds to nearest, ties to even, at both ends", "[kernels]") {
  CHECK(HalfFromFloat(1 + std::ldexp(1.0f, -11)) == 0x3c00);
  CHECK(HalfFromFloat(1 + 3 * std::ldexp(1.0f, -11)) == 0x3c02);
  CHECK(HalfFromFloat(65519.99f) == 0x7bff);
  CHECK(HalfFromFloat(65520) == 0x7c00);
  CHECK(HalfFromFloat(-1e30f) == 0xfc00);
  CHECK(HalfFromFloat(std::ldexp(1.0f, -25)) == 0);  // half of the least: to even
  CHECK(HalfFromFloat(std::ldexp(3.0f, -25)) == 2);
  CHECK(HalfFromFloat(-0.0f) == 0x8000);
}

TEST_CASE("bf16 sums are made in f32 and rounded once", "[kernels]") {
  // In bf16, 256 + 1 is 256 again; four of them would stay there.
  const uint16_t big = BfloatFromFloat(256), one = BfloatFromFloat(1);
  const auto out = Reduced<uint16_t>(Op::kSum, DType::kBF16, {{big}, {one}, {one}, {one}, {one}});
  CHECK(FloatFromBfloat(out[0]) == 260);
  const auto scaled = Reduced<uint16_t>(Op::kSum, DType::kBF16, {{big}, {one}, {one}}, 0.5);
  CHECK(FloatFromBfloat(scaled[0]) == 129);
}

TEST_CASE("the order is that of the ranks, and the factor comes last and once", "[kernels]") {
  // (1e8 + 1) - 1e8 loses the 1; 1e8 - 1e8 + 1 keeps it.
  CHECK(Reduced<float>(Op::kSum, DType::kF32, {{1e8f}, {1}, {-1e8f}})[0] == 0);
  CHECK(Reduced<float>(Op::kSum, DType::kF32, {{1e8f}, {-1e8f}, {1}})[0] == 1);
  const float third = static_cast<float>(1.0 / 3);
  CHECK(Reduced<float>(Op::kSum, DType::kF32, {{1}, {3}, {3}}, 1.0 / 3)[0] == 7 * third);
}

// Spans begin where tensors do, which is on no boundary of a vector register.
template <typename T>
void CheckUnaligned(DType dtype, T (*make)(int)) {
  for (size_t shift = 0; shift < 64 / sizeof(T); shift += 3) {
    for (int count : {1, 31, 1000, 2049}) {
      std::vector<std::vector<T>> memory(4);  // rank r begins shift + r elements behind a boundary
      std::vector<const void*> in;
      for (size_t r = 0; r < memory.size(); ++r) {
        memory[r].assign(static_cast<size_t>(count) + 128, make(99));
        T* const first = memory[r].data() + shift + r;
        for (int i = 0; i < count; ++i) first[i] = make(i % 5 + static_cast<int>(r));
        if (r < 3) in.push_back(first);
      }
      T* const out = memory[3].data() + shift + 3;
      Reduce(Op::kSum, dtype, in, count, 1, out);
      for (int i = 0; i < count; ++i) REQUIRE(out[i] == make(3 * (i % 5) + 3));
      REQUIRE(out[-1] == make(99));
      REQUIRE(out[count] == make(99));
    }
  }
}

TEST_CASE("conformance_87_unaligned_memory_is_reduced_right", "[kernels]") {
  CheckUnaligned<float>(DType::kF32, [](int v) { return static_cast<float>(v); });
  CheckUnaligned<double>(DType::kF64, [](int v) { return static_cast<double>(v); });
  CheckUnaligned<uint16_t>(DType::kBF16, [](int v) { return BfloatFromFloat(float(v)); });
  CheckUnaligned<uint16_t>(DType::kF16, [](int v) { return HalfFromFloat(float(v)); });
  CheckUnaligned<int32_t>(DType::kI32, [](int v) { return v; });
  CheckUnaligned<int64_t>(DType::kI64, [](int v) { return int64_t{v}; });
  CheckUnaligned<uint8_t>(DType::kU8, [](int v) { return static_cast<uint8_t>(v); });
}

TEST_CASE("blocks have no seams, and the output may be an input", "[kernels]") {
  for (int count : {1, 7, 1023, 1024, 1025, 5000}) {
    std::vector<double> a(count), b(count), c(count);
    for (int i = 0; i < count; ++i) {
      a[i] = i;
      b[i] = 2.0 * i;
      c[i] = 1;
    }
    Reduce(Op::kSum, DType::kF64, {a.data(), b.data(), c.data()}, count, 2, b.data());
    for (int i = 0; i < count; ++i) REQUIRE(b[i] == 2 * (3.0 * i + 1));
  }
}

}  // namespace
}  // namespace stemma::comm
