// Everything that one training needs, in the order in which it is made; the loop borrows it. Behind
// Train (trainer.h), for its files alone:
//
//   trainer.cc         what is made, and in which order the ranks agree on it
//   trainer_report.cc  what is told: files of the run folder, logs, the table, the outcome
//
// Collective but for what says that it is not. Thread: the loop's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/settings.h"
#include "core/status.h"
#include "lineage/capturer.h"
#include "lineage/keep/keeper.h"
#include "models/data/loader.h"
#include "models/train/binding.h"
#include "models/train/evaluation.h"
#include "models/train/loop.h"
#include "models/train/metrics.h"
#include "models/train/progress.h"
#include "models/train/resume.h"
#include "models/train/run_folder.h"
#include "models/train/session.h"
#include "models/train/trainer.h"
#include "ops/reducer.h"
#include "ops/world.h"
#include "optim/optimizer.h"

namespace stemma::models {

// Other ranks cannot be asked any more.
inline bool IsLost(const Status& status) {
  return status.code() == Code::kPeerLost || status.code() == Code::kTimeout;
}

class Training {
 public:
  Training(const RunSettings& settings, const SettingsList& list, const TrainOptions& options,
           ops::World& world)
      : settings_(settings), list_(list), options_(options), world_(world) {}

  Status Prepare(const WorkloadFactory& make);
  Status Run();
  bool complete() const { return session_.kind == StartKind::kComplete; }
  const std::string& headline() const { return session_.headline; }
  bool stopped_before_start() const { return stopped_before_start_; }
  Outcome Report(const Status& status, double wall_s);
  // error.json, unless an earlier failure is there. Of this rank alone.
  void WriteError(const Status& status);
  void AwaitReport() const;

 private:
  Status MakeWorkload(const WorkloadFactory& make);
  Status MakeEvaluation(int64_t every);
  Status OpenFolder();
  Status BeginFromFile();
  Status Build();
  Status RestoreState();
  Status StartCapturer();
  Status BeginFiles();
  void BeginLog();
  Status FirstRecord();
  void PrintTable();
  std::string Dir() const {
    return options_.dir.empty() ? "stemma-runs/" + settings_.run.name : options_.dir;
  }
  bool root() const { return world_.rank() == 0; }

  const RunSettings& settings_;
  const SettingsList& list_;
  const TrainOptions& options_;
  ops::World& world_;
  std::unique_ptr<Workload> workload_;
  int64_t dataset_size_ = 0, total_steps_ = 0;
  std::string data_digest_;                 // of the training data, hex
  std::unique_ptr<Evaluation> evaluation_;  // null: validate.every is ""
  int64_t validate_every_ = 0;              // steps
  optim::OptimSettings optim_;  // of settings_, in steps, with what a recipe takes from the data
  RunFolder folder_;
  Session session_;
  std::unique_ptr<ops::Reducer> reducer_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<Binding> binding_;
  std::unique_ptr<Resume> resume_;  // writes through binding_; null: nothing to restore
  SmallState start_;
  std::map<std::string, lineage::AttributeValue> root_attributes_;  // of BeginFromFile, on rank 0
  std::unique_ptr<Loader> loader_;
  CapturePolicy policy_;
  std::unique_ptr<lineage::Capturer> capturer_;
  std::unique_ptr<lineage::Keeper> keeper_;  // rank 0, where states are captured
  lineage::Record record_;
  MetricsFile metrics_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<Loop> loop_;
  bool stopped_before_start_ = false;
  bool restart_helps_ = false;  // the state was damaged, and is not tried again
  bool entered_ = false;        // this incarnation's folder is this process's to write to
};

}  // namespace stemma::models
