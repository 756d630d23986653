#include "core/text.h"
#include "lineage/marks.h"
#include "tools/cli/duration.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/select_states.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

void PrintScopes(const lineage::Graph& graph, bool json) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, scope] : ScopesOf(graph)) {
    const double ttl = scope.ttl_s.value_or(0);
    if (json) {
      Print(JsonLine({{"scope", name},
                      {"open", scope.open},
                      {"ttl_s", ttl},
                      {"members", uint64_t{scope.members.size()}}}));
    }
    rows.push_back({name, scope.open ? "open" : "closed",
                    ttl > 0 ? "for " + HumanDuration(ttl) : "",
                    std::to_string(scope.members.size()) +
                        (scope.members.size() == 1 ? " state" : " states")});
  }
  if (json) return;
  for (const std::string& line : Columns(rows)) Print(line + "\n");
}

}  // namespace

Result<int> RunScope(const Arguments& arguments) {
  std::string path, what, name, state, ttl;
  bool json = false;
  Flags flags("scope", "A lifetime that states share: while it is open they keep their bytes.");
  flags.Word("open|close|add|list", &what, "what to do");
  flags.Word("NAME", &name, "the scope", true);
  flags.Word("STATE", &state, "for add: a state, or a run with all its states", true);
  flags.Text("ttl", &ttl, "TIME", "for open: it ends by itself after this long, such as 7d");
  flags.Switch("json", &json, "one JSON object per line, when listing");
  AddStoreFlag(&flags, &path);
  flags.Notes(
      "Examples\n"
      "  stemma scope open sweep7 --ttl=7d\n"
      "  stemma scope add sweep7 r50@12000\n"
      "  stemma scope close sweep7            its states can be pruned: `stemma prune --expired`\n"
      "  stemma scope list\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  if (what == "list" && name.empty()) return PrintScopes(opened.graph, json), 0;
  if (what == "open" && !name.empty() && state.empty()) {
    std::optional<double> seconds;
    if (!ttl.empty()) {
      STEMMA_ASSIGN_OR_RETURN(seconds, SecondsIn("ttl", ttl));
    }
    STEMMA_RETURN_IF_ERROR(OpenScope(*opened.store, name, seconds));
    return Print("scope " + name + " is open\n"), 0;
  }
  if (what == "close" && !name.empty() && state.empty()) {
    STEMMA_RETURN_IF_ERROR(CloseScope(*opened.store, opened.graph, name));
    return Print("scope " + name + " is closed\n"), 0;
  }
  if (what == "add" && !state.empty()) {
    STEMMA_ASSIGN_OR_RETURN(const auto states, StatesOf(*opened.store, opened.graph, state));
    for (const lineage::StateId& id : states) {
      STEMMA_RETURN_IF_ERROR(AddToScope(*opened.store, opened.graph, name, id));
      Print(Words(opened.graph, id) + " is in scope " + name + "\n");
    }
    return 0;
  }
  return Status(
      Code::kInvalidArgument,
      "expected open NAME, close NAME, add NAME STATE or list; see `stemma scope --help`");
}

}  // namespace stemma::cli
