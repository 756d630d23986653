#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>

#include "core/bytes.h"
#include "lineage/bisect.h"
#include "lineage/index.h"
#include "lineage/query/query.h"
#include "tools/cli/diff_lines.h"
#include "tools/cli/open_store.h"
#include "tools/cli/replay.h"
#include "tools/cli/shell.h"
#include "tools/cli/state_diff.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::Record;
using lineage::Verdict;

constexpr int kSkipCode = 125;
constexpr int kBadCodeMax = 127;

constexpr char kNotes[] =
    "Searches from the bad state back along first parents. --run hands each state in question to\n"
    "/bin/sh -c CMD, with STEMMA_STATE (its id), STEMMA_STORE and STEMMA_STEP in the environment.\n"
    "CMD says by its exit code: 0 good, 125 cannot tell, 1 to 127 bad, more stops the search. "
    "What\n"
    "it prints goes to stderr. --where is a query (`stemma find --help`): a state that it selects "
    "is\n"
    "bad, one that `not (EXPR)` selects is good, and any other, which lacks a value, cannot tell. "
    "A\n"
    "loss that is not a number is neither above nor below anything: 'not (loss <= 2.5)' and\n"
    "'loss != loss' call it bad.\n"
    "\n"
    "--replay then trains the steps between the last good and the first bad state once more, in a\n"
    "run of its own (a fork, RUN-replay1) with a state captured at every step, and searches those "
    "in\n"
    "the same way. It uses the settings stored with the run and as many ranks as the states were "
    "made\n"
    "on: `mpirun -n RANKS stemma train ...`, or what --launch says, in which {train} stands for "
    "the\n"
    "command and {ranks} for their number. A resume is exact, so the way is the same; that is "
    "checked:\n"
    "the replay must end in the bytes of the bad state, or nothing is said of its steps. It takes "
    "the\n"
    "disk a state for every step in between.\n"
    "\n"
    "Examples\n"
    "  stemma bisect --good r50@100 --bad r50@9000 --where 'loss > 2.5'\n"
    "  stemma bisect --good r50@100 --bad r50@9000 --where 'loss > 2.5' --replay\n"
    "  stemma bisect --good r50@100 --bad r50@ --run './evaluate \"$STEMMA_STATE\"'\n";

// What is known of a state and why: "exit code 1", "loss > 2.5".
struct Judged {
  Verdict verdict = Verdict::kSkip;
  std::string why;
};

const char* NameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGood:
      return "good";
    case Verdict::kBad:
      return "bad";
    case Verdict::kSkip:
      return "skipped";
  }
  return "unknown";
}

// The environment with three more entries, which win over older ones of the same name.
std::vector<std::string> EnvironmentFor(const Record& record, const std::string& store) {
  std::vector<std::string> all = {"STEMMA_STATE=" + Hex(record.id), "STEMMA_STORE=" + store,
                                  "STEMMA_STEP=" + std::to_string(record.step)};
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    bool ours = false;
    for (const char* name : {"STEMMA_STATE=", "STEMMA_STORE=", "STEMMA_STEP="}) {
      ours = ours || text.rfind(name, 0) == 0;
    }
    if (!ours) all.push_back(text);
  }
  return all;
}

Result<Judged> JudgeByCommand(const std::string& command, const std::string& store,
                              const Record& record) {
  std::fflush(stdout);
  std::error_code ignored;  // a path that cannot be made absolute stays as it is
  const auto absolute = std::filesystem::absolute(store, ignored);
  STEMMA_ASSIGN_OR_RETURN(
      const int code,
      RunShell(command, EnvironmentFor(record, ignored ? store : absolute.string())));
  if (code > kBadCodeMax) {
    return Status(Code::kIo, "the command left with " + std::to_string(code) + " at " +
                                 Hex(record.id) +
                                 ", which is no verdict: 0 good, 1 to 124 bad, 125 cannot tell");
  }
  const Verdict verdict = code == 0           ? Verdict::kGood
                          : code == kSkipCode ? Verdict::kSkip
                                              : Verdict::kBad;
  return Judged{verdict, "exit code " + std::to_string(code)};
}

// What a query says of all states at once: each is asked for later.
struct Verdicts {
  std::set<lineage::StateId> bad, good;

  Judged Of(const lineage::StateId& id) const {
    if (bad.count(id)) return {Verdict::kBad, "the query selects it"};
    if (good.count(id)) return {Verdict::kGood, "the query does not select it"};
    return {Verdict::kSkip, "a value that the query asks for is missing"};
  }
};

Result<std::set<lineage::StateId>> Selected(const lineage::Query& query,
                                            const lineage::Index& index) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::Answer answer, lineage::Find(query, index));
  std::set<lineage::StateId> ids;
  for (const lineage::Row row : answer.rows) ids.emplace(index.id[row]);
  return ids;
}

// The text is a query by itself before it is put into another one.
Result<Verdicts> JudgeByQuery(const OpenedStore& opened, const std::string& where) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::Query bad, lineage::ParseQuery(where));
  const auto good = lineage::ParseQuery("not (" + where + ")");
  if (!good.ok()) {
    return Status(Code::kInvalidArgument,
                  "--where says what is bad: it takes no `order by` and no `limit`");
  }
  const lineage::Index index = lineage::IndexOf(opened.graph, *opened.store);
  Verdicts verdicts;
  STEMMA_ASSIGN_OR_RETURN(verdicts.bad, Selected(bad, index));
  STEMMA_ASSIGN_OR_RETURN(verdicts.good, Selected(*good, index));
  return verdicts;
}

// The ends are known without a search, and asking costs nothing here.
Status CheckEnds(const OpenedStore& opened, const std::vector<lineage::StateId>& line,
                 const Verdicts& verdicts) {
  const Judged good = verdicts.Of(line.front()), bad = verdicts.Of(line.back());
  if (good.verdict == Verdict::kBad) {
    return {Code::kInvalidArgument,
            "the query selects " + Words(opened.graph, line.front()) + ", which --good names"};
  }
  if (bad.verdict == Verdict::kBad) return {};
  return {Code::kInvalidArgument, "the query does not select " + Words(opened.graph, line.back()) +
                                      ", which --bad names: " + bad.why};
}

void PrintProbe(const OpenedStore& opened, const Record& record, size_t number, size_t about,
                const Judged& judged, bool json) {
  if (json) {
    Print(JsonLine({{"kind", std::string("probe")},
                    {"state", Hex(record.id)},
                    {"step", record.step},
                    {"verdict", std::string(NameOf(judged.verdict))},
                    {"why", judged.why}}));
    return;
  }
  Print("probe " + std::to_string(number) + " of about " + std::to_string(about) + "  " +
        Words(opened.graph, record.id) + "  " + NameOf(judged.verdict) + ": " + judged.why + "\n");
}

Status PrintResult(const OpenedStore& opened, const lineage::Bisected& found, bool json) {
  const lineage::Graph& graph = opened.graph;
  const Record& good = graph.states.at(found.last_good);
  const Record& bad = graph.states.at(found.candidates.back());
  if (json) {
    std::vector<std::string> candidates;
    for (const lineage::StateId& id : found.candidates) candidates.push_back(Hex(id));
    Print(JsonLine({{"kind", std::string("result")},
                    {"last_good", Hex(good.id)},
                    {"first_bad", candidates.size() == 1 ? candidates[0] : std::string()},
                    {"candidates", candidates},
                    {"probes", uint64_t{found.probes}}}));
    return {};
  }
  Print("last good  " + Words(graph, good.id) + "\n");
  if (found.candidates.size() == 1) {
    Print("first bad  " + Words(graph, bad.id) + "\n");
  } else {
    Print("the first bad state is one of these, which were skipped up to the last\n");
    for (const lineage::StateId& id : found.candidates) Print("  " + Words(graph, id) + "\n");
    Print("between the last good state and the last of these:\n");
  }
  STEMMA_ASSIGN_OR_RETURN(const auto changes, DiffStoredSettings(*opened.store, good, bad));
  Print(SettingsText(changes) + MetricsText(good, bad));
  return {};
}

struct Wish {
  std::string path, name_good, name_bad, command, where, launch;
  bool replay = false, json = false;
};

// One search along `line`, whose ends are known.
Result<lineage::Bisected> Search(const OpenedStore& opened,
                                 const std::vector<lineage::StateId>& line, const Wish& wish) {
  Verdicts verdicts;
  if (!wish.where.empty()) {
    STEMMA_ASSIGN_OR_RETURN(verdicts, JudgeByQuery(opened, wish.where));
    STEMMA_RETURN_IF_ERROR(CheckEnds(opened, line, verdicts));
  }
  size_t number = 0;
  const auto probe = [&](const lineage::StateId& id) -> Result<Verdict> {
    const Record& record = opened.graph.states.at(id);
    Judged judged;
    if (wish.where.empty()) {
      STEMMA_ASSIGN_OR_RETURN(judged, JudgeByCommand(wish.command, wish.path, record));
    } else {
      judged = verdicts.Of(id);
    }
    PrintProbe(opened, record, ++number, lineage::ProbesAtMost(line.size()), judged, wish.json);
    return judged.verdict;
  };
  STEMMA_ASSIGN_OR_RETURN(const lineage::Bisected found, lineage::Bisect(line, probe));
  STEMMA_RETURN_IF_ERROR(PrintResult(opened, found, wish.json));
  return found;
}

void PrintStep(const OpenedStore& opened, const lineage::Bisected& found, const std::string& run,
               bool json) {
  const int64_t first = opened.graph.states.at(found.candidates.front()).step;
  const int64_t last = opened.graph.states.at(found.candidates.back()).step;
  if (json) {
    Print(JsonLine({{"kind", std::string("step")},
                    {"run", run},
                    {"first_bad_step", first == last ? first : int64_t{-1}},
                    {"from", first},
                    {"to", last}}));
    return;
  }
  Print(first == last ? "first bad step  " + std::to_string(last) + "\n"
                      : "the first bad step is one of " + std::to_string(first) + " to " +
                            std::to_string(last) + "\n");
  if (!run.empty()) {
    Print("its states are those of run " + run + "; `stemma prune " + run +
          " --apply` gives their bytes up\n");
  }
}

// From states to steps.
Status Replayed(const OpenedStore& opened, const lineage::Bisected& found, const Wish& wish) {
  const Record& good = opened.graph.states.at(found.last_good);
  const Record& bad = opened.graph.states.at(found.candidates.back());
  if (bad.step <= good.step + 1) return PrintStep(opened, found, "", wish.json), Status();
  STEMMA_ASSIGN_OR_RETURN(const Replay replay,
                          ReplaySteps(opened, good, bad, wish.path, wish.launch, !wish.json));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Bisected step, Search(replay.opened, replay.line, wish));
  PrintStep(replay.opened, step, replay.run, wish.json);
  return {};
}

Status CheckWish(const Wish& wish) {
  if (wish.name_good.empty() || wish.name_bad.empty()) {
    return {Code::kInvalidArgument, "two ends are needed: --good=STATE and --bad=STATE"};
  }
  if (wish.command.empty() == wish.where.empty()) {
    return {Code::kInvalidArgument, "say what is bad: either --run=CMD or --where=EXPR"};
  }
  if (!wish.launch.empty() && !wish.replay) {
    return {Code::kInvalidArgument, "--launch says how --replay starts the training"};
  }
  return wish.launch.empty() ? Status() : CheckLaunch(wish.launch);
}

}  // namespace

Result<int> RunBisect(const Arguments& arguments) {
  Wish wish;
  Flags flags("bisect", "The first bad state between a good one and a bad one that comes from it.");
  flags.Text("good", &wish.name_good, "STATE", "a good state");
  flags.Text("bad", &wish.name_bad, "STATE", "a bad state that comes from it");
  flags.Text("run", &wish.command, "CMD", "says by its exit code what a state is");
  flags.Text("where", &wish.where, "EXPR", "a query: what it selects is bad");
  flags.Switch("replay", &wish.replay, "goes on to the first bad step, by training it again");
  flags.Text("launch", &wish.launch, "LINE", "how --replay starts it: 'srun -n {ranks} {train}'");
  flags.Switch("json", &wish.json, "one JSON object per line: probe, result, step");
  AddStoreFlag(&flags, &wish.path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(CheckWish(wish));
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(wish.path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId good,
                          lineage::Resolve(opened.graph, wish.name_good));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId bad,
                          lineage::Resolve(opened.graph, wish.name_bad));
  STEMMA_ASSIGN_OR_RETURN(const auto line, lineage::LineBetween(opened.graph, good, bad));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Bisected found, Search(opened, line, wish));
  if (wish.replay) STEMMA_RETURN_IF_ERROR(Replayed(opened, found, wish));
  return 0;
}

}  // namespace stemma::cli
