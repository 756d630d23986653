// From values to places: the range an axis shows, and the ticks that people would choose.
//
//   Axis axis;
//   axis.label = "GPUs";
//   axis.scale = Scale::kLog;
//   Ruler ruler(axis, {2, 64}, 60, 700);     // from x = 60 for the least to 700 for the most
//   double x = ruler.At(16);
//   for (const Tick& tick : ruler.Ticks(40)) ...     // at least 40 units from label to label
//
// A linear axis has ticks at multiples of 1, 2 or 5 times a power of ten and round ends. A
// logarithmic one is labelled at powers of ten, with 2 and 5 between them or with every digit if
// there is room; where it spans too little for that, as a linear one is. Its range ends just beyond
// the data. Numbers below ten million and above a thousandth are written out, others as 2·10⁷.
//
// Values that are not finite, and those that are not positive on a logarithmic axis, have no place:
// Has() says so. A range without extent gets one. Pure functions of plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace stemma::report {

enum class Scale { kLinear, kLog };

struct Axis {
  std::string label;
  Scale scale = Scale::kLinear;
  std::optional<double> low, high;  // shown at least; the data may widen it
  std::vector<double> ticks;        // the only ones labelled, as far as there is room
  std::string unit;                 // behind every tick: " %"
  std::vector<std::string> words;   // not empty: values are places in it, evenly spaced
};

struct Tick {
  double value = 0;
  std::string label;  // empty: a line of the grid only
};

class Ruler {
 public:
  // `values`: all that will be shown; those without a place are ignored.
  Ruler(const Axis& axis, const std::vector<double>& values, double from, double to);

  bool Has(double value) const;
  double At(double value) const;  // REQUIRES: Has(value)
  std::vector<Tick> Ticks(double distance) const;

 private:
  std::vector<Tick> LinearTicks(double distance) const;
  std::vector<Tick> LogTicks(double distance) const;
  std::vector<Tick> WordTicks(double distance) const;
  std::vector<Tick> Thinned(const std::vector<double>& values, double distance) const;
  double Length() const;

  Axis axis_;
  double low_ = 0, high_ = 1;  // logarithms on a logarithmic axis
  double from_, to_;
};

// "20,000", "0.05", "2·10⁷": as many digits as tell values apart that differ by `step`; 0: four
// significant ones.
std::string Label(double value, double step = 0);

}  // namespace stemma::report
