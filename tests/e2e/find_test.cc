// Queries on the command line: what `find` prints in each form, and the verbs that take a query in
// the place of a state.
#include <string>

#include <nlohmann/json.hpp>

#include "core/bytes.h"
#include "lineage/store.h"

#include "tests/e2e/cli_box.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using tests::Box;
using tests::Done;
using tests::IsOk;

// Box::Fill makes r@100, r@200 and r@300 with losses 1, 0.5 and 1/3.

TEST_CASE("find prints lines, ids, CSV, JSON and explanations", "[cli]") {
  Box box("find");
  REQUIRE_THAT(box.Fill(), IsOk());
  const std::string first = Hex(box.ids[0]), second = Hex(box.ids[1]), third = Hex(box.ids[2]);
  CHECK(box.OnStore("find 'loss > 0.4' --ids").text == second + "\n" + first + "\n");
  CHECK(box.OnStore("find 'loss > 0.4 order by step' --ids -n 1").text == first + "\n");
  const Done lines = box.OnStore("find 'step >= 200 & lr > 0'");
  CHECK(lines.code == 0);
  CHECK(lines.text.find(third.substr(0, 8) + "  r@300") == 0);
  CHECK(lines.Says("hp.optim.lr 0.001"));
  CHECK_FALSE(lines.Says("r@100"));
  const std::string csv = box.OnStore("find 'best(loss) & hp.optim.lr > 0' --csv").text;
  CHECK(csv.find("id,run,step,incarnation,samples,epoch,time,metric.loss,hp.optim.lr\n" + third +
                 ",r,300,1,9600,6.0,20") == 0);
  CHECK_THAT(csv, Catch::EndsWith(",0.3333333333333333,0.001\n"));
  const auto json = nlohmann::json::parse(box.OnStore("find 'best(loss) & lr > 0' --json").text);
  CHECK(json["id"] == third);
  CHECK(json["values"]["hp.optim.lr"] == 0.001);
  CHECK(box.OnStore("find 'heads() | loss > 0.4' --explain").text ==
        "3  heads() | loss > 0.4\n1    heads()\n2    loss > 0.4    (loss is metric.loss)\n");
}

TEST_CASE("find returns 1 when nothing matches and 2 for what is no query", "[cli]") {
  Box box("find-none");
  REQUIRE_THAT(box.Fill(), IsOk());
  const Done none = box.OnStore("find 'heads() & loss > 0.4'");
  CHECK(none.code == 1);
  CHECK(none.Says("no state is in all of `heads()` (1 state), `loss > 0.4` (2 states)"));
  for (const char* words :
       {"find 'loss >'", "find '('", "find 'loss > \"x\"'", "find", "find 'all()' --ids --csv"}) {
    INFO(words);
    CHECK(box.OnStore(words).code == 2);
  }
}

TEST_CASE("what a query keeps no prune takes, until it is let go", "[cli]") {
  Box box("keep");
  REQUIRE_THAT(box.Fill(), IsOk());
  CHECK(box.OnStore("keep").code == 2);
  CHECK(box.OnStore("keep r@100 --undo --ttl=1d").code == 2);
  CHECK(box.OnStore("keep 'loss > 0.9'").Says("is kept"));
  CHECK(box.OnStore("prune r@100 --apply").Says("kept: marked to be kept"));
  CHECK(box.OnStore("keep r@100 --undo").Says("may go"));
  CHECK(box.OnStore("keep r@100 --undo").Says("is neither marked to be kept nor critical"));
  CHECK(box.OnStore("prune r@100 --apply").Says("1 state marked"));
  CHECK(box.OnStore("keep r@100").Says("r@100 is pruned"));
}

// Whoever has read three lines knows that the log was looked at, so the fourth line is news. Then
// nobody reads any more, and the log ends.
TEST_CASE("a log that is followed shows each state that comes, until nobody reads", "[cli]") {
  Box box("follow");
  REQUIRE_THAT(box.Fill(), IsOk());
  CHECK(box.OnStore("log --graph --follow").code == 2);
  const std::string fork = "'" + tests::Program() + "' fork r@200 --store=store --quiet --name=f";
  const Done lines = box.Run("log --follow --store=store | { read a; read b; read c; " + fork +
                             "1; read d; echo \"first $a, then $d\"; }");
  CHECK(lines.code == 0);
  CHECK_THAT(lines.text, Catch::Contains("first ") && Catch::Contains("r@100") &&
                             Catch::Contains(", then ") && Catch::Contains("f1@200"));
}

TEST_CASE("a query that selects no state yet may be followed", "[cli]") {
  Box box("follow-none");
  REQUIRE_THAT(box.Fill(), IsOk());
  const std::string query = "'children(r@200) & step = 200'";
  CHECK(box.OnStore("log " + query).code == 1);
  const Done line =
      box.Run("log " + query + " --follow --json --store=store | { '" + tests::Program() +
              "' fork r@200 --store=store --quiet --name=f2; " + "read a; echo \"$a\"; }");
  CHECK(line.code == 0);
  CHECK_THAT(line.text, Catch::Contains("f2@200"));
}

TEST_CASE("a query stands where a state does, if it selects one", "[cli]") {
  Box box("find-one");
  REQUIRE_THAT(box.Fill(), IsOk());
  CHECK(box.OnStore("show 'best(loss)'").Says("r@300"));
  CHECK(box.OnStore("diff 'roots()' 'heads()'").Says("net.fc"));
  CHECK(box.OnStore("tag low 'highest(loss)'").Says("r@100"));
  CHECK(box.OnStore("fork 'loss = 0.5' --name f").Says("r@200"));
  CHECK(box.OnStore("log 'loss < 0.6 & run(r)'").Says("2 of 4 states"));
  CHECK(box.OnStore("log r@200").Says("2 of 4 states"));  // a plain name: with its ancestors
  const Done several = box.OnStore("show 'loss < 0.6'");
  CHECK(several.code == 2);
  CHECK(several.Says("(r@300, incarnation 1)"));
  CHECK(several.Says("narrow it"));
  CHECK(box.OnStore("show 'loss < 0.1'").Says("`loss < 0.1` selects no state"));
  CHECK(box.OnStore("show r@250").Says("its neighbours are r@200 and r@300"));
}

}  // namespace
}  // namespace stemma
