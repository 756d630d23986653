// Simulated galaxies as a data set: who is where, what gives the class away, and every byte.
#include "models/aides/galaxy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "models/aides/dataset.h"
#include "models/aides/picture.h"
#include "models/aides/survey.h"
#include "tools/cli/image_file.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

constexpr uint64_t kSeed = 1;

using Features = std::vector<double>;

// Logistic regression on standardised features by gradient descent; returns the accuracy on the
// second half of the rows, which it has not seen. Both halves are near enough balanced.
double Separability(std::vector<Features> rows, const std::vector<int>& spiral) {
  const size_t columns = rows[0].size(), half = rows.size() / 2;
  for (size_t c = 0; c < columns; ++c) {
    double mean = 0, square = 0;
    for (const Features& row : rows) mean += row[c] / static_cast<double>(rows.size());
    for (const Features& row : rows) {
      square += (row[c] - mean) * (row[c] - mean) / static_cast<double>(rows.size());
    }
    for (Features& row : rows) row[c] = (row[c] - mean) / std::sqrt(square);
  }
  Features weights(columns + 1);
  const auto score = [&](const Features& row) {
    double sum = weights[columns];
    for (size_t c = 0; c < columns; ++c) sum += weights[c] * row[c];
    return sum;
  };
  for (int step = 0; step < 60; ++step) {
    Features slope(columns + 1);
    for (size_t i = 0; i < half; ++i) {
      const double error = spiral[i] - 1 / (1 + std::exp(-score(rows[i])));
      for (size_t c = 0; c < columns; ++c) slope[c] += error * rows[i][c];
      slope[columns] += error;
    }
    for (size_t c = 0; c <= columns; ++c) weights[c] += slope[c] / static_cast<double>(half);
  }
  size_t right = 0;
  for (size_t i = half; i < rows.size(); ++i) right += (score(rows[i]) > 0) == (spiral[i] == 1);
  return static_cast<double>(right) / static_cast<double>(rows.size() - half);
}

TEST_CASE("galaxy: fluxes and colours do not give the class away; size and shape are measured") {
  std::vector<Features> light, form, leak;
  std::vector<int> spiral;
  for (uint64_t object = 0; object < 24000; ++object) {
    const Galaxy g = DrawGalaxy(kSeed, object);
    const PerBand flux = g.Flux();
    light.push_back(
        {std::log(flux[kBandG]), std::log(flux[kBandR]), std::log(flux[kBandI]), g.g_r, g.r_i});
    form.push_back({std::log(g.radius), g.axis_ratio});
    spiral.push_back(g.kind == GalaxyClass::kSpiral);
    leak.push_back({g.g_r - .05 * spiral.back()});
    REQUIRE(g.kind == ClassOf(kSeed, object));
  }
  const double spirals = static_cast<double>(std::count(spiral.begin(), spiral.end(), 1));
  CHECK(std::abs(spirals / 24000 - .5) < 5 * .5 / std::sqrt(24000));
  const double by_light = Separability(light, spiral), by_form = Separability(form, spiral);
  WARN("accuracy of a logistic regression: " << by_light << " on fluxes and colours, " << by_form
                                             << " on half-light radius and axis ratio alone");
  CHECK(std::abs(by_light - .5) < .02);
  CHECK(by_form < .8);
  CHECK(Separability(leak, spiral) > .55);  // a twentieth of a magnitude would be found
}

TEST_CASE("galaxy: each object is in one split, and numbers go both ways") {
  std::array<int, 4> sizes{};
  for (uint64_t object = 0; object < 4000; ++object) {
    const GalaxySplit split = SplitOf(kSeed, object);
    ++sizes[static_cast<size_t>(split)];
    REQUIRE(ObjectOf(kSeed, split, object / 4) == object);
  }
  CHECK(sizes == std::array<int, 4>{1000, 1000, 1000, 1000});
  int moved = 0;  // a hash decides, not the place in the block
  for (uint64_t block = 0; block < 1000; ++block) {
    moved += ObjectOf(kSeed, GalaxySplit::kTest, block) % 4 != 2;
  }
  CHECK(moved > 680);
  CHECK(moved < 820);
}

TEST_CASE("galaxy: what is drawn is in its range") {
  int barred = 0, spirals = 0;
  for (uint64_t object = 0; object < 3000; ++object) {
    const Galaxy g = DrawGalaxy(7, object);
    REQUIRE((g.radius >= 2.5 && g.radius <= 6 && g.magnitude_r >= 14.5 && g.magnitude_r <= 17.5));
    if (g.kind == GalaxyClass::kElliptical) {
      REQUIRE((g.sersic_n >= 2.5 && g.sersic_n <= 6 && g.axis_ratio >= .5 && g.axis_ratio <= 1));
      continue;
    }
    ++spirals;
    barred += g.bar_share > 0;
    const double c = std::cos(2 * M_PI * g.inclination);
    REQUIRE(g.axis_ratio == Approx(std::sqrt(c * c + .04 * (1 - c * c))));
    REQUIRE((g.arms >= 2 && g.arms <= 4 && std::abs(g.pitch) <= 30. / 360 &&
             std::abs(g.pitch) >= 10. / 360 && g.bulge_share <= .4));
    double sum = 0;
    for (const Knot& knot : g.knots) sum += knot.share;
    REQUIRE((g.knots.empty() || sum == Approx(1)));
  }
  CHECK(std::abs(barred / static_cast<double>(spirals) - .3) < .06);
}

TEST_CASE("survey: two telescopes, one galaxy; noise is what its variance says") {
  const Survey sdss(SurveyKind::kSdss), des(SurveyKind::kDes);
  const Galaxy g = DrawGalaxy(kSeed, 0);
  const Exposure a = sdss.Expose(g, {kSeed, 0}), b = des.Expose(g, {kSeed, 0});
  CHECK(b.signal_to_noise > 1.5 * a.signal_to_noise);
  CHECK(static_cast<double>(b.side) > 1.3 * static_cast<double>(a.side));
  const Exposure clean = sdss.Expose(g, {kSeed, 0}, false);
  CHECK(clean.signal_to_noise == a.signal_to_noise);
  const SurveyFacts& facts = FactsOf(SurveyKind::kSdss);
  for (size_t band = 0; band < kBands; ++band) {
    double sum = 0, square = 0, count = static_cast<double>(a.bands[band].size());
    for (size_t i = 0; i < a.bands[band].size(); ++i) {
      const double expected = clean.bands[band][i];
      const double deviation = std::sqrt(expected + facts.sky[band] + 36);
      const double z = (a.bands[band][i] - expected) / deviation;
      sum += z;
      square += z * z;
    }
    INFO("band " << band);
    CHECK(std::abs(sum) < 5 * std::sqrt(count));
    CHECK(std::abs(square / count - 1) < 5 * std::sqrt(2 / count));
  }
  CHECK(sdss.Expose(g, {kSeed, 1}).bands[0] != a.bands[0]);
  CHECK_THAT(SurveyByName("hubble").status(), HasCode(Code::kInvalidArgument, "sdss or des"));
}

std::shared_ptr<const AidesDataset> Data(const AidesData& settings,
                                         SurveyKind survey = SurveyKind::kSdss,
                                         GalaxySplit split = GalaxySplit::kTrain) {
  const auto data = AidesDataset::Make(settings, survey, split);
  REQUIRE_THAT(data.status(), IsOk());
  return *data;
}

std::vector<float> Sample(const AidesDataset& data, int64_t id, float* y) {
  std::vector<float> x(static_cast<size_t>(data.Shape().XCount()));
  if (!data.Read(id, {}, x.data(), y).ok()) x.clear();
  return x;
}

TEST_CASE("aides data: labels, pairs, threads, and refusals that name the number") {
  const AidesData small = {3, 100, 96, Rescale::kAllPixels};
  const auto sdss = Data(small), des = Data(small, SurveyKind::kDes);
  const auto unlabelled = Data(small, SurveyKind::kSdss, GalaxySplit::kUnlabelled);
  CHECK(sdss->Shape().x == std::vector<int64_t>{3, 96, 96});
  float y = 7;
  const std::vector<float> x = Sample(*sdss, 5, &y);
  CHECK(x.size() == 3 * 96 * 96);
  CHECK(*std::min_element(x.begin(), x.end()) >= 0);
  CHECK(*std::max_element(x.begin(), x.end()) <= 1);
  CHECK(y == static_cast<float>(sdss->GalaxyOf(5).kind));
  CHECK(des->ObjectOf(5) == sdss->ObjectOf(5));
  CHECK(Sample(*des, 5, &y) != x);
  CHECK(Sample(*unlabelled, 5, &y).size() == x.size());
  CHECK(y == -1);
  std::vector<std::vector<float>> together(3);
  const auto fresh = Data(small);  // its kernels are made by the threads themselves
  std::vector<std::thread> threads;
  for (auto& out : together) {
    threads.emplace_back([&] {
      float label = 0;
      out = Sample(*fresh, 5, &label);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& out : together) CHECK(out == x);

  const auto refused = [](AidesData data) {
    return AidesDataset::Make(data, SurveyKind::kSdss, GalaxySplit::kTrain).status();
  };
  const Code bad = Code::kInvalidArgument;
  CHECK_THAT(refused({1, 0, 224, {}}), HasCode(bad, "galaxies = 0 must be 1"));
  CHECK_THAT(refused({1, 5, 70, {}}), HasCode(bad, "image = 70 must be 71 to 1024"));
}

TEST_CASE("aides data: the digest changes with everything that changes a byte") {
  std::set<std::string> digests = {Data({})->Digest(),
                                   Data({2, 36620, 224, {}})->Digest(),
                                   Data({1, 5, 224, {}})->Digest(),
                                   Data({1, 36620, 96, {}})->Digest(),
                                   Data({1, 36620, 224, Rescale::kFaintHalf})->Digest(),
                                   Data({}, SurveyKind::kDes)->Digest(),
                                   Data({}, SurveyKind::kSdss, GalaxySplit::kTest)->Digest()};
  CHECK(digests.size() == 7);
  CHECK(digests.begin()->size() == 32);
}

// Whatever the compiler, its flags, the C library and the processor: another digest is another
// data set, and kGeneratorVersion of dataset.cc must grow with it.
TEST_CASE("aides data: the bytes of eight galaxies, on every machine") {
  std::string bytes;
  for (const SurveyKind kind : {SurveyKind::kSdss, SurveyKind::kDes}) {
    const auto data = Data({}, kind);
    for (int64_t id = 0; id < 4; ++id) {
      float y = 0;
      std::vector<float> x = Sample(*data, id, &y);
      x.push_back(y);
      const size_t size = bytes.size();
      bytes.resize(size + sizeof(float) * x.size());
      std::memcpy(&bytes[size], x.data(), sizeof(float) * x.size());
    }
  }
  CHECK(bytes.size() == 8 * 4 * (3 * 224 * 224 + 1));
  CHECK(Hex(Sha256(bytes)) == "f716c4166324242b449e3d994804c0c0754cd829db2dfb450c1419d2e1bbb261");
}

TEST_CASE("image file: PNG and PPM of two pixels, byte by byte") {
  const cli::Pixels pixels = {2, 1, {255, 0, 0, 1, 2, 3}};
  const auto ppm = cli::EncodeImage("a.ppm", pixels);
  REQUIRE_THAT(ppm.status(), IsOk());
  CHECK(*ppm == std::string("P6\n2 1\n255\n\xff\0\0\1\2\3", 17));
  const auto png = cli::EncodeImage("a.png", pixels);
  REQUIRE_THAT(png.status(), IsOk());
  // As Python's zlib and struct write it.
  CHECK(Hex(*png) ==
        "89504e470d0a1a0a0000000d49484452000000020000000108020000007b40e8dd0000001249"
        "4441547801010700f8ff00ff0000010203060b010643c56f180000000049454e44ae426082");
  CHECK_THAT(cli::EncodeImage("a.jpg", pixels).status(),
             HasCode(Code::kInvalidArgument, "neither in .png nor in .ppm"));
}

}  // namespace
}  // namespace stemma::models
