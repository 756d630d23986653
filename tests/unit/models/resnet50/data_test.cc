// What ResNet-50 is trained on, without LibTorch: what [images] opens, made images, the recipes.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "lineage/memory_storage.h"
#include "models/data/images/image_dataset.h"
#include "models/data/images/open_images.h"
#include "models/data/images/pack.h"
#include "models/data/images/synthetic.h"
#include "models/train/course.h"
#include "models/train/fill_settings.h"
#include "models/train/settings.h"
#include "optim/schedule.h"
#include "tools/bench/made_images.h"

#include <catch2/catch.hpp>

#include "tests/support/must_put.h"
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using lineage::MemoryStorage;
using tests::HasCode;
using tests::IsOk;
using tests::MustPut;

std::string Jpeg(uint64_t seed) {
  return bench::MadeJpeg(bench::MadePixels(40, 40, seed), 40, 40, bench::JpegKind::k444, 90);
}

// Three images of each class.
void PutFolder(lineage::Storage& disk, const std::string& folder,
               const std::vector<std::string>& classes) {
  REQUIRE_THAT(disk.MakeDir(folder), IsOk());
  uint64_t seed = 1;
  for (const std::string& name : classes) {
    REQUIRE_THAT(disk.MakeDir(folder + "/" + name), IsOk());
    for (const char* file : {"/1.jpg", "/2.jpg", "/3.jpg"}) {
      MustPut(disk, folder + "/" + name + file, Jpeg(seed++));
    }
  }
}

ImageDataSettings Settings(const std::string& train, const std::string& validation = "") {
  ImageDataSettings settings;
  settings.train = train;
  settings.validation = validation;
  settings.size = 32;
  return settings;
}

Result<OpenedImages> Open(lineage::Storage& disk, const ImageDataSettings& settings,
                          int64_t classes = 0) {
  SoloCohort alone;
  return OpenImages(disk, settings, {classes, "resnet50.classes"}, alone);
}

// The label and the floats of each sample, sorted.
std::vector<std::pair<float, std::vector<float>>> SamplesOf(const Dataset& data) {
  std::vector<std::pair<float, std::vector<float>>> samples;
  for (int64_t id = 0; id < data.Size(); ++id) {
    std::vector<float> x(static_cast<size_t>(data.Shape().XCount()));
    float y = 0;
    REQUIRE_THAT(data.Read(id, {}, x.data(), &y), IsOk());
    samples.emplace_back(y, std::move(x));
  }
  std::sort(samples.begin(), samples.end());
  return samples;
}

void PackInto(lineage::Storage& disk, const std::string& folder, const std::string& out) {
  PackSettings pack;
  pack.folder = folder;
  pack.out = out;
  REQUIRE_THAT(PackFolder(disk, pack).status(), IsOk());
}

TEST_CASE("images: folders and shards are told apart, and hold the same samples") {
  MemoryStorage disk;
  PutFolder(disk, "/in", {"a", "b", "c"});
  PackInto(disk, "/in", "/shards");
  // What evaluates shows the same part of an image whichever number it has.
  const auto folders = Open(disk, Settings("/in", "/in"));
  const auto shards = Open(disk, Settings("/shards", "/shards"));
  const auto mixed = Open(disk, Settings("/shards", "/in"));
  for (const auto* opened : {&folders, &shards, &mixed}) {
    REQUIRE_THAT(opened->status(), IsOk());
    CHECK((*opened)->names == std::vector<std::string>{"a", "b", "c"});
    CHECK((*opened)->classes == 3);
    CHECK((*opened)->train->Size() == 9);
  }
  const auto samples = SamplesOf(*folders->validation);
  CHECK(samples == SamplesOf(*shards->validation));
  CHECK(samples != SamplesOf(*folders->train));  // crops
  CHECK(folders->validation->Digest() != folders->train->Digest());
  const auto wider = Open(disk, Settings("/in"), 1000);
  REQUIRE_THAT(wider.status(), IsOk());
  CHECK(wider->classes == 1000);
  CHECK(wider->validation == nullptr);
}

TEST_CASE("images: what cannot be trained on is refused before it is tried") {
  MemoryStorage disk;
  PutFolder(disk, "/in", {"a", "b", "c"});
  PutFolder(disk, "/other", {"a", "c", "d", "e"});
  PutFolder(disk, "/single", {"train"});
  REQUIRE_THAT(disk.MakeDir("/bare"), IsOk());
  REQUIRE_THAT(disk.MakeDir("/hole"), IsOk());
  REQUIRE_THAT(disk.MakeDir("/hole/a"), IsOk());
  ImageDataSettings crop = Settings("/in");
  crop.area_min = .9;
  crop.area_max = .5;
  const struct {
    ImageDataSettings settings;
    int64_t classes;
    Code code;
    const char* text;
  } rows[] = {
      {Settings(""), 0, Code::kInvalidArgument, "images.train is empty"},
      {Settings("/nowhere"), 0, Code::kNotFound, "images.train = \"/nowhere\""},
      {Settings("/bare"), 0, Code::kNotFound, "no class folders"},
      {Settings("/hole"), 0, Code::kNotFound, "/hole/a holds no image"},
      {Settings("/single"), 0, Code::kInvalidArgument, "one class, 'train'"},
      {Settings("/in"), 2, Code::kInvalidArgument, "resnet50.classes = 2, but"},
      {Settings("/in", "/nowhere"), 0, Code::kNotFound, "images.validation = \"/nowhere\""},
      {Settings("/in", "/other"), 0, Code::kInvalidArgument, "lacks 'b' and has 'd' and 1 more"},
      {Settings("/in", "synthetic:3x9"), 0, Code::kInvalidArgument, "lacks 'a' and 2 more"},
      {Settings("/in-{3..1}.tar"), 0, Code::kInvalidArgument, "no range of shards"},
      {Settings("synthetic:8"), 0, Code::kInvalidArgument, "CLASSESxIMAGES"},
      {Settings("synthetic:1x9"), 0, Code::kInvalidArgument, "2 to 60 classes"},
      {Settings("synthetic:8x7"), 0, Code::kInvalidArgument, "an image of each"},
      {crop, 0, Code::kInvalidArgument, "area_min"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    CHECK_THAT(Open(disk, row.settings, row.classes).status(), HasCode(row.code, row.text));
  }
}

TEST_CASE("images: without names of classes each label is held against the network's head") {
  MemoryStorage disk;
  PutFolder(disk, "/in", {"a", "b", "c"});
  PackInto(disk, "/in", "/shards");
  REQUIRE_THAT(disk.Remove("/shards/manifest.json"), IsOk());
  CHECK_THAT(Open(disk, Settings("/shards")).status(),
             HasCode(Code::kInvalidArgument, "set resnet50.classes"));
  for (const int64_t classes : {2, 3}) {
    const auto opened = Open(disk, Settings("/shards"), classes);
    REQUIRE_THAT(opened.status(), IsOk());
    std::vector<float> x(3 * 32 * 32);
    float y = 0;
    int64_t refused = 0;
    for (int64_t id = 0; id < 9; ++id) {
      const Status read = opened->train->Read(id, {}, x.data(), &y);
      if (read.ok()) continue;
      ++refused;
      CHECK_THAT(read, HasCode(Code::kIncompatible, "class 2, but the network has 0 to 1"));
    }
    CHECK(refused == (classes == 2 ? 3 : 0));
  }
}

TEST_CASE("images: a bad one ends the run with its name, or becomes a row without a label") {
  MemoryStorage disk;
  PutFolder(disk, "/in", {"a", "b"});
  REQUIRE(disk.Truncate("/in/b/1.jpg", 300));
  ImageDataSettings settings = Settings("/in");
  std::vector<float> x(3 * 32 * 32);
  float y = 0;
  const auto strict = Open(disk, settings);
  REQUIRE_THAT(strict.status(), IsOk());
  CHECK_THAT(strict->train->Read(3, {}, x.data(), &y), HasCode(Code::kCorruption, "/in/b/1.jpg"));
  settings.on_bad = "skip";
  settings.bad_max = 1;
  const auto skips = Open(disk, settings);
  REQUIRE_THAT(skips.status(), IsOk());
  REQUIRE_THAT(skips->train->Read(3, {}, x.data(), &y), IsOk());
  CHECK(y == kNoLabel);
  CHECK(std::count(x.begin(), x.end(), 0.f) == 3 * 32 * 32);
  CHECK_THAT(skips->train->Read(3, {}, x.data(), &y),
             HasCode(Code::kCorruption, "more than 1 bad samples"));
}

// The wave, of those up to 5 steps across or down, that has most of an image's first channel.
std::pair<int, int> StrongestWave(const std::vector<float>& x, int size) {
  std::pair<int, int> strongest;
  double most = -1;
  for (int v = 0; v <= 5; ++v) {
    for (int u = v == 0 ? 1 : -5; u <= 5; ++u) {
      double real = 0, imaginary = 0;
      for (int i = 0; i < size * size; ++i) {
        const double turns = 2. * (u * (i % size) + v * (i / size)) / size;
        real += static_cast<double>(x[static_cast<size_t>(i)]) * std::cos(2 * M_PI * turns);
        imaginary += static_cast<double>(x[static_cast<size_t>(i)]) * std::sin(2 * M_PI * turns);
      }
      const double power = real * real + imaginary * imaginary;
      if (power <= most) continue;
      most = power;
      strongest = {u, v};
    }
  }
  return strongest;
}

TEST_CASE("made images: a class is its own wave, and no image is in both sets") {
  constexpr int kSize = 32;
  const auto spec = ParseSynthetic("synthetic:60x120");
  REQUIRE_THAT(spec.status(), IsOk());
  const SyntheticImages train(*spec, kSize, ImageUse::kTrain, PixelOrder::kChannelsFirst);
  const SyntheticImages held(*spec, kSize, ImageUse::kEvaluate, PixelOrder::kChannelsFirst);
  const SyntheticImages last(*spec, kSize, ImageUse::kTrain, PixelOrder::kChannelsLast);
  std::vector<float> a(3 * kSize * kSize), b(a.size());
  float y = 0;
  std::set<std::pair<int, int>> waves;
  for (int64_t id = 0; id < 60; ++id) {
    REQUIRE_THAT(train.Read(id, {}, a.data(), &y), IsOk());
    CHECK(y == static_cast<float>(id));
    const auto wave = StrongestWave(a, kSize);
    waves.insert(wave);
    REQUIRE_THAT(held.Read(id + 60, {}, b.data(), &y), IsOk());
    CHECK(y == static_cast<float>(id));
    if (id < 4) CHECK(StrongestWave(b, kSize) == wave);
    CHECK(a != b);
  }
  CHECK(waves.size() == 60);
  REQUIRE_THAT(train.Read(7, {1, 5, 9}, a.data(), &y), IsOk());
  REQUIRE_THAT(last.Read(7, {1, 0, 0}, b.data(), &y), IsOk());
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i] == b[i % (kSize * kSize) * 3 + i / (kSize * kSize)]);
  }
  CHECK(train.Digest() != held.Digest());
  CHECK(train.Digest() != last.Digest());
  CHECK(train.Classes().size() == 60);
}

struct Recipe {
  RunSettings settings;
  Course course;
};

void ReadRecipe(const std::string& name, int64_t images, Recipe* recipe) {
  INFO(name);
  SettingsList list = FieldsOf(recipe->settings);
  REQUIRE_THAT(list.ReadFile("models/resnet50/recipes/" + name + ".toml"), IsOk());
  REQUIRE_THAT(FillSettings(recipe->settings, &list), IsOk());
  const auto course = CourseOf(recipe->settings, images);
  REQUIRE_THAT(course.status(), IsOk());
  recipe->course = *course;
  CHECK_THAT(optim::CheckSchedule(course->optim, course->total_steps), IsOk());
  CHECK_THAT(ImageSettingsOf(recipe->settings.images, {}).status(), IsOk());
  CHECK(recipe->settings.run.name == name);
  CHECK(recipe->settings.run.workload == "resnet50");
}

TEST_CASE("resnet50 recipes: they load, and mean on ImageNet what was published") {
  constexpr int64_t kImageNet = 1281167;
  Recipe hal, lamb, lars, tiny;
  ReadRecipe("hal-sgd", kImageNet, &hal);
  CHECK(hal.course.optim.lr == Approx(.65).epsilon(1e-12));  // 0.1 * 1664 / 256
  CHECK(hal.course.optim.warmup_steps == 3850);              // 5 epochs
  CHECK(hal.course.optim.exclude.empty());
  ReadRecipe("lamb-untuned", kImageNet, &lamb);
  CHECK(lamb.course.optim.lr == Approx(.02).epsilon(1e-12));
  CHECK(lamb.course.optim.warmup_steps == 782);
  CHECK(lamb.course.optim.weight_decay == 1.5);
  CHECK(lamb.settings.resnet50.label_smoothing == .1);
  CHECK(lamb.settings.resnet50.zero_gamma);
  ReadRecipe("lars-mlperf", kImageNet, &lars);
  CHECK(lars.course.optim.lr == 17);
  CHECK(lars.course.optim.warmup_steps == 782);
  CHECK(lars.course.optim.exclude == "bias,norm_scale,norm_shift");
  ReadRecipe("tiny", 2048, &tiny);
  CHECK(tiny.course.total_steps == 60);
}

}  // namespace
}  // namespace stemma::models
