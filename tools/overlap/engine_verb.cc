#include "tools/overlap/engine_verb.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <utility>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/reader/state_reader.h"
#include "models/aigw/predict.h"
#include "models/train/settings.h"
#include "tools/cli/open_store.h"
#include "tools/overlap/lines.h"
#include "tools/overlap/options.h"
#include "tools/overlap/page.h"

namespace stemma::cli {

namespace {

using models::AigwSplit;
using models::Estimate;
using models::Reading;

constexpr int64_t kCalibration = 1000;

AigwSplit SplitByName(const std::string& name) {
  if (name == "train") return AigwSplit::kTrain;
  return name == "validation" ? AigwSplit::kValidation : AigwSplit::kTest;
}

Result<models::AigwSettings> SettingsOf(const lineage::Store& store, const lineage::Record& record,
                                        const std::string& words) {
  if (record.settings.empty()) {
    return Status(Code::kInvalidArgument, words +
                                              " was not made by `stemma train`: it has no "
                                              "settings that say which network this is");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string toml, store.GetSettings(record.settings));
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  STEMMA_RETURN_IF_ERROR(list.ReadText(toml, "the settings of " + words));
  if (settings.run.workload != "aigw") {
    return Status(Code::kInvalidArgument, words + " is a state of workload " +
                                              settings.run.workload +
                                              ", and mergers are read by aigw alone");
  }
  return settings.aigw;
}

std::vector<Estimate> EstimatesOf(const std::vector<Reading>& readings,
                                  const models::Combination* combination) {
  std::vector<Estimate> estimates;
  for (const Reading& r : readings) {
    estimates.push_back(combination == nullptr ? models::FirstThree(r.outputs)
                                               : combination->Of(r.outputs));
  }
  return estimates;
}

// Fits the combination on the other set and, for "best", chooses there.
Status Estimates(const OverlapFlags& flags, const models::OverlapWindow& window,
                 const std::vector<Reading>& other, OverlapReport* report) {
  STEMMA_ASSIGN_OR_RETURN(const auto combination, models::Combination::Fit(other));
  STEMMA_ASSIGN_OR_RETURN(report->first_median,
                          MedianOverlap(window, other, EstimatesOf(other, nullptr)));
  STEMMA_ASSIGN_OR_RETURN(report->combined_median,
                          MedianOverlap(window, other, EstimatesOf(other, &combination)));
  report->calibration = static_cast<int64_t>(other.size());
  report->combined = flags.estimate == "combined" ||
                     (flags.estimate == "best" && report->combined_median > report->first_median);
  report->estimates = EstimatesOf(report->readings, report->combined ? &combination : nullptr);
  return {};
}

Status Write(const std::string& path, const std::string& text) {
  if (path.empty()) return {};
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << text;
  file.close();
  if (!file) return {Code::kIo, "cannot write " + path + ": is its folder there and writable?"};
  return {};
}

Status Report(const OverlapFlags& flags, const lineage::Store& store,
              const lineage::Record& record) {
  OverlapReport report;
  report.state = lineage::NameOfState(record) + " (" + Hex(record.id).substr(0, 8) + ")";
  STEMMA_ASSIGN_OR_RETURN(report.settings, SettingsOf(store, record, report.state));
  STEMMA_ASSIGN_OR_RETURN(const models::OverlapWindow window,
                          models::OverlapWindow::Make(report.settings, flags.mass));
  report.total_mass = flags.mass;
  report.hertz = window.hertz();
  report.split = flags.split;
  report.other_split = flags.split == "validation" ? "test" : "validation";
  report.weights = flags.average ? "averaged (optim/ema)" : "of the last step";
  models::AigwNetwork network({report.settings.last}, 0);
  STEMMA_ASSIGN_OR_RETURN(const auto state, lineage::StateReader::Open(store, record));
  const auto weights =
      flags.average ? models::AigwWeights::kAverage : models::AigwWeights::kTrained;
  Status loaded = models::LoadNetwork(*state, weights, &network);
  if (!loaded.ok() && flags.average) {
    return std::move(loaded).Within("--average takes what optim.ema_decay keeps: " + report.state);
  }
  STEMMA_RETURN_IF_ERROR(std::move(loaded).Within(report.state));
  const auto begun = std::chrono::steady_clock::now();
  STEMMA_ASSIGN_OR_RETURN(
      report.readings,
      models::ReadMergers(&network, report.settings, SplitByName(flags.split), flags.count));
  report.network_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  STEMMA_ASSIGN_OR_RETURN(const std::vector<Reading> other,
                          models::ReadMergers(&network, report.settings,
                                              SplitByName(report.other_split), kCalibration));
  STEMMA_RETURN_IF_ERROR(Estimates(flags, window, other, &report));
  STEMMA_ASSIGN_OR_RETURN(report.evaluation,
                          models::Evaluate(window, report.readings, report.estimates));
  std::fputs(OverlapText(report).c_str(), stdout);
  STEMMA_RETURN_IF_ERROR(Write(flags.json, OverlapJson(report)));
  STEMMA_RETURN_IF_ERROR(Write(flags.csv, OverlapCsv(report)));
  return Write(flags.html, OverlapPage(report));
}

}  // namespace

Status RunOverlapEngine(const std::vector<std::string>& arguments) {
  OverlapFlags values;
  Flags flags = OverlapFlagList(&values);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return std::fputs(flags.HelpText().c_str(), stdout), Status();
  STEMMA_RETURN_IF_ERROR(CheckOverlapFlags(values));
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(values.store));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, OneState(opened, values.state));
  if (values.threads > 0) at::set_num_threads(static_cast<int>(values.threads));
  try {
    return Report(values, *opened.store, opened.graph.states.at(id));
  } catch (const std::exception& error) {
    return {Code::kInternal, std::string("LibTorch: ") + error.what()};
  }
}

}  // namespace stemma::cli
