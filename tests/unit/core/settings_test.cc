#include "core/settings.h"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "core/bytes.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using tests::HasCode;
using tests::IsOk;

struct Example {
  std::string name = "lamb";
  double lr = 1e-3, eps = 1e-6;
  int64_t warmup_steps = 0;
  bool nesterov = false;
  std::string store = "stemma-store";
  int64_t every = 100;
};

template <typename Visitor>
void VisitFields(Example& s, Visitor&& field) {
  field("optim.name", s.name, Help{"which optimizer", "lamb | sgd | adamw"});
  field("optim.lr", s.lr, Help{"learning rate at the top of the schedule", "(0, inf)"});
  field("optim.eps", s.eps, Help{"added to the root of v", "[0, 1)"});
  field("optim.warmup_steps", s.warmup_steps, Help{"steps until lr is reached", "[0, inf)"});
  field("optim.nesterov", s.nesterov, Help{"look ahead"});
  field("lineage.store", s.store, Help{"directory of the store", "", Kind::kLocal});
  field("lineage.every", s.every, Help{"steps between captures", "[0, inf)", Kind::kLocal});
}

struct Listed {
  Example values;
  SettingsList list;
  Listed() { VisitFields(values, list); }
};

// A fresh folder for recipes, gone with the test.
struct Folder {
  std::filesystem::path path = std::filesystem::path(std::getenv("TEST_TMPDIR")) / "recipes";
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
};

TEST_CASE("a recipe sets what it names and nothing else", "[settings]") {
  Listed s;
  CHECK_THAT(s.list.ReadText("optim.lr = 2\n[optim]\nname = 'sgd'\nnesterov = true\n", "r.toml"),
             HasCode(Code::kInvalidArgument, "r.toml:"));  // optim is defined twice: TOML says no
  CHECK_THAT(s.list.ReadText("[optim]\nlr = 2\nname = 'sgd'\nnesterov = true\n", "r.toml"), IsOk());
  CHECK(s.values.lr == 2.0);
  CHECK(s.values.name == "sgd");
  CHECK(s.values.nesterov);
  CHECK(s.values.eps == 1e-6);
  CHECK(s.list.Find("optim.lr")->origin == "r.toml:2");
  CHECK(s.list.Find("optim.eps")->origin == "default");
}

TEST_CASE("a mistake in a recipe names file, line, column, key and the way out", "[settings]") {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"\noptim.learning_rate = 1",
       "r.toml:2:7: unknown setting 'optim.learning_rate'; did you "
       "mean 'optim.lr'?"},
      {"optim.warmup_step = 1", "did you mean 'optim.warmup_steps'?"},
      {"train.lr = 1", "did you mean 'optim.lr'?"},
      {"zebra.horse = 1", "unknown setting 'zebra.horse'; `stemma train --help`"},
      {"optim.lr = 'high'", "r.toml:1:7: optim.lr = \"high\": expected a number"},
      {"optim.lr = 0", "optim.lr = 0: allowed: (0, inf)"},
      {"optim.lr = nan", "optim.lr = nan: allowed: (0, inf)"},
      {"optim.eps = 1.0", "allowed: [0, 1)"},
      {"optim.warmup_steps = 1.5", "expected a whole number"},
      {"optim.warmup_steps = -1", "allowed: [0, inf)"},
      {"optim.nesterov = 1", "expected true or false"},
      {"optim.name = 'lmab'", "allowed: lamb | sgd | adamw; did you mean 'lamb'?"},
      {"optim.lr = [1, 2]", "is an array or a date"},
      {"optim.lr = 1\noptim.lr = 2", "r.toml:2:"},
      {"optim.lr = ", "r.toml:1:"},
  };
  for (const auto& one : cases) {
    Listed s;
    INFO(one.text);
    CHECK_THAT(s.list.ReadText(one.text, "r.toml"), HasCode(Code::kInvalidArgument, one.message));
  }
}

TEST_CASE("--set reads each type, refuses half a number, and never writes on failure",
          "[settings]") {
  Listed s;
  CHECK_THAT(s.list.Set("optim.lr=1.6"), IsOk());
  CHECK_THAT(s.list.Set("optim.lr=0.1"), IsOk());  // from left to right: the last one wins
  CHECK_THAT(s.list.Set("optim.warmup_steps=1_000"), IsOk());
  CHECK_THAT(s.list.Set("optim.nesterov=true"), IsOk());
  CHECK_THAT(s.list.Set("optim.name=\"sgd\""), IsOk());
  CHECK_THAT(s.list.Set("lineage.store=/a b/c=d"), IsOk());
  CHECK(s.values.lr == 0.1);
  CHECK(s.values.warmup_steps == 1000);
  CHECK(s.values.nesterov);
  CHECK(s.values.name == "sgd");
  CHECK(s.values.store == "/a b/c=d");
  CHECK(s.list.Find("optim.lr")->origin == "--set");
  for (const char* wrong : {"optim.lr=0.2x", "optim.lr=", "optim.lr", "optim.warmup_steps=1e3",
                            "optim.nesterov=yes", "optim.nam=sgd", "optim.lr=-1"}) {
    INFO(wrong);
    CHECK_THAT(s.list.Set(wrong), HasCode(Code::kInvalidArgument, "--set"));
  }
  CHECK(s.values.lr == 0.1);
  CHECK_THAT(s.list.Set("optim.lr=0.2x"), HasCode(Code::kInvalidArgument, "expected a number"));
}

TEST_CASE("resolved settings run again and give the same bits", "[settings]") {
  Listed a, b;
  a.values.lr = 0.1;
  a.values.eps = std::nextafter(0.25, 1.0);
  a.values.warmup_steps = std::numeric_limits<int64_t>::max();
  a.values.store = "a \"quoted\"\\ path\n\x01 \xc3\xa9";
  CHECK_THAT(b.list.ReadText(a.list.ToToml(), "settings.toml"), IsOk());
  CHECK(b.values.eps == a.values.eps);
  CHECK(b.values.warmup_steps == a.values.warmup_steps);
  CHECK(b.values.store == a.values.store);
  CHECK(b.list.ToToml() == a.list.ToToml());
  CHECK(Listed().list.ToToml() ==
        "lineage.every = 100\nlineage.store = \"stemma-store\"\noptim.eps = 1e-06\n"
        "optim.lr = 0.001\noptim.name = \"lamb\"\noptim.nesterov = false\n"
        "optim.warmup_steps = 0\n");
}

TEST_CASE("the digest sees every shared setting and no local one", "[settings]") {
  const std::string plain = Listed().list.SharedDigest();
  CHECK(plain.size() == 32);
  Listed local, shared;
  CHECK_THAT(local.list.Set("lineage.every=7"), IsOk());
  CHECK_THAT(shared.list.Set("optim.eps=1e-7"), IsOk());
  CHECK(local.list.SharedDigest() == plain);
  CHECK(shared.list.SharedDigest() != plain);
}

TEST_CASE("a recipe changes its base, and --set changes both", "[settings]") {
  Folder folder;
  Listed s;
  folder.Write("big.toml", "optim.lr = 1\noptim.eps = 0.5\noptim.name = 'sgd'\n");
  const std::string path = folder.Write("small.toml", "optim.lr = 2\nbase = 'big.toml'\n");
  CHECK_THAT(s.list.ReadFile(path), IsOk());
  CHECK_THAT(s.list.Set("optim.name=adamw"), IsOk());
  CHECK(s.values.lr == 2.0);
  CHECK(s.values.eps == 0.5);
  CHECK(s.values.name == "adamw");
  CHECK(s.list.Find("optim.eps")->origin == (folder.path / "big.toml").string() + ":2");
  CHECK(s.list.OriginJson().find("\"optim.name\": \"--set\"") != std::string::npos);
}

TEST_CASE("a missing recipe, a missing base and a circle of bases are errors", "[settings]") {
  Folder folder;
  Listed s;
  const std::string nowhere = (folder.path / "no.toml").string();
  CHECK_THAT(s.list.ReadFile(nowhere), HasCode(Code::kInvalidArgument, "is not there"));
  CHECK_THAT(s.list.ReadFile(folder.path.string()),
             HasCode(Code::kInvalidArgument, "is a directory"));
  const std::string orphan = folder.Write("orphan.toml", "base = 'gone.toml'\n");
  CHECK_THAT(s.list.ReadFile(orphan), HasCode(Code::kInvalidArgument, "orphan.toml:1:1: base"));
  const std::string circle = folder.Write("circle.toml", "base = 'circle.toml'\n");
  CHECK_THAT(s.list.ReadFile(circle), HasCode(Code::kInvalidArgument, "name each other"));
}

TEST_CASE("an empty recipe is all defaults", "[settings]") {
  Folder folder;
  Listed s;
  CHECK_THAT(s.list.ReadFile(folder.Write("empty.toml", "")), IsOk());
  CHECK(s.list.ToToml() == Listed().list.ToToml());
}

TEST_CASE("the diff lists what differs, and keys that only one side knows", "[settings]") {
  Listed a, b;
  CHECK_THAT(b.list.Set("optim.lr=0.5"), IsOk());
  const auto changes = DiffSettings(a.list.ToToml() + "old.key = 1\n", b.list.ToToml());
  CHECK_THAT(changes.status(), IsOk());
  REQUIRE(changes->size() == 2);
  CHECK((*changes)[0].key == "old.key");
  CHECK((*changes)[0].to.empty());
  CHECK((*changes)[1].key == "optim.lr");
  CHECK((*changes)[1].from == "0.001");
  CHECK((*changes)[1].to == "0.5");
}

TEST_CASE("help shows each setting with default, range and kind, by section", "[settings]") {
  const std::string help = Listed().list.HelpText();
  CHECK(help.find("[optim]\n  optim.name = \"lamb\"") == 0);
  CHECK(help.find("learning rate at the top of the schedule; (0, inf)\n") != std::string::npos);
  CHECK(help.find("\n[lineage]\n") != std::string::npos);
  CHECK(help.find("directory of the store; local\n") != std::string::npos);
  CHECK(Listed().list.HelpText("lineage").find("optim") == std::string::npos);
}

}  // namespace
}  // namespace stemma
