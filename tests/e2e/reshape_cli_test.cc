// The verbs that make states of other states, as people run them: for other ranks, in another
// order, parts, stacks, new packs, another store; and the way back to an older state.
#include <string>

#include <nlohmann/json.hpp>

#include "core/bytes.h"

#include "tests/e2e/cli_box.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using tests::Box;
using tests::Done;
using tests::IsOk;

// Box::Fill makes r@100, r@200 and r@300: net.fc.weight [30, 30] is 1, 2, 3 everywhere,
// net.head.weight [100] is 7, optim.m/net.fc.weight 0.5.

nlohmann::json Shown(const Box& box, const std::string& state) {
  return nlohmann::json::parse(box.OnStore("show " + state + " --json").text);
}

TEST_CASE("reshape and shuffle write records that say what they changed", "[cli]") {
  Box box("reshape");
  REQUIRE_THAT(box.Fill(), IsOk());
  const Done wide = box.OnStore("reshape r@300 --ranks 4 --name wide");
  CHECK(wide.code == 0);
  CHECK(wide.Says("reshaped wide from " + Hex(box.ids[2]).substr(0, 8) + " r@300: ranks 1 -> 4"));
  CHECK(wide.Says("start  mpirun -n 4 stemma train --run wide --store store"));
  const auto state = Shown(box, "wide@300");
  CHECK(state["ranks"] == 4);
  CHECK(state["bytes"]["stored"] == 0);
  CHECK(state["parents"][0]["kind"] == "reshape");
  CHECK(state["parents"][0]["id"] == Hex(box.ids[2]));
  CHECK(state["attributes"]["reshape.ranks"] == 4);
  CHECK(box.OnStore("show wide@300").Says("by reshape, ranks 1 -> 4"));
  CHECK(box.OnStore("show wide@ --settings").Says("run.name = \"wide\""));

  const Done other = box.OnStore("shuffle 'r@<=250' --seed 7 --name other");
  CHECK(other.code == 0);
  CHECK(other.Says("r@200: seed 0 -> 7"));
  CHECK(box.OnStore("show other@ --settings").Says("train.seed = 7"));
  CHECK(box.OnStore("show other@").Says("by reshape, shuffle 0 -> 7"));
  CHECK(box.OnStore("find \"attr.reshape.how = 'shuffle'\" --ids").text ==
        std::string(Shown(box, "other@")["id"]) + "\n");
  const Done graph = box.OnStore("log --graph");
  CHECK(graph.Says("reshape: ranks 1 -> 4"));
  CHECK(graph.Says("┆"));

  CHECK(box.OnStore("reshape r@300 --ranks 1 --name x").Says("is for 1 ranks already"));
  CHECK(box.OnStore("reshape r@300 --name x").code == 2);
  CHECK(box.OnStore("reshape r@300 --ranks 2").Says("--name=NAME"));
  CHECK(box.OnStore("shuffle r@300 --name x").Says("--seed=S"));
  CHECK(box.OnStore("fork r@300 --name x --set train.seed=7").Says("`stemma shuffle` changes it"));
  CHECK(box.OnStore("reshape r@300 --ranks 2 --name wide").Says("'wide' exists"));
  CHECK(box.OnStore("fsck --read-data").code == 0);
}

TEST_CASE("slice, stack and rebalance write states that every other verb takes", "[cli]") {
  Box box("slice");
  REQUIRE_THAT(box.Fill(), IsOk());
  const Done sliced = box.OnStore("slice r@300 --section params --name weights");
  CHECK(sliced.code == 0);
  CHECK(sliced.Says("sliced weights from " + Hex(box.ids[2]).substr(0, 8) + " r@300: 2 tensors, "));
  CHECK(Shown(box, "weights@")["tensors"].size() == 2);
  CHECK(box.OnStore("slice r@200 --section params --name older --parts 2 --quiet").code == 0);
  const Done stacked = box.OnStore("stack weights@ older@ --name pair");
  CHECK(stacked.code == 0);
  const auto pair = Shown(box, "pair@");
  CHECK(pair["parents"].size() == 2);
  CHECK(pair["tensors"][0]["shape"] == nlohmann::json::parse("[2, 30, 30]"));
  CHECK(box.OnStore("slice pair@ --at 1 --name second").code == 0);
  CHECK(Shown(box, "second@")["digests"]["layout"] == Shown(box, "older@")["digests"]["layout"]);
  CHECK(box.OnStore("diff second@ older@").Says("identical: every bit"));
  CHECK(box.OnStore("slice r@300 --keep net.fc.weight --rows 10:20 --name rows").code == 0);
  CHECK(Shown(box, "rows@")["tensors"][0]["shape"] == nlohmann::json::parse("[10, 30]"));
  CHECK(box.OnStore("slice r@300 --keep optim.m/* --name moments").code == 0);
  CHECK(box.OnStore("stack weights@ moments@ --merge --name whole").code == 0);
  CHECK(Shown(box, "whole@")["tensors"].size() == 3);
  CHECK(box.OnStore("log --graph").Says("reshape: stack of 2"));
  CHECK(box.OnStore("find 'parents(pair@)' --ids").text.size() == 2 * 65);

  const Done packed = box.OnStore("rebalance r@300 --parts 2 --name packed");
  CHECK(packed.code == 0);
  CHECK(packed.Says("start  stemma train --run packed --store store"));
  CHECK(Shown(box, "packed@")["packs"].size() == 2);
  CHECK(box.OnStore("diff packed@ r@300").Says("identical: every bit"));
  CHECK(box.OnStore("export weights@ --safetensors w.safetensors").code == 0);
  CHECK(box.OnStore("fsck --read-data").code == 0);

  CHECK(box.OnStore("slice r@300 --keep net.fc.wieght --name x")
            .Says("did you mean 'net.fc.weight'"));
  CHECK(box.OnStore("slice r@300 --rows 20:10 --name x").Says("is no range of rows"));
  CHECK(box.OnStore("slice r@300 --rows 0:200 --name x").Says("has no rows 0 to 200"));
  CHECK(box.OnStore("slice r@300 --rows 0:2 --at 1 --name x").code == 2);
  CHECK(box.OnStore("stack r@300 --name x").code == 2);
  CHECK(box.OnStore("stack r@300 r@200 --merge --name x").Says("have a tensor 'net.fc.weight'"));
  CHECK(box.OnStore("rebalance r@300 --parts 0 --name x").Says("--parts is 1 to 4096"));
  CHECK(box.OnStore("log x").code != 0);
}

TEST_CASE("migrate takes a run to another store, and again costs nothing", "[cli]") {
  Box box("migrate");
  REQUIRE_THAT(box.Fill(), IsOk());
  CHECK(box.OnStore("tag best r@200").code == 0);
  const Done one = box.OnStore("migrate r@300 --to there");
  CHECK(one.code == 0);
  CHECK(one.Says("1 state is whole in there, 0 of them had been before"));
  CHECK(one.Says("records without bytes  2"));
  CHECK(box.Run("log --store=there").Says("pruned"));
  const Done all = box.OnStore("migrate r --to there --tags --json");
  CHECK(all.code == 0);
  const auto numbers = nlohmann::json::parse(all.text);
  CHECK(numbers["states"] == 3);
  CHECK(numbers["states_there"] == 1);
  CHECK(numbers["packs"] == 2);
  CHECK(numbers["tags"] == 1);
  CHECK(nlohmann::json::parse(box.OnStore("migrate r --to there --json").text)["bytes"] == 0);
  CHECK(box.Run("show tag:best --store=there --json").Says(Hex(box.ids[1])));
  CHECK(box.Run("verify --all --store=there").code == 0);
  CHECK(box.Run("fsck --read-data --store=there").code == 0);
  CHECK(box.Run("fork r@300 --name on --store=there").code == 0);
  CHECK(box.OnStore("migrate r --to store").Says("is the store that the states are in"));
  CHECK(box.OnStore("migrate r").code == 2);
  CHECK(box.OnStore("migrate nobody --to there").code == 1);
}

// Back to an older state: a run of its own, and what came after it stays where it was.
TEST_CASE("an older state is gone back to by a fork, in each way to name it", "[cli]") {
  Box box("revisit");
  REQUIRE_THAT(box.Fill(), IsOk());
  CHECK(box.OnStore("tag here r@200").code == 0);
  const std::string second = Hex(box.ids[1]);
  int number = 0;
  for (const std::string& state :
       {std::string("'r@<=250'"), std::string("r@200"), std::string("tag:here"),
        std::string("r@~1"), second.substr(0, 8), std::string("'loss = 0.5 & run(r)'"),
        std::string("'prev(r@300)'")}) {
    INFO(state);
    const std::string name = "back" + std::to_string(++number);
    const Done forked = box.OnStore("fork " + state + " --name " + name);
    CHECK(forked.code == 0);
    CHECK(Shown(box, name + "@")["parents"][0]["id"] == second);
  }
  CHECK(Shown(box, "r@")["id"] == Hex(box.ids[2]));  // the run's head is what it was
  CHECK(box.OnStore("find 'next(r@200) & run(r)' --ids").text == Hex(box.ids[2]) + "\n");
  CHECK(box.OnStore("find 'prev(r@200)' --ids").text == Hex(box.ids[0]) + "\n");
  CHECK(box.OnStore("fork --help").Says("To go back to an older state, fork it"));
}

}  // namespace
}  // namespace stemma
