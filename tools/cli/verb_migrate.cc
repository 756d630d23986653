#include "core/text.h"
#include "lineage/reshape/migrate.h"
#include "lineage/storage.h"
#include "tools/cli/open_store.h"
#include "tools/cli/select_states.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::Migrated;

constexpr char kNotes[] =
    "States keep their ids, names and edges, so a training goes on there by `stemma train --run`. "
    "All\n"
    "ancestors come along as records, with a prune mark in place of their bytes. Every byte is "
    "held\n"
    "against its digest on the way. What is there already is not copied, so the same command after "
    "a\n"
    "crash goes on where it stopped, and later brings what is new. A store is made where there is "
    "none.\n"
    "\n"
    "End the run here before it goes on there: a run that went on in both stores is refused.\n"
    "\n"
    "Examples\n"
    "  stemma migrate r50 --to /archive/store --tags       all states of a run\n"
    "  stemma migrate r50@ tag:best --to store2            two states\n"
    "  stemma migrate 'heads()' --to store2                what a query selects\n";

std::string Counted(uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string Text(const Migrated& done, const std::string& to) {
  std::string text = Counted(done.states, "state is", "states are") + " whole in " + to + ", " +
                     std::to_string(done.states_there) + " of them had been before\ncopied  " +
                     Counted(done.packs, "pack", "packs") + " of " + HumanBytes(done.bytes) + "; " +
                     std::to_string(done.packs_there) + " were there\n";
  if (done.nodes > 0) {
    text += "records without bytes  " + std::to_string(done.nodes) + "\n";
  }
  if (done.notes > 0) text += "notes  " + std::to_string(done.notes) + "\n";
  if (done.tags > 0) text += "tags  " + std::to_string(done.tags) + "\n";
  for (const std::string& tag : done.tags_left) {
    text += "note: tag '" + tag + "' names another state there and stays as it is\n";
  }
  return text;
}

}  // namespace

Result<int> RunMigrate(const Arguments& arguments) {
  std::string path, to;
  std::vector<std::string> words;
  lineage::MigrateOptions options;
  bool json = false;
  Flags flags("migrate", "Copies states with all they need into another store.");
  flags.Words("STATE|RUN", &words, "which; a run means all its states");
  flags.Text("to", &to, "DIR", "the other store");
  flags.Switch("tags", &options.tags, "the tags of these states too");
  flags.Switch("json", &json, "one JSON object");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (words.empty()) return Status(Code::kInvalidArgument, "which states? Name some, or a run");
  if (to.empty()) return Status(Code::kInvalidArgument, "where to? --to=DIR is the other store");

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const auto states, StatesOfAll(*opened.store, opened.graph, words));
  STEMMA_ASSIGN_OR_RETURN(const auto target,
                          lineage::Store::Open(to, /*create=*/true, lineage::PosixStorage()));
  STEMMA_ASSIGN_OR_RETURN(const Migrated done,
                          lineage::Migrate(*opened.store, opened.graph, states, *target, options));
  if (!json) {
    Print(Text(done, to));
    return 0;
  }
  Print(JsonLine({{"states", done.states},
                  {"states_there", done.states_there},
                  {"nodes", done.nodes},
                  {"packs", done.packs},
                  {"packs_there", done.packs_there},
                  {"bytes", done.bytes},
                  {"notes", done.notes},
                  {"tags", done.tags},
                  {"tags_left", static_cast<uint64_t>(done.tags_left.size())}}));
  return 0;
}

}  // namespace stemma::cli
