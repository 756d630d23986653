// The processes of a sweep, with a script in the place of the program that trains: it notes which
// process was asked for which run, and does what the run's name says.
#include "tools/sweep/process_executor.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/cores.h"
#include "lineage/memory_storage.h"
#include "tools/sweep/child_process.h"
#include "tools/sweep/controller.h"
#include "tools/sweep/method.h"

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"
#include "tests/support/toy_sweep.h"

namespace stemma::sweep {
namespace {

namespace fs = std::filesystem;
using tests::IsOk;

constexpr char kScript[] = R"SH(#!/bin/sh
notes=$(dirname "$0")/notes
trap 'exit 75' USR1
then= number=1
while [ $# -gt 0 ]; do
  case "$1" in
    --run) run=$2 ;;
    --dir) dir=$2 ;;
    --then) then=$2 ;;
  esac
  shift
done
train() {
  cores=$(sed -n 's/^Cpus_allowed_list:[^0-9]*//p' /proc/$$/status)
  echo "$run $$ $cores" >> "$notes"
  case "$run" in
    refused) return 2 ;;
    choosy) [ "$number" -eq 1 ] && return 75; return 2 ;;
    hot) mkdir -p "$dir/inc-0001"
      echo '{"code": "not finite", "cause": "too hot"}' > "$dir/inc-0001/error.json"; return 1 ;;
    full) mkdir -p "$dir/inc-0001"
      echo '{"code": "io", "cause": "no room"}' > "$dir/inc-0001/error.json"; return 1 ;;
    dies) kill -9 $$ ;;
    long) while :; do sleep 0.01; done ;;
  esac
  return 75
}
while :; do
  train
  code=$?
  [ -n "$then" ] || exit $code
  last=false
  [ $code -eq 75 ] || last=true
  echo "{\"exit_code\": $code, \"last\": $last}" > "$then/part"
  mv "$then/part" "$then/answer-$number"
  [ $last = false ] || exit $code
  number=$((number + 1))
  while [ ! -e "$then/order-$number" ]; do
    if [ -e "$then/closed" ] || [ ! -d "$then" ]; then exit 0; fi
    sleep 0.01
  done
  run=$(sed -n 's/.*"--run","\([^"]*\)".*/\1/p' "$then/order-$number")
  dir=$(sed -n 's/.*"--dir","\([^"]*\)".*/\1/p' "$then/order-$number")
done
)SH";

// A folder with the script; it says who trained what.
class Stage {
 public:
  Stage() {
    const char* scratch = std::getenv("TEST_TMPDIR");
    folder_ = std::string(scratch != nullptr ? scratch : ".") + "/process_executor_XXXXXX";
    REQUIRE(mkdtemp(folder_.data()) != nullptr);
    folder_ = fs::absolute(folder_).string();
    options.program = folder_ + "/program";
    options.folder = folder_ + "/sweep";
    options.launch = "{train}";
    std::ofstream(options.program) << kScript;
    REQUIRE(chmod(options.program.c_str(), 0700) == 0);
  }
  ~Stage() { fs::remove_all(folder_); }
  Stage(const Stage&) = delete;

  struct Note {
    std::string pid, cores;
  };
  // By run, the newest.
  std::map<std::string, Note> Notes() const {
    std::map<std::string, Note> notes;
    std::ifstream file(folder_ + "/notes");
    for (std::string line; std::getline(file, line);) {
      std::istringstream in(line);
      std::string run;
      Note note;
      in >> run >> note.pid >> note.cores;
      notes[run] = note;
    }
    return notes;
  }
  std::string Pid(const std::string& run) const { return Notes()[run].pid; }
  size_t Folders() const {
    size_t count = 0;
    if (!fs::exists(options.folder + "/groups")) return 0;
    for (const auto& entry : fs::directory_iterator(options.folder + "/groups")) {
      count += entry.is_directory() ? 1 : 0;
    }
    return count;
  }

  ProcessOptions options;

 private:
  std::string folder_;
};

Job JobOf(const std::string& run, const std::string& after = "", int64_t ranks = 1) {
  return {run, "", 10, ranks, after};
}

// The jobs start in their order, then all of them are waited for. By run.
std::map<std::string, Ended> Train(ProcessExecutor& executor, const std::vector<Job>& jobs) {
  for (const Job& job : jobs) REQUIRE_THAT(executor.Start(job), IsOk());
  std::map<std::string, Ended> all;
  while (all.size() < jobs.size()) {
    const auto ended = executor.Wait(600);
    REQUIRE_THAT(ended.status(), IsOk());
    REQUIRE_FALSE(ended->empty());
    for (const Ended& one : *ended) {
      CHECK(all.count(one.run) == 0);
      all[one.run] = one;
    }
  }
  return all;
}

TEST_CASE("processes train one stage after the other, and leave when the executor does") {
  Stage stage;
  {
    ProcessExecutor executor(stage.options);
    for (const char* run : {"a", "b", "c"}) {
      CHECK(Train(executor, {JobOf(run)})[run].how == How::kStopped);
    }
    CHECK(stage.Pid("a") == stage.Pid("b"));
    CHECK(stage.Pid("a") == stage.Pid("c"));
    CHECK(stage.Folders() == 1);
    CHECK(Train(executor, {JobOf("two-ranks", "", 2)})["two-ranks"].how == How::kStopped);
    CHECK(stage.Folders() == 2);
  }
  CHECK(stage.Folders() == 0);

  stage.options.reuse = false;
  ProcessExecutor apart(stage.options);
  Train(apart, {JobOf("d")});
  Train(apart, {JobOf("e")});
  CHECK(stage.Pid("d") != stage.Pid("e"));
  CHECK(stage.Folders() == 0);
}

TEST_CASE("a job goes to who holds its parent, else to who has waited longest") {
  Stage stage;
  ProcessExecutor executor(stage.options);
  Train(executor, {JobOf("a"), JobOf("b")});
  CHECK(stage.Pid("a") != stage.Pid("b"));
  Train(executor, {JobOf("of-b", "b"), JobOf("of-a", "a")});
  CHECK(stage.Pid("of-b") == stage.Pid("b"));
  CHECK(stage.Pid("of-a") == stage.Pid("a"));
  Train(executor, {JobOf("more-of-a", "of-a")});  // so b's have waited longer
  Train(executor, {JobOf("whoever", "nobody")});
  CHECK(stage.Pid("whoever") == stage.Pid("b"));
}

TEST_CASE("what a living group refuses is tried in processes of its own, once") {
  Stage stage;
  ProcessExecutor executor(stage.options);
  Train(executor, {JobOf("a")});
  CHECK(Train(executor, {JobOf("choosy")})["choosy"].how == How::kStopped);
  CHECK(stage.Pid("choosy") != stage.Pid("a"));
  CHECK(Train(executor, {JobOf("refused")})["refused"].how == How::kRefused);
  CHECK(stage.Pid("refused") != stage.Pid("choosy"));
}

TEST_CASE("a group that fails takes down one stage, and is not asked again") {
  struct Case {
    const char* run;
    How how;
    const char* why;
  };
  const Case cases[] = {{"dies", How::kCrashed, "signal 9"},
                        {"hot", How::kDiverged, "too hot"},
                        {"full", How::kDisk, "no room"}};
  for (const Case& c : cases) {
    Stage stage;
    ProcessExecutor executor(stage.options);
    Train(executor, {JobOf("a"), JobOf("b")});
    auto ended = Train(executor, {JobOf(c.run, "a"), JobOf("c", "b")});
    CHECK(stage.Pid(c.run) == stage.Pid("a"));
    CHECK(ended[c.run].how == c.how);
    CHECK_THAT(ended[c.run].why, Catch::Contains(c.why));
    CHECK(ended["c"].how == How::kStopped);
    Train(executor, {JobOf("d", "c"), JobOf("e", c.run)});
    CHECK(stage.Pid("d") == stage.Pid("b"));
    CHECK(stage.Pid("e") != stage.Pid("a"));
  }
}

TEST_CASE("asked to stop, the busy ones stop their stage and the idle ones leave") {
  Stage stage;
  ProcessExecutor executor(stage.options);
  Train(executor, {JobOf("a"), JobOf("b")});
  REQUIRE_THAT(executor.Start(JobOf("long", "a")), IsOk());
  while (stage.Notes().count("long") == 0) std::this_thread::yield();
  executor.Stop();
  const auto ended = executor.Wait(600);
  REQUIRE_THAT(ended.status(), IsOk());
  REQUIRE(ended->size() == 1);
  CHECK(ended->front().run == "long");
  CHECK(ended->front().how == How::kStopped);
  while (stage.Folders() > 0) REQUIRE_THAT(executor.Wait(0).status(), IsOk());
}

TEST_CASE("groups of a controller that is gone end when the next one begins") {
  Stage stage;
  const auto left = OrderFolder::Make(stage.options.folder + "/groups");
  REQUIRE_THAT(left.status(), IsOk());
  const auto child =
      StartChild(TrainCommand(stage.options, JobOf("left"), "", left->path()), "/dev/null", {});
  REQUIRE_THAT(child.status(), IsOk());
  while (!left->AnswerTo(1)) std::this_thread::yield();
  CHECK_FALSE(StatusOf(*child));
  ProcessExecutor executor(stage.options);
  Train(executor, {JobOf("a")});
  while (!StatusOf(*child)) std::this_thread::yield();
  CHECK(stage.Pid("a") != stage.Pid("left"));
}

TEST_CASE("pinned slots have cores of their own") {
  const int cores = CoresOfThisProcess();
  CHECK(CoresOfPart(0, 1).size() == static_cast<size_t>(cores));
  CHECK(CoresOfPart(0, cores + 1).empty());
  Stage stage;
  stage.options.pin = true;
  stage.options.slots = cores;
  ProcessExecutor executor(stage.options);
  std::vector<Job> jobs;
  for (int slot = 0; slot < std::min(cores, 4); ++slot) jobs.push_back(JobOf(std::to_string(slot)));
  Train(executor, jobs);
  const auto notes = stage.Notes();
  for (const auto& [run, note] : notes) {
    CHECK(note.cores == std::to_string(CoresOfPart(std::stoi(run), cores).at(0)));
  }
  CHECK(notes.size() == jobs.size());
}

TEST_CASE("orders and answers are read as they were written, or not at all") {
  Stage stage;
  const auto folder = OrderFolder::Make(stage.options.folder);
  REQUIRE_THAT(folder.status(), IsOk());
  CHECK_FALSE(folder->Has(2));
  CHECK_FALSE(folder->IsClosed());
  const Order order = {{"--run", "a b\n\"c\"", "--set", "x=1"}, "log"};
  REQUIRE_THAT(folder->Give(2, order), IsOk());
  const auto bytes = folder->Read(2);
  REQUIRE_THAT(bytes.status(), IsOk());
  const auto read = DecodeOrder(*bytes);
  REQUIRE_THAT(read.status(), IsOk());
  CHECK(read->words == order.words);
  CHECK(read->log == order.log);
  for (const char* wrong : {"", "{", "[]", "{\"words\": \"train\"}", "{\"words\": [1]}"}) {
    CHECK(DecodeOrder(wrong).status().code() == Code::kCorruption);
  }
  CHECK_FALSE(folder->AnswerTo(2));
  REQUIRE_THAT(folder->Say(2, {75, true}), IsOk());
  REQUIRE(folder->AnswerTo(2));
  CHECK(folder->AnswerTo(2)->exit_code == 75);
  CHECK(folder->AnswerTo(2)->last);
  for (const char* wrong : {"", "{}", "{\"exit_code\": \"x\", \"last\": true}"}) {
    std::ofstream(folder->path() + "/answer-3") << wrong;
    CHECK_FALSE(folder->AnswerTo(3));
  }
  REQUIRE_THAT(folder->Close(), IsOk());
  CHECK(folder->IsClosed());
  folder->Remove();
  CHECK(folder->IsClosed());
  CHECK_THAT(folder->Close(), IsOk());
  CHECK(OrderFolder::Make("/dev/null/x").status().code() == Code::kIo);
}

// Holds what it has trained last.
class HoldingExecutor final : public tests::ToyExecutor {
 public:
  using ToyExecutor::ToyExecutor;
  Status Start(const Job& job) override {
    if (!held_.empty() && job.after == held_) ++warm;
    held_.clear();
    return ToyExecutor::Start(job);
  }
  Result<std::vector<Ended>> Wait(double seconds) override {
    STEMMA_ASSIGN_OR_RETURN(auto ended, ToyExecutor::Wait(seconds));
    if (!ended.empty()) held_ = ended.back().run;
    return ended;
  }
  std::set<std::string> InMemory() const override { return {held_}; }

  int warm = 0;

 private:
  std::string held_;
};

// Two decays, and for each of them three rates that part at step 20.
constexpr char kGrid[] = R"(
recipe = "toy.toml"
[sweep]
name = "toy"
method = "grid"
budget = "40step"
[settings]
optim.schedule = "constant"
[knobs]
optim.lr = { schedules = ["0: 0.1", "0: 0.1; 20step: 0.05", "0: 0.1; 20step: 0.02"] }
optim.weight_decay = { values = [0.0, 0.5] }
)";

TEST_CASE("of stages that are as urgent, the one whose parent is in memory comes first") {
  // With one slot also before a more urgent one: the second root waits until a child of the first
  // one has begun in its memory.
  for (const int64_t slots : {1, 2}) {
    lineage::MemoryStorage disk;
    HoldingExecutor holding(disk, "/store");
    tests::ToyClock clock;
    cli::OpenedStore opened;
    auto store = lineage::Store::Open("/store", true, disk);
    REQUIRE_THAT(store.status(), IsOk());
    opened.store = *std::move(store);
    opened.graph = *opened.store->Load();
    auto sweep = OpenSweep(*opened.store, opened.graph, kGrid, tests::ToySpecPath(), {"build", 2});
    REQUIRE_THAT(sweep.status(), IsOk());
    sweep->spec.slots = slots;
    const auto method = MakeMethod(sweep->spec, sweep->base);
    REQUIRE_THAT(method.status(), IsOk());
    ControllerOptions options;
    options.wait_s = 0;
    Controller controller(std::move(opened), *std::move(sweep), **method, holding, options, clock);
    REQUIRE_THAT(controller.Run().status(), IsOk());
    CHECK(holding.started.size() == 8);
    CHECK(holding.warm == 2);
  }
}

}  // namespace
}  // namespace stemma::sweep
