// What a whole consists of, one bar per row, each as long as the others: the shares of a step.
//
//   Bars bars;
//   bars.title = "Where a step's time goes";
//   bars.parts = {"compute", "exposed communication"};
//   bars.rows = {{"8 ranks", {0.270, 0.016}, "286 ms"}};
//   std::string svg = BarsSvg(bars);
//
// A part that is wide enough holds its share in percent; the legend names the parts in the order of
// the bar, so that the order tells them apart where colours do not. Values are of any unit, and
// negative or unknown ones count as 0; a row whose sum is 0 says "not known". Pure function.
#pragma once

#include <string>
#include <vector>

namespace stemma::report {

struct BarRow {
  std::string label;
  std::vector<double> values;  // one per part
  std::string remark;          // at the right end: what the whole is
};

struct Bars {
  std::string title, note;
  std::vector<std::string> parts;
  std::vector<BarRow> rows;
  double width = 720;
};

std::string BarsSvg(const Bars& bars);

}  // namespace stemma::report
