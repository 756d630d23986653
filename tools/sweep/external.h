// A method of the user's own, in any language: method = "external", [method] command = "./my.py".
// The command is run for each question, gets one JSON object on stdin and answers with one on
// stdout:
//
//   {"ask": "propose", "free_slots": 2, "begin": 0, "end": 400, "goal": "min",
//    "knobs": [{"key": "optim.lr", "low": 1e-4, "high": 0.1, "log": true}, ...],
//    "events": [...]}                                     as history.h writes them
//     -> {"trials": [{"knobs": {"optim.lr": 0.01}, "until": 100}, ...]}
//   {"ask": "decide", "pending": [[trial, step], ...], ...}
//     -> {"decisions": [{"trial": 3, "step": 100, "kind": "promote", "until": 400}, ...]}
//
// Kinds: promote and continue (with `until`), stop, exploit (with `from`, `until` and `knobs`,
// which hold from `step` on). Trials are numbered in the order of the answers. An answer is
// recorded and not asked for again, so the command may use chance. A trial without `until` goes to
// the end. Values outside of a knob's choices or range are refused.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "tools/sweep/base.h"
#include "tools/sweep/history.h"
#include "tools/sweep/spec.h"

namespace stemma::sweep {

// Trials of an answer to "propose", with ids from `first` on. kInvalidArgument quotes what is
// wrong.
Result<std::vector<Trial>> ReadProposals(const SweepSpec& spec, const Base& base, TrialId first,
                                         const std::string& answer);
Result<std::vector<Decision>> ReadDecisions(const SweepSpec& spec, const Base& base,
                                            const History& history, const std::string& answer);

}  // namespace stemma::sweep
