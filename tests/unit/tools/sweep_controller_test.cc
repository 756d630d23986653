#include "tools/sweep/controller.h"

#include <cmath>

#include "core/bytes.h"
#include "lineage/faulty_storage.h"
#include "lineage/marks.h"
#include "lineage/memory_storage.h"
#include "tools/sweep/method.h"

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"
#include "tests/support/toy_sweep.h"

namespace stemma::sweep {
namespace {

using lineage::FaultyStorage;
using lineage::MemoryStorage;
using tests::IsOk;
using tests::ToyClock;
using tests::ToyExecutor;

constexpr char kStore[] = "/store";

// Two decays, and for each of them three rates that part at step 20.
constexpr char kGrid[] = R"(
recipe = "toy.toml"
[sweep]
name = "toy"
method = "grid"
budget = "40step"
slots = 2
[settings]
optim.schedule = "constant"
[knobs]
optim.lr = { schedules = ["0: 0.1", "0: 0.1; 20step: 0.05", "0: 0.1; 20step: 0.02"] }
optim.weight_decay = { values = [0.0, 0.5] }
)";
constexpr size_t kStagesOfGrid = 8;

constexpr char kHalving[] = R"(
recipe = "toy.toml"
[sweep]
name = "toy"
method = "halving"
budget = "36step"
metric = "val_loss"
slots = 3
seed = 5
[method]
trials = 9
eta = 3
min_steps = 4
[settings]
validate.every = "8step"
[knobs]
optim.lr = { low = 0.001, high = 0.9, log = true }
)";

struct Setup {
  std::string spec = kGrid;
  ControllerOptions options;
  std::vector<std::string> said;

  Setup() {
    options.wait_s = 0;
    options.seat.me = {"here", 1, 1};
    options.seat.is_alive = [](const Sitter&) { return std::optional<bool>(false); };
    options.say = [this](const std::string& line) { said.push_back(line); };
  }

  // `kept`: what the controller recorded.
  Result<Ending> Run(lineage::Storage& storage, Executor& executor, ToyClock& clock,
                     Journal* kept = nullptr) {
    cli::OpenedStore opened;
    STEMMA_ASSIGN_OR_RETURN(opened.store, lineage::Store::Open(kStore, true, storage));
    STEMMA_ASSIGN_OR_RETURN(opened.graph, opened.store->Load());
    STEMMA_ASSIGN_OR_RETURN(OpenedSweep sweep, OpenSweep(*opened.store, opened.graph, spec,
                                                         tests::ToySpecPath(), {"build", 2}));
    STEMMA_ASSIGN_OR_RETURN(const auto method, MakeMethod(sweep.spec, sweep.base));
    Controller controller(std::move(opened), std::move(sweep), *method, executor, options, clock);
    Result<Ending> ending = controller.Run();
    if (kept != nullptr) *kept = controller.journal();
    return ending;
  }
};

// Making it takes 800 changes of the disk, and is the store's own to test.
void MakeStore(lineage::Storage& storage) {
  REQUIRE_THAT(lineage::Store::Open(kStore, true, storage).status(), IsOk());
}

lineage::Graph MustLoad(lineage::Storage& storage) {
  auto store = lineage::Store::Open(kStore, false, storage);
  REQUIRE_THAT(store.status(), IsOk());
  auto graph = (*store)->Load();
  REQUIRE_THAT(graph.status(), IsOk());
  return *std::move(graph);
}

// What a trial holds at `until` when it is trained alone.
std::string Alone(const Trial& trial) {
  std::string held = tests::ToyStart();
  for (int64_t step = 0; step < trial.until; ++step) {
    const Part* now = &trial.parts[0];
    for (const Part& part : trial.parts) {
      if (part.begin <= step) now = &part;
    }
    const auto decay = now->knobs.find("optim.weight_decay");
    held = tests::ToyStep(held, std::stod(now->knobs.at("optim.lr")),
                          decay == now->knobs.end() ? models::RunSettings().optim.weight_decay
                                                    : std::stod(decay->second));
  }
  return held;
}

// Every trial's last state holds what it would hold alone.
void CheckBits(lineage::Storage& storage, const History& history) {
  const lineage::Graph graph = MustLoad(storage);
  for (const auto& [id, trial] : history.trials()) {
    const auto outcome = history.outcomes().find({id, trial.until});
    REQUIRE(outcome != history.outcomes().end());
    const lineage::Record& record = graph.states.at(FromHex(outcome->second.state));
    INFO("trial " << id << " in " << NameOfState(record));
    CHECK(record.step == trial.until);
    CHECK(Hex(record.packs[0].pack) == Hex(Sha256(Alone(trial))));
    const double loss = tests::ToyLoss(Alone(trial));
    CHECK(outcome->second.metric == (record.metrics.count("val_loss") > 0 ? 1 - loss : loss));
  }
}

// The history without what differs from one execution to the next: ids of states.
std::string EssenceOf(const History& history) {
  std::string text;
  for (const auto& [point, outcome] : history.outcomes()) {
    text += std::to_string(point.first) + "@" + std::to_string(point.second) + " " +
            std::to_string(outcome.metric) + "\n";
  }
  for (const auto& [point, decision] : history.decisions()) text += EncodeEvent(decision) + "\n";
  return text;
}

// Runs with a state of the last step that their stage has; only those are finished for good.
std::set<std::string> FinishedOf(lineage::Storage& storage,
                                 const std::map<std::string, int64_t>& ends) {
  const lineage::Graph graph = MustLoad(storage);
  std::set<std::string> finished;
  for (const auto& [name, run] : graph.runs) {
    for (const lineage::StateId& id : run.states) {
      const auto end = ends.find(name);
      if (end != ends.end() && graph.states.at(id).step == end->second) finished.insert(name);
    }
  }
  return finished;
}

// The largest step of each run, when the sweep is over.
std::map<std::string, int64_t> EndsOf(const lineage::Graph& graph) {
  std::map<std::string, int64_t> ends;
  for (const auto& [name, run] : graph.runs) {
    for (const lineage::StateId& id : run.states) {
      ends[name] = std::max(ends[name], graph.states.at(id).step);
    }
  }
  return ends;
}

TEST_CASE("a sweep trains each stage once, and each trial to the bits of training it alone") {
  MemoryStorage disk;
  ToyExecutor toys(disk, kStore);
  ToyClock clock;
  Setup setup;
  Journal journal;
  const auto ending = setup.Run(disk, toys, clock, &journal);
  REQUIRE_THAT(ending.status(), IsOk());
  CHECK(*ending == Ending::kOver);
  CHECK(journal.history.trials().size() == 6);
  CHECK(toys.started.size() == kStagesOfGrid);
  CHECK(toys.most_at_once == 2);
  int64_t steps = 0;
  for (const auto& [run, count] : toys.steps) steps += count;
  CHECK(steps == 2 * (20 + 3 * 20));  // alone: 6 * 40
  CheckBits(disk, journal.history);

  const lineage::Graph graph = MustLoad(disk);
  CHECK(graph.runs.size() == 1 + kStagesOfGrid);  // and the controller's seat
  const Outcome* winner = Winner("min", journal.history);
  REQUIRE(winner != nullptr);
  CHECK(Hex(graph.tags.at("toy-best").target) == winner->state);
  CHECK_FALSE(lineage::ScopesOf(graph).at("toy").open);
  CHECK(lineage::ScopesOf(graph).at("toy").members.size() == kStagesOfGrid);
  CHECK(journal.costs.size() == kStagesOfGrid);

  // Nothing is left to do for a second one.
  ToyExecutor idle(disk, kStore);
  REQUIRE_THAT(setup.Run(disk, idle, clock).status(), IsOk());
  CHECK(idle.started.empty());
}

// About `kills` times, at changes of the disk that are evenly spread over a whole sweep.
void KillEverywhere(const std::string& spec, uint64_t kills) {
  Setup setup;
  setup.spec = spec;
  MemoryStorage whole;
  MakeStore(whole);
  FaultyStorage counting(whole);
  ToyExecutor once(counting, kStore);
  ToyClock clock;
  Journal want;
  REQUIRE_THAT(setup.Run(counting, once, clock, &want).status(), IsOk());
  const auto ends = EndsOf(MustLoad(whole));

  constexpr lineage::Fault kFaults[] = {lineage::Fault::kDieBefore, lineage::Fault::kDieHalf,
                                        lineage::Fault::kDieAfter};
  const uint64_t stride = (counting.changes() / kills) | 1;
  for (uint64_t change = 1; change <= counting.changes(); change += stride) {
    MemoryStorage disk;
    MakeStore(disk);
    FaultyStorage faulty(disk);
    faulty.FailAt(change, kFaults[change % 3]);
    ToyExecutor before(faulty, kStore);
    (void)setup.Run(faulty, before, clock);  // may end well: some changes only tidy up
    INFO("killed at change " << change);
    CHECK(faulty.fired());
    if (change % 2 == 0) disk.Crash(change);  // the machine too, or the controller alone
    const std::set<std::string> finished = FinishedOf(disk, ends);

    ToyExecutor after(disk, kStore);
    Journal got;
    REQUIRE_THAT(setup.Run(disk, after, clock, &got).status(), IsOk());
    for (const std::string& run : after.started) {
      INFO(run);
      CHECK(finished.count(run) == 0);
    }
    CHECK(EssenceOf(got.history) == EssenceOf(want.history));
    CHECK(got.end == want.end);
    CHECK(EndsOf(MustLoad(disk)) == ends);
    CheckBits(disk, got.history);
  }
}

TEST_CASE("killed at any change of the disk, a grid ends as if it had not been") {
  KillEverywhere(kGrid, 12);
}

TEST_CASE("so does a sweep that decides on its way") { KillEverywhere(kHalving, 8); }

TEST_CASE("a trial that diverges is the worst result, a stage that crashes is tried again") {
  Setup setup;
  setup.spec =
      std::string(kGrid).replace(std::string(kGrid).find("20step: 0.05"), 12, "20step: 7.0 ");
  MemoryStorage disk;
  ToyExecutor probe(disk, kStore);
  ToyClock clock;
  Journal journal;
  REQUIRE_THAT(setup.Run(disk, probe, clock, &journal).status(), IsOk());
  size_t lost = 0;
  for (const auto& [point, outcome] : journal.history.outcomes()) {
    const auto& parts = journal.history.trials().at(point.first).parts;
    const bool hot = parts.size() > 1 && std::stod(parts[1].knobs.at("optim.lr")) == 7;
    CHECK(std::isnan(outcome.metric) == hot);
    if (hot) ++lost;
  }
  CHECK(lost == 2);
  CHECK(journal.lost.size() == 2);
  CHECK(Winner("min", journal.history)->state != "");

  // The names are those of the first disk: stages are named by what they train.
  for (const int crashes : {2, 3}) {
    MemoryStorage again;
    ToyExecutor toys(again, kStore);
    toys.crashes[probe.started[0]] = crashes;
    Journal got;
    REQUIRE_THAT(setup.Run(again, toys, clock, &got).status(), IsOk());
    const auto starts = std::count(toys.started.begin(), toys.started.end(), probe.started[0]);
    CHECK(starts == 3);
    size_t worst = 0;  // of each root two rates go on
    for (const auto& [point, outcome] : got.history.outcomes()) {
      if (std::isnan(outcome.metric)) ++worst;
    }
    CHECK(worst == (crashes == 2 ? 2 : 3 + 1));
  }
}

TEST_CASE("stopped trials are pruned, and never an ancestor of a live one") {
  Setup setup;
  setup.spec = kHalving;
  for (const Keeping keeping : {Keeping::kAll, Keeping::kRunning, Keeping::kWinner}) {
    setup.options.keeping = keeping;
    MemoryStorage disk;
    ToyExecutor toys(disk, kStore);
    toys.on_wait = [&disk] { disk.AdvanceMs(10); };
    ToyClock clock;
    Journal journal;
    REQUIRE_THAT(setup.Run(disk, toys, clock, &journal).status(), IsOk());
    const lineage::Graph graph = MustLoad(disk);
    const Outcome* winner = Winner("min", journal.history);
    REQUIRE(winner != nullptr);
    for (const lineage::StateId& id : Ancestors(graph, FromHex(winner->state))) {
      CHECK_FALSE(IsPruned(graph, id));
    }
    size_t pruned = 0;
    for (const auto& [id, record] : graph.states) pruned += IsPruned(graph, id) ? 1 : 0;
    if (keeping == Keeping::kAll) CHECK(pruned == 0);
    if (keeping != Keeping::kAll) CHECK(pruned > 0);
    for (const auto& [point, outcome] : journal.history.outcomes()) {
      const bool stopped = journal.history.Stopped(point.first);
      if (keeping == Keeping::kRunning) {
        CHECK(IsPruned(graph, FromHex(outcome.state)) == stopped);
      }
      if (keeping == Keeping::kWinner) {
        CHECK(IsPruned(graph, FromHex(outcome.state)) == (point.first != winner->trial));
      }
    }
  }
}

TEST_CASE("one controller at a time") {
  MemoryStorage disk;
  ToyClock clock;
  auto store = lineage::Store::Open(kStore, true, disk);
  REQUIRE_THAT(store.status(), IsOk());
  SeatOptions options;
  options.me = {"there", 7, 7};
  std::optional<bool> alive = true;
  options.is_alive = [&alive](const Sitter&) { return alive; };
  auto first = Seat::Take(**store, "toy", options, clock);
  REQUIRE_THAT(first.status(), IsOk());
  CHECK(first->number() == 1);
  const auto refused = Seat::Take(**store, "toy", options, clock);
  CHECK(refused.status().code() == Code::kInvalidArgument);
  CHECK_THAT(refused.status().message(), Catch::Contains("pid 7"));
  // On another machine, and its beat goes on.
  alive = std::nullopt;
  clock.on_sleep = [&first] { REQUIRE_THAT(first->Keep(), IsOk()); };
  CHECK(Seat::Take(**store, "toy", options, clock).status().code() == Code::kInvalidArgument);
  CHECK_THAT(first->Keep(), IsOk());
  // It stands still for stale_s: followed, and fenced when it wakes.
  clock.on_sleep = nullptr;
  const double begun = clock.Now();
  auto second = Seat::Take(**store, "toy", options, clock);
  REQUIRE_THAT(second.status(), IsOk());
  CHECK(clock.Now() - begun >= options.stale_s);
  CHECK(second->number() == 2);
  CHECK(first->Keep().code() == Code::kIncompatible);
  REQUIRE_THAT(second->Keep(), IsOk());
  // A dead one of this machine is followed at once, and so is one that left.
  alive = false;
  const double now = clock.Now();
  auto third = Seat::Take(**store, "toy", options, clock);
  REQUIRE_THAT(third.status(), IsOk());
  REQUIRE_THAT(third->Leave(), IsOk());
  alive = true;
  REQUIRE_THAT(Seat::Take(**store, "toy", options, clock).status(), IsOk());
  CHECK(clock.Now() == now);
  CHECK(IsAlive(ThisProcess()) == true);
  Sitter gone = ThisProcess();
  gone.started += 1;
  CHECK(IsAlive(gone) == false);
  gone.machine = "elsewhere";
  CHECK(IsAlive(gone) == std::nullopt);
}

TEST_CASE("a sweep goes on with what it was begun with, or says what changed") {
  MemoryStorage disk;
  ToyExecutor toys(disk, kStore);
  ToyClock clock;
  Setup setup;
  int asked = 0;
  setup.options.stop_asked = [&asked] { return ++asked > 3; };
  const auto ending = setup.Run(disk, toys, clock);
  REQUIRE_THAT(ending.status(), IsOk());
  CHECK(*ending == Ending::kStopped);
  CHECK(toys.started.size() < kStagesOfGrid);

  setup.options.stop_asked = [] { return false; };
  setup.spec = std::string(kGrid) + "# a note\n";
  setup.spec.replace(setup.spec.find("slots = 2"), 9, "slots = 5");
  Setup other = setup;
  other.spec.replace(other.spec.find("0.5]"), 4, "0.4]");
  const Status refused = other.Run(disk, toys, clock).status();
  CHECK(refused.code() == Code::kInvalidArgument);
  CHECK_THAT(refused.message(), Catch::Contains("another spec"));
  Journal journal;
  ToyExecutor rest(disk, kStore);
  REQUIRE_THAT(setup.Run(disk, rest, clock, &journal).status(), IsOk());
  CHECK(toys.started.size() + rest.started.size() <= kStagesOfGrid + 2);  // two were under way
  CheckBits(disk, journal.history);
  MemoryStorage fresh;  // where no state has the metric
  ToyExecutor more(fresh, kStore);
  setup.spec.replace(setup.spec.find("budget"), 6, "metric = \"los\"\nbudget");
  const Status missing = setup.Run(fresh, more, clock).status();
  CHECK(missing.code() == Code::kInvalidArgument);
  CHECK_THAT(missing.message(), Catch::Contains("did you mean 'loss'?"));
}

}  // namespace
}  // namespace stemma::sweep
