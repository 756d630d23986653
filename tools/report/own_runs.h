// Own runs in the published figures: which stand where, and as what. Internal to
// published_figures.h.
//
// Rows that the table marks as published or simulated are left out: they are not ours. Runs with
// more ranks than cores are crosses, with their own entry in the legend.
#pragma once

#include <string>

#include "core/status.h"
#include "tools/report/published_figures.h"

namespace stemma::report {

// kInvalidArgument: runs of a model that no figure is about.
Status CheckOwnRuns(const OwnRuns& own);

// Throughput, on the right axis, when the runs are of this model.
void AddOwnRates(const OwnRuns& own, const std::string& model, PublishedFigure* figure);

// The time that the model's samples and epochs would take at the measured rate, in units of
// `unit_s` seconds.
Status AddOwnTimes(const OwnRuns& own, const std::string& model, double unit_s,
                   PublishedFigure* figure);

}  // namespace stemma::report
