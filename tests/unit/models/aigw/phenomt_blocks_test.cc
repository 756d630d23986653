// The fast path of the data set against the reference, sample by sample.
#include "models/aigw/phenomt_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/random.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

PhenomT22 Wave(const Binary& b) {
  const auto wave = PhenomT22::Make(b.q, b.s1, b.s2);
  REQUIRE_THAT(wave.status(), tests::IsOk());
  return *wave;
}

double LargestError(const Binary& b, const TimeGrid& grid, size_t count) {
  const PhenomT22 wave = Wave(b);
  std::vector<double> reference(count), fast(count);
  wave.RealPart(grid, static_cast<int64_t>(count), reference.data());
  internal::FillByBlocks(wave.stages(), grid, static_cast<int64_t>(count), fast.data());
  double worst = 0;
  for (size_t i = 0; i < count; ++i) worst = std::max(worst, std::abs(fast[i] - reference[i]));
  return worst;
}

// The order of the cuts differs between them, see phenomt_test.cc.
const Binary kCorners[] = {{1, 0, 0},     {1, .8, .8}, {1, -.8, -.8}, {3.2, .1, .2},
                           {3.3, .1, .2}, {8, .8, .8}, {8, -.8, -.8}, {8, .8, -.8}};

TEST_CASE("blocks: the error is a ten-thousandth of float's rounding, on the published grid") {
  double worst = 0;
  for (const Binary& b : kCorners) worst = std::max(worst, LargestError(b, {-10000, .1}, 101300));
  WARN("largest error at 8 binaries of 101,300 samples: " << worst);
  CHECK(worst < internal::kBlockError);
}

TEST_CASE("blocks: random binaries, and grids that begin and step as they like") {
  double worst = 0;
  Random draw(Key({1}), "blocks");
  for (int i = 0; i < 60; ++i) {
    const Binary b = {1 + 7 * draw.Uniform(), .8 * (2 * draw.Uniform() - 1),
                      .8 * (2 * draw.Uniform() - 1)};
    const TimeGrid grid = {-500 * draw.Uniform(), .01 + .3 * draw.Uniform()};
    worst = std::max(worst, LargestError(b, grid, 3000));
  }
  for (const double step : {.001, .5, 2., 10., 1e4}) {
    worst = std::max(worst, LargestError({2, .5, -.3}, {-5000.3, step}, 3000));
  }
  worst = std::max(worst, LargestError({2, .5, -.3}, {-1e6, 100}, 11000));
  WARN("largest error at 66 grids: " << worst);
  CHECK(worst < internal::kBlockError);
}

TEST_CASE("blocks: what RealPart writes as floats is this, rounded once") {
  const PhenomT22 wave = Wave({4, -.6, .4});
  std::vector<double> fast(20000);
  std::vector<float> floats(fast.size());
  internal::FillByBlocks(wave.stages(), {-1870, .1}, 20000, fast.data());
  wave.RealPart({-1870, .1}, 20000, floats.data());
  int64_t different = 0;
  for (size_t i = 0; i < fast.size(); ++i) different += floats[i] != static_cast<float>(fast[i]);
  CHECK(different == 0);
}

TEST_CASE("blocks: a sample does not depend on how many follow, and none is written beyond them") {
  const PhenomT22 wave = Wave({2, .5, -.3});
  std::vector<double> all(20000), some(20000);
  internal::FillByBlocks(wave.stages(), {-1870, .1}, 20000, all.data());
  for (const size_t count : {0, 1, 11, 12, 500, 17203, 18701, 19999}) {
    std::fill(some.begin(), some.end(), 7);
    internal::FillByBlocks(wave.stages(), {-1870, .1}, static_cast<int64_t>(count), some.data());
    INFO(count);
    CHECK(std::equal(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count), all.begin()));
    CHECK(some[count] == 7);
  }
}

// Whatever the compiler, its flags, the C library and the processor: another digest is another
// training set, and kGeneratorVersion of dataset.cc must grow with it.
TEST_CASE("blocks: the bytes of three waveforms, on every machine") {
  std::string bytes;
  for (const Binary& b : {Binary{1, 0, 0}, Binary{2, .5, -.3}, Binary{8, .8, -.8}}) {
    std::vector<float> h(101300);
    Wave(b).RealPart({-10000, .1}, 101300, h.data());
    const size_t size = bytes.size();
    bytes.resize(size + sizeof(float) * h.size());
    std::memcpy(&bytes[size], h.data(), sizeof(float) * h.size());
  }
  CHECK(Hex(Sha256(bytes)) == "4a0dc18af69d00ef53b46aba5c0e1040b468e3d666001262c0e7eea4831fe777");
}

}  // namespace
}  // namespace stemma::models
