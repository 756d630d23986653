#include "tools/report/published_figures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "tools/report/own_runs.h"
#include "tools/scale/efficiency.h"
#include "tools/scale/fit.h"
#include "tools/scale/published.h"
#include "tools/scale/total_time.h"

namespace stemma::report {
namespace {

using scale::Quantiles;

constexpr double kHour = 3600, kMinute = 60;
constexpr int kEpochs = 90;  // of Fig 1
const std::vector<int> kFitted = {2, 8, 32};

std::string Signed(double percent, const char* unit) {
  char text[48];
  const double rounded = std::round(10 * percent) / 10 + 0.0;  // never -0.0
  std::snprintf(text, sizeof(text), "%+.1f%s", rounded, unit);
  return text;
}

std::string Percent(double value) {
  char text[48];
  std::snprintf(text, sizeof(text), "%.1f %%", value);
  return text;
}

std::string Between(const Quantiles& q) { return Label(q.p10) + " .. " + Label(q.p90); }

Quantiles Scaled(const Quantiles& q, double factor) {
  return {q.p10 * factor, q.p50 * factor, q.p90 * factor};
}

Point Simulated(int gpus, const Quantiles& q, const std::string& unit) {
  const std::string hover = std::to_string(gpus) + " GPUs, simulated: " + Label(q.p50) + " " +
                            unit + " (" + Between(q) + ")";
  return {static_cast<double>(gpus), q.p50, std::min(q.p10, q.p90), std::max(q.p10, q.p90), hover};
}

Point Known(int gpus, double value, const std::string& unit) {
  return {static_cast<double>(gpus),
          value,
          {},
          {},
          std::to_string(gpus) + " GPUs, published: " + Label(value) + " " + unit};
}

Series Published(const std::string& name, int colour, Shape shape, bool right = false) {
  return {name, colour, {shape, true}, Join::kNone, right, false, {}};
}

Series Curve(const std::string& name, int colour, bool right = false) {
  const Join join = right ? Join::kDashed : Join::kSolid;
  return {name, colour, {Shape::kDiamond, false}, join, right, true, {}};
}

Series Ideal(const std::string& name, double gpus, double value, double last) {
  Series line{name, kInk, {}, Join::kDotted, false, false, {}};
  line.points = {{gpus, value, {}, {}, ""}, {last, value * gpus / last, {}, {}, ""}};
  return line;
}

// One line of a table: a quantity on a number of GPUs.
std::vector<std::string> Line(int gpus, const std::string& what, double published,
                              const Quantiles& q, const std::string& kind) {
  const bool known = std::isfinite(published);
  return {Label(gpus),
          what,
          known ? Label(published) : "–",
          Label(q.p50),
          Between({std::min(q.p10, q.p90), q.p50, std::max(q.p10, q.p90)}),
          known ? Signed(100 * (q.p50 / published - 1), " %") : "",
          known ? kind : ""};
}

Table TableOf(const std::string& caption) {
  return {caption + "; –: not published",
          {"GPUs", "what", "published", "simulated", "10 .. 90 %", "error", "kind"},
          {}};
}

bool IsFitted(int gpus) { return std::count(kFitted.begin(), kFitted.end(), gpus) != 0; }

std::string Fig1Efficiency() {
  std::vector<scale::MeasuredRun> runs;
  for (const scale::HalRun& run : scale::HalFebruary()) {
    runs.push_back({run.gpus, run.images_per_s, run.train_s});
  }
  const std::vector<scale::Efficiency> all = scale::EfficienciesOf(runs);
  std::string text = "Published efficiency against 2 GPUs, by throughput and by time:";
  for (const scale::Efficiency& one : all) {
    if (one.ranks == 2) continue;
    text += (one.ranks == 4 ? " " : ", ") + std::to_string(one.ranks) + " GPUs " +
            Percent(100 * one.throughput) + " and " + Percent(100 * one.time);
  }
  const auto above = [&](double scale::Efficiency::*of) {
    return std::to_string(scale::LargestAbove(all, 0.75, of));
  };
  return text + ". 75 % or more: up to " + above(&scale::Efficiency::throughput) +
         " GPUs by throughput, up to " + above(&scale::Efficiency::time) + " by time.";
}

// The machine of Fig 1 as validate.h fits it: every second point, beginning with the first.
Result<scale::System> FittedHal() {
  STEMMA_ASSIGN_OR_RETURN(const scale::System hal, scale::FindSystem("hal"));
  std::vector<scale::HalRun> some;
  for (const scale::HalRun& run : scale::HalFebruary()) {
    if (IsFitted(run.gpus)) some.push_back(run);
  }
  return scale::WithFit(hal, scale::FitRuns(hal, some, "February, 2, 8, 32 GPUs"));
}

PublishedFigure Fig1Frame() {
  PublishedFigure figure{"fig1", {}, TableOf("Fig 1: every published point"), {}, {}};
  figure.chart.title = "Fig 1: ResNet-50 on HAL, 90 epochs of ImageNet";
  figure.chart.note =
      "A fixed data set with a batch that grows with the GPUs: strong scaling in epochs, weak "
      "scaling in batch. The smallest run has 2 GPUs; nobody ran it on one.";
  figure.chart.x = {"V100 GPUs", Scale::kLog, {}, {}, {2, 4, 8, 16, 32, 64}, "", {}};
  figure.chart.y = {"time to train, hours", Scale::kLog, {}, {}, {}, "", {}};
  figure.chart.right = Axis{"images per second", Scale::kLog, {}, {}, {}, "", {}};
  figure.text = {
      "Every second point was fitted, beginning with 2 GPUs; the others are held out. All "
      "gradients travel in one call after backward, as the published runs sent them.",
      Fig1Efficiency()};
  return figure;
}

Result<PublishedFigure> Fig1(const scale::Sampling& sampling, const OwnRuns& own) {
  STEMMA_ASSIGN_OR_RETURN(const scale::System hal, FittedHal());
  STEMMA_ASSIGN_OR_RETURN(scale::Workload buckets, scale::MakeWorkload("resnet50", {}, 2));
  const scale::Workload workload = scale::OneBucket(std::move(buckets));
  PublishedFigure figure = Fig1Frame();
  Series time = Published("published: time to train", 0, Shape::kDisc);
  Series rate = Published("published: throughput", 1, Shape::kSquare, true);
  Series time_curve = Curve("simulated: time, 10 to 90 %", 0);
  Series rate_curve = Curve("simulated: throughput, 10 to 90 %", 1, true);
  for (const scale::HalRun& run : scale::HalFebruary()) {
    scale::Scenario scenario;
    scenario.ranks = run.gpus;
    scenario.local_batch = run.batch;
    scenario.algorithm = scale::Algorithm::kRing;
    scenario.overlap = false;
    scenario.epochs = kEpochs;
    STEMMA_ASSIGN_OR_RETURN(const scale::Prediction p,
                            scale::Simulate(hal, workload, scenario, sampling));
    const Quantiles hours = Scaled(p.total_s, 1 / kHour);
    time.points.push_back(Known(run.gpus, run.train_s / kHour, "h"));
    rate.points.push_back(Known(run.gpus, run.images_per_s, "img/s"));
    time_curve.points.push_back(Simulated(run.gpus, hours, "h"));
    rate_curve.points.push_back(Simulated(run.gpus, p.samples_per_s, "img/s"));
    const char* kind = IsFitted(run.gpus) ? "fitted" : "held out";
    figure.table.rows.push_back(Line(run.gpus, "img/s", run.images_per_s, p.samples_per_s, kind));
    figure.table.rows.push_back(Line(run.gpus, "hours", run.train_s / kHour, hours, kind));
  }
  const scale::HalRun& base = scale::HalFebruary().front();
  const double last = scale::HalFebruary().back().gpus;
  figure.chart.series = {Ideal("ideal time from 2 GPUs", base.gpus, base.train_s / kHour, last),
                         time_curve, rate_curve, time, rate};
  AddOwnRates(own, "resnet50", &figure);
  return figure;
}

// Figs 2 to 4: a total time on many GPUs of a machine, from the one on one GPU of HAL.
struct TimeFigure {
  std::string file, title, system, model, note;
  double one_s;
  std::vector<std::pair<int, double>> published;  // GPUs, seconds
  std::vector<int> counts;                        // that are simulated
  std::vector<double> ticks;
  double unit_s;
  std::string unit;
  std::vector<std::string> text;
};

PublishedFigure TimeFrame(const TimeFigure& what) {
  PublishedFigure figure{what.file, {}, TableOf(what.title + ", " + what.unit), {}, what.text};
  figure.chart.title = what.title;
  figure.chart.note = what.note;
  figure.chart.x = {"V100 GPUs", Scale::kLog, {}, {}, what.ticks, "", {}};
  figure.chart.y = {"time to train, " + what.unit, Scale::kLog, {}, {}, {}, "", {}};
  return figure;
}

double PublishedAt(const TimeFigure& what, int gpus) {
  for (const auto& [count, seconds] : what.published) {
    if (count == gpus) return seconds / what.unit_s;
  }
  return NAN;
}

Result<std::vector<scale::TimeOnRanks>> AddTimes(const TimeFigure& what,
                                                 const scale::Sampling& sampling,
                                                 PublishedFigure* figure) {
  STEMMA_ASSIGN_OR_RETURN(
      std::vector<scale::TimeOnRanks> curve,
      scale::TimesFromOne(what.system, what.model, what.one_s, what.counts, sampling));
  Series published = Published("published: time to train", 1, Shape::kDisc);
  Series simulated = Curve("simulated: time, 10 to 90 %", 0);
  for (const scale::TimeOnRanks& one : curve) {
    const int gpus = one.prediction.scenario.ranks;
    const Quantiles time = Scaled(one.total_s, 1 / what.unit_s);
    const double known = PublishedAt(what, gpus);
    // Where the curve begins it is the published point: no error to speak of.
    const bool base = gpus == 1 && std::isfinite(known);
    simulated.points.push_back(Simulated(gpus, time, what.unit));
    figure->table.rows.push_back(
        Line(gpus, what.unit, known, time, base ? "predicted from" : "held out"));
    if (std::isfinite(known)) published.points.push_back(Known(gpus, known, what.unit));
  }
  const int first = what.counts.front(), last = what.counts.back();
  figure->chart.series = {
      Ideal("ideal time from one HAL GPU", first, what.one_s / what.unit_s / first, last),
      simulated, published};
  return curve;
}

Result<PublishedFigure> Times(const TimeFigure& what, const scale::Sampling& sampling,
                              const OwnRuns& own) {
  PublishedFigure figure = TimeFrame(what);
  STEMMA_RETURN_IF_ERROR(AddTimes(what, sampling, &figure).status());
  STEMMA_RETURN_IF_ERROR(AddOwnTimes(own, what.model, what.unit_s, &figure));
  return figure;
}

TimeFigure Fig2() {
  return {"fig2",
          "Fig 2: AI-GW on HAL",
          "hal",
          "aigw",
          "Only the ends are known: 1 GPU and 64. What lies between is the simulator's.",
          scale::kAigwHalOneGpuS,
          {{1, scale::kAigwHalOneGpuS}, {64, scale::kAigwHal64S}},
          {1, 2, 4, 8, 16, 32, 64},
          {1, 2, 4, 8, 16, 32, 64},
          kHour,
          "hours",
          {"Stated in the text: 754 h on one GPU and 12.4 h on 64, which is 60.8 times as fast, "
           "95.0 %. The figure's axis shows seconds per epoch; its points between could not be "
           "read and are not shown. The curve starts at the published time of one GPU."}};
}

TimeFigure Fig3() {
  return {"fig3",
          "Fig 3: AI-GW on Bridges-AI",
          "bridges-ai",
          "aigw",
          "One point is known: 72 GPUs. The curve is predicted from one GPU of HAL, another "
          "machine.",
          scale::kAigwHalOneGpuS,
          {{72, scale::kAigwBridges72S}},
          {8, 16, 24, 32, 48, 72},
          {8, 16, 32, 72},
          kHour,
          "hours",
          {"Stated in the text: 38 h on 72 GPUs. That is 2,736 GPU hours, where 64 GPUs of HAL "
           "took 794: epochs or input must have differed, and no published number says how. The "
           "error is shown as it is."}};
}

TimeFigure Fig4() {
  return {"fig4",
          "Fig 4: AI-DES on HAL",
          "hal",
          "aides",
          "Only the ends are known: 1 GPU and 64. The time of a step and of the start are "
          "assumed.",
          scale::kAidesHalOneGpuS,
          {{1, scale::kAidesHalOneGpuS}, {64, scale::kAidesHal64S}},
          {1, 2, 4, 8, 16, 32, 64},
          {1, 2, 4, 8, 16, 32, 64},
          kMinute,
          "minutes",
          {"Stated in the text: 2.1 h on one GPU and 2.7 minutes on 64, which is 46.7 times as "
           "fast, 72.9 %. The curve starts at the published time of one GPU."}};
}

TimeFigure Fig5() {
  return {"fig5",
          "Fig 5: AI-GW on Summit",
          "summit",
          "aigw",
          "Two points are known: the time on 1,536 GPUs and the efficiency on 6,144, whose "
          "reference is not stated; 48, the smallest run, is assumed.",
          scale::kAigwHalOneGpuS,
          {{1536, scale::kAigwSummit1536S}},
          {48, 96, 192, 384, 768, 1536, 3072, 6144},
          {48, 96, 192, 384, 768, 1536, 3072, 6144},
          kHour,
          "hours",
          {"Stated in the text: 1.2 h on 1,536 GPUs, and 80 % at 6,144, which is throughput. The "
           "curve is predicted from one GPU of HAL with equal epochs assumed; batch, learning "
           "rate and overlap of the published runs are not known.",
           "`stemma scale validate` shows what each possible cause of the loss at 1,536 would "
           "give at 6,144. Choosing the one that fits best would be fitting the point held out."}};
}

Result<PublishedFigure> Summit(const scale::Sampling& sampling, const OwnRuns& own) {
  const TimeFigure what = Fig5();
  PublishedFigure figure = TimeFrame(what);
  STEMMA_ASSIGN_OR_RETURN(const std::vector<scale::TimeOnRanks> curve,
                          AddTimes(what, sampling, &figure));
  figure.chart.right = Axis{"efficiency against 48 GPUs, %", Scale::kLinear, 0, 110, {}, "", {}};
  Series published = Published("published: efficiency", 3, Shape::kSquare, true);
  Series simulated = Curve("simulated: efficiency, 10 to 90 %", 2, true);
  const double base = curve.front().prediction.step_s.p50;
  for (const scale::TimeOnRanks& one : curve) {
    const int gpus = one.prediction.scenario.ranks;
    const Quantiles& step = one.prediction.step_s;
    const Quantiles percent{100 * base / step.p90, 100 * base / step.p50, 100 * base / step.p10};
    simulated.points.push_back(Simulated(gpus, percent, "%"));
    std::vector<std::string> line = Line(gpus, "% of 48", NAN, percent, "");
    if (gpus == 6144) {
      published.points.push_back(Known(gpus, scale::kAigwSummit6144Percent, "%"));
      line[2] = Label(scale::kAigwSummit6144Percent);
      line[5] = Signed(percent.p50 - scale::kAigwSummit6144Percent, " points");
      line[6] = "held out";
    }
    figure.table.rows.push_back(line);
  }
  figure.chart.series.push_back(simulated);
  figure.chart.series.push_back(published);
  STEMMA_RETURN_IF_ERROR(AddOwnTimes(own, what.model, what.unit_s, &figure));
  return figure;
}

}  // namespace

Result<std::vector<PublishedFigure>> PublishedFigures(const scale::Sampling& sampling,
                                                      const OwnRuns& own) {
  STEMMA_RETURN_IF_ERROR(CheckOwnRuns(own));
  std::vector<PublishedFigure> figures;
  const auto add = [&](Result<PublishedFigure> figure) -> Status {
    if (figure.ok()) figures.push_back(*std::move(figure));
    return figure.status();
  };
  STEMMA_RETURN_IF_ERROR(add(Fig1(sampling, own)));
  for (const TimeFigure& what : {Fig2(), Fig3(), Fig4()}) {
    STEMMA_RETURN_IF_ERROR(add(Times(what, sampling, own)));
  }
  STEMMA_RETURN_IF_ERROR(add(Summit(sampling, own)));
  return figures;
}

std::string PublishedFiguresPage(const std::vector<PublishedFigure>& figures) {
  Page page("Scaling: published points and the simulator",
            "Open marks are published, diamonds are simulated, filled marks are own runs. Only "
            "numbers that are known exactly are shown.");
  for (const PublishedFigure& figure : figures) {
    page.Heading(figure.chart.title.substr(0, figure.chart.title.find(':')));
    page.Beside(ChartSvg(figure.chart), figure.table);
    if (!figure.own.rows.empty()) page.Add(figure.own);
    for (const std::string& paragraph : figure.text) page.Paragraph(paragraph);
    page.Link("this figure as SVG", figure.file + ".svg");
  }
  return std::move(page).Html();
}

}  // namespace stemma::report
