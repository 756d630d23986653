#include "models/epoch.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/digest.h"
#include "lineage/storage.h"
#include "models/aides/labels.h"
#include "models/data/images/manifest.h"
#include "models/data/images/shard_index.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::models {
namespace {

namespace fs = std::filesystem;
using tests::HasCode;
using tests::IsOk;

class Disk {
 public:
  Disk() {
    const char* scratch = std::getenv("TEST_TMPDIR");
    root_ = std::string(scratch ? scratch : ".") + "/epoch_test_XXXXXX";
    REQUIRE(mkdtemp(root_.data()) != nullptr);
  }
  std::string At(const std::string& name) const { return root_ + "/" + name; }
  void Put(const std::string& name, const std::string& bytes) const {
    fs::create_directories(fs::path(At(name)).parent_path());
    std::ofstream(At(name), std::ios::binary) << bytes;
  }

 private:
  std::string root_;
};

// Of `samples` samples, in a shard of so many bytes.
std::string IndexText(int samples, uint64_t bytes) {
  IndexBuilder builder;
  for (int i = 0; i < samples; ++i) {
    const std::string key = std::to_string(i);
    REQUIRE_THAT(builder.Add(key + ".jpg", 512, 10), IsOk());
    REQUIRE_THAT(builder.Add(key + ".cls", 1024, 1), IsOk());
  }
  return EncodeIndex(builder.Finish(bytes, Xxh128("shard")));
}

RunSettings Of(const std::string& workload) {
  RunSettings settings;
  settings.run.workload = workload;
  return settings;
}

Result<int64_t> Images(const std::string& train) {
  RunSettings settings = Of("resnet50");
  settings.images.train = train;
  CHECK_FALSE(IsComputed(settings));
  return SamplesOfEpoch(lineage::PosixStorage(), settings);
}

TEST_CASE("an epoch of images is what folders, indices or the manifest list") {
  const Disk disk;
  CHECK(*Images("synthetic:2x50") == 50);
  CHECK_THAT(Images("").status(), HasCode(Code::kInvalidArgument, "images.train is empty"));
  CHECK_THAT(Images(disk.At("none")).status(), HasCode(Code::kNotFound));

  for (const char* image : {"f/cat/1.jpg", "f/cat/2.JPEG", "f/dog/1.jpg", "f/dog/readme.txt"}) {
    disk.Put(image, "x");
  }
  CHECK(*Images(disk.At("f")) == 3);

  disk.Put("s/a-000000.tar", std::string(4096, 'x'));
  disk.Put("s/a-000001.tar", std::string(5120, 'x'));
  CHECK_THAT(Images(disk.At("s")).status(),
             HasCode(Code::kInvalidArgument, "a-000000.tar has no index"));
  disk.Put("s/a-000000.idx", IndexText(3, 4096));
  disk.Put("s/a-000001.idx", IndexText(4, 5120));
  CHECK(*Images(disk.At("s")) == 7);
  CHECK(*Images(disk.At("s/a-000001.tar")) == 4);
  CHECK(*Images(disk.At("s/a-{000000..000001}.tar")) == 7);
  CHECK_THAT(Images(disk.At("s/a-{000000..000002}.tar")).status(), HasCode(Code::kNotFound));

  disk.Put("m/b-000000.tar", "x");
  const Manifest manifest = {{"cat", "dog"}, {{"b-000000.tar", 11, 1, Xxh128("x")}}};
  disk.Put("m/manifest.json", EncodeManifest(manifest));
  CHECK(*Images(disk.At("m")) == 11);
}

TEST_CASE("an epoch of galaxies counts what is known and what was labelled") {
  const Disk disk;
  RunSettings settings = Of("aides");
  settings.aides.train_size = 20;
  const auto samples = [&settings] { return SamplesOfEpoch(lineage::PosixStorage(), settings); };
  CHECK(IsComputed(settings));
  CHECK(*samples() == 20);

  LabelFile labels;
  labels.state = std::string(64, 'a');
  labels.labels = {{2, 1, .5}, {9, 0, .75}};
  const std::string text = EncodeLabels(labels);
  disk.Put("labels.tsv", text);
  settings.aides.labels = disk.At("labels.tsv") + "#" + LabelDigest(text);
  CHECK_FALSE(IsComputed(settings));
  CHECK(*samples() == 22);

  for (const char* band : {"g", "r", "i"}) disk.Put("t/x." + std::string(band) + ".fits", "x");
  disk.Put("t/table.tsv",
           "file\tx\ty\thalf\tlabel\nx.{band}.fits\t-\t-\t-\tspiral\n"
           "x.{band}.fits\t5\t5\t2\telliptical\nx.{band}.fits\t9\t9\t2\tspiral\n");
  settings.aides.train = disk.At("t/table.tsv");
  CHECK(*samples() == 5);

  disk.Put("f/elliptical/1.jpg", "x");
  disk.Put("f/spiral/1.jpg", "x");
  settings.aides.train = disk.At("f");
  settings.aides.labels.clear();
  CHECK_FALSE(IsComputed(settings));
  CHECK(*samples() == 2);
}

TEST_CASE("an epoch of waveforms is a setting, and that of a file is not counted") {
  RunSettings settings = Of("aigw");
  settings.aigw.train_size = 12;
  CHECK(IsComputed(settings));
  CHECK(*SamplesOfEpoch(lineage::PosixStorage(), settings) == 12);
  settings.aigw.file = "waves.h5";
  CHECK_FALSE(IsComputed(settings));
  CHECK_THAT(SamplesOfEpoch(lineage::PosixStorage(), settings).status(),
             HasCode(Code::kInvalidArgument, "waves.h5 are counted by the HDF5 library"));
}

}  // namespace
}  // namespace stemma::models
