#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

#include "core/bytes.h"
#include "models/data/images/jpeg.h"
#include "models/data/images/resample.h"

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"

// Numbers of PIL, from tests/golden/data/images/images_golden.py. Danger: pixels that differ from
// those with which all published accuracies were reached.

namespace stemma::models {
namespace {

using Json = nlohmann::json;

const Json& Golden() {
  static const Json json =
      Json::parse(std::ifstream("tests/golden/data/images/images_golden.json"));
  return json;
}

// The largest difference of a level, of pixels of four bytes to pixels of three.
int Difference(const uint8_t* row, const std::string& want, int first, int count) {
  int most = 0;
  for (int i = 0; i < 3 * count; ++i) {
    const auto level = static_cast<uint8_t>(want[static_cast<size_t>(3 * first + i)]);
    most = std::max(most, std::abs(row[i / 3 * 4 + i % 3] - level));
  }
  return most;
}

TEST_CASE("a resize is PIL's to within a level", "[golden]") {
  const Json& source = Golden()["source"];
  const std::string rgb = FromHex(source["pixels"].get<std::string>());
  const int stride = source["size"][0];
  int64_t levels = 0, other = 0;
  for (const Json& one : Golden()["resized"]) {
    const int left = one["box"][0], top = one["box"][1], width = one["box"][2],
              height = one["box"][3], out_width = one["size"][0], out_height = one["size"][1];
    CAPTURE(left, top, width, height, out_width, out_height);
    Axis columns, rows;
    const auto end = [](int first, int count) { return first + count; };
    TriangleAxis(
        {double(left), double(end(left, width)), left, end(left, width), out_width, 0, out_width},
        false, &columns);
    TriangleAxis(
        {double(top), double(end(top, height)), top, end(top, height), out_height, 0, out_height},
        false, &rows);
    Pixels in, narrow;
    in.Shape(columns.end - columns.begin, rows.end - rows.begin);
    for (int y = rows.begin; y < rows.end; ++y) {
      for (int x = columns.begin; x < columns.end; ++x) {
        std::memcpy(in.row(y - rows.begin) + 4 * (x - columns.begin),
                    rgb.data() + 3 * (y * stride + x), 3);
      }
    }
    ResampleColumns(in, rows.end - rows.begin, columns, &narrow);
    const std::string want = FromHex(one["pixels"].get<std::string>());
    std::vector<uint8_t> row(static_cast<size_t>(4 * out_width + 16));
    for (int y = 0; y < out_height; ++y) {
      ResampleRow(narrow, rows, y, out_width, row.data());
      CHECK(Difference(row.data(), want, y * out_width, out_width) <= 1);
      for (int x = 0; x < out_width; ++x, ++levels) {
        other += Difference(row.data() + 4 * x, want, y * out_width + x, 1) != 0;
      }
    }
  }
  CAPTURE(levels);
  CHECK(other * 5 < levels);  // a pixel is three levels
}

TEST_CASE("a JPEG is decoded to PIL's pixels", "[golden]") {
  JpegDecoder decoder;
  Pixels pixels;
  REQUIRE(Golden()["decoded"].size() == 5);
  for (const Json& one : Golden()["decoded"]) {
    CAPTURE(one["name"].get<std::string>());
    const std::string bytes = FromHex(one["jpeg"].get<std::string>());
    const auto size = decoder.Start(bytes);
    REQUIRE_THAT(size.status(), tests::IsOk());
    REQUIRE(size->width == one["size"][0].get<int>());
    REQUIRE_THAT(decoder.Decode(1, {0, 0, size->width, size->height}, &pixels), tests::IsOk());
    const std::string want = FromHex(one["pixels"].get<std::string>());
    for (int y = 0; y < size->height; ++y) {
      // Equal but for CMYK, of which PIL rounds the product otherwise.
      CHECK(Difference(pixels.row(y), want, y * size->width, size->width) <=
            (one["name"] == "CMYK" ? 1 : 0));
    }
  }
}

}  // namespace
}  // namespace stemma::models
