#include "tools/overlap/lines.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <utility>

#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {

namespace {

using models::ErrorSummary;
using models::OverlapSummary;
using Rows = std::vector<std::vector<std::string>>;

constexpr const char* kNames[] = {"q", "s1", "s2", "chi_eff", "S_eff"};

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[2400];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string Table(const Rows& rows) {
  std::string text;
  for (const std::string& line : Columns(rows)) text += "  " + line + "\n";
  return text;
}

std::vector<std::string> OverlapRow(const std::string& name, const OverlapSummary& s) {
  return {name,
          Format("%.5f", s.mean),
          Format("%.5f", s.median),
          Format("%.5f", s.percentile_5),
          Format("%.5f", s.percentile_1),
          Format("%.5f", s.smallest),
          Format("%5.1f %%", 100 * s.fraction_99),
          Format("%5.1f %%", 100 * s.fraction_97)};
}

std::vector<std::string> ErrorRow(const std::string& name, const ErrorSummary& s) {
  return {name, Format("%.4f", s.mean), Format("%.4f", s.median), Format("%.4f", s.percentile_90)};
}

std::string NoiseText(const models::AigwSettings& s) {
  if (s.noise == "none") return "";
  return Format(
      "input     in %s noise of advanced LIGO, %g solar masses, signal-to-noise ratio %g\n",
      s.noise_whiten ? "whitened" : "coloured", s.noise_mass, s.noise_snr);
}

std::string HeadText(const OverlapReport& r) {
  std::string text =
      r.state + ": " + std::to_string(r.readings.size()) + " mergers of the " + r.split + " set, " +
      Format("window %g to %g M at %g M\n", r.settings.t_from, r.settings.t_to, r.settings.dt) +
      "weights   " + r.weights + "\n" + NoiseText(r.settings);
  const std::string how = r.combined ? "combined: q, s1, s2 fitted to all five outputs"
                                     : "first: q, s1, s2 as they come out";
  return text + "estimate  " + how + "; " + std::to_string(r.evaluation.clamped) +
         " put on the end of the domain\n" +
         Format("          median overlap of %lld %s mergers: first %.5f, combined %.5f\n",
                static_cast<long long>(r.calibration), r.other_split.c_str(), r.first_median,
                r.combined_median);
}

std::string HistogramText(const OverlapReport& r) {
  const auto& flat = r.evaluation.flat.histogram;
  const auto& ligo = r.evaluation.ligo.histogram;
  const int64_t most = *std::max_element(flat.begin(), flat.end());
  Rows rows = {{"overlap", "white noise", "advanced LIGO", "white noise"}};
  for (size_t i = flat.size(); i-- > 0;) {
    const auto stars = static_cast<size_t>(40 * flat[i] / std::max<int64_t>(1, most));
    rows.push_back({Format("%-6g to %g", models::kOverlapEdges[i], models::kOverlapEdges[i + 1]),
                    std::to_string(flat[i]), std::to_string(ligo[i]), std::string(stars, '#')});
  }
  return Table(rows);
}

std::string ErrorText(const OverlapReport& r) {
  Rows rows = {{"absolute error", "mean", "median", "90 %", "output: mean", "median", "90 %"}};
  for (size_t k = 0; k < 5; ++k) {
    std::vector<std::string> row = ErrorRow(kNames[k], r.evaluation.errors[k]);
    const std::vector<std::string> output = ErrorRow("", r.evaluation.outputs[k]);
    row.insert(row.end(), output.begin() + 1, output.end());
    rows.push_back(row);
  }
  Rows gaps = {{"outputs among themselves", "mean", "median", "90 %"},
               ErrorRow("chi_eff less that of q, s1, s2", r.evaluation.chi_gap),
               ErrorRow("S_eff less that of q, s1, s2", r.evaluation.s_gap)};
  return Table(rows) + "\n" + Table(gaps);
}

std::string DegeneracyText(const OverlapReport& r) {
  const models::Degeneracy& d = r.evaluation.degeneracy;
  Rows rows = {{"one parameter as read, others true", "median overlap", "variance explained"}};
  for (size_t k = 0; k < 3; ++k) {
    rows.push_back(
        {kNames[k], Format("%.6f", d.alone[k]), Format("%5.1f %%", 100 * d.explained[k])});
  }
  rows.push_back({"s2 = 0, whatever it is", Format("%.6f", d.without_s2), ""});
  const double rise = d.s2_by_q[0] > 0 ? d.s2_by_q[2] / d.s2_by_q[0] : 0;
  const double together = r.evaluation.flat.median, alone = d.alone[2];
  return Table(rows) +
         Format(
             "\nThe error of s2 grows with q: median %.3f for q < 2, %.3f for q < 4, %.3f above,\n"
             "%.1f times; correlation of q and |error| %.2f. Alone it leaves a median overlap of\n"
             "%.5f, all three errors together %.5f: %s.\n",
             d.s2_by_q[0], d.s2_by_q[1], d.s2_by_q[2], rise, d.correlation, alone, together,
             together > alone ? "s2 is nearly degenerate with q and\n"
                                "s1, whose errors take back what its own does to the wave"
                              : "nothing here says that other errors make up for it");
}

using Fields = std::vector<std::pair<std::string, JsonValue>>;

void AddOverlap(const std::string& name, const OverlapSummary& s, Fields* fields) {
  const std::pair<const char*, double> values[] = {{"mean", s.mean},
                                                   {"median", s.median},
                                                   {"p05", s.percentile_5},
                                                   {"p01", s.percentile_1},
                                                   {"smallest", s.smallest},
                                                   {"above_0.99", s.fraction_99},
                                                   {"above_0.97", s.fraction_97}};
  for (const auto& [key, value] : values) fields->emplace_back(name + "." + key, value);
  std::map<std::string, double> bins;
  for (size_t i = 0; i < s.histogram.size(); ++i) {
    bins[Format("%g", models::kOverlapEdges[i])] = static_cast<double>(s.histogram[i]);
  }
  fields->emplace_back(name + ".histogram_from", bins);
}

void AddError(const std::string& name, const ErrorSummary& s, Fields* fields) {
  fields->emplace_back(name, std::map<std::string, double>{
                                 {"mean", s.mean}, {"median", s.median}, {"p90", s.percentile_90}});
}

}  // namespace

std::string OverlapText(const OverlapReport& r) {
  const models::Evaluation& e = r.evaluation;
  const Rows rows = {
      {"overlap", "mean", "median", "5 %", "1 %", "smallest", "above 0.99", "above 0.97"},
      OverlapRow("white noise", e.flat),
      OverlapRow(Format("advanced LIGO, %g solar masses, %g to %.0f Hz", r.total_mass, r.hertz.low,
                        r.hertz.high),
                 e.ligo)};
  return HeadText(r) + "\n" + Table(rows) + "\n" + HistogramText(r) + "\n" + ErrorText(r) + "\n" +
         DegeneracyText(r);
}

std::string OverlapJson(const OverlapReport& r) {
  const models::Evaluation& e = r.evaluation;
  Fields fields = {{"state", r.state},
                   {"split", r.split},
                   {"count", static_cast<int64_t>(r.readings.size())},
                   {"weights", r.weights},
                   {"estimate", std::string(r.combined ? "combined" : "first")},
                   {"first_median", r.first_median},
                   {"combined_median", r.combined_median},
                   {"clamped", e.clamped},
                   {"total_mass", r.total_mass},
                   {"network_s", r.network_s}};
  AddOverlap("flat", e.flat, &fields);
  AddOverlap("ligo", e.ligo, &fields);
  for (size_t k = 0; k < 5; ++k) {
    AddError(std::string("error.") + kNames[k], e.errors[k], &fields);
    AddError(std::string("output_error.") + kNames[k], e.outputs[k], &fields);
  }
  AddError("gap.chi_eff", e.chi_gap, &fields);
  AddError("gap.S_eff", e.s_gap, &fields);
  const models::Degeneracy& d = e.degeneracy;
  for (size_t k = 0; k < 3; ++k) {
    fields.emplace_back(std::string("alone_median.") + kNames[k], d.alone[k]);
    fields.emplace_back(std::string("explained.") + kNames[k], d.explained[k]);
  }
  fields.emplace_back("without_s2_median", d.without_s2);
  fields.emplace_back("correlation_q_s2_error", d.correlation);
  return JsonLine(fields);
}

std::string OverlapCsv(const OverlapReport& r) {
  std::string text = "merger,q,s1,s2,chi_eff,S_eff";
  for (const char* of : {"output", "estimate"}) {
    for (const char* name : kNames) text += std::string(",") + of + "_" + name;
  }
  text += ",clamped,overlap,overlap_ligo\n";
  for (size_t i = 0; i < r.readings.size(); ++i) {
    text += std::to_string(i);
    const auto add = [&text](const models::AigwValues& values) {
      for (const double v : values) text += Format(",%.9g", v);
    };
    add(models::ValuesOf(r.readings[i].truth));
    add(r.readings[i].outputs);
    add(models::ValuesOf(r.estimates[i].binary));
    const models::MergerOverlap& overlap = r.evaluation.mergers[i];
    text += Format(",%d,%.12g,%.12g\n", r.estimates[i].clamped ? 1 : 0, overlap.flat, overlap.ligo);
  }
  return text;
}

}  // namespace stemma::cli
