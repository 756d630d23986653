#include <optional>

#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/reshape/derive.h"
#include "tools/cli/new_run.h"
#include "tools/cli/open_store.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::Choice;
using lineage::Derived;
using lineage::Elements;
using lineage::NewRun;
using lineage::Record;
using lineage::StateId;

constexpr char kSliceNotes[] =
    "The new state has packs of its own: it can be shown, compared, exported, stacked. In a "
    "pattern *\n"
    "is any run of characters and ? any one; `stemma show --all` lists names and sections.\n"
    "\n"
    "Examples\n"
    "  stemma slice r50@ --section params --name weights       without the optimizer\n"
    "  stemma slice r50@ --keep 'head.*' --drop '*.bias' --name head\n"
    "  stemma slice r50@ --keep embed.weight --rows 0:1000 --name first\n"
    "  stemma slice ensemble@ --at 2 --name third              a member of a stack\n";

constexpr char kStackNotes[] =
    "Without --merge the states hold the same tensors, and the new one holds each of them with a "
    "new\n"
    "first dimension: row i is the i-th state's. `stemma slice --at i` gives that one back. With\n"
    "--merge they hold different tensors, and the new state holds all.\n"
    "\n"
    "Examples\n"
    "  stemma stack a@ b@ c@ --section params --name ensemble\n"
    "  stemma stack encoder@ decoder@ --merge --name both\n";

constexpr char kRebalanceNotes[] =
    "The same bytes in packs of equal size: after a training on another number of ranks, or to "
    "fold\n"
    "many small packs into a few. The parent keeps its own until it is pruned. A training goes on "
    "from\n"
    "the new state bit for bit.\n"
    "\n"
    "Example\n"
    "  stemma rebalance r50@ --parts 8 --name r50-8\n";

void AddChoice(Flags* flags, Choice* choice) {
  flags->List("keep", &choice->keep, "PATTERN", "only tensors whose name fits; repeatable");
  flags->List("drop", &choice->drop, "PATTERN", "not those whose name fits; repeatable");
  flags->List("section", &choice->sections, "PATTERN",
              "only sections that fit, as params or 'optim/*'; repeatable");
}

void AddParts(Flags* flags, int64_t* parts, const char* help) {
  flags->Integer("parts", parts, "M", help);
}

Result<uint32_t> PartsFrom(int64_t parts) {
  if (parts >= 1 && parts <= lineage::kPartsMax) return static_cast<uint32_t>(parts);
  return Status(Code::kInvalidArgument,
                "--parts is 1 to " + std::to_string(lineage::kPartsMax) + " packs");
}

// Digits of a row; nothing for anything else.
std::optional<int64_t> Row(const std::string& text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  int64_t row = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    row = 10 * row + (c - '0');
  }
  return row;
}

// "A:B", rows A to B - 1.
Result<Elements> RowsFrom(const std::string& text) {
  const size_t colon = text.find(':');
  const auto first = Row(text.substr(0, colon));
  const auto end = colon == text.npos ? std::nullopt : Row(text.substr(colon + 1));
  if (first && end && *first < *end) return Elements{*first, *end - *first};
  return Status(Code::kInvalidArgument,
                "'" + text + "' is no range of rows: --rows=A:B is those from A to B - 1");
}

Result<NewRun> NewRunAt(const NewRunFlags& common, const OpenedStore& opened,
                        const StateId& parent) {
  NewRun run;
  run.name = common.name;
  STEMMA_ASSIGN_OR_RETURN(
      run.settings, PutSettingsFor(*opened.store, opened.graph.states.at(parent), common.name, {}));
  return run;
}

Status Say(const NewRunFlags& common, const OpenedStore& opened, const Derived& made,
           const std::string& what, const std::string& more = "") {
  return common.Print(*opened.store, made.id,
                      what + ": " + std::to_string(made.tensors) +
                          (made.tensors == 1 ? " tensor, " : " tensors, ") +
                          HumanBytes(made.bytes) + " in " + std::to_string(made.packs) +
                          (made.packs == 1 ? " pack" : " packs"),
                      more);
}

}  // namespace

Result<int> RunSlice(const Arguments& arguments) {
  std::string state, rows;
  int64_t parts = 1, at = -1;
  lineage::SliceOptions options;
  NewRunFlags common;
  Flags flags("slice", "A new state that holds a part of another one.");
  flags.Word("STATE", &state, "which one");
  AddChoice(&flags, &options.choice);
  flags.Text("rows", &rows, "A:B", "rows A to B - 1 of the first dimension of each");
  flags.Integer("at", &at, "I", "row I of each, without that dimension; -1: all rows");
  AddParts(&flags, &parts, "packs to write");
  common.AddTo(&flags);
  flags.Notes(kSliceNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(common.CheckName());
  if (!rows.empty() && at != -1) {
    return Status(Code::kInvalidArgument, "--rows and --at: one of them");
  }
  if (at < -1) return Status(Code::kInvalidArgument, "--at counts rows from 0");
  STEMMA_ASSIGN_OR_RETURN(options.parts, PartsFrom(parts));
  if (at >= 0) options.rows = Elements{at, 1};
  options.drop_dimension = at >= 0;
  if (!rows.empty()) {
    STEMMA_ASSIGN_OR_RETURN(options.rows, RowsFrom(rows));
  }
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(common.path));
  STEMMA_ASSIGN_OR_RETURN(const StateId from, OneState(opened, state));
  STEMMA_ASSIGN_OR_RETURN(const NewRun run, NewRunAt(common, opened, from));
  STEMMA_ASSIGN_OR_RETURN(const Derived made,
                          lineage::Slice(*opened.store, opened.graph, from, options, run));
  STEMMA_RETURN_IF_ERROR(
      Say(common, opened, made, "sliced " + run.name + " from " + Words(opened.graph, from)));
  return 0;
}

Result<int> RunStack(const Arguments& arguments) {
  std::vector<std::string> words;
  int64_t parts = 1;
  bool merge = false;
  lineage::StackOptions options;
  NewRunFlags common;
  Flags flags("stack", "A new state that holds the tensors of several.");
  flags.Words("STATE", &words, "two or more, in this order");
  AddChoice(&flags, &options.choice);
  flags.Switch("merge", &merge, "different tensors under one roof, none stacked");
  AddParts(&flags, &parts, "packs to write");
  common.AddTo(&flags);
  flags.Notes(kStackNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(common.CheckName());
  if (words.size() < 2) return Status(Code::kInvalidArgument, "which states? Two or more");
  STEMMA_ASSIGN_OR_RETURN(options.parts, PartsFrom(parts));
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(common.path));
  std::vector<StateId> from;
  std::string names;
  for (const std::string& word : words) {
    STEMMA_ASSIGN_OR_RETURN(const StateId id, OneState(opened, word));
    from.push_back(id);
    names += (names.empty() ? "" : ", ") + Words(opened.graph, id);
  }
  STEMMA_ASSIGN_OR_RETURN(const NewRun run, NewRunAt(common, opened, from.front()));
  const auto put = merge ? lineage::Merge : lineage::Stack;
  STEMMA_ASSIGN_OR_RETURN(const Derived made, put(*opened.store, opened.graph, from, options, run));
  STEMMA_RETURN_IF_ERROR(
      Say(common, opened, made, (merge ? "merged " : "stacked ") + run.name + " from " + names));
  return 0;
}

Result<int> RunRebalance(const Arguments& arguments) {
  std::string state;
  int64_t parts = 0;
  NewRunFlags common;
  Flags flags("rebalance", "The same state in packs of equal size, as a new run.");
  flags.Word("STATE", &state, "which one");
  AddParts(&flags, &parts, "packs to write");
  common.AddTo(&flags);
  flags.Notes(kRebalanceNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(common.CheckName());
  STEMMA_ASSIGN_OR_RETURN(const uint32_t wanted, PartsFrom(parts));
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(common.path));
  STEMMA_ASSIGN_OR_RETURN(const StateId from, OneState(opened, state));
  const Record& parent = opened.graph.states.at(from);
  STEMMA_ASSIGN_OR_RETURN(const NewRun run, NewRunAt(common, opened, from));
  STEMMA_ASSIGN_OR_RETURN(const Derived made,
                          lineage::Rebalance(*opened.store, opened.graph, from, wanted, run));
  const std::string more = parent.settings.empty()
                               ? ""
                               : "start  " + TrainLine(parent.world, run.name, common.path) + "\n";
  STEMMA_RETURN_IF_ERROR(Say(
      common, opened, made, "rebalanced " + run.name + " from " + Words(opened.graph, from), more));
  return 0;
}

}  // namespace stemma::cli
