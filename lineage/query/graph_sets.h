// Sets of states by their place in the family tree. A set is a Truth per row of the Index; only
// what is surely in the argument counts, and the answer is always sure. Every function is one or
// two sweeps over the rows, which stand in topological order.
//
//   Ancestors(index, {base@300})     base@300 and all before it, over every parent
//
// Ancestors and descendants hold the states they begin from, as `::x` and `x::` do. Pure functions;
// any thread. REQUIRES: sets as long as the index.
#pragma once

#include "lineage/index.h"
#include "lineage/query/values.h"

namespace stemma::lineage::query {

size_t CountOf(const Truths& set, Truth what);

Truths Parents(const Index& index, const Truths& of);
Truths Children(const Index& index, const Truths& of);
// Along first parents only, the way that a training took: one step back, one step on.
Truths Previous(const Index& index, const Truths& of);
Truths Next(const Index& index, const Truths& of);
Truths Ancestors(const Index& index, const Truths& of);
Truths Descendants(const Index& index, const Truths& of);
// On a path of edges from one of `from` to one of `to`, ends included.
Truths Range(const Index& index, const Truths& from, const Truths& to);
// Those of `among` that are no ancestor (no descendant) of another of them.
Truths HeadsAmong(const Index& index, const Truths& among);
Truths RootsAmong(const Index& index, const Truths& among);
// The newest states that lie before (or are) one of a and one of b: one in a tree without merges,
// none where nothing is shared.
Truths NearestCommon(const Index& index, const Truths& a, const Truths& b);
// The way from a to b in the tree, whichever is older: up to what is nearest to both, and down.
Truths Way(const Index& index, const Truths& a, const Truths& b);
// States from which another run branched off.
Truths ForkPoints(const Index& index);
Truths RunHeads(const Index& index);
Truths Tagged(const Index& index);
// Any (none) of these bits of Index::flags.
Truths Flagged(const Index& index, uint8_t bits, bool wanted);

}  // namespace stemma::lineage::query
