// Walks a query's tree over an Index: a node is a set of states, as a Truth per row, or a value of
// a state, as a function of its row; which of the two follows from where it stands. Internal to
// query/.
//
//   Evaluator evaluator(syntax, index, now_ms);
//   STEMMA_ASSIGN_OR_RETURN(const Truths truths, evaluator.Set(syntax.root, &part));
//
// One thread; the syntax and the index outlive it and what it returns.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "lineage/index.h"
#include "lineage/query/paths.h"
#include "lineage/query/query.h"
#include "lineage/query/syntax.h"
#include "lineage/query/values.h"

namespace stemma::lineage::query {

using Getter = std::function<Result<Scalar>(Row)>;

class Evaluator {
 public:
  Evaluator(const Syntax& syntax, const Index& index, int64_t now_ms)
      : syntax_(syntax), index_(index), now_ms_(now_ms) {}

  // Fills `part` with what the node selected and how.
  Result<Truths> Set(const Node& node, Part* part);

  // `notes` takes what its words stand for.
  Result<Getter> ValueOf(const Node& node, std::string* notes);

 private:
  Result<Truths> SetOf(const Node& node, Part* part);
  // The set of a child, listed among the parts of `part`.
  Result<Truths> Inner(const Node& node, Part* part);

  Result<Truths> Joined(const Node& node, Part* part);
  Result<Truths> RangeOf(const Node& node, Part* part);
  Result<Truths> StateOf(const Node& node, Part* part);
  Result<Truths> ByWord(const Node& node, Part* part);
  Result<Truths> ScopeOf(std::string_view name);
  Result<Truths> Single(std::string_view text, Part* part);

  Result<Truths> CompareOf(const Node& node, Part* part);
  Result<Truths> MatchOf(const Node& node, Part* part);
  Result<Truths> InOf(const Node& node, Part* part);
  Result<Path> PathOf(const Node& node, bool may_be_absent, std::string* notes);

  // functions.cc
  Result<Truths> Call(const Node& node, Part* part);
  Result<Truths> Rank(const Node& node, Part* part);  // best, lowest, highest
  Result<Truths> Ends(const Node& node, Part* part);  // first, last
  Result<Truths> Exists(const Node& node, Part* part);
  Result<Truths> Older(const Node& node);
  Result<Truths> OfRun(const Node& node);

  std::string TextOfNode(const Node& node) const {
    return syntax_.text.substr(node.begin, node.end - node.begin);
  }
  Truths Nothing() const { return Truths(index_.size(), Truth::kFalse); }
  // The error of a value, with the part and the state where it came up.
  Status At(const Node& node, Row row, const Status& status) const;

  const Syntax& syntax_;
  const Index& index_;
  const int64_t now_ms_;
  uint64_t pattern_steps_ = 0;
};

}  // namespace stemma::lineage::query
