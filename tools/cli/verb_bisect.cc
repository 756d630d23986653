#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

#include "core/bytes.h"
#include "lineage/bisect.h"
#include "tools/cli/condition.h"
#include "tools/cli/diff_lines.h"
#include "tools/cli/open_store.h"
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
    "it prints goes to stderr. --where calls a state bad where the condition holds, and one that\n"
    "has no such metric or attribute cannot tell; a value that is not a number is bad.\n"
    "\n"
    "Examples\n"
    "  stemma bisect --good r50@100 --bad r50@9000 --where 'loss > 2.5'\n"
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

// The exit code of /bin/sh -c `command`, or 128 and the signal that ended it. Its stdout is our
// stderr.
Result<int> RunCommand(const std::string& command, std::vector<std::string> environment) {
  const auto failed = [](const char* call, int error) {
    return Status(Code::kIo,
                  std::string(call) + " /bin/sh: " + std::generic_category().message(error));
  };
  std::string shell = "/bin/sh", dash_c = "-c", text = command;
  char* const arguments[] = {shell.data(), dash_c.data(), text.data(), nullptr};
  std::vector<char*> entries;
  for (std::string& entry : environment) entries.push_back(entry.data());
  entries.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  if (const int error = posix_spawn_file_actions_init(&actions)) return failed("spawn", error);
  pid_t child = 0;
  int error = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  if (error == 0) {
    error = posix_spawn(&child, shell.c_str(), &actions, nullptr, arguments, entries.data());
  }
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return failed("spawn", error);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return failed("wait for", errno);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<Judged> JudgeByCommand(const std::string& command, const std::string& store,
                              const Record& record) {
  std::fflush(stdout);
  std::error_code ignored;  // a path that cannot be made absolute stays as it is
  const auto absolute = std::filesystem::absolute(store, ignored);
  STEMMA_ASSIGN_OR_RETURN(
      const int code,
      RunCommand(command, EnvironmentFor(record, ignored ? store : absolute.string())));
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

Judged JudgeByCondition(const Condition& condition, const lineage::Graph& graph,
                        const Record& record) {
  const std::optional<bool> holds = Holds(condition, graph, record);
  if (!holds) return {Verdict::kSkip, "it has no number '" + condition.name + "'"};
  return {*holds ? Verdict::kBad : Verdict::kGood, *holds ? "the condition holds" : "it does not"};
}

// The ends are known without a search, and asking costs nothing here.
Status CheckEnds(const OpenedStore& opened, const std::vector<lineage::StateId>& line,
                 const Condition& condition) {
  const Judged good = JudgeByCondition(condition, opened.graph, opened.graph.states.at(line[0]));
  const Judged bad = JudgeByCondition(condition, opened.graph, opened.graph.states.at(line.back()));
  if (good.verdict == Verdict::kBad) {
    return {Code::kInvalidArgument,
            "the condition holds for " + Words(opened.graph, line[0]) + ", which --good names"};
  }
  if (bad.verdict == Verdict::kBad) return {};
  return {Code::kInvalidArgument, "the condition does not hold for " +
                                      Words(opened.graph, line.back()) +
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

}  // namespace

Result<int> RunBisect(const Arguments& arguments) {
  std::string path, name_good, name_bad, command, where;
  bool json = false;
  Flags flags("bisect", "The first bad state between a good one and a bad one that comes from it.");
  flags.Text("good", &name_good, "STATE", "a good state");
  flags.Text("bad", &name_bad, "STATE", "a bad state that comes from it");
  flags.Text("run", &command, "CMD", "says by its exit code what a state is");
  flags.Text("where", &where, "CONDITION", "NAME OP NUMBER: a state is bad where it holds");
  flags.Switch("json", &json, "one JSON object per line: probe, result");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (name_good.empty() || name_bad.empty()) {
    return Status(Code::kInvalidArgument, "two ends are needed: --good=STATE and --bad=STATE");
  }
  if (command.empty() == where.empty()) {
    return Status(Code::kInvalidArgument, "say what is bad: either --run=CMD or --where=CONDITION");
  }
  Condition condition;
  if (!where.empty()) {
    STEMMA_ASSIGN_OR_RETURN(condition, ParseCondition(where));
  }
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId good, lineage::Resolve(opened.graph, name_good));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId bad, lineage::Resolve(opened.graph, name_bad));
  STEMMA_ASSIGN_OR_RETURN(const auto line, lineage::LineBetween(opened.graph, good, bad));
  if (!where.empty()) STEMMA_RETURN_IF_ERROR(CheckEnds(opened, line, condition));
  size_t number = 0;
  const auto probe = [&](const lineage::StateId& id) -> Result<Verdict> {
    const Record& record = opened.graph.states.at(id);
    Judged judged;
    if (where.empty()) {
      STEMMA_ASSIGN_OR_RETURN(judged, JudgeByCommand(command, path, record));
    } else {
      judged = JudgeByCondition(condition, opened.graph, record);
    }
    PrintProbe(opened, record, ++number, lineage::ProbesAtMost(line.size()), judged, json);
    return judged.verdict;
  };
  STEMMA_ASSIGN_OR_RETURN(const lineage::Bisected found, lineage::Bisect(line, probe));
  STEMMA_RETURN_IF_ERROR(PrintResult(opened, found, json));
  return 0;
}

}  // namespace stemma::cli
