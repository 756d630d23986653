// What AI-DES trains on: which layers, the augmentation in closed form, files of predicted labels,
// and samples that do not depend on what is kept in memory.
#include "models/aides/training_data.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "lineage/memory_storage.h"
#include "models/aides/augment.h"
#include "models/aides/labels.h"
#include "models/aides/settings.h"

#include <catch2/catch.hpp>
#include "tests/support/must_put.h"
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

using Image = std::vector<float>;

Image Numbered(size_t side, size_t planes) {
  Image image(planes * side * side);
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i);
  return image;
}

Image Changed(const Affine& change, size_t side, size_t planes = 2) {
  const Image image = Numbered(side, planes);
  Image out(image.size(), -1);
  Transform(change, side, planes, image.data(), out.data());
  return out;
}

// Plane p, row, column of Numbered(side, .).
float At(size_t side, size_t plane, size_t row, size_t column) {
  return static_cast<float>((plane * side + row) * side + column);
}

TEST_CASE("an affine change of an image, where it has a closed form") {
  struct Case {
    const char* name;
    Affine change;
    // The pixel of an image of 8 x 8 that stands at (row, column).
    size_t (*row)(size_t, size_t);
    size_t (*column)(size_t, size_t);
  };
  const auto same_row = [](size_t r, size_t) { return r; };
  const auto same_column = [](size_t, size_t c) { return c; };
  const Case cases[] = {
      {"none", {}, same_row, same_column},
      {"rows",
       {{1, 0, 0, 1}, {0, 0}, true, false},
       [](size_t r, size_t) { return 7 - r; },
       same_column},
      {"columns",
       {{1, 0, 0, 1}, {0, 0}, false, true},
       same_row,
       [](size_t, size_t c) { return 7 - c; }},
      {"a quarter turn",
       {{0, -1, 1, 0}, {0, 0}, false, false},
       [](size_t, size_t c) { return 7 - c; },
       [](size_t r, size_t) { return r; }},
      {"two rows down, the last repeated",
       {{1, 0, 0, 1}, {.25, 0}, false, false},
       [](size_t r, size_t) { return r < 6 ? r + 2 : size_t{7}; },
       same_column},
      {"one column back",
       {{1, 0, 0, 1}, {0, -.125}, false, false},
       same_row,
       [](size_t, size_t c) { return c > 0 ? c - 1 : size_t{0}; }},
  };
  for (const Case& test : cases) {
    INFO(test.name);
    const Image got = Changed(test.change, 8);
    Image expected;
    for (size_t plane = 0; plane < 2; ++plane) {
      for (size_t r = 0; r < 8; ++r) {
        for (size_t c = 0; c < 8; ++c) {
          expected.push_back(At(8, plane, test.row(r, c), test.column(r, c)));
        }
      }
    }
    CHECK(got == expected);
  }
}

TEST_CASE("a zoom about the centre is linear between pixels and ends at the edge") {
  const Image got = Changed({{.5, 0, 0, 2}, {0, 0}, false, false}, 5, 1);
  for (size_t r = 0; r < 5; ++r) {
    for (size_t c = 0; c < 5; ++c) {
      const float row = 2 + .5f * (static_cast<float>(r) - 2);
      const float column = std::min(std::max(2 + 2 * (static_cast<float>(c) - 2), 0.f), 4.f);
      CHECK(got[5 * r + c] == Approx(5 * row + column));
    }
  }
}

TEST_CASE("augmentation draws what was published, and follows from the place alone") {
  double zoom = 0, flips = 0, turn = 0;
  constexpr uint64_t kDraws = 2000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const Affine a = DrawAugmentation({3, 1, i});
    const double rows = std::hypot(a.matrix[0], a.matrix[2]);
    const double columns = std::hypot(a.matrix[1], a.matrix[3]);
    const double cosine = a.matrix[0] / rows, sine = a.matrix[2] / rows;
    REQUIRE((rows >= .7 && rows <= 1.3 && columns >= .7 && columns <= 1.3));
    REQUIRE(std::abs(a.matrix[1] / columns + sine) < 1e-12);
    REQUIRE(cosine >= std::sqrt(.5) - 1e-12);
    REQUIRE(std::abs(cosine * a.shift[0] + sine * a.shift[1]) <= .3 + 1e-12);
    REQUIRE(std::abs(cosine * a.shift[1] - sine * a.shift[0]) <= .3 + 1e-12);
    zoom += rows - columns;
    turn += sine;
    flips += (a.flip_rows ? 1 : 0) + (a.flip_columns ? 1 : 0);
  }
  CHECK(std::abs(zoom / kDraws) < .03);  // drawn for each axis alone, and alike
  CHECK(std::abs(turn / kDraws) < .05);
  CHECK(std::abs(flips / kDraws - 1) < .1);
  CHECK(DrawAugmentation({3, 1, 5}).matrix == DrawAugmentation({3, 1, 5}).matrix);
  for (const Cursor& other : {Cursor{4, 1, 5}, Cursor{3, 2, 5}, Cursor{3, 1, 6}}) {
    CHECK(DrawAugmentation({3, 1, 5}).matrix != DrawAugmentation(other).matrix);
  }
}

TEST_CASE("a layer's name says from which parameter on the network trains") {
  const std::pair<const char*, const char*> cases[] = {{"", "head."},
                                                       {"all", ""},
                                                       {"bn1", "bn1."},
                                                       {"block5.sep2", "block5.rep.4."},
                                                       {"block12", "block12."},
                                                       {"block1.sep2", "block1.rep.3."},
                                                       {"block4.sep3", "block4.rep.7."},
                                                       {"conv3", "conv3."}};
  for (const auto& [name, prefix] : cases) {
    INFO(name);
    const auto got = FirstTrained(name);
    REQUIRE_THAT(got.status(), IsOk());
    CHECK(*got == prefix);
  }
  CHECK_THAT(FirstTrained("block5.sep4").status(),
             HasCode(Code::kInvalidArgument, "did you mean \"block5.sep"));
  CHECK_THAT(FirstTrained("head").status(), HasCode(Code::kInvalidArgument, "the head alone"));
  AidesSettings settings;
  CHECK_THAT(Check(settings), IsOk());
  settings.image = 70;
  CHECK_THAT(Check(settings), HasCode(Code::kInvalidArgument, "aides.image = 70"));
  settings.image = 71;
  settings.dropout = 1;
  CHECK_THAT(Check(settings), HasCode(Code::kInvalidArgument, "aides.dropout"));
}

LabelFile Labels() {
  return {SurveyKind::kDes, 3, "", std::string(64, 'a'), {{2, 1, .75}, {5, 0, .5}, {9, 1, 1}}};
}

TEST_CASE("the most confident labels of each class, equal ones by number") {
  const auto chosen =
      MostConfident({{0, 1, .9}, {1, 0, .6}, {2, 1, .95}, {3, 1, .9}, {4, 0, .99}, {5, 1, .5}}, 2);
  std::vector<int64_t> ids;
  for (const PredictedLabel& label : chosen) ids.push_back(label.id);
  CHECK(ids == std::vector<int64_t>{0, 1, 2, 4});
}

TEST_CASE("a file of labels comes back as it was, and any other is refused") {
  const std::string text = EncodeLabels(Labels());
  const auto again = DecodeLabels(text);
  REQUIRE_THAT(again.status(), IsOk());
  CHECK(EncodeLabels(*again) == text);
  CHECK(again->survey == SurveyKind::kDes);
  CHECK(again->labels[2].confidence == 1);
  const std::string head = text.substr(0, text.find("\n2\t") + 1);
  const std::pair<std::string, const char*> cases[] = {
      {"", "line 1"},
      {text.substr(1), "another kind of file"},
      {head, "no galaxy has a label"},
      {head + "2\t2\t.5\n", "a label is 0 or 1"},
      {head + "-1\t1\t.5\n", "number of a galaxy"},
      {head + "2\t1\t1.5\n", "[0, 1]"},
      {head + "2\t1\tnan\n", "[0, 1]"},
      {head + "2 1 .5\n", "line 5"},
      {head + "2\t1\t.5\n2\t0\t.5\n", "line 6 of the labels: galaxy 2 is there twice"},
      {text.substr(0, text.find("# data_seed")) + "# seed 1\n", "line 3"},
      {"# stemma aides labels 2: of pictures\n# pictures \n", "line 2"},
  };
  for (const auto& [damaged, why] : cases) {
    INFO(damaged);
    CHECK_THAT(DecodeLabels(damaged).status(), HasCode(Code::kCorruption, why));
  }

  LabelFile of_pictures = Labels();
  of_pictures.pictures = std::string(64, 'b');
  const auto same = DecodeLabels(EncodeLabels(of_pictures));
  REQUIRE_THAT(same.status(), IsOk());
  CHECK(same->pictures == of_pictures.pictures);
  CHECK(EncodeLabels(*same) == EncodeLabels(of_pictures));
  CHECK(EncodeLabels(*same) != text);

  lineage::MemoryStorage disk;
  tests::MustPut(disk, "a.tsv", text);
  CHECK_THAT(ReadLabels(disk, "a.tsv#" + LabelDigest(text)).status(), IsOk());
  CHECK_THAT(ReadLabels(disk, "a.tsv").status(), HasCode(Code::kInvalidArgument, "FILE#DIGEST"));
  CHECK_THAT(ReadLabels(disk, "a.tsv#0123456789abcdef").status(),
             HasCode(Code::kCorruption, "not the file that the settings name"));
  CHECK_THAT(ReadLabels(disk, "b.tsv#" + LabelDigest(text)).status(),
             HasCode(Code::kNotFound, "b.tsv"));
}

struct Sample {
  Image x;
  float y = 0;
};

Sample SampleOf(const AidesTraining& data, int64_t id, const Cursor& key) {
  Sample sample{Image(static_cast<size_t>(data.Shape().XCount())), -7};
  REQUIRE_THAT(data.Read(id, key, sample.x.data(), &sample.y), IsOk());
  return sample;
}

TEST_CASE("labelled galaxies come behind the known ones, with their predicted class") {
  lineage::MemoryStorage disk;
  const std::string text = EncodeLabels(Labels());
  tests::MustPut(disk, "a.tsv", text);
  AidesSettings settings;
  settings.image = 71;
  settings.train_size = 2;
  settings.augment = false;
  const auto plain = *AidesTraining::Make(settings, disk);
  settings.labels = "a.tsv#" + LabelDigest(text);
  const auto more = *AidesTraining::Make(settings, disk);
  settings.cache_mb = 0;
  const auto uncached = *AidesTraining::Make(settings, disk);
  settings.augment = true;
  const auto augmented = *AidesTraining::Make(settings, disk);
  CHECK(plain->Size() == 2);
  CHECK(more->Size() == 5);
  CHECK(plain->Digest() != more->Digest());
  CHECK(more->Digest() == uncached->Digest());
  CHECK(more->Digest() != augmented->Digest());

  const auto galaxies = *AidesDataset::Make({3, 10, 71, Rescale::kAllPixels}, SurveyKind::kDes,
                                            GalaxySplit::kUnlabelled);
  Image fifth(more->Shape().XCount());
  float hidden = 0;
  REQUIRE_THAT(galaxies->Read(5, {}, fifth.data(), &hidden), IsOk());
  CHECK(hidden == -1);
  const Sample third = SampleOf(*more, 3, {1, 0, 0});
  CHECK(third.x == fifth);
  CHECK(third.y == 0);
  CHECK(SampleOf(*more, 3, {1, 0, 0}).x == third.x);  // as it was kept
  CHECK(SampleOf(*uncached, 3, {9, 9, 9}).x == third.x);
  CHECK(SampleOf(*plain, 1, {}).x == SampleOf(*more, 1, {}).x);

  const Cursor key{1, 4, 2};
  Image changed(fifth.size());
  Transform(DrawAugmentation(key), 71, 3, fifth.data(), changed.data());
  CHECK(SampleOf(*augmented, 3, key).x == changed);
  CHECK(SampleOf(*augmented, 3, key).y == 0);
}

}  // namespace
}  // namespace stemma::models
