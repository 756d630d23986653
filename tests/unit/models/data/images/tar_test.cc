#include <cstdio>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/memory_storage.h"
#include "models/data/images/shard_index.h"
#include "models/data/images/tar.h"

#include <catch2/catch.hpp>

#include "tests/support/must_put.h"
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using lineage::MemoryStorage;
using tests::HasCode;
using tests::IsOk;
using tests::MustPut;

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
  char digits[16];
  std::snprintf(digits, sizeof digits, "%06o", unsigned(sum));
  header.replace(148, 7, digits, 7);
  return header;
}

Result<std::vector<File>> FilesOf(const std::string& tar) {
  MemoryStorage disk;
  MustPut(disk, "/t", tar);
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
      {Typed("l\x1b", 0, '\x1b') + TarEnd(), "'l?' is no regular file (type '?')"},
      {Typed("a\nb", 0, '0') + TarEnd(), "control characters"},
      {Typed("g", 8, 'x') + record + TarPadding(8) + TarEnd(), "not made of records"},
      {Typed("g", 13, 'g') + "13 path=abcd\n" + TarPadding(13) + TarEnd(), "names a path"},
      {Typed("L", 5000, 'L') + TarEnd(), "its file of 5000 bytes ends behind"},
      {Typed("L", 2 << 20, 'L') + TarEnd(), "long name or pax header of 2097152"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.says);
    CHECK_THAT(FilesOf(one.tar).status(), HasCode(Code::kCorruption, one.says));
    CHECK_THAT(FilesOf(one.tar).status(), HasCode(Code::kCorruption, "/t, header at byte"));
  }
}

Result<ShardIndex> IndexOfFiles(const std::vector<File>& files) {
  MemoryStorage disk;
  MustPut(disk, "/t.tar", TarOf(files));
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
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string lines = text.substr(0, text.rfind("end "));
    lines.replace(lines.find(from), from.size(), to);
    return DecodeIndex(lines + "end " + Hex(Xxh128(lines)) + "\n", "/t.idx").status();
  };
  CHECK_THAT(changed("k 2", "k\x1b!"), HasCode(Code::kCorruption, "a control char"));
  CHECK_THAT(changed("fields jpg", "fields  jpg"), HasCode(Code::kCorruption, "no name"));
  CHECK_THAT(changed("fields jpg", "fields j\x1bg"), HasCode(Code::kCorruption, "no name"));
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

TEST_CASE("index: it lies beside its shard, and replaces no other's") {
  CHECK(IndexPathOf("/d/a.tar") == "/d/a.idx");
  CHECK(IndexPathOf("/d.tar/a") == "/d.tar/a.idx");
  CHECK(IndexPathOf("/d/a.tar.gz") == "/d/a.tar.gz.idx");
  CHECK(IndexPathOf("a") == "a.idx");
}

TEST_CASE("index: samples that are none are named") {
  const auto says = [](const std::vector<File>& files, const char* what) {
    CHECK_THAT(IndexOfFiles(files).status(), HasCode(Code::kCorruption, what));
    CHECK_THAT(IndexOfFiles(files).status(), HasCode(Code::kCorruption, "/t.tar, file at byte"));
  };
  says({{"nofield", "x"}}, "'nofield' has no field");
  says({{".jpg", "x"}}, "'.jpg' has no key");  // an index could not say it
  says({{"a.jpg", "x"}, {"a.jpg", "y"}}, "'a.jpg' is there twice");
  says({{"a.jpg", "x"}, {"b.jpg", "y"}, {"a.cls", "1"}}, "must be neighbours");
}

}  // namespace
}  // namespace stemma::models
