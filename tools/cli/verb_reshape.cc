#include "lineage/graph.h"
#include "lineage/reshape/reshape.h"
#include "tools/cli/new_run.h"
#include "tools/cli/open_store.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::NewRun;
using lineage::Record;
using lineage::StateId;

constexpr int64_t kRanksMax = 1 << 24;

constexpr char kRanksNotes[] =
    "Writes one record and no payload: ranges on the disk know no ranks, and the position in the\n"
    "data counts global samples. The same samples come in the same order; sums are taken in "
    "another\n"
    "order, so bits differ. What differs per rank keeps its rule: rank 0's is taken, or it is "
    "drawn\n"
    "anew, or the reshape is refused.\n"
    "\n"
    "`stemma train` on another number of ranks does the same by itself; this verb says it "
    "beforehand\n"
    "and under a name of its own.\n"
    "\n"
    "Examples\n"
    "  stemma reshape r50@ --ranks 16 --name wide\n"
    "  stemma log --graph                       the edge is dashed\n";

constexpr char kShuffleNotes[] =
    "Writes one record and no payload: the new run goes on at the same place of another order of "
    "the\n"
    "data, and train.seed is the new seed. Within the epoch that it falls into some samples come "
    "twice\n"
    "and others not; from the next epoch on each comes once. Dropout draws from the new seed too.\n"
    "\n"
    "Example\n"
    "  stemma shuffle r50@12000 --seed 7 --name other-order\n";

// The state and the run that begins there.
struct Begin {
  OpenedStore opened;
  const Record* parent = nullptr;
  NewRun run;
};

Result<Begin> BeginAt(const NewRunFlags& common, const std::string& state,
                      const std::vector<std::string>& sets) {
  STEMMA_RETURN_IF_ERROR(common.CheckName());
  Begin begin;
  STEMMA_ASSIGN_OR_RETURN(begin.opened, OpenStore(common.path));
  STEMMA_ASSIGN_OR_RETURN(const StateId id, OneState(begin.opened, state));
  begin.parent = &begin.opened.graph.states.at(id);
  begin.run.name = common.name;
  STEMMA_ASSIGN_OR_RETURN(begin.run.settings,
                          PutSettingsFor(*begin.opened.store, *begin.parent, common.name, sets));
  return begin;
}

Status Say(const NewRunFlags& common, const Begin& begin, const StateId& id, uint32_t ranks,
           const std::string& what) {
  const std::string text = "reshaped " + common.name + " from " +
                           Words(begin.opened.graph, begin.parent->id) + ": " + what;
  const bool trains = !begin.parent->settings.empty();
  const std::string more =
      trains ? "start  " + TrainLine(ranks, common.name, common.path) + "\n" : "";
  return common.Print(*begin.opened.store, id, text, more);
}

}  // namespace

Result<int> RunReshape(const Arguments& arguments) {
  std::string state;
  int64_t ranks = 0;
  NewRunFlags common;
  Flags flags("reshape", "A new run that goes on from a state on another number of ranks.");
  flags.Word("STATE", &state, "which one");
  flags.Integer("ranks", &ranks, "M", "how many ranks go on from it");
  common.AddTo(&flags);
  flags.Notes(kRanksNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (ranks < 1 || ranks > kRanksMax) {
    return Status(Code::kInvalidArgument, "for how many ranks? --ranks=M, 1 or more");
  }
  const auto to = static_cast<uint32_t>(ranks);
  STEMMA_ASSIGN_OR_RETURN(const Begin begin, BeginAt(common, state, {}));
  STEMMA_ASSIGN_OR_RETURN(const StateId id,
                          lineage::ReshapeRanks(*begin.opened.store, begin.opened.graph,
                                                begin.parent->id, to, begin.run));
  STEMMA_RETURN_IF_ERROR(
      Say(common, begin, id, to,
          "ranks " + std::to_string(begin.parent->world) + " -> " + std::to_string(ranks)));
  return 0;
}

Result<int> RunShuffle(const Arguments& arguments) {
  std::string state;
  int64_t seed = -1;
  NewRunFlags common;
  Flags flags("shuffle", "A new run that goes on from a state with another order of the data.");
  flags.Word("STATE", &state, "which one");
  flags.Integer("seed", &seed, "S", "of the new order; becomes train.seed");
  common.AddTo(&flags);
  flags.Notes(kShuffleNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (seed < 0) return Status(Code::kInvalidArgument, "which order? --seed=S, 0 or more");
  STEMMA_ASSIGN_OR_RETURN(const Begin begin,
                          BeginAt(common, state, {"train.seed=" + std::to_string(seed)}));
  STEMMA_ASSIGN_OR_RETURN(
      const StateId id, lineage::Shuffle(*begin.opened.store, begin.opened.graph, begin.parent->id,
                                         static_cast<uint64_t>(seed), begin.run));
  STEMMA_RETURN_IF_ERROR(
      Say(common, begin, id, begin.parent->world,
          "seed " + std::to_string(begin.parent->cursor.seed) + " -> " + std::to_string(seed)));
  return 0;
}

}  // namespace stemma::cli
