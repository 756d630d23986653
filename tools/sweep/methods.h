// The built-in methods, one maker each; method.h has the table. Makers check the parameters that
// their method reads, and say which one makes no sense.
#pragma once

#include <memory>

#include "core/status.h"
#include "tools/sweep/method.h"

namespace stemma::sweep {

using MadeMethod = Result<std::unique_ptr<Method>>;

// grid, random, sobol: all trials at once, no decisions.
MadeMethod MakeFixed(const SweepSpec& spec, const Base& base);
// halving, hyperband: a rung is decided when all of it has arrived.
MadeMethod MakeHalving(const SweepSpec& spec, const Base& base);
// A trial is promoted as soon as it is in the best 1/eta of its rung (arXiv:1810.05934). One that
// cannot be any more, because all its rivals have arrived, is stopped.
MadeMethod MakeAsha(const SweepSpec& spec, const Base& base);
// Population based training (arXiv:1711.09846). A generation is judged when all of it has arrived:
// its schedule then depends on no order of arrival.
MadeMethod MakePbt(const SweepSpec& spec, const Base& base);
// The learning-rate range test (arXiv:1506.01186), for any one range: raised every `interval`
// steps, from low to high, until the metric has risen.
MadeMethod MakeRange(const SweepSpec& spec, const Base& base);
// A command of the user's; see external.h.
MadeMethod MakeExternal(const SweepSpec& spec, const Base& base, CommandRunner runner);

// What halving, asha, pbt and range need: one budget for all trials.
Status CheckOneBudget(const SweepSpec& spec, const Base& base);
// What halving, hyperband and asha need: a first rung within the budget.
Status CheckFirstRung(const SweepSpec& spec, const Base& base);
// What methods that change knobs of a trial on its way need: constants that may change at a fork.
Status CheckMovable(const SweepSpec& spec);

// Trial `id` of random, halving and asha: drawn by the seed and the id alone.
Result<Trial> DrawTrial(const SweepSpec& spec, const Base& base, TrialId id);

}  // namespace stemma::sweep
