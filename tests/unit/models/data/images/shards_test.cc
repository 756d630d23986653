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

#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using lineage::MemoryStorage;
using tests::HasCode;
using tests::IsOk;

void Put(lineage::Storage& disk, const std::string& path, const std::string& bytes) {
  (void)disk.Remove(path);
  REQUIRE_THAT(lineage::WriteDurable(disk, path, bytes), IsOk());
}

std::string Jpeg(uint64_t seed) {
  return bench::MadeJpeg(bench::MadePixels(40, 30, seed), 40, 30, bench::JpegKind::k420, 80);
}

// Two classes with three and two images, and what is to be passed over.
void PutFolder(lineage::Storage& disk) {
  for (const char* dir : {"/in", "/in/b", "/in/B"}) REQUIRE_THAT(disk.MakeDir(dir), IsOk());
  Put(disk, "/in/readme.txt", "x");
  Put(disk, "/in/b/1.JPG", Jpeg(1));
  Put(disk, "/in/b/2.x.jpeg", Jpeg(2));
  Put(disk, "/in/b/2_x.jpg", Jpeg(3));
  Put(disk, "/in/b/notes.txt", "x");
  Put(disk, "/in/B/4.jpg", Jpeg(4));
  Put(disk, "/in/B/5.jpg", Jpeg(5));
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
  Put(disk, "/in/b/1.JPG", Jpeg(1) + "x");
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

// Tar.

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

// A header with its type and checksum changed.
std::string Typed(const std::string& name, uint64_t size, char type) {
  std::string header = TarHeader(name, size);
  header[156] = type;
  int sum = 0;
  for (size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : uint8_t(header[i]);
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", unsigned(sum));
  header.replace(148, 7, digits, 7);
  return header;
}

Result<std::vector<File>> FilesOf(const std::string& tar) {
  MemoryStorage disk;
  Put(disk, "/t", tar);
  auto file = disk.OpenToRead("/t");
  TarReader reader(**file, tar.size(), "/t");
  std::vector<File> files;
  TarEntry entry;
  for (;;) {
    STEMMA_ASSIGN_OR_RETURN(const bool more, reader.Next(&entry));
    if (!more) return files;
    files.push_back({entry.name, tar.substr(entry.offset, entry.size)});
  }
}

TEST_CASE("tar: names of every length and sizes of every kind come back") {
  const std::string folder(120, 'd'), part(90, 'f');
  std::vector<File> files;
  for (const std::string& name :
       {std::string("a.jpg"), std::string(100, 'x'), folder + "/" + part, std::string(101, 'y'),
        folder + "/" + std::string(150, 'z'), std::string(300, 'w') + ".jpg"}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{512}, size_t{513}}) {
      files.push_back({name + std::to_string(size), std::string(size, 'b')});
    }
  }
  const auto back = FilesOf(TarOf(files));
  REQUIRE_THAT(back.status(), IsOk());
  REQUIRE(back->size() == files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    CHECK((*back)[i].name == files[i].name);
    CHECK((*back)[i].bytes == files[i].bytes);
  }
  const uint64_t large = (uint64_t{1} << 33) + 5;
  CHECK(*TarSizeIn(TarHeader("large", large)) == large);
}

TEST_CASE("tar: GNU's long names, folders and pax headers of all files are read over") {
  const std::string name(200, 'n');
  const std::string comment = "18 comment=stemma\n";
  const auto files = FilesOf(Typed("d", 0, '5') + Typed("g", comment.size(), 'g') + comment +
                             TarPadding(comment.size()) + Typed("L", name.size() + 1, 'L') + name +
                             TarPadding(name.size()) + TarOf({{"cut", "abc"}, {"b", "d"}}));
  REQUIRE_THAT(files.status(), IsOk());
  REQUIRE(files->size() == 2);
  CHECK((*files)[0].name == name);
  CHECK((*files)[1].name == "b");
}

TEST_CASE("tar: what is unexpected is named with the archive and the byte") {
  const std::string good = TarOf({{"a.jpg", std::string(600, 'a')}, {"a.cls", "1"}});
  std::string summed = good, sized = Typed("a", 0, '0');
  summed[1536] ^= 1;
  const std::string record = "9 path=\n";  // says 9, is 8
  struct Case {
    std::string tar;
    const char* says;
  };
  const Case cases[] = {
      {"", "byte 0: the archive is cut off"},
      {good.substr(0, 100), "cut off"},
      {good.substr(0, 1000), "ends behind the archive"},
      {good.substr(0, good.size() - 1024), "byte 2560: the archive is cut off"},
      {good.substr(0, good.size() - 512), "one block of zeros alone"},
      {summed, "byte 1536: its checksum is wrong"},
      {Typed("link", 0, '2') + TarEnd(), "'link' is no regular file (type '2')"},
      {Typed("a\nb", 0, '0') + TarEnd(), "control characters"},
      {Typed("g", 8, 'x') + record + TarPadding(8) + TarEnd(), "not made of records"},
      {Typed("g", 13, 'g') + "13 path=abcd\n" + TarPadding(13) + TarEnd(), "names a path"},
      {Typed("L", 2 << 20, 'L') + TarEnd(), "long name or pax header of 2097152"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.says);
    CHECK_THAT(FilesOf(one.tar).status(), HasCode(Code::kCorruption, one.says));
    CHECK_THAT(FilesOf(one.tar).status(), HasCode(Code::kCorruption, "/t, header at byte"));
  }
}

// Indices.

Result<ShardIndex> IndexOfFiles(const std::vector<File>& files) {
  MemoryStorage disk;
  Put(disk, "/t.tar", TarOf(files));
  return BuildIndex(disk, "/t.tar");
}

TEST_CASE("index: fields by sample, and back from its text") {
  const auto index = IndexOfFiles(
      {{"d.x/k1.jpg", "image"}, {"d.x/k1.cls", "7"}, {"k 2.cls", "8"}, {"k 2.a.json", "{}"}});
  REQUIRE_THAT(index.status(), IsOk());
  CHECK(index->fields == std::vector<std::string>{"jpg", "cls", "a.json"});
  REQUIRE(index->samples() == 2);
  CHECK(index->key(0) == "d.x/k1");
  CHECK(index->key(1) == "k 2");
  CHECK(index->place(0, 0).offset == 512);
  CHECK(index->place(0, 0).size == 5);
  CHECK(index->place(1, 0).offset == 0);
  CHECK(index->place(1, 2).size == 2);
  const std::string text = EncodeIndex(*index);
  const auto back = DecodeIndex(text, "/t.idx");
  REQUIRE_THAT(back.status(), IsOk());
  CHECK(EncodeIndex(*back) == text);
  for (size_t cut = 0; cut < text.size(); ++cut) {
    CHECK_THAT(DecodeIndex(text.substr(0, cut), "/t.idx").status(),
               HasCode(Code::kCorruption, "/t.idx, line"));
    std::string flipped = text;
    flipped[cut] ^= 1;
    CHECK_FALSE(DecodeIndex(flipped, "/t.idx").ok());
  }
}

TEST_CASE("index: samples that are none are named") {
  const auto says = [](const std::vector<File>& files, const char* what) {
    CHECK_THAT(IndexOfFiles(files).status(), HasCode(Code::kCorruption, what));
    CHECK_THAT(IndexOfFiles(files).status(), HasCode(Code::kCorruption, "/t.tar, file at byte"));
  };
  says({{"nofield", "x"}}, "'nofield' has no field");
  says({{"a.jpg", "x"}, {"a.jpg", "y"}}, "'a.jpg' is there twice");
  says({{"a.jpg", "x"}, {"b.jpg", "y"}, {"a.cls", "1"}}, "must be neighbours");
}

// Shards.

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
  for (const std::string& name : *disk.List("/out")) {
    CHECK(*disk.ReadAll("/out/" + name) == *disk.ReadAll("/again/" + name));
  }
  CHECK_THAT(PackFolder(disk, Packing()).status(), HasCode(Code::kInvalidArgument, "/out exists"));
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
    if (disk.Exists("/out"))
      CHECK_THAT(OpenShards(disk, "/out")->Classes(), Catch::VectorContains(std::string("b")));
  }
  MemoryStorage disk;
  PutFolder(disk);
  disk.LimitBytes(12000);
  CHECK_THAT(PackFolder(disk, Packing()).status(), HasCode(Code::kIo, "too small"));
  CHECK_FALSE(disk.Exists("/out.part"));
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
  Put(disk, path, moved);
  CHECK_THAT(opened->Read(0, &image), HasCode(Code::kCorruption, "shard-000000.idx disagree"));
  CHECK_THAT(opened->Read(0, &image), HasCode(Code::kCorruption, "stemma data index"));
  Put(disk, path, whole + "x");
  CHECK_THAT(ShardSource::Open(disk, "/out", alone).status(),
             HasCode(Code::kCorruption, "its index /out/shard-000000.idx says"));
  REQUIRE_THAT(disk.Remove(IndexPathOf(path)), IsOk());
  CHECK_THAT(ShardSource::Open(disk, "/out", alone).status(),
             HasCode(Code::kCorruption, "manifest.json"));
  REQUIRE_THAT(disk.Remove("/out/manifest.json"), IsOk());
  Put(disk, path, whole);
  CHECK(OpenShards(disk, "/out")->Size() == 5);  // foreign shards without index and manifest
  CHECK_THAT(ShardSource::Open(disk, "/out/s-{2..1}.tar", alone).status(),
             HasCode(Code::kInvalidArgument, "no range"));
  CHECK((*ShardPaths(disk, "/d/s-{08..10}.tar"))[2] == "/d/s-10.tar");
  Put(disk, path, TarOf({{"a.jpg", "x"}, {"a.cls", "seven"}}));
  CHECK_THAT(OpenShards(disk, path)->Read(0, &image), HasCode(Code::kCorruption, "'seven'"));
  Put(disk, path, TarOf({{"a.jpg", "x"}, {"a.cls", "1"}, {"b.jpg", "x"}}));
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
  Put(disk, "/in/b/1.JPG", Jpeg(1).substr(0, 400));
  REQUIRE(check("/in") == 1);
  CHECK(said[0].find("/in/b/1.JPG: the JPEG is damaged") == 0);
  REQUIRE(disk.Flip("/out/shard-000000.tar", 900));
  CHECK(check("/out") >= 1);
  CHECK(said[0].find("not those that were indexed") != std::string::npos);
}

TEST_CASE("dataset: bad images fail, or are skipped and counted up to a limit") {
  MemoryStorage disk;
  PutFolder(disk);
  Put(disk, "/in/B/4.jpg", "\x89PNG\r\n\x1A\n");
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
  CHECK(strict->Digest() != lax->Digest());
  CHECK(strict->Digest() !=
        (*ImageDataset::Make(source, settings, ImageUse::kEvaluate, {}))->Digest());
}

}  // namespace
}  // namespace stemma::models
