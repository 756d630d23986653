// A comparison of one number of a state, as `bisect --where` takes it: "loss > 2.5". What is
// compared is a metric of that name, else an attribute that is a number, given at the capture or
// added later; "step", "samples" and "epoch" are always there.
//
//   STEMMA_ASSIGN_OR_RETURN(const Condition condition, ParseCondition("loss > 2.5"));
//   const std::optional<bool> holds = Holds(condition, graph, record);   // nullopt: it has no loss
//
// A value that is not a number satisfies every condition: who looks for the state where a loss went
// wrong finds the one where it stopped being a number as well. Pure functions; any thread. Failure:
// kInvalidArgument with the form that is expected.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/status.h"
#include "lineage/store.h"

namespace stemma::cli {

enum class Comparison { kLess, kLessEqual, kGreater, kGreaterEqual, kEqual, kNotEqual };

struct Condition {
  std::string name;
  Comparison comparison = Comparison::kLess;
  double number = 0;
};

// NAME OP NUMBER with OP one of < <= > >= == !=, blanks or not.
Result<Condition> ParseCondition(std::string_view text);

std::optional<bool> Holds(const Condition& condition, const lineage::Graph& graph,
                          const lineage::Record& record);

}  // namespace stemma::cli
