// States made of other states' tensors: a part of one, several side by side, or one written anew.
// Each is the first state of a new run, with packs of its own, an edge of kind reshape to every
// state that it was made of, and the parameters in its attributes. Restore, export, fsck and prune
// treat it as any other.
//
//   slice      some tensors, whole or a range of their first dimension
//   stack      the same tensors of k states, with a new first dimension of k: an ensemble
//   merge      different tensors of k states under one roof
//   rebalance  the same tensors in `parts` packs of equal size: after a change of ranks left many
//              small ones, or few large ones
//
//   SliceOptions options;
//   options.choice.sections = {"params"};
//   STEMMA_ASSIGN_OR_RETURN(const Derived part, Slice(*store, graph, id, options, {"half", {}}));
//
// Rebalance keeps the layout and with it its name, step, metrics and cursor: a training goes on
// from it bit for bit. The packs have new names, since their headers hold the run that wrote them.
// The others keep the step, the cursor and the settings of their first parent, and no metrics: what
// was measured was not this. A training refuses them unless its model has just these tensors.
//
// PerRank tensors go along for as many ranks as their state holds; of several states, all must hold
// as many.
//
// Memory: the write buffers of one pack and some MiB of chunks, whatever the states' size; every
// byte is verified on its way. Reading is twice the f32 bytes: a pack's two planes lie apart. All
// is checked before the run is begun; what may still fail is the disk, and then the run is closed
// without a state and its packs are left to the collector.
//
// One thread. Failure: kNotFound for unknown states, patterns that fit nothing, pruned states;
// kIncompatible for tensors that do not go together, with their names; kInvalidArgument for a name
// that is taken, a range outside of a tensor, a suspect state; kCorruption for damage.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/reshape/choose.h"
#include "lineage/reshape/reshape.h"
#include "lineage/span.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct Derived {
  StateId id;
  uint64_t tensors = 0, packs = 0;
  uint64_t bytes = 0;  // of the packs' files
};

// One pack when not said otherwise; at most kPartsMax, and none that would be empty.
constexpr uint32_t kPartsMax = 4096;

struct SliceOptions {
  Choice choice;
  std::optional<Elements> rows;  // of dimension 0, of every chosen tensor
  bool drop_dimension = false;   // with one row: tensors lose that dimension; undoes a stack
  uint32_t parts = 1;
};
Result<Derived> Slice(Store& store, const Graph& graph, const StateId& from,
                      const SliceOptions& options, const NewRun& run);

struct StackOptions {
  Choice choice;
  uint32_t parts = 1;
};
// Of 2 to 64 different states, in this order.
Result<Derived> Stack(Store& store, const Graph& graph, const std::vector<StateId>& from,
                      const StackOptions& options, const NewRun& run);
// A pattern of the choice must fit something of every state.
Result<Derived> Merge(Store& store, const Graph& graph, const std::vector<StateId>& from,
                      const StackOptions& options, const NewRun& run);

Result<Derived> Rebalance(Store& store, const Graph& graph, const StateId& from, uint32_t parts,
                          const NewRun& run);

}  // namespace stemma::lineage
