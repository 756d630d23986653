#include <map>

#include "tools/cli/flags.h"
#include "tools/cli/machine.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

void PrintFacts(const std::vector<Fact>& facts) {
  std::vector<std::vector<std::string>> rows;
  std::string group;
  for (const Fact& fact : facts) {
    const std::string cure = fact.cure.empty() ? "" : ": " + fact.cure;
    rows.push_back(
        {fact.group == group ? "" : fact.group, fact.name,
         fact.value + (fact.verdict == Verdict::kFact
                           ? ""
                           : std::string("  [") + VerdictName(fact.verdict) + cure + "]")});
    group = fact.group;
  }
  for (const std::string& line : Columns(rows)) Print(line + "\n");
}

}  // namespace

Result<int> RunDoctor(const Arguments& arguments) {
  std::string store = "stemma-store";
  bool json = false;
  Flags flags("doctor", "What this machine is, and whether Stemma will work on it.");
  flags.Text("store", &store, "DIR", "also looks at the file system of this folder");
  flags.Switch("json", &json, "one JSON object per fact");
  flags.Notes(
      "Each line that was judged ends with ok, note or BAD, and what to do. Exit code 1 if "
      "anything\n"
      "is BAD. The text is made to be pasted into a report; values that look secret are masked.\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  std::vector<Fact> facts = InspectMachine();
  for (Fact& fact : InspectStorage(store)) facts.push_back(std::move(fact));
  std::map<Verdict, int> count;
  for (const Fact& fact : facts) ++count[fact.verdict];
  if (json) {
    for (const Fact& fact : facts) {
      Print(JsonLine({{"group", fact.group},
                      {"name", fact.name},
                      {"value", fact.value},
                      {"verdict", VerdictName(fact.verdict)},
                      {"cure", fact.cure}}));
    }
  } else {
    PrintFacts(facts);
    Print("\n" + std::to_string(count[Verdict::kOk]) + " ok, " +
          std::to_string(count[Verdict::kNote]) + " to note, " +
          std::to_string(count[Verdict::kBad]) + " BAD\n");
  }
  return count[Verdict::kBad] > 0 ? 1 : 0;
}

}  // namespace stemma::cli
