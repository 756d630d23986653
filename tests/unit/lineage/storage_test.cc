#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "lineage/faulty_storage.h"
#include "lineage/memory_storage.h"
#include "lineage/posix_storage.h"
#include "lineage/storage.h"

#include <catch2/catch.hpp>
#include "tests/support/lineage_samples.h"
#include "tests/support/status_matchers.h"

namespace stemma::lineage {

using tests::HasCode;
using tests::IsOk;
using tests::PutFile;

namespace {

// A fresh folder under the test's own temporary one.
std::string FreshFolder() {
  const char* const base = std::getenv("TEST_TMPDIR");
  std::string path = std::string(base != nullptr ? base : "/tmp") + "/storage.XXXXXX";
  REQUIRE(mkdtemp(path.data()) != nullptr);
  return path;
}

struct FreeDeleter {
  void operator()(char* bytes) const { std::free(bytes); }
};
std::unique_ptr<char, FreeDeleter> Aligned(size_t bytes, char fill) {
  std::unique_ptr<char, FreeDeleter> memory(static_cast<char*>(std::aligned_alloc(4096, bytes)));
  std::memset(memory.get(), fill, bytes);
  return memory;
}

// System calls that misbehave.
int writes_refused = 0;
ssize_t RefuseDirectWrite(int fd, const void* bytes, size_t count) {
  if ((fcntl(fd, F_GETFL) & O_DIRECT) != 0) {
    ++writes_refused;
    errno = EINVAL;
    return -1;
  }
  return write(fd, bytes, count);
}
ssize_t WriteOddPieces(int fd, const void* bytes, size_t count) {
  static int call = 0;
  if (++call % 3 == 0) {
    errno = EINTR;
    return -1;
  }
  return write(fd, bytes, count > 1000 ? 1000 : count);
}
ssize_t WriteDiskFull(int, const void*, size_t) {
  errno = ENOSPC;
  return -1;
}
int direct_reads = 0;
ssize_t CountDirectReads(int fd, void* out, size_t count, off_t offset) {
  if ((fcntl(fd, F_GETFL) & O_DIRECT) != 0) ++direct_reads;
  return pread(fd, out, count, offset);
}
ssize_t RefuseDirectRead(int fd, void* out, size_t count, off_t offset) {
  if ((fcntl(fd, F_GETFL) & O_DIRECT) == 0) return pread(fd, out, count, offset);
  errno = EINVAL;
  return -1;
}
bool NeverCached(int, off_t, size_t) { return false; }
bool AlwaysCached(int, off_t, size_t) { return true; }
int RefuseFlags(int, int) {
  errno = EINVAL;
  return -1;
}
int NoFallocate(int, int, off_t, off_t) {
  errno = EOPNOTSUPP;
  return -1;
}
int FullFallocate(int, int, off_t, off_t) {
  errno = ENOSPC;
  return -1;
}
int syncs = 0;
int FailSync(int) {
  ++syncs;
  errno = EIO;
  return -1;
}

// What every Storage promises; `root` is an empty folder.
void CheckPromises(Storage& disk, const std::string& root) {
  const std::string file = root + "/f", dir = root + "/d";
  CHECK_THAT(disk.ReadAll(file).status(), HasCode(Code::kNotFound, file));
  CHECK_THAT(disk.SizeOf(file).status(), HasCode(Code::kNotFound));
  CHECK_THAT(disk.List(dir).status(), HasCode(Code::kNotFound));
  CHECK_THAT(disk.Create(root + "/no/f", {}).status(), HasCode(Code::kNotFound));
  CHECK_FALSE(disk.Exists(file));
  {
    auto out = disk.Create(file, {});
    REQUIRE_THAT(out.status(), IsOk());
    CHECK_THAT((*out)->Append("hello "), IsOk());
    CHECK_THAT((*out)->Append("world"), IsOk());
    CHECK_THAT((*out)->Sync(), IsOk());
    CHECK_THAT((*out)->Close(), IsOk());
    CHECK_THAT((*out)->Append("late"), HasCode(Code::kIo));
  }
  CHECK_THAT(disk.Create(file, {}).status(), HasCode(Code::kInvalidArgument, "exists"));
  CHECK(*disk.ReadAll(file) == "hello world");
  CHECK(*disk.SizeOf(file) == 11);
  CHECK(*disk.ReadAt(file, 6, 5) == "world");
  CHECK(*disk.ReadAt(file, 11, 0) == "");
  CHECK_THAT(disk.ReadAt(file, 6, 6).status(), HasCode(Code::kCorruption, "ends at byte 11"));
  CHECK_THAT(disk.ReadBounded(file, 10).status(), HasCode(Code::kCorruption, "11 bytes"));
  CHECK(*disk.ReadBounded(file, 11) == "hello world");
  CHECK_THAT(disk.MakeDir(dir), IsOk());
  CHECK_THAT(disk.MakeDir(dir), HasCode(Code::kInvalidArgument, "exists"));
  CHECK_THAT(disk.MakeDir(root + "/x/y"), HasCode(Code::kNotFound));
  CHECK_THAT(disk.Rename(file, dir + "/g"), IsOk());
  CHECK_FALSE(disk.Exists(file));
  CHECK(*disk.List(root) == std::vector<std::string>{"d"});
  CHECK_THAT(disk.Remove(dir), HasCode(Code::kInvalidArgument, "not empty"));
  CHECK_THAT(disk.SyncDir(dir), IsOk());
  CHECK_THAT(disk.Rename(root + "/none", dir + "/h"), HasCode(Code::kNotFound));
  CHECK_THAT(PutFile(disk, file, "new"), IsOk());
  CHECK_THAT(disk.Rename(file, dir + "/g"), IsOk());  // over what was there
  CHECK(*disk.ReadAll(dir + "/g") == "new");
  // A folder takes the place of an empty one only: a claim by rename rests on that.
  CHECK_THAT(disk.MakeDir(root + "/e"), IsOk());
  CHECK_THAT(disk.Rename(root + "/e", dir), HasCode(Code::kInvalidArgument, "exists"));
  CHECK_THAT(disk.Remove(dir + "/g"), IsOk());
  CHECK_THAT(disk.Rename(root + "/e", dir), IsOk());
  CHECK_THAT(disk.Remove(dir), IsOk());
  CHECK_THAT(WriteDurable(disk, file, "durable"), IsOk());
  CHECK_THAT(WriteDurable(disk, file, "again"), HasCode(Code::kInvalidArgument, "exists"));
  CHECK(*disk.ReadAll(file) == "durable");
}

void CheckOpenToRead(Storage& disk, const std::string& root) {
  REQUIRE_THAT(PutFile(disk, root + "/file", "hello world"), IsOk());
  const auto open = disk.OpenToRead(root + "/file");
  REQUIRE_THAT(open.status(), IsOk());
  std::string out(5, '?');
  CHECK_THAT((*open)->Read(6, 5, out.data()), IsOk());
  CHECK(out == "world");
  CHECK_THAT((*open)->Read(0, 5, out.data()), IsOk());
  CHECK(out == "hello");
  CHECK_THAT((*open)->Read(7, 5, out.data()), HasCode(Code::kCorruption, "ends at byte 11"));
  CHECK_THAT(disk.OpenToRead(root + "/none").status(), HasCode(Code::kNotFound));
  CHECK_FALSE(disk.OpenToRead(root + "/").ok());
  CHECK_THAT(disk.Remove(root + "/file"), IsOk());
}

}  // namespace

TEST_CASE("a file held open reads the same parts as ReadAt") {
  MemoryStorage memory, under;
  FaultyStorage faulty(under);
  CheckOpenToRead(PosixStorage(), FreshFolder());
  CheckOpenToRead(memory, "");
  CheckOpenToRead(faulty, "");
}

TEST_CASE("POSIX, memory and faulty storage keep the same promises") {
  MemoryStorage memory, under;
  FaultyStorage faulty(under);
  CheckPromises(PosixStorage(), FreshFolder());
  CheckPromises(memory, "");
  CheckPromises(faulty, "");
}

TEST_CASE("the memory disk loses bytes that were not synced and names whose folder was not") {
  MemoryStorage disk;
  REQUIRE_THAT(disk.MakeDir("/a"), IsOk());
  REQUIRE_THAT(disk.SyncDir("/"), IsOk());
  auto out = disk.Create("/a/f", {});
  REQUIRE_THAT(out.status(), IsOk());
  REQUIRE_THAT((*out)->Append("safe"), IsOk());
  REQUIRE_THAT((*out)->Sync(), IsOk());
  REQUIRE_THAT(disk.SyncDir("/a"), IsOk());
  REQUIRE_THAT((*out)->Append(" lost"), IsOk());
  REQUIRE_THAT(PutFile(disk, "/a/unnamed", "x"), IsOk());  // synced, but its folder is not
  REQUIRE_THAT(disk.MakeDir("/b"), IsOk());
  disk.Crash();
  CHECK(*disk.ReadAll("/a/f") == "safe");
  CHECK(*disk.List("/a") == std::vector<std::string>{"f"});
  CHECK_FALSE(disk.Exists("/b"));
  CHECK_THAT((*out)->Append("ghost"), HasCode(Code::kIo, "crash"));
}

TEST_CASE("a rename without a sync of the folder is undone by a crash, and with it stays") {
  MemoryStorage disk;
  REQUIRE_THAT(PutFile(disk, "/old", "x"), IsOk());
  REQUIRE_THAT(disk.SyncDir("/"), IsOk());
  REQUIRE_THAT(disk.Rename("/old", "/new"), IsOk());
  disk.Crash();
  CHECK(disk.Exists("/old"));
  CHECK_FALSE(disk.Exists("/new"));
  REQUIRE_THAT(disk.Rename("/old", "/new"), IsOk());
  REQUIRE_THAT(disk.SyncDir("/"), IsOk());
  disk.Crash();
  CHECK_FALSE(disk.Exists("/old"));
  CHECK(*disk.ReadAll("/new") == "x");
}

TEST_CASE("a seeded crash keeps what was synced and, over seeds, both outcomes of the rest") {
  int names = 0, tails = 0;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    MemoryStorage disk;
    auto out = disk.Create("/f", {});
    REQUIRE_THAT((*out)->Append("safe"), IsOk());
    REQUIRE_THAT((*out)->Sync(), IsOk());
    REQUIRE_THAT(disk.SyncDir("/"), IsOk());
    REQUIRE_THAT((*out)->Append("tail"), IsOk());
    REQUIRE_THAT(PutFile(disk, "/g", "x"), IsOk());
    disk.Crash(seed);
    const auto found = disk.ReadAll("/f");
    REQUIRE_THAT(found.status(), IsOk());
    REQUIRE(std::string("safetail").substr(0, found->size()) == *found);
    REQUIRE(found->size() >= 4);
    names += disk.Exists("/g") ? 1 : 0;
    tails += found->size() == 8 ? 1 : 0;
  }
  CHECK(names > 0);
  CHECK(names < 64);
  CHECK(tails > 0);
  CHECK(tails < 64);
}

TEST_CASE("a full memory disk says so, in the words of a real one") {
  MemoryStorage disk;
  disk.LimitBytes(10);
  CHECK_THAT(disk.Create("/big", {11, false, false}).status(), HasCode(Code::kIo, "No space left"));
  auto out = disk.Create("/f", {});
  CHECK_THAT((*out)->Append("0123456789"), IsOk());
  const Status full = (*out)->Append("x");
  CHECK(IsNoSpace(full));
  CHECK_FALSE(IsNoSpace(Status(Code::kIo, "write f: Input/output error")));
}

TEST_CASE("the n-th change fails as asked, and a death is for ever") {
  MemoryStorage disk;
  FaultyStorage faulty(disk);
  faulty.FailAt(2, Fault::kDieHalf);
  auto out = faulty.Create("/f", {});
  REQUIRE_THAT(out.status(), IsOk());
  CHECK_THAT((*out)->Append("0123456789"), HasCode(Code::kIo));
  CHECK(faulty.fired());
  CHECK(*disk.ReadAll("/f") == "01234");
  CHECK_THAT((*out)->Sync(), HasCode(Code::kIo, "dead"));
  CHECK_THAT(faulty.ReadAll("/f").status(), HasCode(Code::kIo, "dead"));
  faulty.FailAt(1, Fault::kDieAfter);
  CHECK_THAT(faulty.MakeDir("/d"), HasCode(Code::kIo));
  CHECK(disk.Exists("/d"));
  faulty.FailAt(1, Fault::kNoSpace);
  CHECK(IsNoSpace(faulty.MakeDir("/e")));
  CHECK_FALSE(disk.Exists("/e"));
  CHECK_THAT(faulty.MakeDir("/e"), IsOk());
}

TEST_CASE("direct writes, and every way in which O_DIRECT is refused, give the same file") {
  const std::string folder = FreshFolder();
  const auto page = Aligned(3 * 4096, 'p');
  PosixCalls usual, at_open, at_write, pieces;
  at_open.set_flags = RefuseFlags;
  at_write.write = RefuseDirectWrite;
  pieces.write = WriteOddPieces;
  int number = 0;
  for (const PosixCalls& calls : {usual, at_open, at_write, pieces}) {
    const std::string path = folder + "/" + std::to_string(number++);
    INFO(path);
    const auto disk = NewPosixStorage(calls);
    auto out = disk->Create(path, {5 * 4096, true, false});
    REQUIRE_THAT(out.status(), IsOk());
    CHECK_THAT((*out)->Append({page.get(), 3 * 4096}), IsOk());
    CHECK_THAT((*out)->Append({page.get(), 4096}), IsOk());
    CHECK_THAT((*out)->Append("an odd end"), IsOk());
    CHECK_THAT((*out)->Sync(), IsOk());
    CHECK_THAT((*out)->Close(), IsOk());
    CHECK(*disk->ReadAll(path) == std::string(4 * 4096, 'p') + "an odd end");
  }
}

TEST_CASE("direct reads, and every way in which O_DIRECT is refused, give the same bytes") {
  const std::string path = FreshFolder() + "/f";
  std::string bytes(5 * 4096 + 77, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  REQUIRE_THAT(PutFile(PosixStorage(), path, bytes), IsOk());
  PosixCalls usual, cached, at_flags, at_read;
  for (PosixCalls* calls : {&usual, &cached, &at_flags}) calls->pread = CountDirectReads;
  for (PosixCalls* calls : {&usual, &at_flags, &at_read}) calls->is_cached = NeverCached;
  cached.is_cached = AlwaysCached;
  at_flags.set_flags = RefuseFlags;
  at_read.pread = RefuseDirectRead;
  const auto memory = Aligned(4 * 4096, '?');
  const std::pair<PosixCalls, int> ways[] = {{usual, 2}, {cached, 0}, {at_flags, 0}, {at_read, 0}};
  for (const auto& [calls, direct] : ways) {
    direct_reads = 0;
    const auto disk = NewPosixStorage(calls);
    const auto file = disk->OpenToRead(path);
    REQUIRE_THAT(file.status(), IsOk());
    (*file)->GoDirect();
    const auto check = [&](size_t offset, size_t count, char* out) {
      REQUIRE_THAT((*file)->Read(offset, count, out), IsOk());
      CHECK(std::string(out, count) == bytes.substr(offset, count));
    };
    check(4096, 4 * 4096, memory.get());
    check(4096, 4096, memory.get() + 1);  // memory anywhere
    check(5 * 4096, 77, memory.get());    // the odd end
    check(10, 4096, memory.get());        // from anywhere
    check(0, 2 * 4096, memory.get() + 2 * 4096);
    CHECK(direct_reads == direct);
    CHECK_THAT((*file)->Read(4 * 4096, 4 * 4096, memory.get()),
               HasCode(Code::kCorruption, "ends at byte"));
  }
}

TEST_CASE("where O_DIRECT is required a refusal is an error and leaves no file") {
  const std::string folder = FreshFolder();
  PosixCalls at_open, at_write;
  at_open.set_flags = RefuseFlags;
  at_write.write = RefuseDirectWrite;
  const auto refused = NewPosixStorage(at_open);
  CHECK_THAT(refused->Create(folder + "/f", {0, true, true}).status(),
             HasCode(Code::kIo, "O_DIRECT"));
  CHECK_FALSE(refused->Exists(folder + "/f"));
}

TEST_CASE("fallocate may be missing, and a full disk is found before the first byte") {
  const std::string folder = FreshFolder();
  PosixCalls none, full;
  none.fallocate = NoFallocate;
  full.fallocate = FullFallocate;
  CHECK_THAT(NewPosixStorage(none)->Create(folder + "/a", {1 << 20, false, false}).status(),
             IsOk());
  const auto status =
      NewPosixStorage(full)->Create(folder + "/b", {1 << 20, false, false}).status();
  CHECK_THAT(status, HasCode(Code::kIo, "fallocate " + folder + "/b: No space left on device"));
  CHECK(IsNoSpace(status));
  CHECK_FALSE(PosixStorage().Exists(folder + "/b"));
}

TEST_CASE("a reservation does not show in the file's length") {
  const std::string path = FreshFolder() + "/f";
  auto out = PosixStorage().Create(path, {1 << 20, false, false});
  REQUIRE_THAT(out.status(), IsOk());
  CHECK_THAT((*out)->Append("short"), IsOk());
  CHECK_THAT((*out)->Close(), IsOk());
  CHECK(*PosixStorage().SizeOf(path) == 5);
}

// There another machine may take the file away, and a page that was not yet read ends the process.
TEST_CASE("a file on a network file system is read and not mapped") {
  PosixCalls calls;
  calls.is_remote = [](int) { return true; };
  const auto storage = NewPosixStorage(calls);
  const std::string path = FreshFolder() + "/f", text(1 << 16, 'x');
  REQUIRE_THAT(WriteSynced(*storage, path, text), IsOk());
  const Result<FileBytes> file = storage->Map(path);
  REQUIRE_THAT(file.status(), IsOk());
  REQUIRE(truncate(path.c_str(), 0) == 0);
  CHECK(std::string(file->bytes) == text);
}

TEST_CASE("a failed fsync is final: the file is lost and fsync is not tried again") {
  PosixCalls calls;
  calls.sync = FailSync;
  syncs = 0;
  const std::string path = FreshFolder() + "/f";
  auto out = NewPosixStorage(calls)->Create(path, {});
  REQUIRE_THAT(out.status(), IsOk());
  CHECK_THAT((*out)->Append("x"), IsOk());
  CHECK_THAT((*out)->Sync(), HasCode(Code::kIo, "fsync " + path + ": Input/output error"));
  CHECK_THAT((*out)->Sync(), HasCode(Code::kIo, "fsync"));
  CHECK_THAT((*out)->Append("y"), HasCode(Code::kIo, "fsync"));
  CHECK_THAT((*out)->Close(), HasCode(Code::kIo, "fsync"));
  CHECK(syncs == 1);
}

TEST_CASE("a full disk in the middle of a write is told by its text") {
  PosixCalls calls;
  calls.write = WriteDiskFull;
  const std::string path = FreshFolder() + "/f";
  auto out = NewPosixStorage(calls)->Create(path, {});
  REQUIRE_THAT(out.status(), IsOk());
  const Status status = (*out)->Append("x");
  CHECK_THAT(status, HasCode(Code::kIo, "write " + path + ": No space left on device"));
  CHECK(IsNoSpace(status));
}

}  // namespace stemma::lineage
