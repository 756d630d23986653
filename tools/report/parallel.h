// Parallel coordinates: one upright axis per quantity, one line per thing that has a value on each.
//
//   Parallel parallel;
//   parallel.title = "27 trials";
//   parallel.axes.resize(2);
//   parallel.axes[0].label = "lr";
//   parallel.axes[1].words = {"lamb", "sgd"};
//   parallel.paths = {{"t3", {1e-3, 0}, true}};        // 0: the first of the axis's words
//   std::string svg = ParallelSvg(parallel);
//
// A highlighted path is thick, drawn last and has square marks, so that it is found without
// colours. A value that is not finite, or not positive on a logarithmic axis, is a gap in its line.
// Pure function.
#pragma once

#include <string>
#include <vector>

#include "tools/report/axis.h"

namespace stemma::report {

struct ParallelPath {
  std::string name;            // what a pointer over the line shows
  std::vector<double> values;  // one per axis
  bool highlighted = false;
};

struct Parallel {
  std::string title, note;
  std::vector<Axis> axes;
  std::vector<ParallelPath> paths;
  double width = 720, plot_height = 260;
};

std::string ParallelSvg(const Parallel& parallel);

}  // namespace stemma::report
