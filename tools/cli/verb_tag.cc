#include <cstdio>
#include <optional>

#include "core/bytes.h"
#include "lineage/marks.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

void PrintTags(const lineage::Graph& graph, const std::vector<lineage::TagEntry>& tags, bool json) {
  Rows rows;
  for (const lineage::TagEntry& tag : tags) {
    if (json) {
      Print(JsonLine({{"tag", tag.name},
                      {"version", int64_t{tag.version}},
                      {"state", Hex(tag.target)},  // "": taken away
                      {"who", tag.who},
                      {"why", tag.why},
                      {"wall_ms", tag.wall_ms}}));
      continue;
    }
    const std::string what = tag.target.empty() ? "taken away" : Words(graph, tag.target);
    rows.push_back({tag.name, "v" + std::to_string(tag.version), what, TimeText(tag.wall_ms),
                    tag.who, tag.why});
  }
  for (const std::string& line : Columns(rows)) Print(line + "\n");
}

Result<int> MoveTag(OpenedStore& opened, const std::string& name, const std::string& state,
                    const std::string& why, const std::string& expect) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId target, OneState(opened, state));
  std::optional<lineage::StateId> expected;
  if (!expect.empty()) {
    STEMMA_ASSIGN_OR_RETURN(expected, OneState(opened, expect));
  }
  STEMMA_RETURN_IF_ERROR(opened.store->SetTag(name, target, why, expected));
  if (lineage::IsPruned(opened.graph, target)) {
    std::fprintf(stderr, "note: %s is pruned: the tag names it, and keeps what is left of it\n",
                 Words(opened.graph, target).c_str());
  } else {  // somebody may have pruned and collected it since it was loaded
    STEMMA_RETURN_IF_ERROR(
        opened.store->EnsurePacks(opened.graph.states.at(target), lineage::IfPruned::kRefuse));
  }
  const auto before = opened.graph.tags.find(name);
  std::string text = "tag:" + name + " is " + Words(opened.graph, target);
  if (before != opened.graph.tags.end() && before->second.target != target) {
    text += ", was " + Words(opened.graph, before->second.target);
  }
  Print(text + "\n");
  return 0;
}

}  // namespace

Result<int> RunTag(const Arguments& arguments) {
  std::string path, name, state, why, expect;
  bool history = false, json = false;
  Flags flags("tag", "A human name for a state. Tags can move; every version is kept.");
  flags.Word("NAME", &name, "the tag; left out: list all", true);
  flags.Word("STATE", &state, "what it shall name", true);
  flags.Text("why", &why, "TEXT", "kept with this version");
  flags.Text("expect", &expect, "STATE", "only if the tag names this state now");
  flags.Switch("log", &history, "every version of the tag, newest last");
  flags.Switch("json", &json, "one JSON object per line, when listing");
  AddStoreFlag(&flags, &path);
  flags.Notes(
      "Examples\n"
      "  stemma tag best r50@12000 --why \"paper, table 2\"\n"
      "  stemma tag best r50@14000 --expect r50@12000     fails if somebody moved it\n"
      "  stemma tag best --log\n"
      "  stemma untag best                                takes it away\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  STEMMA_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(path));
  if (!state.empty()) return MoveTag(opened, name, state, why, expect);
  std::vector<lineage::TagEntry> tags;
  if (name.empty()) {
    for (const auto& [tag_name, tag] : opened.graph.tags) tags.push_back(tag);
  } else if (history) {
    STEMMA_ASSIGN_OR_RETURN(tags, opened.store->TagHistory(name));
  } else {
    STEMMA_ASSIGN_OR_RETURN(const auto id, lineage::Resolve(opened.graph, "tag:" + name));
    tags.push_back(opened.graph.tags.at(name));
  }
  PrintTags(opened.graph, tags, json);
  return 0;
}

Result<int> RunUntag(const Arguments& arguments) {
  std::string path, name, why, expect;
  Flags flags("untag", "Takes a tag away. That is a new version of it: nothing is forgotten.");
  flags.Word("NAME", &name, "the tag");
  flags.Text("why", &why, "TEXT", "kept with this version");
  flags.Text("expect", &expect, "STATE", "only if the tag names this state now");
  AddStoreFlag(&flags, &path);
  flags.Notes(
      "Examples\n"
      "  stemma untag best --why \"trained on the test set\"\n"
      "  stemma tag best --log                            what it named, and when\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  STEMMA_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(path));
  // Not by Resolve: a tag may name a state that is gone, and such a tag most of all is to go.
  const auto tag = opened.graph.tags.find(name);
  if (tag == opened.graph.tags.end()) {
    STEMMA_RETURN_IF_ERROR(lineage::Resolve(opened.graph, "tag:" + name).status());
  }
  const lineage::StateId was = tag->second.target;
  lineage::StateId expected = was;
  if (!expect.empty()) {
    STEMMA_ASSIGN_OR_RETURN(expected, OneState(opened, expect));
  }
  STEMMA_RETURN_IF_ERROR(opened.store->RemoveTag(name, why, expected));
  Print("tag:" + name + " is gone, was " + Words(opened.graph, was) + "\n");
  return 0;
}

}  // namespace stemma::cli
