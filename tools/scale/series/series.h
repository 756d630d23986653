// A scaling series: its points one after the other, each a child of its own under the launcher, and
// the files of its folder after each of them.
//
//   DIR/scale.csv             one row per point that is done (run_table.h): where to go on
//   DIR/series.json           what every count has alike; an invocation with another input is
//                             refused
//   DIR/recipe.toml           the resolved settings that every child of a recipe reads
//   DIR/points/r4-0/          log, bench.json or run folder and store, point.json
//
//   STEMMA_ASSIGN_OR_RETURN(SeriesEnd end, RunSeries(series, [](const std::string& line) {...}));
//   end.rows                                  with efficiencies; of earlier invocations too
//   end.failures                              command and last lines of every child that failed
//
// A count whose child failed is not repeated in this invocation; the others go on. The same command
// again runs what is missing. Nothing is overwritten but files of a point that is not done.
//
// Thread: the caller's, which waits. One process per folder: a second one is refused. Failure: kIo;
// kInvalidArgument for a folder of another input; kIncompatible when two counts did not measure the
// same thing; a failed child is no failure of the series.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "tools/scale/run_table.h"
#include "tools/scale/series/launch.h"
#include "tools/scale/series/points.h"

namespace stemma::scale {

struct Series {
  SeriesShape shape;
  std::string model;                     // of `stemma bench train`; or
  std::string recipe;                    // resolved settings as TOML, for `stemma train`
  std::vector<std::string> bench_words;  // more words of the bench: --size=64
  std::string folder = "stemma-scale";
  std::string system;   // the machine's name
  std::string program;  // `stemma`
  std::string build;    // digest of the engine: one series has one
  Launcher launcher;
  Machine machine;
  int threads = 1;        // of every rank
  double limit_s = 3600;  // of a point
};

struct SeriesEnd {
  std::vector<RunRow> rows;
  std::vector<std::string> failures;
  std::vector<std::string> commands;  // of every point, in running order
  int ran = 0, found = 0;             // points: of this invocation, of earlier ones
};

// The words that run a point, without the launcher's.
std::vector<std::string> ChildWords(const Series& series, const Point& point);
// The same of a point of the bench, whose result goes into `json`.
std::vector<std::string> BenchWords(const Series& series, const Point& point,
                                    const std::string& json);

// What must not change within a folder, as (name, value).
std::vector<std::pair<std::string, std::string>> InputOf(const Series& series);

Result<SeriesEnd> RunSeries(const Series& series,
                            const std::function<void(const std::string&)>& tell);

}  // namespace stemma::scale
