#include <set>

#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/policy.h"
#include "lineage/retention.h"
#include "lineage/survey.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/select_states.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::PruneItem;
using lineage::StateId;
using Reasons = std::map<StateId, std::string>;  // each state that may go, and why

constexpr double kGraceS = 0;  // being young delays gc, not the mark

constexpr char kNotes[] =
    "A prune is a mark: node, edges and metrics stay, and so do the bytes until `stemma gc`. What\n"
    "a tag, an open scope, a living run's head or a fork holds stays in any case.\n"
    "\n"
    "Examples\n"
    "  stemma prune r50@12000 r50@13000 --reason diverged       what it would free\n"
    "  stemma prune r50@12000 r50@13000 --reason diverged --apply\n"
    "  stemma prune --keep 'last 3, every 1000, best loss 2, forkpoints'\n"
    "  stemma prune sweep7 --keep heads --apply                 of one run\n"
    "  stemma prune --expired --apply       time to live passed, or all scopes over\n"
    "  stemma prune r50@12000 --undo\n"
    "Rules of --keep: last N, every N, best METRIC K, best max METRIC K, heads, forkpoints, thin.\n"
    "The two newest states of every run are kept by any of them.\n";

struct Request {
  std::vector<std::string> words;
  std::string keep, reason;
  bool expired = false, apply = false, plan = false, undo = false, json = false;
};

Result<Reasons> Wanted(const lineage::Store& store, const lineage::Survey& survey,
                       const Request& request) {
  const lineage::Graph& graph = survey.graph;
  STEMMA_ASSIGN_OR_RETURN(std::set<StateId> states, StatesOfAll(store, graph, request.words));
  if (request.words.empty()) {
    for (const auto& [id, record] : graph.states) states.insert(id);
  }
  if (request.expired || !request.keep.empty()) {
    lineage::Policy policy;  // empty: what has expired
    if (!request.keep.empty()) {
      STEMMA_ASSIGN_OR_RETURN(policy, lineage::ParsePolicy(request.keep));
    }
    return LetGo(graph, survey.facts, policy, states);
  }
  Reasons wanted;
  for (const StateId& id : states) {
    wanted[id] = request.reason.empty() ? "by hand" : request.reason;
  }
  return wanted;
}

std::string Verdict(const PruneItem& item, const std::string& why) {
  if (!item.root.empty()) return "kept: " + item.root;
  return item.pruned ? "pruned already" : why;
}

void PrintPlan(const lineage::Graph& graph, const lineage::PrunePlan& plan, const Reasons& wanted,
               bool json) {
  std::vector<std::vector<std::string>> rows;
  for (const PruneItem& item : plan.items) {
    const std::string verdict = Verdict(item, wanted.at(item.id));
    if (json) {
      Print(JsonLine({{"state", lineage::NameOfState(graph.states.at(item.id))},
                      {"goes", item.root.empty()},
                      {"why", verdict},
                      {"exclusive_bytes", item.exclusive_bytes},
                      {"shared_bytes", item.shared_bytes}}));
    }
    rows.push_back({Words(graph, item.id), "own " + HumanBytes(item.exclusive_bytes),
                    "shared " + HumanBytes(item.shared_bytes), verdict});
  }
  if (json) return Print(JsonLine({{"freed_bytes", plan.freed_bytes}}));
  for (const std::string& line : Columns(rows)) Print(line + "\n");
}

Status Apply(lineage::Store& store, const lineage::PrunePlan& plan, const Reasons& wanted,
             size_t* marked) {
  for (const PruneItem& item : plan.items) {
    if (!item.root.empty() || item.pruned) continue;
    STEMMA_RETURN_IF_ERROR(store.Mark(item.id, lineage::kPrunedKey, wanted.at(item.id)));
    ++*marked;
  }
  return {};
}

Result<int> Undo(const std::string& path, const std::vector<std::string>& words) {
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const std::set<StateId> states,
                          StatesOfAll(*opened.store, opened.graph, words));
  for (const StateId& id : states) {
    STEMMA_RETURN_IF_ERROR(UndoPrune(*opened.store, opened.graph, id));
    Print(Words(opened.graph, id) + " is whole again\n");
  }
  return 0;
}

Status Check(const Request& request) {
  const bool by_rule = request.expired || !request.keep.empty();
  if (request.words.empty() && (!by_rule || request.undo)) {
    return {Code::kInvalidArgument, "which states? Name some, a run, or give --keep or --expired"};
  }
  if (request.apply && request.plan) {
    return {Code::kInvalidArgument, "--plan and --apply: one of them"};
  }
  if (request.expired && !request.keep.empty()) {
    return {Code::kInvalidArgument, "--expired and --keep: one after the other"};
  }
  return {};
}

}  // namespace

Result<int> RunPrune(const Arguments& arguments) {
  std::string path;
  Request request;
  Flags flags("prune", "Gives up the bytes of states. Shows what that frees unless --apply.");
  flags.Words("STATE|RUN", &request.words, "which; a run means all its states");
  flags.Text("keep", &request.keep, "POLICY", "all but what these rules keep");
  flags.Switch("expired", &request.expired, "those whose time to live or scopes are over");
  flags.Text("reason", &request.reason, "TEXT", "kept with the mark");
  flags.Switch("plan", &request.plan, "change nothing (the default)");
  flags.Switch("apply", &request.apply, "set the marks");
  flags.Switch("undo", &request.undo, "take marks back, where the bytes are still there");
  flags.Switch("json", &request.json, "one JSON object per line");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(Check(request));
  if (request.undo) return Undo(path, request.words);

  STEMMA_ASSIGN_OR_RETURN(const auto store, OpenStoreOnly(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Survey survey, SurveyStore(*store, kGraceS));
  STEMMA_ASSIGN_OR_RETURN(const Reasons wanted, Wanted(*store, survey, request));
  std::set<StateId> states;
  for (const auto& [id, why] : wanted) states.insert(id);
  const lineage::PrunePlan plan = PlanPrune(survey.graph, survey.facts, states);
  PrintPlan(survey.graph, plan, wanted, request.json);
  size_t marked = 0;
  if (request.apply) STEMMA_RETURN_IF_ERROR(Apply(*store, plan, wanted, &marked));
  if (request.json) return 0;
  Print(request.apply
            ? std::to_string(marked) + (marked == 1 ? " state" : " states") +
                  " marked; `stemma gc --apply` frees " + HumanBytes(plan.freed_bytes) + "\n"
            : "would free " + HumanBytes(plan.freed_bytes) +
                  "; --apply sets the marks, `stemma prune --undo` takes them back\n");
  return 0;
}

}  // namespace stemma::cli
