#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/collect.h"
#include "lineage/graph.h"
#include "lineage/names.h"
#include "lineage/storage.h"
#include "lineage/store.h"
#include "models/train/settings.h"
#include "tools/sweep/controller.h"

namespace stemma::tests {

// What a toy training holds after a step: a chain of digests over the rates and decays that it
// went through. Two trainings hold the same only when they did the same at every step.
inline std::string ToyStart() { return Sha256("toy"); }
inline std::string ToyStep(const std::string& before, double lr, double decay) {
  char text[80];
  std::snprintf(text, sizeof text, " %.17g %.17g", lr, decay);
  return Sha256(before + text);
}
// In [0, 1).
inline double ToyLoss(const std::string& held) {
  const auto byte = [&held](size_t i) { return static_cast<unsigned char>(held[i]); };
  return (byte(0) * 256 + byte(1)) / 65536.0;
}

// A spec's name in a folder of the test's own; beside it lies its recipe, toy.toml.
inline const std::string& ToySpecPath() {
  static const std::string path = [] {
    const char* given = std::getenv("TEST_TMPDIR");
    std::string made = given != nullptr ? given : std::filesystem::temp_directory_path().string();
    made += "/toy_sweep";
    std::filesystem::create_directories(made);
    std::ofstream(made + "/toy.toml") << "train.length = \"40step\"\ntrain.seed = 3\n";
    return made + "/toy.spec";
  }();
  return path;
}

// Trains jobs one after the other, in Wait(), through the library as an engine does: a state every
// `every` steps and at the end. A rate above `diverges_above` has no finite loss at step 1 of its
// job; `crashes` says how often a run dies half-way, `stops` how often it saves there and stops in
// order, `disk_refusals` how often it ends at once for want of room.
class ToyExecutor : public sweep::Executor {
 public:
  ToyExecutor(lineage::Storage& storage, std::string path)
      : storage_(storage), path_(std::move(path)) {}

  Status Start(const sweep::Job& job) override {
    started.push_back(job.run);
    jobs_.push_back(job);
    most_at_once = std::max(most_at_once, jobs_.size());
    return {};
  }
  Result<std::vector<sweep::Ended>> Wait(double) override {
    if (jobs_.empty()) return std::vector<sweep::Ended>();
    if (on_wait) on_wait();
    const sweep::Job job = jobs_.front();
    jobs_.erase(jobs_.begin());
    sweep::Ended ended{job.run, sweep::How::kStopped, "", 1};
    if (stopping_) return std::vector<sweep::Ended>{ended};
    if (disk_refusals[job.run]-- > 0) {
      return std::vector<sweep::Ended>{{job.run, sweep::How::kDisk, "No space left on device", 1}};
    }
    const Status done = Train(job);
    if (done.ok()) return std::vector<sweep::Ended>{ended};
    ended.how = done.code() == Code::kNotFinite ? sweep::How::kDiverged : sweep::How::kCrashed;
    ended.why = done.message();
    return std::vector<sweep::Ended>{ended};
  }
  void Stop() override { stopping_ = true; }
  sweep::Work Measure(const std::string& run) const override {
    const auto found = steps.find(run);
    const auto seconds = static_cast<double>(found == steps.end() ? 0 : found->second);
    return {seconds, seconds, 0};
  }

  int64_t every = 5;
  double diverges_above = 1;
  std::map<std::string, int> crashes, stops, disk_refusals;
  std::function<void()> on_wait;
  std::vector<std::string> started;
  std::map<std::string, int64_t> steps;  // trained, by run
  size_t most_at_once = 0;

 private:
  struct Toy {
    std::unique_ptr<lineage::Store> store;
    std::unique_ptr<lineage::RunWriter> writer;
    lineage::SettingsRef settings;
    std::optional<lineage::StateId> parent;
    int64_t step = 0;
    std::string held = ToyStart();
    models::RunSettings read;
  };

  Result<Toy> Begin(const sweep::Job& job) {
    Toy toy;
    STEMMA_ASSIGN_OR_RETURN(toy.store, lineage::Store::Open(path_, false, storage_));
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, toy.store->Load());
    const auto run = graph.runs.find(job.run);
    SettingsList list = models::FieldsOf(toy.read);
    if (run == graph.runs.end() || !run->second.head) {
      STEMMA_RETURN_IF_ERROR(list.ReadText(job.recipe, "recipe of " + job.run));
      STEMMA_ASSIGN_OR_RETURN(toy.settings, toy.store->PutBlob(list.ToToml()));
    } else {
      const lineage::Record& head = graph.states.at(*run->second.head);
      STEMMA_RETURN_IF_ERROR(list.ReadText(*toy.store->GetSettings(head.settings), job.run));
      toy.settings = head.settings;
      toy.parent = head.id;
      toy.step = head.step;
      STEMMA_ASSIGN_OR_RETURN(toy.held, storage_.ReadAll(toy.store->PackPath(head.packs[0].pack)));
    }
    Result<std::unique_ptr<lineage::RunWriter>> writer = run == graph.runs.end()
                                                             ? toy.store->StartRun(job.run)
                                                             : toy.store->NextIncarnation(job.run);
    STEMMA_RETURN_IF_ERROR(writer.status());
    toy.writer = *std::move(writer);
    return toy;
  }

  Status Save(Toy* toy) {
    const lineage::ObjectId pack = Sha256(toy->held);
    const std::string path = toy->store->PackPath(pack);
    if (!storage_.Exists(path)) {
      const std::string temporary = toy->writer->tmp_dir() + "/" + Hex(pack);
      STEMMA_RETURN_IF_ERROR(WriteSynced(storage_, temporary, toy->held));
      STEMMA_RETURN_IF_ERROR(storage_.Rename(temporary, path));
      STEMMA_RETURN_IF_ERROR(storage_.SyncDir(lineage::ParentOf(path)));
    }
    lineage::Record record;
    record.step = toy->step;
    record.packs = {{0, 1, pack, toy->held.size()}};
    STEMMA_ASSIGN_OR_RETURN(record.layout, toy->store->PutLayout("toy"));
    record.settings = toy->settings;
    record.metrics["loss"] = ToyLoss(toy->held);
    if (!toy->read.validate.every.empty()) record.metrics["val_loss"] = 1 - ToyLoss(toy->held);
    if (toy->parent) record.parents = {{*toy->parent, lineage::EdgeKind::kTrain}};
    STEMMA_ASSIGN_OR_RETURN(toy->parent, toy->writer->Append(record));
    return {};
  }

  Status Train(const sweep::Job& job) {
    STEMMA_ASSIGN_OR_RETURN(Toy toy, Begin(job));
    const bool crash = crashes[job.run]-- > 0, stop = stops[job.run]-- > 0;
    const int64_t half = (toy.step + job.end) / 2;
    while (toy.step < job.end) {
      const auto& optim = toy.read.optim;
      if (optim.lr > diverges_above) return {Code::kNotFinite, "the loss is not finite"};
      toy.held = ToyStep(toy.held, optim.lr, optim.weight_decay);
      ++toy.step;
      ++steps[job.run];
      if (crash && toy.step == half) return {Code::kInternal, "toy crash"};
      const bool last = toy.step == job.end || (stop && toy.step == half);
      if (toy.step % every == 0 || last) STEMMA_RETURN_IF_ERROR(Save(&toy));
      if (last) break;
    }
    return toy.writer->Close();
  }

  lineage::Storage& storage_;
  const std::string path_;
  std::vector<sweep::Job> jobs_;
  bool stopping_ = false;
};

class ToyClock final : public lineage::GcClock {
 public:
  double Now() override { return now_; }
  void Sleep(double seconds) override {
    now_ += seconds;
    if (on_sleep) on_sleep();
  }
  std::function<void()> on_sleep;

 private:
  double now_ = 0;
};

}  // namespace stemma::tests
