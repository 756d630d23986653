#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/random.h"
#include "models/data/images/augment.h"
#include "models/data/images/jpeg.h"
#include "models/data/images/prepare.h"
#include "models/data/images/resample.h"
#include "tools/bench/made_images.h"

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using bench::JpegKind;
using bench::MadeJpeg;
using bench::MadePixels;
using tests::HasCode;
using tests::IsOk;

constexpr JpegKind kKinds[] = {JpegKind::kGrey, JpegKind::k420, JpegKind::k444,
                               JpegKind::kProgressive, JpegKind::kCmyk};

std::string Sample(JpegKind kind, int width = 93, int height = 71, uint64_t seed = 1) {
  return MadeJpeg(MadePixels(width, height, seed), width, height, kind, 95);
}

Pixels DecodeAll(const std::string& bytes, int reduction = 1) {
  JpegDecoder decoder;
  Pixels pixels;
  const auto size = decoder.Start(bytes);
  REQUIRE_THAT(size.status(), IsOk());
  const JpegSize reduced = ReducedSize(*size, reduction);
  REQUIRE_THAT(decoder.Decode(reduction, {0, 0, reduced.width, reduced.height}, &pixels), IsOk());
  return pixels;
}

int Difference(const uint8_t* a, const uint8_t* b) {
  int most = 0;
  for (int i = 0; i < 3; ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST_CASE("jpeg: every kind is decoded to what was encoded") {
  const auto rgb = MadePixels(93, 71, 1, .3);  // smooth, so that little is lost
  for (const JpegKind kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    const Pixels pixels = DecodeAll(MadeJpeg(rgb, 93, 71, kind, 100));
    double error = 0;
    for (int y = 0; y < 71; ++y) {
      for (int x = 0; x < 93; ++x) {
        const uint8_t* want = rgb.data() + 3 * (y * 93 + x);
        const uint8_t grey[3] = {want[1], want[1], want[1]};
        error += Difference(pixels.row(y) + 4 * x, kind == JpegKind::kGrey ? grey : want);
      }
    }
    CHECK(error / (93 * 71) < 3);
  }
}

// Danger: the edge of a crop differs from the image, because its chroma had no neighbours.
TEST_CASE("jpeg: a part is what all of it has there, to the bit") {
  JpegDecoder decoder;
  Pixels part;
  Random draw(1, "regions");
  for (const JpegKind kind : kKinds) {
    const std::string bytes = Sample(kind);
    for (const int reduction : {1, 2, 4, 8}) {
      const Pixels all = DecodeAll(bytes, reduction);
      const JpegSize size = ReducedSize({93, 71}, reduction);
      for (int i = 0; i < 40; ++i) {
        const auto below = [&](int n) { return static_cast<int>(draw.Below(uint64_t(n))); };
        PixelRegion region{below(size.width), below(size.height), 0, 0};
        region.width = 1 + below(size.width - region.left);
        region.height = 1 + below(size.height - region.top);
        CAPTURE(int(kind), reduction, region.left, region.top, region.width, region.height);
        REQUIRE_THAT(decoder.Start(bytes).status(), IsOk());
        REQUIRE_THAT(decoder.Decode(reduction, region, &part), IsOk());
        int worst = 0;
        for (int y = 0; y < region.height; ++y) {
          for (int x = 0; x < region.width; ++x) {
            worst = std::max(worst, Difference(part.row(y) + 4 * x,
                                               all.row(region.top + y) + 4 * (region.left + x)));
          }
        }
        REQUIRE(worst == 0);
      }
    }
  }
}

TEST_CASE("jpeg: what is no whole JPEG is an error with a reason, and the next one is read") {
  const std::string good = Sample(JpegKind::k420);
  std::string huge = good;  // the frame header states 65500 x 65500
  const size_t frame = huge.find("\xFF\xC0");
  REQUIRE(frame != std::string::npos);
  huge.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");
  std::string two = good;
  two[frame + 9] = 2;  // components
  struct Case {
    std::string bytes;
    Code code;
    const char* says;
  };
  const Case cases[] = {
      {"", Code::kCorruption, "empty"},
      {"hello", Code::kCorruption, "no image"},
      {"\x89PNG\r\n\x1A\n....", Code::kIncompatible, "a PNG"},
      {"GIF89a", Code::kIncompatible, "a GIF"},
      {"RIFF", Code::kCorruption, "no image"},
      {"RIFF1234WEBPVP8 ", Code::kIncompatible, "a WebP"},
      {good.substr(0, 3), Code::kCorruption, "damaged"},
      {good.substr(0, frame + 4), Code::kCorruption, "damaged"},
      {good.substr(0, good.size() / 2), Code::kCorruption, "Premature end"},
      {good.substr(0, good.size() - 2), Code::kCorruption, "damaged"},
      {huge, Code::kIncompatible, "65500 x 65500"},
      {two, Code::kCorruption, "damaged"},
  };
  auto preparer = ImagePreparer::Make({});
  REQUIRE_THAT(preparer.status(), IsOk());
  for (const Case& one : cases) {
    CAPTURE(one.says, one.bytes.size());
    CHECK_THAT(preparer->Verify(one.bytes).status(), HasCode(one.code, one.says));
    CHECK_THAT(preparer->Verify(good).status(), IsOk());
  }
}

Axis AxisOf(const AxisSpec& spec, bool mirrored = false) {
  Axis axis;
  TriangleAxis(spec, mirrored, &axis);
  return axis;
}

// The filter's definition, in double.
double Exact(const AxisSpec& spec, int output, const std::vector<double>& source) {
  const double scale = (spec.end - spec.begin) / spec.out_size, width = std::max(scale, 1.);
  const double centre = spec.begin + (output + .5) * scale;
  double sum = 0, weights = 0;
  for (int i = spec.low; i < spec.high; ++i) {
    const double weight = std::max(0., 1 - std::abs((i + .5 - centre) / width));
    sum += weight * source[static_cast<size_t>(i)];
    weights += weight;
  }
  return sum / weights;
}

TEST_CASE("resample: the weights are the triangle's, add up to one and stay inside") {
  std::vector<double> source;
  Random draw(2, "source");
  for (int i = 0; i < 500; ++i) source.push_back(255 * draw.Uniform());
  const AxisSpec specs[] = {{0, 500, 0, 500, 224, 0, 224}, {100, 324, 100, 324, 224, 0, 224},
                            {7, 107, 7, 107, 224, 0, 224}, {0, 500, 0, 500, 1, 0, 1},
                            {3.5, 20.25, 3, 21, 5, 0, 5},  {0, 1, 0, 1, 9, 0, 9},
                            {0, 500, 0, 500, 341, 58, 224}};
  for (const AxisSpec& spec : specs) {
    const Axis axis = AxisOf(spec);
    REQUIRE(static_cast<int>(axis.outputs.size()) == spec.out_count);
    CHECK(axis.begin >= spec.low);
    CHECK(axis.end <= spec.high);
    for (int i = 0; i < spec.out_count; ++i) {
      const Axis::Output& output = axis.outputs[static_cast<size_t>(i)];
      int total = 0;
      double sum = 0;
      for (int k = 0; k < 2 * output.pairs - output.padded; ++k) {
        const int weight = axis.weights[output.at + static_cast<size_t>(k)];
        total += weight;
        sum += weight * source[static_cast<size_t>(axis.begin + output.first + k)] / 16384;
      }
      CAPTURE(spec.begin, spec.end, spec.out_size, i);
      REQUIRE(total == 16384);
      REQUIRE(sum == Approx(Exact(spec, spec.out_first + i, source)).margin(.15));
    }
  }
}

TEST_CASE("resample: the instructions give what the plain loops give, mirrored is mirrored") {
  constexpr int kWidth = 61, kHeight = 47, kOut = 30;  // no multiple of four
  Random draw(3, "pixels");
  Pixels in, narrow;
  in.Shape(kWidth, kHeight);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < 4 * kWidth; ++x) in.row(y)[x] = static_cast<uint8_t>(draw.U32());
  }
  for (const AxisSpec& spec :
       {AxisSpec{0, kWidth, 0, kWidth, kOut, 0, kOut}, AxisSpec{5, 17, 5, 17, kOut, 0, kOut},
        AxisSpec{0, kWidth, 0, kWidth, 3, 0, 3}}) {
    const Axis columns = AxisOf(spec), mirrored = AxisOf(spec, true);
    Pixels from = in;
    for (int y = 0; y < kHeight; ++y) {
      std::memmove(from.row(y), in.row(y) + 4 * columns.begin,
                   static_cast<size_t>(4 * (columns.end - columns.begin)));
    }
    ResampleColumns(from, kHeight, columns, &narrow);
    Pixels turned;
    ResampleColumns(from, kHeight, mirrored, &turned);
    std::vector<uint8_t> plain(4 * columns.outputs.size());
    for (int y = 0; y < kHeight; ++y) {
      internal::PlainColumns(from.row(y), columns, plain.data());
      REQUIRE(std::memcmp(plain.data(), narrow.row(y), plain.size()) == 0);
      for (int x = 0; x < spec.out_count; ++x) {
        REQUIRE(std::memcmp(narrow.row(y) + 4 * x, turned.row(y) + 4 * (spec.out_count - 1 - x),
                            4) == 0);
      }
    }
    const Axis rows = AxisOf({0, kHeight, 0, kHeight, 20, 0, 20});
    std::vector<uint8_t> fast(plain.size() + 16);
    for (int y = 0; y < 20; ++y) {
      internal::PlainRow(narrow, rows, y, spec.out_count, plain.data());
      ResampleRow(narrow, rows, y, spec.out_count, fast.data());
      REQUIRE(std::memcmp(plain.data(), fast.data(), plain.size()) == 0);
    }
  }
}

TEST_CASE("windows: a training crop keeps torchvision's bounds, and covers them") {
  ImageSettings settings;
  double least = 1, most = 0, aspect_least = 9, aspect_most = 0;
  int mirrored = 0;
  constexpr int kDraws = 4000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const ImageWindow window = TrainingWindow({500, 375}, settings, {1, 0, i});
    const PixelRegion& box = window.box;
    REQUIRE((box.left >= 0 && box.top >= 0 && box.width > 0 && box.height > 0));
    REQUIRE((box.left + box.width <= 500 && box.top + box.height <= 375));
    const double area = double(box.width) * box.height / (500 * 375);
    const double aspect = double(box.width) / box.height;
    least = std::min(least, area);
    most = std::max(most, area);
    aspect_least = std::min(aspect_least, aspect);
    aspect_most = std::max(aspect_most, aspect);
    mirrored += window.mirrored;
  }
  CHECK(least == Approx(.08).margin(.005));
  CHECK(most == Approx(1).margin(.02));
  CHECK(aspect_least == Approx(3. / 4).margin(.02));
  CHECK(aspect_most == Approx(4. / 3).margin(.02));
  CHECK(mirrored == Approx(kDraws / 2).margin(4 * std::sqrt(kDraws / 4.)));
}

TEST_CASE("windows: a crop depends on seed, epoch and position alone, and on each of them") {
  const auto box = [](Cursor key) {
    const ImageWindow w = TrainingWindow({500, 375}, {}, key);
    return std::vector<int>{w.box.left, w.box.top, w.box.width, w.box.height};
  };
  CHECK(box({1, 2, 3}) == box({1, 2, 3}));
  CHECK(box({1, 2, 3}) != box({2, 2, 3}));
  CHECK(box({1, 2, 3}) != box({1, 3, 3}));
  CHECK(box({1, 2, 3}) != box({1, 2, 4}));
}

TEST_CASE("windows: strips fall back to the centre, evaluation takes the middle") {
  const ImageWindow tall = TrainingWindow({10, 1000}, {}, {1, 0, 0});
  CHECK(tall.box.width == 10);
  CHECK(tall.box.height == 13);  // 10 / (3 / 4)
  CHECK(tall.box.top == 493);
  const ImageWindow wide = TrainingWindow({1000, 12}, {}, {1, 0, 0});
  CHECK(wide.box.width == 16);  // 12 * 4 / 3
  CHECK(wide.box.left == 492);

  const ImageWindow window = EvaluationWindow({500, 375}, {});
  CHECK(window.width == 341);  // 256 * 500 / 375, rounded down
  CHECK(window.height == 256);
  CHECK(window.left == 58);  // 58.5 goes to the even neighbour
  CHECK(window.top == 16);
  CHECK_FALSE(window.mirrored);
  CHECK(EvaluationWindow({375, 503}, {}).top == 60);  // 343 rows: 59.5
}

TEST_CASE("settings: what makes no sense is refused by name") {
  const auto with = [](auto change) {
    ImageSettings settings;
    change(&settings);
    return Check(settings);
  };
  CHECK_THAT(Check(ImageSettings()), IsOk());
  CHECK_THAT(with([](auto* s) { s->size = 0; }), HasCode(Code::kInvalidArgument, "size"));
  CHECK_THAT(with([](auto* s) { s->resize_short = 200; }),
             HasCode(Code::kInvalidArgument, "resize"));
  CHECK_THAT(with([](auto* s) { s->area_min = 0; }), HasCode(Code::kInvalidArgument, "area_min"));
  CHECK_THAT(with([](auto* s) { s->area_max = 2; }), HasCode(Code::kInvalidArgument, "area_max"));
  CHECK_THAT(with([](auto* s) { s->aspect_min = NAN; }), HasCode(Code::kInvalidArgument, "aspect"));
  CHECK_THAT(with([](auto* s) { s->deviation[1] = 0; }),
             HasCode(Code::kInvalidArgument, "deviation"));
}

std::vector<float> Prepared(const ImageSettings& settings, const std::string& bytes, ImageUse use,
                            uint64_t sample = 0) {
  std::vector<float> x(static_cast<size_t>(3 * settings.size * settings.size));
  auto preparer = ImagePreparer::Make(settings);
  REQUIRE_THAT(preparer.status(), IsOk());
  REQUIRE_THAT(preparer->Prepare(bytes, use, {1, 0, sample}, x.data()), IsOk());
  return x;
}

TEST_CASE("prepare: a flat image is its level, normalised, in both orders") {
  std::vector<uint8_t> rgb;
  for (int i = 0; i < 100 * 80; ++i) rgb.insert(rgb.end(), {100, 150, 200});
  const std::string bytes = MadeJpeg(rgb, 100, 80, JpegKind::k444, 100);
  const Pixels decoded = DecodeAll(bytes);
  ImageSettings settings;
  settings.size = 32;
  settings.resize_short = 40;
  for (const PixelOrder order : {PixelOrder::kChannelsFirst, PixelOrder::kChannelsLast}) {
    settings.order = order;
    for (const ImageUse use : {ImageUse::kTrain, ImageUse::kEvaluate}) {
      const std::vector<float> x = Prepared(settings, bytes, use);
      for (size_t i = 0; i < x.size(); ++i) {
        const size_t c = order == PixelOrder::kChannelsLast ? i % 3 : i / (32 * 32);
        const float level = decoded.row(0)[c];
        const auto mean = static_cast<float>(settings.mean[c]);
        REQUIRE(x[i] == (level / 255.f - mean) / static_cast<float>(settings.deviation[c]));
      }
    }
  }
}

// Danger: decoding a part, or a reduction of it, shifts the picture.
TEST_CASE("prepare: reducing in the decoder moves nothing") {
  const auto rgb = MadePixels(640, 512, 5, .3);
  const std::string bytes = MadeJpeg(rgb, 640, 512, JpegKind::k420, 95);
  ImageSettings settings;
  settings.size = 48;
  settings.resize_short = 64;
  ImageSettings exact = settings;
  exact.reduce = false;
  for (uint64_t sample = 0; sample < 8; ++sample) {
    const ImageUse use = sample == 0 ? ImageUse::kEvaluate : ImageUse::kTrain;
    const auto a = Prepared(settings, bytes, use, sample), b = Prepared(exact, bytes, use, sample);
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
    CAPTURE(sample);
    CHECK(sum / double(a.size()) < .06);  // 3 levels of 255
  }
}

}  // namespace
}  // namespace stemma::models
