#include "models/train/evaluation.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>

#include "core/cohort.h"
#include "core/digest.h"
#include "models/train/autocast.h"
#include "models/train/course.h"
#include "models/train/threads.h"

namespace stemma::models {
namespace {

// A batch may wait for a cold file system.
constexpr double kBatchPatienceS = 600;

// Evaluation mode for as long as it lives.
class EvaluationMode {
 public:
  explicit EvaluationMode(Workload& workload) : workload_(workload) {
    workload_.SetTraining(false);
  }
  ~EvaluationMode() { workload_.SetTraining(true); }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  Workload& workload_;
  const at::NoGradGuard no_gradients_;
};

// A number that differs where the names or their order do.
uint64_t DigestOf(const std::vector<std::string>& names) {
  Encoder out;
  for (const std::string& name : names) out.String(name);
  return Xxh64(out.bytes());
}

}  // namespace

std::string ScoreText(const Score& score) {
  std::string text;
  char number[64];
  for (const auto& [name, value] : score.values) {
    std::snprintf(number, sizeof number, " %.4g, ", value);
    text += name + number;
  }
  std::snprintf(number, sizeof number, "of %.0f samples in %.1f s", score.rows, score.seconds);
  return text + number;
}

Evaluation::Evaluation(const RunSettings& settings, Workload& workload, ops::World& world)
    : settings_(settings), workload_(workload), world_(world), data_(workload.ValidationData()) {
  const int64_t asked = settings.validate.batch;
  loader_settings_.global_batch = asked > 0 ? asked : settings.train.global_batch;
  loader_settings_.threads = LoaderThreads(settings, ShareOfCores(settings, world));
  loader_settings_.prefetch = settings.train.prefetch;
  loader_settings_.stall_s = settings.train.data_stall_s;
  loader_settings_.pinned = settings.device.kind == "cuda";
  loader_settings_.in_order = true;
}

Result<std::unique_ptr<Evaluation>> Evaluation::Make(const RunSettings& settings,
                                                     Workload& workload, ops::World& world) {
  std::unique_ptr<Evaluation> evaluation(new Evaluation(settings, workload, world));
  const Dataset* data = evaluation->data_.get();
  Status mine;
  if (data == nullptr || data->Size() < 1) {
    mine = {Code::kInvalidArgument,
            "validate.every = \"" + settings.validate.every + "\": the workload " +
                workload.name() +
                " has no held-out samples with these settings: give it some, or "
                "leave validate.every at \"\""};
  }
  STEMMA_RETURN_IF_ERROR(Agree(world.cohort(), mine));
  STEMMA_RETURN_IF_ERROR(
      AgreeOn(world.cohort(), {{"size of the held-out data set", std::to_string(data->Size())},
                               {"digest of the held-out data set", Hex(data->Digest())}}));
  return evaluation;
}

Result<Score> Evaluation::Run(const std::function<bool()>& unwanted) {
  const auto start = std::chrono::steady_clock::now();
  Sums sums;
  {
    const EvaluationMode mode(workload_);
    STEMMA_RETURN_IF_ERROR(AllBatches(unwanted, &sums).Within("evaluation of held-out samples"));
  }
  Score score;
  score.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (sums.unwanted) return score;
  score.rows = sums.rows;
  for (size_t i = 0; i < names_.size(); ++i) {
    score.values.emplace_back("val_" + names_[i], sums.of[i] / sums.rows);
  }
  return score;
}

// The ranks meet after each batch, so that none waits long for another, and all hear of a failure.
Status Evaluation::AllBatches(const std::function<bool()>& unwanted, Sums* sums) {
  Cohort& cohort = world_.cohort();
  auto loader = Loader::Start(data_, loader_settings_, {world_.rank(), world_.ranks()}, Cursor());
  STEMMA_RETURN_IF_ERROR(Agree(cohort, loader.status()));
  loader_ = *std::move(loader);
  for (int64_t done = 0; done < samples() && !sums->unwanted;) {
    const ops::Section section(world_.recorder(), "evaluation of held-out samples",
                               std::max(kBatchPatienceS, loader_settings_.stall_s));
    auto batch = loader_->Next();
    auto mine = batch.ok() ? Mine(*batch, unwanted) : Result<std::string>(batch.status());
    STEMMA_RETURN_IF_ERROR(Agree(cohort, mine.status()));
    STEMMA_ASSIGN_OR_RETURN(const auto all, cohort.AllGather(*std::move(mine)));
    for (const std::string& bytes : all) STEMMA_RETURN_IF_ERROR(Add(bytes, sums));
    done += batch->global_rows;
  }
  loader_ = nullptr;
  if (sums->rows > 0 || sums->unwanted) return {};
  return {Code::kInvalidArgument, "none of the " + std::to_string(samples()) +
                                      " held-out samples counts: has any of them a label?"};
}

// What this rank adds: rows, then the sums, behind what tells others' names from these.
Result<std::string> Evaluation::Mine(const Batch& batch, const std::function<bool()>& unwanted) {
  Evaluated evaluated;
  try {
    const AutocastGuard guard(settings_);
    evaluated = workload_.Evaluate(batch);
  } catch (const std::exception& error) {
    return Status(Code::kInternal, error.what());
  }
  std::vector<std::string> names;
  for (const auto& sum : evaluated.sums) names.push_back(sum.first);
  if (names_.empty()) names_ = names;
  if (names.empty() || names[0] != "loss" || names != names_) {
    return Status(Code::kInternal,
                  "the workload " + workload_.name() +
                      " must evaluate each batch to the same sums, \"loss\" first");
  }
  Encoder out;
  out.U64(DigestOf(names));
  out.U8(unwanted && unwanted() ? 1 : 0);
  out.F64(evaluated.rows);
  for (const auto& sum : evaluated.sums) out.F64(sum.second);
  return out.Take();
}

Status Evaluation::Add(const std::string& bytes, Sums* sums) const {
  Decoder in(bytes);
  const bool same = in.U64() == DigestOf(names_);
  if (in.U8() != 0) sums->unwanted = true;
  sums->rows += in.F64();
  sums->of.resize(names_.size());
  for (double& sum : sums->of) sum += in.F64();
  if (same && in.ok() && in.remaining() == 0) return {};
  return {Code::kInternal, "ranks evaluate to different sums; this one has " +
                               std::to_string(names_.size()) + " of them"};
}

}  // namespace stemma::models
