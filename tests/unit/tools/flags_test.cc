#include "tools/cli/flags.h"

#include <string>
#include <vector>

#include "tools/cli/fork_rules.h"
#include "tools/cli/terminal.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::cli {
namespace {
using tests::HasCode;
using tests::IsOk;

struct Command {
  std::string state, other, store = "stemma-store", progress = "auto";
  int64_t count = 0;
  double eps = 0.5;
  bool json = false;
  std::vector<std::string> set;
  Flags flags{"example", "An example."};
  Command() {
    flags.Word("STATE", &state, "which one");
    flags.Word("OTHER", &other, "another", true);
    flags.Text("store", &store, "DIR", "the store");
    flags.Integer("n", &count, "N", "how many");
    flags.Number("eps", &eps, "E", "how close");
    flags.Switch("json", &json, "for programs");
    flags.List("set", &set, "KEY=VALUE", "a setting");
    flags.Choice("progress", &progress, {"auto", "bar"}, "how to show it");
  }
};

TEST_CASE("both spellings of a value mean the same, and words may stand anywhere", "[flags]") {
  Command c;
  const std::vector<std::string> words = {"--store=a=b", "r50@",   "--set", "x.y=1", "-n",
                                          "5",           "--json", "--eps", "-1e-3", "--set=z=2"};
  CHECK_THAT(c.flags.Parse(words), IsOk());
  CHECK(c.store == "a=b");
  CHECK(c.state == "r50@");
  CHECK(c.other.empty());
  CHECK(c.set == std::vector<std::string>{"x.y=1", "z=2"});
  CHECK(c.count == 5);
  CHECK(c.json);
  CHECK(c.eps == -1e-3);
}

TEST_CASE("a wrong command line says what is wrong and what was meant", "[flags]") {
  const struct {
    std::vector<std::string> words;
    const char* message;
  } cases[] = {
      {{"s", "--stor=x"}, "unknown flag --stor; did you mean --store?"},
      {{"s", "--zebra"}, "unknown flag --zebra; `stemma example --help` lists all"},
      {{"s", "--optim.lr=1"}, "settings are changed with --set optim.lr=VALUE"},
      {{"s", "--store"}, "--store needs a value: --store=DIR"},
      {{"s", "--json=yes"}, "--json takes no value"},
      {{"s", "-n", "five"}, "--n=five: expected a whole number"},
      {{"s", "-n", "5x"}, "expected a whole number"},
      {{"s", "--eps="}, "expected a number"},
      {{"s", "--progress=fast"}, "expected auto|bar"},
      {{"a", "b", "c"}, "'c' is one word too many"},
      {{}, "STATE is missing: which one"},
  };
  for (const auto& one : cases) {
    Command c;
    INFO(one.message);
    CHECK_THAT(c.flags.Parse(one.words), HasCode(Code::kInvalidArgument, one.message));
  }
}

TEST_CASE("--help wins over what is missing, and shows defaults", "[flags]") {
  Command c;
  CHECK_THAT(c.flags.Parse({"--help"}), IsOk());
  CHECK(c.flags.help_asked());
  const std::string help = c.flags.HelpText();
  CHECK(help.find("stemma example STATE [OTHER] [flags]\n\nAn example.\n") == 0);
  CHECK(help.find("--store=DIR             the store (default stemma-store)\n") !=
        std::string::npos);
  CHECK(help.find("  -n N ") != std::string::npos);
}

TEST_CASE("after -- nothing is a flag", "[flags]") {
  Command c;
  CHECK_THAT(c.flags.Parse({"--", "--json"}), IsOk());
  CHECK(c.state == "--json");
  CHECK_FALSE(c.json);
}

TEST_CASE("a fork keeps what gives its parent's bytes their meaning", "[fork]") {
  for (const char* free : {"optim.lr", "optim.beta1", "train.length", "lineage.every",
                           "optim.names", "train.log_every", "ops.bucket_mb", "images.train",
                           "resnet50.label_smoothing", "vgg16.dropout"}) {
    INFO(free);
    CHECK(WhyNotAtFork(free).empty());
  }
  for (const char* fixed :
       {"optim.name", "aigw.dt", "train.seed", "train.global_batch", "run.name", "run.workload",
        "resnet50.classes", "resnet50.zero_gamma", "vgg16.classes"}) {
    INFO(fixed);
    CHECK_FALSE(WhyNotAtFork(fixed).empty());
  }
}

TEST_CASE("a fork's optimizer keeps the state that its parent's kept", "[fork]") {
  optim::OptimSettings parent, fork;
  parent.ema_decay = 0.99;
  fork.ema_decay = 0.999;
  CHECK(WhyNotThatState(parent, fork).empty());
  fork.ema_decay = 0;
  CHECK(WhyNotThatState(parent, fork).find("optim.ema_decay cannot go from 0") == 0);
  CHECK(WhyNotThatState(fork, parent).find("optim.ema_decay cannot go from 0") == 0);
  parent.ema_decay = 0;
  fork.momentum = 0;  // lamb has none anyway
  CHECK(WhyNotThatState(parent, fork).empty());
  for (const char* name : {"sgd", "lars"}) {
    parent.name = fork.name = name;
    CHECK(WhyNotThatState(parent, fork).find("optim.momentum cannot go from 0") == 0);
    CHECK(WhyNotThatState(fork, fork).empty());
  }
}

TEST_CASE("text is measured and cut by columns, not by bytes", "[terminal]") {
  CHECK(Width("│ ● a") == 5);
  CHECK(Cut("│ ● abc", 5) == "│ ● a");
  CHECK(Cut("abc", 0) == "abc");
  CHECK(Columns({{"a", "", "b"}, {"●", "", "cc"}, {"long"}}) ==
        std::vector<std::string>{"a     b", "●     cc", "long"});
}

}  // namespace
}  // namespace stemma::cli
