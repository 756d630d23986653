#include <set>
#include <string>

#include "lineage/names.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::lineage {

using tests::HasCode;
using tests::IsOk;

TEST_CASE("no name of a run or tag is a path") {
  for (const char* good : {"a", "laptop", "0", "v1.2-rc_3", "A.b"}) CHECK(IsName(good));
  for (const char* bad : {"", ".", "..", "-x", "_x", "a/b", "a b", "../x", "a\n", "\xc3\xa4", "a:b",
                          "tag:x", "a@1", "~"}) {
    CHECK_FALSE(IsName(bad));
  }
  CHECK(IsName(std::string(128, 'a')));
  CHECK_FALSE(IsName(std::string(129, 'a')));
  CHECK_FALSE(IsName(std::string("a\0b", 3)));
  CHECK_THAT(CheckName("run", "a/b"), HasCode(Code::kInvalidArgument, "'a/b' cannot name a run"));
  CHECK_THAT(CheckName("run", "ab"), IsOk());
}

TEST_CASE("an ulid survives the way to bytes and back, and no other text is one") {
  // The example of the ULID specification: 0x01563E3AB5D3D6764C61EFB99302BD5B.
  const std::string text = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  REQUIRE(UlidToBytes(text).size() == 16);
  CHECK(UlidFromBytes(UlidToBytes(text)) == text);
  CHECK(UlidFromBytes(std::string(16, '\xff')) == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
  CHECK(UlidFromBytes(std::string(16, '\0')) == "00000000000000000000000000");
  CHECK(UlidToBytes("00000000000000000000000001") == std::string(15, '\0') + '\1');
  for (const char* bad :
       {"", "01ARZ3NDEKTSV4RRFFQ69G5FA", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav",
        "01ARZ3NDEKTSV4RRFFQ69G5FAU", "01ARZ3NDEKTSV4RRFFQ69G5FA/"}) {
    CHECK_FALSE(IsUlid(bad));
  }
}

TEST_CASE("ulids made in one instant differ") {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(NewUlid());
  CHECK(seen.size() == 1000);
  for (const std::string& ulid : seen) CHECK(IsUlid(ulid));
}

TEST_CASE("every path that is made is parsed, and near misses are not") {
  const Paths paths("/s");
  const std::string run = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  const ObjectId id(32, '\xab');
  std::string hex;
  for (int i = 0; i < 32; ++i) hex += "ab";
  CHECK(paths.Object(ObjectKind::kPack, id) == "/s/objects/pack/ab/" + hex);
  CHECK(paths.Object(ObjectKind::kBlob, id) == "/s/objects/blob/ab/" + hex);
  CHECK(paths.LogSegment(run, 1, 2) == "/s/runs/" + run + "/inc-0001/log.000002.seg");
  CHECK(paths.TagTarget("best", 12) == "/s/tags/best/v000012/target");
  CHECK(paths.EpochBeat(3) == "/s/gc/epoch-000003/beat");
  CHECK(ParseEpoch(BaseOf(paths.TrashOf(3))) == 3u);
  CHECK(paths.NameRunFile("laptop") == "/s/names/laptop/run");

  CHECK(ParseIncarnation(BaseOf(paths.IncarnationDir(run, 7))) == 7u);
  CHECK(ParseIncarnation(BaseOf(paths.IncarnationDir(run, 123456))) == 123456u);
  CHECK(ParseLogSegment(BaseOf(paths.LogSegment(run, 1, 42))) == 42u);
  CHECK(ParseTagVersion(BaseOf(paths.TagVersionDir("x", 4294967295u))) == 4294967295u);
  CHECK(ParseObject(hex) == id);
  CHECK(ParseTmp(BaseOf(paths.TmpOf(run, 9)))->incarnation == 9);
  CHECK(ParseAside(BaseOf(paths.Aside(id, run))) == id);
  CHECK_FALSE(ParseAside("mend-" + hex));
  CHECK_FALSE(ParseAside("mend-" + hex + "-" + run + "x"));
  CHECK_FALSE(ParseAside(hex + "-" + run));
  CHECK(ParseNotesSegment(BaseOf(paths.NotesSegment(run, 3)))->segment == 3);
  CHECK(ParseNotesSegment(BaseOf(paths.NotesSegment(run, 3)))->writer == run);
  CHECK(ParseDamagedNotes(BaseOf(paths.DamagedNotes(run, 3)))->segment == 3);
  CHECK_FALSE(ParseNotesSegment(BaseOf(paths.DamagedNotes(run, 3))));

  for (const char* bad : {"inc-", "inc-1", "inc-00001", "inc-0001x", "inc-99999999999", ".nfs0001",
                          "inc--001", "inc-+001"}) {
    CHECK_FALSE(ParseIncarnation(bad).has_value());
  }
  CHECK_FALSE(ParseLogSegment("log.000001.seg~").has_value());
  CHECK_FALSE(ParseTagVersion("v4294967296").has_value());
  hex[0] = 'A';
  CHECK_FALSE(ParseObject(hex).has_value());
  CHECK_FALSE(ParseTmp(run).has_value());
}

TEST_CASE("an empty store's folders come parents first") {
  const Paths paths("s");
  std::set<std::string> made = {"s"};
  for (const std::string& dir : paths.AllDirs()) {
    INFO(dir);
    CHECK(made.count(ParentOf(dir)) == 1);
    CHECK(made.insert(dir).second);
  }
  CHECK(made.count(paths.ObjectDir(ObjectKind::kLayout, ObjectId(32, '\xff'))) == 1);
  CHECK(made.count("s/tmp") == 1);
}

}  // namespace stemma::lineage
