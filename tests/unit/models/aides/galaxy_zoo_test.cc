#include "models/aides/galaxy_zoo.h"

#include <algorithm>
#include <set>
#include <string>

#include "lineage/memory_storage.h"

#include <catch2/catch.hpp>
#include "tests/support/must_put.h"
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using lineage::MemoryStorage;
using tests::HasCode;
using tests::IsOk;
using tests::MustPut;

constexpr char kHead[] = "OBJID,RA,P_EL,P_EL_DEBIASED,P_CS_DEBIASED,SPIRAL\n";

std::string Line(int id, const std::string& elliptical, const std::string& spiral) {
  return std::to_string(id) + ",00:00:01,0.5," + elliptical + "," + spiral + ",1\n";
}

// Ids 1000 to 1019 certain spirals, 1020 to 1029 certain ellipticals, 1030 to 1034 neither.
std::string Rows() {
  std::string text;
  for (int id = 1000; id < 1020; ++id) text += Line(id, "0.01", id == 1000 ? "0.985" : "0.99");
  for (int id = 1020; id < 1030; ++id) text += Line(id, id == 1020 ? "0.926" : "1", "0");
  text += Line(1030, "0.9259", "0.05") + Line(1031, "0.01", "0.9849");
  for (int id = 1032; id < 1035; ++id) text += Line(id, "0.4", "0.6");
  return text;
}

std::set<std::string> Ids(const std::vector<ZooGalaxy>& galaxies) {
  std::set<std::string> ids;
  for (const ZooGalaxy& g : galaxies) ids.insert(g.id);
  return ids;
}

TEST_CASE("galaxy zoo: thresholds make classes, what DES has seen is for tests") {
  MemoryStorage disk;
  MustPut(disk, "/zoo.csv", kHead + Rows());
  MustPut(disk, "/des.txt", "# seen\n1000\r\n1020\n1030\n1032\n77\n");
  ZooSettings settings{"/zoo.csv", "/des.txt", "", 5, 1};
  const auto zoo = SelectGalaxies(disk, settings);
  REQUIRE_THAT(zoo.status(), IsOk());
  CHECK(zoo->rows == 35);
  CHECK(zoo->spirals == 20);
  CHECK(zoo->ellipticals == 10);
  CHECK(zoo->seen_by_des == 2);
  CHECK(zoo->unknown == 1);
  CHECK(zoo->train.size() == 23);
  CHECK(zoo->validation.size() == 5);
  CHECK(Ids(zoo->certain_test) == std::set<std::string>{"1000", "1020"});
  CHECK(Ids(zoo->test) == std::set<std::string>{"1000", "1020", "1030", "1032"});
  CHECK((zoo->test[0].label == 1 && zoo->test[1].label == 0 && zoo->test[2].label == 0 &&
         zoo->test[3].label == 1));
  std::set<std::string> all = Ids(zoo->train);
  for (const std::string& id : Ids(zoo->validation)) CHECK(all.insert(id).second);
  CHECK(all.size() == 28);
  CHECK((all.count("1001") == 1 && all.count("1031") == 0 && all.count("1000") == 0));
  for (const ZooGalaxy& g : zoo->train) CHECK(g.label == (g.id < "1020" ? 1 : 0));

  // The choice does not depend on the table's order, but on the seed.
  std::string turned;
  for (std::string rest = Rows(); !rest.empty();) {
    const size_t end = rest.find('\n') + 1;
    turned.insert(0, rest.substr(0, end));
    rest.erase(0, end);
  }
  MustPut(disk, "/turned.csv", kHead + turned);
  settings.table = "/turned.csv";
  CHECK(Ids(SelectGalaxies(disk, settings)->validation) == Ids(zoo->validation));
  settings.seed = 2;
  CHECK(Ids(SelectGalaxies(disk, settings)->validation) != Ids(zoo->validation));

  REQUIRE_THAT(WriteCatalogues(disk, *zoo, "/out"), IsOk());
  CHECK(*disk.ReadAll("/out/certain_test.tsv") ==
        "file\tx\ty\thalf\tlabel\n1000.{band}.fits\t-\t-\t-\tspiral\n"
        "1020.{band}.fits\t-\t-\t-\telliptical\n");
  CHECK_THAT(WriteCatalogues(disk, *zoo, "/out"), HasCode(Code::kInvalidArgument));
}

TEST_CASE("galaxy zoo: galaxies without images of all bands are left out") {
  MemoryStorage disk;
  MustPut(disk, "/zoo.csv", kHead + Rows());
  REQUIRE_THAT(disk.MakeDir("/im"), IsOk());
  for (const char* id : {"1003", "1004", "1021"}) {
    for (const char* band : {"g", "r", "i"}) {
      if (id == std::string("1004") && band == std::string("r")) continue;
      MustPut(disk, std::string("/im/") + id + "." + band + ".fits", "x");
    }
  }
  const auto zoo = SelectGalaxies(disk, {"/zoo.csv", "", "/im", 0, 1});
  REQUIRE_THAT(zoo.status(), IsOk());
  CHECK(Ids(zoo->train) == std::set<std::string>{"1003", "1021"});
  CHECK(zoo->without_images == 28);
  REQUIRE_THAT(WriteCatalogues(disk, *zoo, "/out"), IsOk());
  CHECK(disk.ReadAll("/out/train.tsv")->find("\n/im/1003.{band}.fits\t-\t-\t-\tspiral\n") !=
        std::string::npos);
  CHECK_FALSE(disk.Exists("/out/test.tsv"));
}

TEST_CASE("galaxy zoo: a table that is wrong is refused with its line") {
  MemoryStorage disk;
  const std::string good = Line(1, "0", "1") + Line(2, "1", "0");
  struct Bad {
    std::string text, word;
  };
  for (const Bad& bad : {
           Bad{"", ":1: no column OBJID"},
           Bad{"OBJID,P_EL_DEBIASED\n", ":1: no column P_CS_DEBIASED"},
           Bad{kHead + good + "3,0,0\n", ":4: P_EL_DEBIASED = ''"},
           Bad{kHead + Line(3, "1.5", "0"), ":2: P_EL_DEBIASED = '1.5' must be 0 to 1"},
           Bad{kHead + Line(3, "0", "nan"), "P_CS_DEBIASED = 'nan'"},
           Bad{kHead + Line(3, "0.95", "0.99"), "both classes"},
           Bad{kHead + good + Line(2, "1", "0"), ":4: OBJID 2 is there a second time"},
           Bad{kHead + good, "2 galaxies for validation, but the table has 2"},
       }) {
    if (disk.Exists("/t.csv")) REQUIRE_THAT(disk.Remove("/t.csv"), IsOk());
    MustPut(disk, "/t.csv", bad.text);
    CHECK_THAT(SelectGalaxies(disk, {"/t.csv", "", "", 2, 1}).status(),
               HasCode(Code::kInvalidArgument, bad.word));
  }
  CHECK_THAT(SelectGalaxies(disk, {"/none.csv", "", "", 2, 1}).status(),
             HasCode(Code::kNotFound, "none.csv"));
}

}  // namespace
}  // namespace stemma::models
