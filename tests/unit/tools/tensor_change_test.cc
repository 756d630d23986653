#include "tools/cli/tensor_change.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tools/cli/state_diff.h"

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

}  // namespace
}  // namespace stemma::cli
