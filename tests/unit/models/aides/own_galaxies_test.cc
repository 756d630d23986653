// Pictures of one's own: in folders, in HDF5, and those that a network labelled as a training set.
#include <hdf5/serial/hdf5.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/memory_storage.h"
#include "models/aides/folder_galaxies.h"
#include "models/aides/hdf5_galaxies.h"
#include "models/aides/labels.h"
#include "models/aides/open_own_galaxies.h"
#include "models/aides/training_data.h"
#include "tools/bench/made_images.h"

#include <catch2/catch.hpp>
#include "tests/support/must_put.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace stemma::models {
namespace {

using lineage::PosixStorage;
using tests::HasCode;
using tests::IsOk;
using tests::TempFolder;

using Image = std::vector<float>;

// 24 pixels wide and 16 high, flat in blocks of 8: red left, green at the top, blue everywhere.
std::string Blocks() {
  std::vector<uint8_t> rgb;
  for (int r = 0; r < 16; ++r) {
    for (int c = 0; c < 24; ++c) {
      for (const int level : {c < 8 ? 200 : 40, r < 8 ? 180 : 20, 100}) {
        rgb.push_back(static_cast<uint8_t>(level));
      }
    }
  }
  return bench::MadeJpeg(rgb, 24, 16, bench::JpegKind::k444, 100);
}

TEST_CASE("pictures in the folders elliptical and spiral, by nearest neighbour") {
  lineage::MemoryStorage disk;
  for (const char* dir : {"/in", "/in/elliptical", "/in/spiral"}) {
    REQUIRE_THAT(disk.MakeDir(dir), IsOk());
  }
  tests::MustPut(disk, "/in/elliptical/1.jpg", Blocks());
  tests::MustPut(disk, "/in/spiral/2.jpg", Blocks());
  tests::MustPut(disk, "/in/spiral/3.jpg", Blocks().substr(0, 300));
  const auto data = FolderGalaxies::Open(disk, "/in", 8);
  REQUIRE_THAT(data.status(), IsOk());
  CHECK((*data)->Size() == 3);
  CHECK((*data)->Digest() != (*FolderGalaxies::Open(disk, "/in", 16))->Digest());
  Image x(3 * 64);
  float y = -1;
  REQUIRE_THAT((*data)->Read(1, {}, x.data(), &y), IsOk());
  CHECK(y == 1);
  for (size_t i = 0; i < 64; ++i) {
    const size_t r = i / 8, c = i % 8;  // of the picture's rows 2 r and columns 3 c
    const float wanted[] = {3 * c < 8 ? 200.f : 40.f, 2 * r < 8 ? 180.f : 20.f, 100.f};
    for (size_t k = 0; k < 3; ++k) CHECK(std::abs(255 * x[64 * k + i] - wanted[k]) < 4);
  }
  CHECK_THAT((*data)->Read(2, {}, x.data(), &y), HasCode(Code::kCorruption, "/in/spiral/3.jpg"));

  REQUIRE_THAT(disk.MakeDir("/in/merger"), IsOk());
  tests::MustPut(disk, "/in/merger/4.jpg", Blocks());
  CHECK_THAT(FolderGalaxies::Open(disk, "/in", 8).status(),
             HasCode(Code::kInvalidArgument, "elliptical and spiral"));
  REQUIRE_THAT(disk.MakeDir("/one"), IsOk());
  REQUIRE_THAT(disk.MakeDir("/one/spiral"), IsOk());
  tests::MustPut(disk, "/one/spiral/1.jpg", Blocks());
  CHECK_THAT(FolderGalaxies::Open(disk, "/one", 8).status(),
             HasCode(Code::kInvalidArgument, "elliptical and spiral"));
}

TEST_CASE("pictures in the folder unlabelled have no class") {
  lineage::MemoryStorage disk;
  for (const char* dir : {"/in", "/in/unlabelled"}) REQUIRE_THAT(disk.MakeDir(dir), IsOk());
  tests::MustPut(disk, "/in/unlabelled/1.jpg", Blocks());
  const auto alone = FolderGalaxies::Open(disk, "/in", 8);
  REQUIRE_THAT(alone.status(), IsOk());
  CHECK((*alone)->LabelOf(0) == kNotLabelled);
  for (const char* dir : {"/in/elliptical", "/in/spiral"}) {
    REQUIRE_THAT(disk.MakeDir(dir), IsOk());
    tests::MustPut(disk, dir + std::string("/1.jpg"), Blocks());
  }
  const auto all = FolderGalaxies::Open(disk, "/in", 8);
  REQUIRE_THAT(all.status(), IsOk());
  std::vector<int> labels;
  for (int64_t id = 0; id < (*all)->Size(); ++id) labels.push_back((*all)->LabelOf(id));
  CHECK(labels == std::vector<int>{0, 1, kNotLabelled});
  CHECK((*all)->Source() == (*FolderGalaxies::Open(disk, "/in", 16))->Source());
  CHECK((*all)->Source() != (*alone)->Source());
}

struct Table {
  const char* name;
  hid_t type;
  std::vector<hsize_t> shape;
  std::vector<double> values;
};

void PutTables(const std::string& path, const std::vector<Table>& tables) {
  std::filesystem::remove(path);  // the library keeps an eye on files that are open
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(file >= 0);
  for (const Table& table : tables) {
    const hid_t space =
        H5Screate_simple(static_cast<int>(table.shape.size()), table.shape.data(), nullptr);
    const hid_t data =
        H5Dcreate2(file, table.name, table.type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    REQUIRE(H5Dwrite(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, table.values.data()) >=
            0);
    H5Dclose(data);
    H5Sclose(space);
  }
  H5Fclose(file);
}

// Picture n of 2 x 4 pixels; its value at (row, column, colour) is a byte.
double LevelAt(int64_t n, int64_t row, int64_t column, int64_t k) {
  return static_cast<double>((40 * n + 16 * row + 4 * column + k) % 256);
}

std::vector<double> Levels(int64_t pictures, bool colours_first, double scale) {
  std::vector<double> values;
  for (int64_t n = 0; n < pictures; ++n) {
    for (int64_t i = 0; i < 24; ++i) {
      const int64_t pixel = colours_first ? i % 8 : i / 3, k = colours_first ? i / 8 : i % 3;
      values.push_back(LevelAt(n, pixel / 4, pixel % 4, k) / scale);
    }
  }
  return values;
}

TEST_CASE("pictures in HDF5, of bytes and of numbers, whichever way their colours lie") {
  const TempFolder folder;
  const std::string path = folder / "g.h5";
  const Table labels = {"labels", H5T_STD_I64LE, {3}, {1, -1, 0}};
  const std::vector<std::pair<const char*, Table>> cases = {
      {"bytes", {"images", H5T_STD_U8LE, {3, 2, 4, 3}, Levels(3, false, 1)}},
      {"floats", {"images", H5T_IEEE_F32LE, {3, 2, 4, 3}, Levels(3, false, 255)}},
      {"colours first", {"images", H5T_IEEE_F64BE, {3, 3, 2, 4}, Levels(3, true, 255)}}};
  for (const auto& [what, images] : cases) {
    INFO(what);
    PutTables(path, {images, labels});
    const auto data = Hdf5Galaxies::Open(PosixStorage(), path, 8);
    REQUIRE_THAT(data.status(), IsOk());
    REQUIRE((*data)->Size() == 3);
    CHECK(((*data)->LabelOf(0) == 1 && (*data)->LabelOf(1) == kNotLabelled));
    Image x(3 * 64);
    for (int64_t n = 0; n < 3; ++n) {
      float y = 7;
      REQUIRE_THAT((*data)->Read(n, {}, x.data(), &y), IsOk());
      CHECK(y == static_cast<float>((*data)->LabelOf(n)));
      for (int64_t i = 0; i < 192; ++i) {
        const int64_t k = i / 64, row = i % 64 / 8, column = i % 8;
        const double level = LevelAt(n, row * 2 / 8, column * 4 / 8, k);
        REQUIRE(x[static_cast<size_t>(i)] == static_cast<float>(level) / 255);
      }
    }
    CHECK((*data)->Source() == (*Hdf5Galaxies::Open(PosixStorage(), path, 16))->Source());
    CHECK((*data)->Digest() != (*Hdf5Galaxies::Open(PosixStorage(), path, 16))->Digest());
    const std::string source = (*data)->Source();
    PutTables(path, {images});
    const auto unlabelled = Hdf5Galaxies::Open(PosixStorage(), path, 8);
    REQUIRE_THAT(unlabelled.status(), IsOk());
    CHECK((*unlabelled)->LabelOf(0) == kNotLabelled);
    CHECK((*unlabelled)->Source() != source);
  }
}

TEST_CASE("numbers between two bytes' levels become the nearer one") {
  const TempFolder folder;
  Table images = {"images", H5T_IEEE_F64LE, {1, 2, 4, 3}, Levels(1, false, 255)};
  images.values[0] = (80 - .4) / 255;
  images.values[1] = (80 + .4) / 255;
  PutTables(folder / "g.h5", {images});
  const auto data = Hdf5Galaxies::Open(PosixStorage(), folder / "g.h5", 8);
  REQUIRE_THAT(data.status(), IsOk());
  Image x(3 * 64);
  float y = 0;
  REQUIRE_THAT((*data)->Read(0, {}, x.data(), &y), IsOk());
  CHECK((x[0] == 80.F / 255 && x[64] == 80.F / 255));
}

TEST_CASE("HDF5 files that hold no such pictures are refused with what was expected") {
  const TempFolder folder;
  const std::string path = folder / "g.h5";
  const auto opened = [&](const std::vector<Table>& tables) {
    PutTables(path, tables);
    return Hdf5Galaxies::Open(PosixStorage(), path, 8).status();
  };
  const Table good = {"images", H5T_STD_U8LE, {2, 2, 4, 3}, Levels(2, false, 1)};
  CHECK_THAT(opened({good}), IsOk());
  Table other = good;
  other.name = "image";
  CHECK_THAT(opened({other}), HasCode(Code::kNotFound, "did you mean"));
  other = good;
  other.shape = {2, 4, 6};
  CHECK_THAT(opened({other}), HasCode(Code::kIncompatible, "(N, height, width, 3)"));
  other = good;
  other.type = H5T_STD_U16LE;
  CHECK_THAT(opened({other}), HasCode(Code::kIncompatible, "convert it to uint8"));
  CHECK_THAT(opened({good, {"labels", H5T_STD_U8LE, {3}, {0, 1, 0}}}),
             HasCode(Code::kIncompatible, "one label for each of 2"));
  CHECK_THAT(opened({good, {"labels", H5T_STD_U8LE, {2}, {0, 9}}}),
             HasCode(Code::kIncompatible, "row 1: expected 0 (elliptical)"));

  for (const double bad : {-.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    Table floats = {"images", H5T_IEEE_F32LE, {2, 2, 4, 3}, Levels(2, false, 255)};
    floats.values[30] = bad;
    REQUIRE_THAT(opened({floats}), IsOk());
    const auto data = Hdf5Galaxies::Open(PosixStorage(), path, 8);
    Image x(3 * 64);
    float y = 0;
    CHECK_THAT((*data)->Read(0, {}, x.data(), &y), IsOk());
    CHECK_THAT((*data)->Read(1, {}, x.data(), &y),
               HasCode(Code::kCorruption, "g.h5, picture 1 has a value"));
  }
}

TEST_CASE("what a network called one's own pictures is trained on behind the labelled ones") {
  const TempFolder folder;
  const std::string known = folder / "known.h5", rest = folder / "rest.hdf5";
  PutTables(known, {{"images", H5T_STD_U8LE, {2, 2, 4, 3}, Levels(2, false, 1)},
                    {"labels", H5T_STD_U8LE, {2}, {0, 1}}});
  PutTables(rest, {{"images", H5T_STD_U8LE, {4, 2, 4, 3}, Levels(4, false, 1)}});
  AidesSettings settings;
  settings.image = 71;
  settings.augment = false;
  settings.train = known;
  const auto pictures = OwnGalaxiesOf(settings, PosixStorage(), rest);
  REQUIRE_THAT(pictures.status(), IsOk());
  const auto name = [&](const LabelFile& labels) {
    const std::string text = EncodeLabels(labels);
    tests::MustPut(PosixStorage(), folder / "l.tsv", text);
    return (folder / "l.tsv") + "#" + LabelDigest(text);
  };
  LabelFile labels = {SurveyKind::kDes,
                      1,
                      Hex((*pictures)->Source()),
                      std::string(64, 'a'),
                      {{1, 1, .9}, {3, 0, .8}}};
  settings.labels = name(labels);
  CHECK_THAT(Check(settings), HasCode(Code::kInvalidArgument, "aides.unlabelled says"));
  settings.unlabelled = rest;
  const auto data = AidesTraining::Make(settings, PosixStorage());
  REQUIRE_THAT(data.status(), IsOk());
  REQUIRE((*data)->Size() == 4);
  Image x((*data)->Shape().XCount()), wanted(x.size());
  float y = 7, ignored = 7;
  for (const bool again : {false, true}) {
    INFO("kept in memory: " << again);
    REQUIRE_THAT((*data)->Read(3, {}, x.data(), &y), IsOk());
    REQUIRE_THAT((*pictures)->Read(3, {}, wanted.data(), &ignored), IsOk());
    CHECK(x == wanted);
    CHECK((y == 0 && ignored == kNotLabelled));
  }
  settings.train.clear();  // simulated ones, and then these
  settings.train_size = 5;
  CHECK((*AidesTraining::Make(settings, PosixStorage()))->Size() == 7);

  const std::string others = folder / "others.h5";  // as many, and one level differs
  Table table = {"images", H5T_STD_U8LE, {4, 2, 4, 3}, Levels(4, false, 1)};
  table.values[50] += 1;
  PutTables(others, {table});
  settings.unlabelled = others;
  CHECK_THAT(AidesTraining::Make(settings, PosixStorage()).status(),
             HasCode(Code::kInvalidArgument, "are not the pictures that aides.labels are of"));
  settings.unlabelled = rest;
  labels.labels.push_back({4, 0, .7});
  settings.labels = name(labels);
  CHECK_THAT(AidesTraining::Make(settings, PosixStorage()).status(),
             HasCode(Code::kInvalidArgument, "are not the pictures"));
  labels.pictures.clear();
  settings.labels = name(labels);
  CHECK_THAT(AidesTraining::Make(settings, PosixStorage()).status(),
             HasCode(Code::kInvalidArgument, "are of simulated galaxies, not of"));
  settings.labels.clear();
  CHECK_THAT(Check(settings), HasCode(Code::kInvalidArgument, "give aides.labels"));
  settings.unlabelled.clear();
  settings.train = rest;
  CHECK_THAT(AidesTraining::Make(settings, PosixStorage()).status(),
             HasCode(Code::kInvalidArgument, "galaxy 0 has no label"));
}

}  // namespace
}  // namespace stemma::models
