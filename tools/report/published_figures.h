// Figs 1 to 5 of the published work on AI at scale, each with all that is known of it exactly and
// with the simulator's curve beside it; our own runs too, if there are any.
//
//   STEMMA_ASSIGN_OR_RETURN(std::vector<PublishedFigure> figures,
//                           PublishedFigures({1, 200, 2}, OwnRuns{"aigw", SummariesOf(rows)}));
//   figures[1].chart, figures[1].table, figures[1].text
//   std::string html = PublishedFiguresPage(figures);
//
// Published points are open and never joined: of Figs 2 to 5 only end points are known, and a line
// would claim what lies between. The simulator's curve has diamonds where it was computed, and its
// band holds 80 % of the draws. Own runs are filled, oversubscribed ones are crosses. The table has
// every number, with the error of each prediction, and says whether the point was fitted; the text
// says what a figure leaves open. The predictions are those of validate.h.
//
// Own runs are of one model and stand in its figures. Fig 1 shows their throughput as it is. The
// other figures show a time to train, which a short run does not have: there they stand at the time
// that the model's samples and epochs would take at the measured rate, without validation, and the
// legend says so.
//
// Sources: published.h. Deterministic from the seed. Failure: as Simulate; kInvalidArgument for a
// model that no figure is about.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "tools/report/chart.h"
#include "tools/report/page.h"
#include "tools/scale/run_verdict.h"
#include "tools/scale/simulate.h"

namespace stemma::report {

struct OwnRuns {
  std::string model;  // resnet50, aigw, aides; empty: none
  std::vector<scale::RunSummary> runs;
};

struct PublishedFigure {
  std::string file;  // "fig1": its file's name without an ending
  Chart chart;
  Table table, own;               // own: rows only with own runs
  std::vector<std::string> text;  // paragraphs
};

Result<std::vector<PublishedFigure>> PublishedFigures(const scale::Sampling& sampling,
                                                      const OwnRuns& own);

std::string PublishedFiguresPage(const std::vector<PublishedFigure>& figures);

}  // namespace stemma::report
