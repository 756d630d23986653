#include "lineage/reshape/reshape.h"

#include "core/bytes.h"
#include "lineage/graph.h"

namespace stemma::lineage {
namespace {

std::string TextOf(const Record& record, const char* key) {
  const auto found = record.attributes.find(key);
  if (found == record.attributes.end()) return "";
  const auto* const text = std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

Result<const Record*> RecordOf(const Graph& graph, const StateId& id) {
  const auto found = graph.states.find(id);
  if (found != graph.states.end()) return &found->second;
  return Status(Code::kNotFound, "no state " + Hex(id).substr(0, 16) + " to reshape");
}

Reshaping Named(const NewRun& run, const char* how, uint64_t from, uint64_t to) {
  Reshaping reshaping;
  reshaping.name = run.name;
  reshaping.settings = run.settings;
  reshaping.attributes[kReshapeHow] = std::string(how);
  reshaping.attributes[kReshapeSet] = std::to_string(from) + " -> " + std::to_string(to);
  return reshaping;
}

}  // namespace

std::string ReshapeText(const Record& record) {
  const std::string how = TextOf(record, kReshapeHow), set = TextOf(record, kReshapeSet);
  return how.empty() || set.empty() ? how : how + " " + set;
}

Result<StateId> ReshapeRanks(Store& store, const Graph& graph, const StateId& parent,
                             uint32_t ranks, const NewRun& run) {
  STEMMA_ASSIGN_OR_RETURN(const Record* const from, RecordOf(graph, parent));
  if (ranks == 0) return Status(Code::kInvalidArgument, "a state is for at least one rank");
  if (ranks == from->world) {
    return Status(Code::kInvalidArgument, NameOfState(*from) + " is for " + std::to_string(ranks) +
                                              " ranks already; `stemma fork` branches off as is");
  }
  Reshaping reshaping = Named(run, "ranks", from->world, ranks);
  reshaping.ranks = ranks;
  reshaping.attributes["reshape.ranks"] = int64_t{ranks};
  return store.Reshape(graph, parent, reshaping);
}

Result<StateId> Shuffle(Store& store, const Graph& graph, const StateId& parent, uint64_t seed,
                        const NewRun& run) {
  STEMMA_ASSIGN_OR_RETURN(const Record* const from, RecordOf(graph, parent));
  if (seed == from->cursor.seed) {
    return Status(Code::kInvalidArgument,
                  NameOfState(*from) + " reads its data in the order of seed " +
                      std::to_string(seed) + " already; `stemma fork` branches off as is");
  }
  Reshaping reshaping = Named(run, "shuffle", from->cursor.seed, seed);
  reshaping.cursor = from->cursor;
  reshaping.cursor->seed = seed;
  reshaping.attributes["reshape.seed"] = static_cast<int64_t>(seed);
  return store.Reshape(graph, parent, reshaping);
}

}  // namespace stemma::lineage
