#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/cohort.h"
#include "core/digest.h"
#include "lineage/faulty_storage.h"
#include "lineage/memory_storage.h"
#include "models/data/images/check.h"
#include "models/data/images/folder_source.h"
#include "models/data/images/image_dataset.h"
#include "models/data/images/pack.h"
#include "models/data/images/reading.h"
#include "models/data/images/shard_index.h"
#include "models/data/images/shard_source.h"
#include "models/data/images/tar.h"
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
  return bench::MadeJpeg(bench::MadePixels(40, 30, seed), 40, 30, bench::JpegKind::k420, 80);
}

// Two classes with three and two images, and what is to be passed over.
void PutFolder(lineage::Storage& disk) {
  for (const char* dir : {"/in", "/in/b", "/in/B"}) REQUIRE_THAT(disk.MakeDir(dir), IsOk());
  MustPut(disk, "/in/readme.txt", "x");
  MustPut(disk, "/in/b/1.JPG", Jpeg(1));
  MustPut(disk, "/in/b/2.x.jpeg", Jpeg(2));
  MustPut(disk, "/in/b/2_x.jpg", Jpeg(3));
  MustPut(disk, "/in/b/notes.txt", "x");
  MustPut(disk, "/in/B/4.jpg", Jpeg(4));
  MustPut(disk, "/in/B/5.jpg", Jpeg(5));
}

std::shared_ptr<const FolderSource> OpenFolder(lineage::Storage& disk) {
  SoloCohort alone;
  auto source = FolderSource::Open(disk, "/in", alone);
  REQUIRE_THAT(source.status(), IsOk());
  return *source;
}

TEST_CASE("folders: labels are the byte-wise order of the classes") {
  MemoryStorage disk;
  PutFolder(disk);
  const auto source = OpenFolder(disk);
  CHECK(source->Classes() == std::vector<std::string>{"B", "b"});
  CHECK(source->Size() == 5);
  CHECK(source->others() == 1);
  EncodedImage image;
  const std::pair<const char*, int64_t> wanted[] = {{"/in/B/4.jpg", 0},
                                                    {"/in/B/5.jpg", 0},
                                                    {"/in/b/1.JPG", 1},
                                                    {"/in/b/2.x.jpeg", 1},
                                                    {"/in/b/2_x.jpg", 1}};
  for (int64_t id = 0; id < 5; ++id) {
    REQUIRE_THAT(source->Read(id, &image), IsOk());
    CHECK(source->NameOf(id) == wanted[id].first);
    CHECK(image.label == wanted[id].second);
    CHECK(image.bytes == *disk.ReadAll(wanted[id].first));
  }
  const std::string digest = source->Digest();
  CHECK(OpenFolder(disk)->Digest() == digest);
  MustPut(disk, "/in/b/1.JPG", Jpeg(1) + "x");
  CHECK(OpenFolder(disk)->Digest() != digest);
  REQUIRE_THAT(disk.Remove("/in/b/1.JPG"), IsOk());
  CHECK_THAT(source->Read(2, &image), HasCode(Code::kNotFound, "/in/b/1.JPG"));
}

TEST_CASE("folders: no classes, and an empty one, are errors that name the folder") {
  MemoryStorage disk;
  SoloCohort alone;
  CHECK_THAT(FolderSource::Open(disk, "/in", alone).status(), HasCode(Code::kNotFound, "/in"));
  REQUIRE_THAT(disk.MakeDir("/in"), IsOk());
  CHECK_THAT(FolderSource::Open(disk, "/in", alone).status(), HasCode(Code::kNotFound, "CLASS"));
  REQUIRE_THAT(disk.MakeDir("/in/a"), IsOk());
  CHECK_THAT(FolderSource::Open(disk, "/in", alone).status(), HasCode(Code::kNotFound, "/in/a"));
}

TEST_CASE("reading: a fault that passes is waited for, another one is not") {
  int calls = 0;
  const auto failing = [&](int times, Status with) {
    return ReadPatiently(
        [&calls, times, with]() -> Status { return calls++ < times ? with : Status(); });
  };
  CHECK_THAT(failing(2, {Code::kIo, std::string("read: ") + std::strerror(ESTALE)}), IsOk());
  CHECK(calls == 3);
  calls = 0;
  CHECK_THAT(failing(1, {Code::kCorruption, std::strerror(EIO)}), HasCode(Code::kCorruption));
  CHECK(calls == 1);
}

struct File {
  std::string name, bytes;
};

std::string TarOf(const std::vector<File>& files) {
  std::string tar;
  for (const File& file : files) {
    tar += TarHeader(file.name, file.bytes.size()) + file.bytes + TarPadding(file.bytes.size());
  }
  return tar + TarEnd();
}

PackSettings Packing(uint64_t shard_bytes = 8192) {
  PackSettings settings;
  settings.folder = "/in";
  settings.out = "/out";
  settings.shard_bytes = shard_bytes;
  return settings;
}

std::shared_ptr<const ShardSource> OpenShards(lineage::Storage& disk, const std::string& path) {
  SoloCohort alone;
  auto source = ShardSource::Open(disk, path, alone);
  REQUIRE_THAT(source.status(), IsOk());
  return *source;
}

TEST_CASE("pack: shards hold what the folders hold, and equal input gives equal bytes") {
  MemoryStorage disk;
  PutFolder(disk);
  const auto report = PackFolder(disk, Packing());
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->manifest.samples() == 5);
  CHECK(report->manifest.shards.size() >= 2);
  CHECK(report->others == 1);
  CHECK(report->strange == 0);
  for (const ShardFacts& shard : report->manifest.shards) {
    const std::string bytes = *disk.ReadAll("/out/" + shard.name);
    CHECK(bytes.size() == shard.bytes);
    CHECK(Xxh128(bytes) == shard.digest);
    CHECK(EncodeIndex(*BuildIndex(disk, "/out/" + shard.name)) ==
          *disk.ReadAll(IndexPathOf("/out/" + shard.name)));
  }
  const auto folder = OpenFolder(disk);
  const auto shards = OpenShards(disk, "/out");
  REQUIRE(shards->Size() == 5);
  CHECK(shards->Classes() == folder->Classes());
  std::vector<std::string> from_folder, from_shards;
  EncodedImage image;
  for (int64_t id = 0; id < 5; ++id) {
    REQUIRE_THAT(folder->Read(id, &image), IsOk());
    from_folder.push_back(std::to_string(image.label) + std::string(image.bytes));
    REQUIRE_THAT(shards->Read(id, &image), IsOk());
    from_shards.push_back(std::to_string(image.label) + std::string(image.bytes));
  }
  CHECK_THAT(from_shards, Catch::UnorderedEquals(from_folder));
  PackSettings again = Packing();
  again.out = "/again";
  REQUIRE_THAT(PackFolder(disk, again).status(), IsOk());
  const std::vector<std::string> names = *disk.List("/out");
  CHECK(names.size() == 2 * report->manifest.shards.size() + 1);
  for (const std::string& name : names) {
    CHECK(*disk.ReadAll("/out/" + name) == *disk.ReadAll("/again/" + name));
  }
  CHECK_THAT(PackFolder(disk, Packing()).status(), HasCode(Code::kInvalidArgument, "/out exists"));
}

TEST_CASE("pack: names that no shard can have, and an OUT among the classes, are refused at once") {
  MemoryStorage disk;
  PutFolder(disk);
  PackSettings inside = Packing();
  inside.folder = "/in/";
  inside.out = "/in/out/";
  CHECK_THAT(PackFolder(disk, inside).status(), HasCode(Code::kInvalidArgument, "outside of it"));
  CHECK_FALSE(disk.Exists("/in/out.part"));
  MustPut(disk, "/in/b/3\n.jpg", Jpeg(6));
  CHECK_THAT(PackFolder(disk, Packing()).status(),
             HasCode(Code::kInvalidArgument, "/in/b/3?.jpg: a control character"));
  CHECK_FALSE(disk.Exists("/out.part"));
}

TEST_CASE("pack: a disk that fails at any change leaves nothing that looks whole") {
  for (uint64_t n = 1;; ++n) {
    MemoryStorage disk;
    PutFolder(disk);
    lineage::FaultyStorage faulty(disk);
    faulty.FailAt(n, n % 2 ? lineage::Fault::kNoSpace : lineage::Fault::kIo);
    const Status status = PackFolder(faulty, Packing()).status();
    if (!faulty.fired()) {
      REQUIRE_THAT(status, IsOk());
      break;
    }
    CAPTURE(n);
    CHECK_FALSE(status.ok());
    if (!disk.Exists("/out")) continue;
    CHECK_THAT(OpenShards(disk, "/out")->Classes(), Catch::VectorContains(std::string("b")));
    CHECK(status.message().find("/out is whole") == 0);
  }
  MemoryStorage disk;
  PutFolder(disk);
  disk.LimitBytes(12000);
  CHECK_THAT(PackFolder(disk, Packing()).status(), HasCode(Code::kIo, "too small"));
  CHECK_FALSE(disk.Exists("/out.part"));
}

// A network file system after its server came back: what was open before is stale for ever.
class StaleHandles final : public lineage::Storage {
 public:
  explicit StaleHandles(lineage::Storage& base) : base_(base) {}
  bool stale = false;  // the first handle that is opened
  int opened = 0;

  Result<std::unique_ptr<lineage::ReadableFile>> OpenToRead(const std::string& path) override {
    STEMMA_ASSIGN_OR_RETURN(auto file, base_.OpenToRead(path));
    return std::unique_ptr<lineage::ReadableFile>(
        std::make_unique<Handle>(std::move(file), opened++ == 0 ? &stale : nullptr));
  }
  Result<std::unique_ptr<lineage::WritableFile>> Create(
      const std::string& path, const lineage::WriteOptions& options) override {
    return base_.Create(path, options);
  }
  Result<std::string> ReadAll(const std::string& path) override { return base_.ReadAll(path); }
  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override {
    return base_.ReadAt(path, offset, bytes);
  }
  Result<uint64_t> SizeOf(const std::string& path) override { return base_.SizeOf(path); }
  Result<int64_t> ModifiedMs(const std::string& path) override { return base_.ModifiedMs(path); }
  Result<std::vector<std::string>> List(const std::string& dir) override { return base_.List(dir); }
  Status MakeDir(const std::string& path) override { return base_.MakeDir(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return base_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return base_.Remove(path); }
  Status SyncDir(const std::string& dir) override { return base_.SyncDir(dir); }
  bool Exists(const std::string& path) override { return base_.Exists(path); }

 private:
  struct Handle final : lineage::ReadableFile {
    Handle(std::unique_ptr<lineage::ReadableFile> with, const bool* goes_stale)
        : file(std::move(with)), is_stale(goes_stale) {}
    Status Read(uint64_t offset, uint64_t bytes, char* out) override {
      if (is_stale == nullptr || !*is_stale) return file->Read(offset, bytes, out);
      return {Code::kIo, std::string("read: ") + std::strerror(ESTALE)};
    }
    std::unique_ptr<lineage::ReadableFile> file;
    const bool* is_stale;
  };
  lineage::Storage& base_;
};

TEST_CASE("shards: a handle that went stale is opened anew") {
  MemoryStorage disk;
  MustPut(disk, "/s.tar",
          TarOf({{"a.jpg", "x"}, {"a.cls", "1"}, {"b.jpg", "y"}, {"b.cls", "16777217"}}));
  MustPut(disk, "/s.idx", EncodeIndex(*BuildIndex(disk, "/s.tar")));
  StaleHandles mount(disk);
  const auto shards = OpenShards(mount, "/s.tar");
  EncodedImage image;
  REQUIRE_THAT(shards->Read(0, &image), IsOk());
  CHECK(mount.opened == 1);
  mount.stale = true;
  REQUIRE_THAT(shards->Read(1, &image), IsOk());
  CHECK(image.bytes == "y");
  CHECK(mount.opened == 2);
  const auto data = *ImageDataset::Make(shards, {}, ImageUse::kTrain, {});
  float y = 0;
  CHECK_THAT(data->Read(1, {1, 0, 0}, nullptr, &y),
             HasCode(Code::kIncompatible, "class 16777217 is no exact float"));
}

TEST_CASE("shards: damage and disagreement name shard, index and way out") {
  MemoryStorage disk;
  PutFolder(disk);
  REQUIRE_THAT(PackFolder(disk, Packing(1 << 20)).status(), IsOk());
  const std::string path = "/out/shard-000000.tar", whole = *disk.ReadAll(path);
  EncodedImage image;
  SoloCohort alone;
  const auto opened = OpenShards(disk, path);

  std::string moved = whole;  // the second header begins elsewhere
  moved.replace(0, 1024, std::string(1024, 'x'));
  MustPut(disk, path, moved);
  CHECK_THAT(opened->Read(0, &image), HasCode(Code::kCorruption, "shard-000000.idx disagree"));
  CHECK_THAT(opened->Read(0, &image), HasCode(Code::kCorruption, "stemma data index"));
  MustPut(disk, path, whole + "x");
  CHECK_THAT(ShardSource::Open(disk, "/out", alone).status(),
             HasCode(Code::kCorruption, "its index /out/shard-000000.idx says"));
  REQUIRE_THAT(disk.Remove(IndexPathOf(path)), IsOk());
  CHECK_THAT(ShardSource::Open(disk, "/out", alone).status(),
             HasCode(Code::kCorruption, "manifest.json"));
  REQUIRE_THAT(disk.Remove("/out/manifest.json"), IsOk());
  MustPut(disk, path, whole);
  CHECK(OpenShards(disk, "/out")->Size() == 5);  // foreign shards without index and manifest
  CHECK_THAT(ShardSource::Open(disk, "/out/s-{2..1}.tar", alone).status(),
             HasCode(Code::kInvalidArgument, "no range"));
  CHECK((*ShardPaths(disk, "/d/s-{08..10}.tar"))[2] == "/d/s-10.tar");
  MustPut(disk, path, TarOf({{"a.jpg", "x"}, {"a.cls", "sev\x1bn"}}));
  CHECK_THAT(OpenShards(disk, path)->Read(0, &image), HasCode(Code::kCorruption, "'sev?n'"));
  MustPut(disk, path, TarOf({{"a.jpg", "x"}, {"a.cls", "1"}, {"b.jpg", "x"}}));
  CHECK_THAT(ShardSource::Open(disk, path, alone).status(),
             HasCode(Code::kCorruption, "sample 'b' has no .cls"));
}

TEST_CASE("check: finds what is wrong with shards and folders, and nothing where all is well") {
  MemoryStorage disk;
  PutFolder(disk);
  REQUIRE_THAT(PackFolder(disk, Packing()).status(), IsOk());
  std::vector<std::string> said;
  const auto check = [&](const std::string& path) {
    said.clear();
    const auto report =
        CheckImages(disk, path, {2, true}, [&](const std::string& text) { said.push_back(text); });
    REQUIRE_THAT(report.status(), IsOk());
    CHECK(report->findings == static_cast<int64_t>(said.size()));
    return report->findings;
  };
  CHECK(check("/in") == 0);
  CHECK(check("/out") == 0);
  MustPut(disk, "/in/b/1.JPG", Jpeg(1).substr(0, 400));
  REQUIRE(check("/in") == 1);
  CHECK(said[0].find("/in/b/1.JPG: the JPEG is damaged") == 0);
  REQUIRE(disk.Flip("/out/shard-000000.tar", 900));
  CHECK(check("/out") >= 1);
  CHECK(said[0].find("not those that were indexed") != std::string::npos);
}

TEST_CASE("dataset: bad images fail, or are skipped and counted up to a limit") {
  MemoryStorage disk;
  PutFolder(disk);
  MustPut(disk, "/in/B/4.jpg", "\x89PNG\r\n\x1A\n");
  ImageSettings settings;
  settings.size = 16;
  settings.resize_short = 20;
  const auto source = OpenFolder(disk);
  std::vector<float> x(3 * 16 * 16, 5.f);
  float y = 9;
  const auto strict = *ImageDataset::Make(source, settings, ImageUse::kTrain, {});
  CHECK_THAT(strict->Read(0, {1, 0, 0}, x.data(), &y),
             HasCode(Code::kIncompatible, "/in/B/4.jpg: a PNG"));
  REQUIRE_THAT(strict->Read(2, {1, 0, 0}, x.data(), &y), IsOk());
  CHECK(y == 1);
  const auto lax = *ImageDataset::Make(source, settings, ImageUse::kTrain, {OnBadSample::kSkip, 2});
  for (int i = 0; i < 2; ++i) REQUIRE_THAT(lax->Read(0, {1, 3, 0}, x.data(), &y), IsOk());
  CHECK(y == kNoLabel);
  CHECK(x == std::vector<float>(x.size(), 0.f));
  CHECK(lax->Skipped(3).count == 2);
  CHECK(lax->Skipped(3).names.at(0).find("/in/B/4.jpg") == 0);
  CHECK(lax->Skipped(0).count == 0);
  CHECK_THAT(lax->Read(0, {1, 3, 0}, x.data(), &y),
             HasCode(Code::kIncompatible, "more than 2 bad"));
  REQUIRE_THAT(disk.Remove("/in/B/4.jpg"), IsOk());
  CHECK_THAT(strict->Read(0, {1, 0, 0}, x.data(), &y), HasCode(Code::kNotFound, "/in/B/4.jpg"));
  x[0] = 5;
  REQUIRE_THAT(lax->Read(0, {1, 4, 0}, x.data(), &y), IsOk());
  CHECK(y == kNoLabel);
  CHECK(x == std::vector<float>(x.size(), 0.f));
  CHECK(lax->Skipped(4).names.at(0).find("/in/B/4.jpg") != std::string::npos);
  CHECK(strict->Digest() != lax->Digest());
  CHECK(strict->Digest() !=
        (*ImageDataset::Make(source, settings, ImageUse::kEvaluate, {}))->Digest());
}

}  // namespace
}  // namespace stemma::models
