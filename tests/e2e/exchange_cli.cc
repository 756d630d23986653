// The verbs that take states out and in, count and prove their bytes and search among them, as
// people run them. A part of cli_test.
#include <filesystem>
#include <fstream>
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
using tests::Shell;
namespace fs = std::filesystem;

std::string Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// By a program that knows json and struct and nothing of Stemma.
std::string Dump(const fs::path& file) {
  const Done done = Shell("python3 '" + fs::absolute("tests/e2e/exported_file.py").string() +
                          "' '" + file.string() + "'");
  CHECK(done.code == 0);
  return done.text;
}

nlohmann::json LastLine(const std::string& text) {
  const size_t begin = text.rfind('\n', text.size() - 2) + 1;
  return nlohmann::json::parse(text.substr(begin));
}

TEST_CASE("export writes files that any program reads, and replaces none unasked", "[cli]") {
  Box box("export");
  REQUIRE_THAT(box.Fill(), IsOk());
  const Done out = box.OnStore("export r@300 --safetensors out/ --optimizer");
  CHECK(out.code == 0);
  CHECK(out.Says("wrote out/model.safetensors: 2 tensors, "));
  // 3, 7 and 0.5 as f32, lowest byte first.
  CHECK(Dump(box.dir / "out/model.safetensors") ==
        "net.fc.weight F32 [30, 30] 1 00004040\n"
        "net.head.weight F32 [100] 1 0000e040\n"
        "format pt run r step 300\n");
  CHECK(Dump(box.dir / "out/optimizer.safetensors") ==
        "optim.m/net.fc.weight F32 [30, 30] 1 0000003f\n"
        "format pt run r step 300\n");
  CHECK(Read(box.dir / "out/settings.toml") == tests::SettingsText("r"));
  const Done again = box.OnStore("export r@200 --safetensors out");
  CHECK(again.code == 2);
  CHECK(again.Says("out/model.safetensors exists: another name, or --force"));
  CHECK(box.OnStore("export r@200 --safetensors out --bf16 --force").code == 0);
  CHECK(Dump(box.dir / "out/model.safetensors") ==
        "net.fc.weight BF16 [30, 30] 1 0040\n"
        "net.head.weight BF16 [100] 1 e040\n"
        "format pt run r step 200\n");
  CHECK(box.OnStore("export r@200").Says("--safetensors="));
  CHECK(box.OnStore("export r@200 --safetensors nowhere/else/x.safetensors").code == 1);
}

TEST_CASE("import makes a root that shows, exports and refuses to be trained", "[cli]") {
  Box box("import");
  REQUIRE_THAT(box.Fill(), IsOk());
  CHECK(box.OnStore("export r@100 --safetensors w.safetensors").code == 0);
  const Done in = box.OnStore("import w.safetensors --name pretrained --step 7");
  CHECK(in.code == 0);
  CHECK(in.Says("imported pretrained@7: 2 tensors"));
  CHECK(box.OnStore("log").Says("import: w.safetensors"));
  CHECK(box.OnStore("show pretrained@7").Says("its bytes came from a file"));
  CHECK(box.OnStore("diff r@100 pretrained@7").Says("not comparable: "));
  CHECK(box.OnStore("tag base pretrained@7").code == 0);
  CHECK(box.OnStore("export tag:base --safetensors back.safetensors").code == 0);
  const std::string first = Dump(box.dir / "w.safetensors");
  const std::string tensors = first.substr(0, first.find("format"));
  CHECK(Dump(box.dir / "back.safetensors") == tensors + "format pt run pretrained step 7\n");
  CHECK(box.OnStore("fork pretrained@7").Says("stored without settings, as imported states are"));
  CHECK(box.OnStore("import w.safetensors --name r").code == 2);
  CHECK(box.OnStore("import absent --name x").code == 1);
  CHECK(box.Run("import absent --name x --store=new").code == 1);
  CHECK_FALSE(fs::exists(box.dir / "new"));
  CHECK(box.Run("import w.safetensors --name x --store=new").code == 0);
  CHECK(box.OnStore("fsck --read-data").code == 0);
}

TEST_CASE("du tells what is a run's own, and verify what is damaged", "[cli]") {
  Box box("bytes");
  REQUIRE_THAT(box.Fill(), IsOk());
  CHECK(box.OnStore("fork r@300 --name f").code == 0);
  const auto whole = LastLine(box.OnStore("verify --all --json").text);
  CHECK(whole["clean"] == true);
  CHECK(whole["states"] == 4);
  CHECK(whole["packs"] == 3);
  const int64_t bytes = whole["bytes"];
  const std::string lines = box.OnStore("du r f --json").text;
  const auto usage = nlohmann::json::parse(lines.substr(0, lines.find('\n')));
  CHECK(usage["exclusive"] == bytes / 3 * 2);
  CHECK(usage["shared"] == bytes / 3);
  CHECK(LastLine(box.OnStore("du --json").text)["stored"] == bytes);
  CHECK(LastLine(box.OnStore("du --json").text)["unnamed_objects"] == 0);
  CHECK(box.OnStore("du").Says("all of these"));
  CHECK(box.OnStore("du r").Says("r@200"));
  CHECK(box.OnStore("du nobody").code == 1);

  const auto shown = LastLine(box.OnStore("show r@300 --json").text);
  const std::string path = shown["packs"][0]["path"];
  {
    std::fstream file(box.dir / path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(bytes / 6));
    file.put('!');
  }
  const Done damaged = box.OnStore("verify r --jobs 2");
  CHECK(damaged.code == 1);
  CHECK_THAT(damaged.text, Catch::Contains("DAMAGED") && Catch::Contains("r@300") &&
                               Catch::Contains("f@300") && Catch::Contains("'net.fc.weight'"));
  CHECK(box.OnStore("verify r@100").code == 0);
  CHECK(box.OnStore("verify").code == 2);
  CHECK(box.OnStore("verify r --all").code == 2);
  CHECK(box.OnStore("verify r --jobs 0").code == 2);
}

TEST_CASE("fsck mends from another store, and says before what it would do", "[cli]") {
  Box box("repair");
  REQUIRE_THAT(box.Fill(), IsOk());
  fs::copy(box.dir / "store", box.dir / "backup", fs::copy_options::recursive);
  const auto pack = LastLine(box.OnStore("show r@300 --json").text)["packs"][0];
  const fs::path path = fs::path(box.dir) / pack["path"].get<std::string>();
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(pack["bytes"].get<int64_t>() / 2));
    file.put('!');
  }
  CHECK_THAT(box.OnStore("verify r").text, Catch::Contains("quarantined  "));
  CHECK(box.OnStore("find 'quarantined()'").Says("r@300"));
  CHECK(box.OnStore("log").Says("quarantined"));
  CHECK_THAT(box.OnStore("show r@300").text,
             Catch::Contains(", quarantined\n") && Catch::Contains("do not have their digest"));
  CHECK(LastLine(box.OnStore("log -n 1 --json").text)["quarantined"] == true);
  CHECK(box.OnStore("fork r@300 --name f").Says("quarantined by "));
  CHECK(box.OnStore("fsck --repair").Says("left    r@300: pack "));
  CHECK(box.OnStore("fsck --repair --from nowhere").code == 1);
  const Done plan = box.OnStore("fsck --read-data --from backup");
  CHECK(plan.code == 1);
  CHECK_THAT(plan.text, Catch::Contains("would   mend pack ") && Catch::Contains("backup/objects"));
  CHECK(box.OnStore("verify r@300").code == 1);
  const Done done = box.OnStore("fsck --repair --from backup");
  CHECK(done.code == 0);
  CHECK_THAT(done.text, Catch::Contains("repair  mend pack ") && Catch::Contains("lifted ") &&
                            Catch::Contains("whole\n"));
  CHECK(box.OnStore("verify --all").code == 0);
  CHECK(box.OnStore("fork r@300 --name f").code == 0);
  CHECK(box.OnStore("fsck --close-intents --older-than soon").code == 2);
  CHECK(LastLine(box.OnStore("fsck --close-intents --json").text)["clean"] == true);
}

TEST_CASE("bisect finds the first bad state by a command or a condition", "[cli]") {
  Box box("bisect");
  REQUIRE_THAT(box.Fill(), IsOk());
  const std::string ends = "bisect --good r@100 --bad r@300 ";
  const Done where = box.OnStore(ends + "--where 'loss < 0.4'");
  CHECK(where.code == 0);
  CHECK_THAT(where.text, Catch::Contains("r@200  good") && Catch::Contains("last good  ") &&
                             Catch::Contains("first bad  ") && Catch::Contains("loss") &&
                             Catch::Contains("settings  the same"));
  const auto found = LastLine(box.OnStore(ends + "--where 'loss < 0.6' --json").text);
  CHECK(found["first_bad"] == Hex(box.ids[1]));
  CHECK(found["last_good"] == Hex(box.ids[0]));
  const auto by_command =
      LastLine(box.OnStore(ends + "--json --run 'echo said; test -d \"$STEMMA_STORE\" && test "
                                  "${#STEMMA_STATE} = 64 && test $STEMMA_STEP -lt 200' 2>/dev/null")
                   .text);
  CHECK(by_command["first_bad"] == Hex(box.ids[1]));
  const Done skipped = box.OnStore(ends + "--run 'exit 125'");
  CHECK(skipped.code == 0);
  CHECK(skipped.Says("the first bad state is one of these"));
  CHECK(box.OnStore(ends + "--run 'exit 200'").Says("which is no verdict"));
  CHECK(box.OnStore(ends + "--run 'kill -9 $$'").Says("left with 137"));
  CHECK(box.OnStore(ends + "--where 'loss > 2'").Says("the query does not select"));
  CHECK(box.OnStore(ends + "--where 'loss > 0'").Says("which --good names"));
  CHECK(box.OnStore(ends + "--where 'acc > 0'").code == 1);  // no state has one
  CHECK(box.OnStore(ends + "--where 'loss > 0 limit 1'").Says("no `order by`"));
  CHECK(box.OnStore("annotate r@300 acc=1").code == 0);
  const Done missing = box.OnStore(ends + "--where 'acc = 1 and epoch > 0'");
  CHECK_THAT(missing.text, Catch::Contains("r@200  skipped: a value that the query asks for"));
  CHECK(box.OnStore(ends).code == 2);
  CHECK(box.OnStore("bisect --good r@300 --bad r@100 --where 'loss > 0'").code == 2);
}

}  // namespace
}  // namespace stemma
