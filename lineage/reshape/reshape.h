// Reshapes that are records alone: the same bytes for another number of ranks, or in front of
// another order of the data. Each is a new run whose first state shares its parent's packs; the
// edge is of kind reshape, and the record's attributes hold its parameters.
//
//   STEMMA_ASSIGN_OR_RETURN(StateId id, ReshapeRanks(*store, graph, parent, 8, {"wide", {}}));
//   STEMMA_ASSIGN_OR_RETURN(StateId id, Shuffle(*store, graph, parent, 7, {"other", settings}));
//
// Why a record is enough: packs hold ranges of flat sections and the cursor counts global samples,
// so neither knows a number of ranks. PerRank spans do, and keep their rule: the packs go on to
// hold those of the ranks that wrote them (Record::ranks_held), and a restore takes rank 0's, keeps
// what the program made, or the reshape was refused. Back at the old number each rank has its own.
//
// A shuffle changes the seed of the data's order and keeps the place: epochs behind it were seen in
// the old order, and within the epoch that it falls into some samples come twice and others not.
//
// Costs what a fork costs, and is as safe (store_fork.cc). Any thread. Failure: as Store::Fork;
// kInvalidArgument for a reshape that changes nothing; kIncompatible as Store::Reshape.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/store.h"

namespace stemma::lineage {

// Attributes of a state whose first edge is a reshape: which one it was, its parameters in one
// line, and these by themselves where a program may want them. FORMAT.md lists them.
constexpr char kReshapeHow[] = "reshape.how";  // "ranks", "shuffle", "slice", ...
constexpr char kReshapeSet[] = "reshape.set";  // "8 -> 2", "keep fc.*"

// "ranks 8 -> 2", "slice keep fc.*"; "" for a state that no reshape with parameters made.
std::string ReshapeText(const Record& record);

// The run that a reshape begins.
struct NewRun {
  std::string name;
  ObjectId settings;  // a blob; empty: the parent's
};

Result<StateId> ReshapeRanks(Store& store, const Graph& graph, const StateId& parent,
                             uint32_t ranks, const NewRun& run);

Result<StateId> Shuffle(Store& store, const Graph& graph, const StateId& parent, uint64_t seed,
                        const NewRun& run);

}  // namespace stemma::lineage
