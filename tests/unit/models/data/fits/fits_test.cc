#include "models/data/fits/fits_images.h"

#include <fitsio.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "lineage/storage.h"
#include "models/aides/catalogue.h"
#include "models/aides/galaxy.h"
#include "models/aides/picture.h"
#include "models/aides/survey_images.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace stemma::models {
namespace {

using lineage::PosixStorage;
using tests::HasCode;
using tests::IsOk;
using tests::TempFolder;

constexpr long kWide = 30, kHigh = 20;

// How an image is stored, as other programs may do it.
struct Stored {
  int bits = FLOAT_IMG;
  int in_front = 0;        // HDUs before it: an empty one, then one of three dimensions
  int compression = 0;     // RICE_1: in tiles
  bool scaled = false;     // integers n that mean n / 2 + 100
  bool two_blank = false;  // pixels (3, 2) and (4, 2) have no value
  long wide = kWide, high = kHigh;
  std::function<double(long, long)> value = [](long x, long y) { return 10. * y + x; };
};

void PutFits(const std::string& path, const Stored& how) {
  std::filesystem::remove(path);
  fitsfile* file = nullptr;
  int status = 0;
  fits_create_diskfile(&file, path.c_str(), &status);
  long cube[3] = {4, 3, 2}, shape[2] = {how.wide, how.high};
  if (how.in_front > 0) fits_create_img(file, BYTE_IMG, 0, cube, &status);
  if (how.in_front > 1) fits_create_img(file, SHORT_IMG, 3, cube, &status);
  if (how.compression != 0) fits_set_compression_type(file, how.compression, &status);
  fits_create_img(file, how.bits, 2, shape, &status);
  double scale = .5, zero = 100;
  short blank = -32768;
  if (how.scaled) {
    fits_update_key(file, TDOUBLE, "BSCALE", &scale, nullptr, &status);
    fits_update_key(file, TDOUBLE, "BZERO", &zero, nullptr, &status);
  }
  if (how.two_blank && how.bits > 0) {
    fits_update_key(file, TSHORT, "BLANK", &blank, nullptr, &status);
  }
  fits_set_hdustruc(file, &status);
  std::vector<double> pixels;
  for (long y = 0; y < how.high; ++y) {
    for (long x = 0; x < how.wide; ++x) pixels.push_back(how.value(x, y));
  }
  double none = -1e30;
  if (how.two_blank) {
    pixels[static_cast<size_t>(2 * how.wide + 3)] = pixels[static_cast<size_t>(2 * how.wide + 4)] =
        none;
  }
  long first[2] = {1, 1};
  const auto count = static_cast<LONGLONG>(pixels.size());
  if (how.compression != 0) {  // tiles of integers want integers of their own size
    std::vector<int> whole;
    for (const double value : pixels)
      whole.push_back(value == none ? blank : static_cast<int>(value));
    std::vector<short> halves(whole.begin(), whole.end());
    if (how.bits == SHORT_IMG) {
      fits_write_pix(file, TSHORT, first, count, halves.data(), &status);
    } else {
      fits_write_pix(file, TINT, first, count, whole.data(), &status);
    }
  } else {
    fits_write_pixnull(file, TDOUBLE, first, count, pixels.data(), &none, &status);
  }
  fits_close_file(file, &status);
  REQUIRE(status == 0);
}

TEST_CASE("fits: every way to store an image gives the same square, from many threads at once") {
  struct Case {
    const char* what;
    Stored how;
  };
  std::vector<Case> cases(7);
  cases[0].what = "float32";
  cases[1] = {"float64", {DOUBLE_IMG}};
  cases[2] = {"int16", {SHORT_IMG}};
  cases[3] = {"the third HDU", {FLOAT_IMG, 2}};
  cases[4] = {"in tiles, the second HDU", {SHORT_IMG, 0, RICE_1}};
  cases[5] = {"in tiles behind others", {LONG_IMG, 2, RICE_1}};
  cases[6] = {"scaled integers", {SHORT_IMG, 0, 0, true}};
  const TempFolder folder;
  const std::string path = folder / "a[1](2).fits.fz";  // a name, not the library's language
  for (const Case& one : cases) {
    INFO(one.what);
    PutFits(path, one.how);
    const FitsImages images(PosixStorage());
    std::vector<int64_t> wrong(4);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&, t] {
        for (int64_t i = 0; i < 6; ++i) {
          FitsCutout cutout;
          const int64_t left = 3 * static_cast<int64_t>(t), bottom = i;
          const Status cut = images.Cut(path, {left, bottom, 14}, &cutout);
          if (!cut.ok() || cutout.pixels.size() != 196 || cutout.empty + cutout.outside != 0) {
            ++wrong[t];
            continue;
          }
          for (int64_t p = 0; p < 196; ++p) {
            const int64_t expected = 10 * (bottom + p / 14) + left + p % 14;
            wrong[t] += cutout.pixels[static_cast<size_t>(p)] != static_cast<float>(expected);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == std::vector<int64_t>(4));
  }
}

TEST_CASE("fits: what has no value gets the local background, inside and beyond the edge") {
  const TempFolder folder;
  const std::string path = folder / "t.fits";
  for (const int bits : {FLOAT_IMG, SHORT_IMG}) {
    for (const int compression : {0, RICE_1}) {
      if (bits == FLOAT_IMG && compression != 0) continue;  // lossy
      INFO(bits << " " << compression);
      Stored how;
      how.bits = bits;
      how.compression = compression;
      how.two_blank = true;
      PutFits(path, how);
      const FitsImages images(PosixStorage());
      FitsCutout cutout;
      REQUIRE_THAT(images.Cut(path, FitsSquare::Around(3.7, 2.2, 1.5), &cutout), IsOk());
      REQUIRE(cutout.side == 3);  // columns 2, 3, 4 and rows 0, 1, 2
      CHECK(cutout.empty == 2);
      CHECK(cutout.outside == 0);
      // Known are 2 3 4 12 13 14 22.
      CHECK(cutout.pixels == std::vector<float>{2, 3, 4, 12, 13, 14, 22, 12, 12});
    }
  }
  PutFits(path, {});
  const FitsImages images(PosixStorage());
  FitsCutout cutout;
  REQUIRE_THAT(images.Cut(path, FitsSquare::Around(0, 0, 5), &cutout), IsOk());
  CHECK((cutout.side == 10 && cutout.outside == 75 && cutout.empty == 0));
  for (size_t p = 0; p < 100; ++p) {
    const size_t x = p % 10, y = p / 10;
    // Half of 25 values 10 y + x, x and y below 5, lie below 22.
    REQUIRE(cutout.pixels[p] ==
            (x < 5 || y < 5 ? 22.F : static_cast<float>(10 * (y - 5) + (x - 5))));
  }
  REQUIRE_THAT(images.Cut(path, {kWide - 1, kHigh - 1, 2}, &cutout), IsOk());
  CHECK(cutout.pixels == std::vector<float>(4, 219));
  CHECK(cutout.outside == 3);
}

TEST_CASE("fits: what cannot be cut is refused with the file and the reason") {
  const TempFolder folder;
  const std::string path = folder / "t.fits";
  FitsCutout cutout;
  const auto cut = [&](const FitsSquare& square) {
    const FitsImages images(PosixStorage());
    const Status status = images.Cut(path, square, &cutout);
    CHECK((status.ok() || status.message().find("t.fits") != std::string::npos));
    return status;
  };
  CHECK_THAT(cut({}), HasCode(Code::kNotFound));
  PutFits(path + ".gz", {});
  CHECK_THAT(cut({}), HasCode(Code::kNotFound));
  PutFits(path, {});
  CHECK_THAT(cut({}), HasCode(Code::kIncompatible, "30 x 20 pixels, expected a square"));
  for (const FitsSquare& beyond : {FitsSquare{30, 0, 5}, {-5, 0, 5}, {0, 20, 5}, {0, -9, 9}}) {
    CHECK_THAT(cut(beyond), HasCode(Code::kIncompatible, "lies beyond the image of 30 x 20"));
  }
  CHECK_THAT(cut({0, 0, kFitsSideMax + 1}), HasCode(Code::kInvalidArgument, "1 to 4096"));
  CHECK_THAT(cut({0, 0, -1}), HasCode(Code::kInvalidArgument));
  CHECK_THAT(cut({2, 2, 6}), IsOk());

  Stored how;
  how.value = [](long, long) { return std::numeric_limits<double>::quiet_NaN(); };
  PutFits(path, how);
  CHECK_THAT(cut({2, 2, 6}), HasCode(Code::kIncompatible, "no pixel with a value"));

  how = {};
  how.wide = how.high = 200;
  PutFits(path, how);
  std::filesystem::resize_file(path, 2880 * 20);
  CHECK_THAT(cut({150, 150, 40}), HasCode(Code::kCorruption, "CFITSIO"));
  std::filesystem::resize_file(path, 100);
  CHECK_THAT(cut({0, 0, 4}), HasCode(Code::kCorruption, "CFITSIO"));
  std::filesystem::remove(path);
  REQUIRE_THAT(lineage::WriteSynced(PosixStorage(), path, "no image at all"), IsOk());
  CHECK_THAT(cut({0, 0, 4}), HasCode(Code::kCorruption, "CFITSIO"));
  std::filesystem::remove(path);
  fitsfile* file = nullptr;
  int status = 0;
  long none = 0;
  fits_create_diskfile(&file, path.c_str(), &status);
  fits_create_img(file, BYTE_IMG, 0, &none, &status);
  fits_close_file(file, &status);
  REQUIRE(status == 0);
  CHECK_THAT(cut({0, 0, 4}), HasCode(Code::kIncompatible, "no image of two dimensions"));
}

// A galaxy of 40 x 40 pixels in every band, numbers that float32 has exactly.
double Glow(int band, long x, long y) {
  const double r2 = static_cast<double>((x - 20) * (x - 20) + (y - 17) * (y - 17));
  return std::floor(4000. * (band + 1) / (20 + r2)) / 4 + static_cast<double>((x * 7 + y * 3) % 5);
}

Stored Band(int band, long shift = 0) {
  Stored how;
  how.wide = how.high = 40 + 2 * shift;
  how.value = [band, shift](long x, long y) { return Glow(band, x - shift, y - shift); };
  return how;
}

constexpr char kLetters[] = "gri";

void PutBands(const std::string& start, const std::string& end, long shift = 0) {
  for (int band = 0; band < kBands; ++band)
    PutFits(start + kLetters[band] + end, Band(band, shift));
}

TEST_CASE("aides survey images: folders and tables give what the published preparation makes") {
  const TempFolder folder;
  for (const char* name : {"spiral", "elliptical", "unlabelled"}) {
    std::filesystem::create_directory(folder / name);
    PutBands(folder / (name + std::string("/ngc1.")), ".fits");
  }
  PutBands(folder / "tile_", ".fits", 6);
  REQUIRE_THAT(lineage::WriteSynced(PosixStorage(), folder / "list.tsv",
                                    "label\tfile\tx\ty\thalf\n# a comment\n"
                                    "spiral\ttile_{band}.fits\t26\t26.4\t20\r\n"
                                    "-\tspiral/ngc1.{band}.fits\t-\t-\t-\n"
                                    "elliptical\ttile_{band}.fits\t0\t26\t10\n"
                                    "elliptical\ttile_{band}.fits\t-9\t26\t10\n"),
               IsOk());
  Exposure exposure;
  exposure.side = 40;
  for (int band = 0; band < kBands; ++band) {
    for (long p = 0; p < 1600; ++p) {
      exposure.bands[static_cast<size_t>(band)].push_back(Glow(band, p % 40, p / 40));
    }
  }
  constexpr int64_t kSide = 224;
  std::vector<float> x(3 * kSide * kSide), wanted(x.size()), y(1);
  for (const Rescale rescale : {Rescale::kAllPixels, Rescale::kFaintHalf}) {
    NetworkInput(MakePicture(exposure, rescale), kSide, wanted.data());
    for (const bool table : {false, true}) {
      const auto data = SurveyImages::Make(
          PosixStorage(), {table ? folder / "list.tsv" : folder.path(), kSide, rescale});
      REQUIRE_THAT(data.status(), IsOk());
      const std::vector<int> labels =
          table ? std::vector<int>{1, -1, 0, 0} : std::vector<int>{0, 1, -1};
      REQUIRE((*data)->Size() == static_cast<int64_t>(labels.size()));
      CHECK((*data)->Shape().XCount() == static_cast<int64_t>(x.size()));
      for (int64_t id = 0; id < (table ? 2 : 3); ++id) {
        REQUIRE_THAT((*data)->Read(id, {}, x.data(), y.data()), IsOk());
        CHECK(y[0] == static_cast<float>(labels[static_cast<size_t>(id)]));
        CHECK((*data)->LabelOf(id) == labels[static_cast<size_t>(id)]);
        CHECK(x == wanted);
        CHECK(*(*data)->WantingPixels(id) == 0);
      }
      if (!table) continue;
      CHECK(*(*data)->WantingPixels(2) == 200);
      CHECK_THAT((*data)->Read(2, {}, x.data(), y.data()), IsOk());
      CHECK_THAT((*data)->Read(3, {}, x.data(), y.data()),
                 HasCode(Code::kIncompatible, "tile_{band}.fits: 380 of the cut-out's 400"));
    }
  }
}

TEST_CASE("aides survey images: a band in which nothing was seen is no galaxy") {
  const TempFolder folder;
  PutBands(folder / "m", ".fits");
  Stored empty = Band(kBandI);
  empty.value = [](long, long) { return 0.; };
  PutFits(folder / "mi.fits", empty);
  const std::string path = folder / "list.tsv";
  REQUIRE_THAT(lineage::WriteSynced(PosixStorage(), path,
                                    "file\tx\ty\thalf\tlabel\nm{band}.fits\t-\t-\t-\tspiral\n"),
               IsOk());
  const auto data = SurveyImages::Make(PosixStorage(), {path});
  REQUIRE_THAT(data.status(), IsOk());
  std::vector<float> x(3 * 224 * 224), y(1);
  CHECK_THAT((*data)->Read(0, {}, x.data(), y.data()),
             HasCode(Code::kIncompatible, "mi.fits: all pixels of the cut-out have the same"));
}

TEST_CASE("aides survey images: a catalogue that is wrong is refused with its line") {
  const TempFolder folder;
  const std::string path = folder / "list.tsv";
  PutBands(folder / "m", ".fits");
  const std::string head = "file\tx\ty\thalf\tlabel\n", good = "m{band}.fits\t-\t-\t-\tspiral\n";
  const auto read = [&](const std::string& text) {
    std::filesystem::remove(path);
    REQUIRE_THAT(lineage::WriteSynced(PosixStorage(), path, text), IsOk());
    return ReadCatalogue(PosixStorage(), path);
  };
  const auto base = read(head + good);
  REQUIRE_THAT(base.status(), IsOk());
  CHECK(base->PathOf(0, kBandI) == folder / "mi.fits");
  CHECK(read(head + "\n" + good)->digest == base->digest);
  CHECK(read(head + "m{band}.fits\t-\t-\t-\t-\n")->digest != base->digest);
  CHECK(read(head + "m{band}.fits\t5\t5\t5\tspiral\n")->digest != base->digest);
  struct Bad {
    std::string text, word;
  };
  for (const Bad& bad : {
           Bad{"", ":1: no column 'file'"},
           Bad{"file\tx\ty\tlabel\n", ":1: no column 'half'"},
           Bad{"file\tx\ty\thalf\tlabel\tz\n", "has 6 columns"},
           Bad{head, "lists no galaxy"},
           Bad{head + "m{band}.fits\t-\t-\tspiral\n", ":2: has 4 words"},
           Bad{head + good + "mg.fits\t-\t-\t-\tspiral\n", ":3: file 'mg.fits' has no {band}"},
           Bad{head + "m{band}.fits\t1\t-\t4\t-\n", "y = '-' must be a number"},
           Bad{head + "m{band}.fits\tnan\t1\t4\t-\n", "x = 'nan'"},
           Bad{head + "m{band}.fits\t1\t1\t9999\t-\n", "half = '9999'"},
           Bad{head + "m{band}.fits\t-\t-\t-\tSpiral\n", "label 'Spiral' must be"},
       }) {
    CHECK_THAT(read(bad.text).status(), HasCode(Code::kInvalidArgument, bad.word));
  }
  CHECK_THAT(read(head + "n{band}.fits\t-\t-\t-\t-\n").status(),
             HasCode(Code::kNotFound, "ng.fits"));
  PutFits(folder / "mi.fits", Band(2, 3));
  const auto uneven = SurveyImages::Make(PosixStorage(), {path});
  CHECK_FALSE(uneven.ok());  // the table still names what is not there
  REQUIRE_THAT(read(head + good).status(), IsOk());
  const auto data = SurveyImages::Make(PosixStorage(), {path});
  REQUIRE_THAT(data.status(), IsOk());
  std::vector<float> x(3 * 224 * 224), y(1);
  CHECK_THAT((*data)->Read(0, {}, x.data(), y.data()),
             HasCode(Code::kIncompatible, "mi.fits is 46 pixels wide"));
  std::filesystem::create_directory(folder / "none");
  CHECK_THAT(ReadCatalogue(PosixStorage(), folder / "none").status(),
             HasCode(Code::kNotFound, "elliptical, spiral or unlabelled"));
  CHECK_THAT(SurveyImages::Make(PosixStorage(), {path, 70}).status(),
             HasCode(Code::kInvalidArgument, "71 to 1024"));
}

}  // namespace
}  // namespace stemma::models
