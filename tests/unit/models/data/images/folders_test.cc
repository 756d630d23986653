#include "models/data/images/folder_source.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "lineage/memory_storage.h"
#include "lineage/storage.h"
#include "models/data/images/bad_samples.h"
#include "models/data/images/image_dataset.h"
#include "models/data/images/lenient.h"
#include "models/data/images/reading.h"

#include <catch2/catch.hpp>

#include "tests/support/must_put.h"
#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thread_cohort.h"

namespace stemma::models {
namespace {

namespace fs = std::filesystem;
using tests::HasCode;
using tests::IsOk;

// Class folders on a real disk: links, pipes and rights are its business.
class Folders {
 public:
  Folders() {
    root_ = (fs::temp_directory_path() / "stemma.XXXXXX").string();
    REQUIRE(::mkdtemp(root_.data()) != nullptr);
    Put("a/1.jpg", "x");
    Put("b/2.jpg", "yy");
  }
  ~Folders() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  std::string At(const std::string& name) const { return root_ + "/" + name; }
  void Put(const std::string& name, const std::string& bytes) const {
    fs::create_directories(fs::path(At(name)).parent_path());
    std::ofstream(At(name), std::ios::binary) << bytes;
  }
  Status Opens() const { return Open().status(); }
  Result<std::shared_ptr<const FolderSource>> Open() const {
    SoloCohort alone;
    return FolderSource::Open(lineage::PosixStorage(), root_, alone);
  }

 private:
  std::string root_;
};

TEST_CASE("folders: what does not belong there is passed over or named with the way out") {
  const Folders folders;
  folders.Put(".cache/9.jpg", "x");
  folders.Put("a/.hidden.jpg", "x");
  folders.Put("a/._1.jpg", "x");
  folders.Put("a/Thumbs.db", "x");
  folders.Put("labels.txt", "x");
  fs::create_symlink("nowhere", folders.At("b/old.txt"));
  REQUIRE_THAT(folders.Opens(), IsOk());
  const auto source = *folders.Open();
  CHECK(source->Classes() == std::vector<std::string>{"a", "b"});
  CHECK(source->Size() == 2);
  CHECK(source->others() == 2);

  fs::create_directory(folders.At("empty"));
  CHECK_THAT(folders.Opens(), HasCode(Code::kNotFound, "/empty holds no image"));
  fs::remove(folders.At("empty"));
  fs::create_directory(folders.At("a/images"));
  CHECK_THAT(folders.Opens(),
             HasCode(Code::kInvalidArgument, "/a/images: a folder inside a class"));
  fs::remove(folders.At("a/images"));
  fs::create_directory(folders.At("a/3.jpg"));
  CHECK_THAT(folders.Opens(), HasCode(Code::kIo, "/a/3.jpg: not a regular file"));
  fs::remove(folders.At("a/3.jpg"));
  REQUIRE(::mkfifo(folders.At("a/4.jpg").c_str(), 0600) == 0);  // and nothing waits for a writer
  CHECK_THAT(folders.Opens(), HasCode(Code::kIo, "/a/4.jpg: not a regular file"));
  fs::remove(folders.At("a/4.jpg"));
  CHECK_THAT(folders.Opens(), IsOk());
}

TEST_CASE("folders: links are followed, and those that lead in circles or nowhere are named") {
  const Folders folders;
  fs::create_directory_symlink(folders.At("a"), folders.At("c"));
  fs::create_symlink(folders.At("b/2.jpg"), folders.At("b/3.jpg"));
  CHECK((*folders.Open())->Size() == 4);
  fs::create_directory_symlink(folders.At("."), folders.At("a/self"));
  CHECK_THAT(folders.Opens(), HasCode(Code::kInvalidArgument, "/a/self: a folder inside"));
  fs::remove(folders.At("a/self"));
  fs::create_symlink("circle", folders.At("circle"));
  CHECK_THAT(folders.Opens(), HasCode(Code::kIo, "/circle: " + std::string(strerror(ELOOP))));
  fs::remove(folders.At("circle"));
  fs::create_symlink("nowhere", folders.At("lost"));
  CHECK_THAT(folders.Opens(), HasCode(Code::kNotFound, "/lost: neither a file nor a folder"));
  fs::remove(folders.At("lost"));
  fs::create_symlink("nowhere", folders.At("a/9.jpg"));
  CHECK_THAT(folders.Opens(), HasCode(Code::kNotFound, "called like an image"));
}

TEST_CASE("folders: a folder of shards, or a file, is told from one of classes") {
  lineage::MemoryStorage disk;
  SoloCohort alone;
  REQUIRE_THAT(disk.MakeDir("/in"), IsOk());
  tests::MustPut(disk, "/in/s-0.tar", "x");
  CHECK_THAT(FolderSource::Open(disk, "/in", alone).status(),
             HasCode(Code::kNotFound, "it holds shards"));
  CHECK_FALSE(FolderSource::Open(disk, "/in/s-0.tar", alone).status().ok());
}

// A disk whose folders or files may not be read, and whose answers fail as often as is wanted.
class Unwilling final : public lineage::Storage {
 public:
  explicit Unwilling(lineage::Storage& base) : base_(base) {}
  std::string closed;  // this path may not be listed
  int failures = 0;    // reads that fail with `error`
  int error = EIO;
  int opened = 0;

  Result<std::unique_ptr<lineage::ReadableFile>> OpenToRead(const std::string& path) override {
    ++opened;
    if (failures > 0 && failures-- > 0) {
      return Status(Code::kIo, "open " + path + ": " + std::strerror(error));
    }
    return base_.OpenToRead(path);
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
  Result<std::vector<std::string>> List(const std::string& dir) override {
    if (dir != closed) return base_.List(dir);
    return Status(Code::kIo, "opendir " + dir + ": " + std::strerror(EACCES));
  }
  Status MakeDir(const std::string& path) override { return base_.MakeDir(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return base_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return base_.Remove(path); }
  Status SyncDir(const std::string& dir) override { return base_.SyncDir(dir); }
  bool Exists(const std::string& path) override { return base_.Exists(path); }

 private:
  lineage::Storage& base_;
};

void PutTwo(lineage::Storage& disk) {
  for (const char* dir : {"/in", "/in/a", "/in/b"}) REQUIRE_THAT(disk.MakeDir(dir), IsOk());
  tests::MustPut(disk, "/in/a/1.jpg", std::string(100, 'x'));
  tests::MustPut(disk, "/in/b/2.jpg", "yy");
}

TEST_CASE("folders: one that may not be read is an error on every rank, with its name") {
  lineage::MemoryStorage memory;
  PutTwo(memory);
  Unwilling disk(memory);
  disk.closed = "/in/b";
  tests::CohortRoom room(2);
  const auto results = tests::SpawnRanks(2, [&](int rank) {
    tests::ThreadCohort cohort(room, rank);
    return FolderSource::Open(disk, "/in", cohort).status();
  });
  for (const Status& status : results) {
    CHECK_THAT(status, HasCode(Code::kIo, "opendir /in/b: Permission denied"));
  }
}

TEST_CASE("reading: three attempts at what may pass, then errno's text; one at anything else") {
  lineage::MemoryStorage memory;
  PutTwo(memory);
  Unwilling disk(memory);
  SoloCohort alone;
  const auto source = *FolderSource::Open(disk, "/in", alone);
  EncodedImage image;
  disk.failures = 2;
  REQUIRE_THAT(source->Read(0, &image), IsOk());
  CHECK(disk.opened == 3);
  disk.failures = 3;
  disk.error = ESTALE;
  CHECK_THAT(source->Read(0, &image),
             HasCode(Code::kIo, "three times: open /in/a/1.jpg: " + std::string(strerror(ESTALE))));
  disk.failures = disk.opened = 0;
  REQUIRE_THAT(memory.Remove("/in/a/1.jpg"), IsOk());
  CHECK_THAT(source->Read(0, &image), HasCode(Code::kNotFound, "/in/a/1.jpg"));
  disk.failures = 1;
  disk.error = EACCES;
  CHECK_THAT(source->Read(1, &image), HasCode(Code::kIo, "Permission denied"));
  CHECK(disk.opened == 1);
}

// A file that ends where its size said it would not.
TEST_CASE("reading: a short read is an error with the byte, never half an image") {
  lineage::MemoryStorage memory;
  PutTwo(memory);
  const auto file = *memory.OpenToRead("/in/a/1.jpg");
  REQUIRE(memory.Truncate("/in/a/1.jpg", 60));
  std::string bytes(100, '\0');
  CHECK_THAT(file->Read(0, 100, bytes.data()), HasCode(Code::kCorruption, "/in/a/1.jpg"));
}

TEST_CASE("folders: what is called .jpg and is none is named when it is read") {
  lineage::MemoryStorage disk;
  PutTwo(disk);
  tests::MustPut(disk, "/in/a/0.jpg", "");
  tests::MustPut(disk, "/in/a/1.jpg", "just words");
  tests::MustPut(disk, "/in/b/2.jpg", "\x89PNG\r\n\x1A\n and so on");
  SoloCohort alone;
  const auto source = *FolderSource::Open(disk, "/in", alone);
  ImageSettings settings;
  settings.size = settings.resize_short = 8;
  const auto data = *ImageDataset::Make(source, settings, ImageUse::kTrain, {});
  CHECK(data->NameOf(2) == "/in/b/2.jpg");
  CHECK(data->Groups().empty());
  std::vector<float> x(3 * 8 * 8);
  float y = 0;
  CHECK_THAT(data->Read(0, {1, 0, 0}, x.data(), &y),
             HasCode(Code::kCorruption, "/in/a/0.jpg: an empty file"));
  CHECK_THAT(data->Read(1, {1, 0, 0}, x.data(), &y),
             HasCode(Code::kCorruption, "/in/a/1.jpg: no image"));
  CHECK_THAT(data->Read(2, {1, 0, 0}, x.data(), &y),
             HasCode(Code::kIncompatible, "/in/b/2.jpg: a PNG, of which only JPEG is read"));
}

// Sample i is what status i says, with two targets.
class Fragile final : public Dataset {
 public:
  int64_t Size() const override { return 5; }
  SampleShape Shape() const override { return {{3}, 2}; }
  std::string Digest() const override { return "fragile"; }
  Status Read(int64_t id, const Cursor&, float* x, float* y) const override {
    x[0] = x[1] = x[2] = y[0] = y[1] = 7;
    const Code codes[] = {Code::kOk, Code::kNotFound, Code::kCorruption, Code::kIncompatible,
                          Code::kIo};
    return {codes[id], id == 0 ? "" : "file " + std::to_string(id)};
  }
};

TEST_CASE("lenient: bad samples are zeros without a label, and a disk's fault is none of them") {
  const LenientDataset data(std::make_shared<Fragile>(), 2);
  std::vector<float> x(3), y(2);
  REQUIRE_THAT(data.Read(0, {1, 4, 0}, x.data(), y.data()), IsOk());
  CHECK(x == std::vector<float>(3, 7));
  for (const int64_t id : {1, 2}) {
    REQUIRE_THAT(data.Read(id, {1, 4, 0}, x.data(), y.data()), IsOk());
    CHECK(x == std::vector<float>(3, 0));
    CHECK(y == std::vector<float>(2, kNoLabel));
  }
  CHECK(data.Skipped(4).names == std::vector<std::string>{"file 1", "file 2"});
  CHECK_THAT(data.Read(3, {1, 4, 0}, x.data(), y.data()),
             HasCode(Code::kIncompatible, "more than 2 bad samples in this epoch, the last one"));
  CHECK_THAT(data.Read(3, {1, 5, 0}, x.data(), y.data()), IsOk());
  CHECK_THAT(data.Read(4, {1, 5, 0}, x.data(), y.data()), HasCode(Code::kIo, "file 4"));
  CHECK(data.Skipped(5).count == 1);
  CHECK(data.Digest() != Fragile().Digest());
  CHECK(data.Size() == 5);
}

TEST_CASE("bad samples: counts and first names of all ranks are put together") {
  tests::CohortRoom room(3);
  std::vector<BadSamples> all(3);
  std::vector<std::vector<int>> ranks(3);
  const auto results = tests::SpawnRanks(3, [&](int rank) -> Status {
    tests::ThreadCohort cohort(room, rank);
    const auto at = static_cast<size_t>(rank);
    BadSamples mine;
    if (rank == 0) mine = {15, std::vector<std::string>(15, "of 0")};
    if (rank == 2) mine = {30, std::vector<std::string>(kBadNamesMax, "of 2")};
    STEMMA_ASSIGN_OR_RETURN(all[at], GatherBadSamples(cohort, mine, &ranks[at]));
    return TellBadSamples(cohort, 7, mine);
  });
  for (size_t rank = 0; rank < 3; ++rank) {
    REQUIRE_THAT(results[rank], IsOk());
    CHECK(all[rank].count == 45);
    REQUIRE(all[rank].names.size() == kBadNamesMax);
    CHECK(all[rank].names[14] == "of 0");
    CHECK(all[rank].names[15] == "of 2");
    CHECK(ranks[rank] == std::vector<int>{0, 2});
  }
}

}  // namespace
}  // namespace stemma::models
