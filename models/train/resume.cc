#include "models/train/resume.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "core/log.h"
#include "lineage/graph.h"
#include "lineage/repair/quarantine.h"
#include "ops/tensor_collectives.h"

namespace stemma::models {
namespace {

// Adds the seconds of its own life: the training waited for bytes.
class Waited {
 public:
  explicit Waited(double* sum) : sum_(sum) {}
  ~Waited() { *sum_ += std::chrono::duration<double>(Clock::now() - begun_).count(); }
  Waited(const Waited&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double* const sum_;
  const Clock::time_point begun_ = Clock::now();
};

}  // namespace

// Ranks that were lost say nothing about the state.
Status Resume::Named(Status why) {
  if (why.ok() || why.code() == Code::kPeerLost || why.code() == Code::kTimeout) return why;
  why = std::move(why).Within("restore " + lineage::NameOfState(from_));
  if (why.code() != Code::kCorruption && why.code() != Code::kNotFound) return why;
  std::string text;
  const Status judged = Judge(why.message(), &text);
  return {why.code(), why.message() + "; " + (judged.ok() ? text : judged.message())};
}

// Collective: rank 0 looks, all ranks hear.
Status Resume::Judge(const std::string& said, std::string* text) {
  const ops::Section section(world_.recorder(), "second reading of " + lineage::NameOfState(from_),
                             binding_.PatienceSeconds());
  std::string mine;  // whether a restart helps, as '+' or '-', then the text
  if (world_.rank() == 0) {
    const auto verdict = lineage::JudgeFailedRestore(store_, from_.id, said);
    const bool helps = verdict.ok() && verdict->restart_helps;
    mine = (helps ? "+" : "-") +
           (verdict.ok() ? verdict->text : "not quarantined: " + verdict.status().message());
  }
  STEMMA_ASSIGN_OR_RETURN(*text, world_.cohort().Broadcast(std::move(mine), 0));
  restart_helps_ = text->rfind('+', 0) == 0;
  text->erase(0, 1);
  return {};
}

Result<std::unique_ptr<Resume>> Resume::Begin(lineage::Store& store, const lineage::Record& from,
                                              Binding& binding, ops::World& world,
                                              bool* restart_helps, lineage::RestoreMode mode) {
  std::unique_ptr<Resume> resume(new Resume(store, from, binding, world, restart_helps, mode));
  const Waited waited(&resume->waited_s_);
  const ops::Section section(world.recorder(), "reading of " + lineage::NameOfState(from),
                             binding.PatienceSeconds());
  auto begun = lineage::BeginRestore(store, from, binding.spans(), binding, world.cohort(),
                                     lineage::RestoreReads::kOnce, mode);
  STEMMA_RETURN_IF_ERROR(resume->Named(begun.status()));
  resume->restoring_ = *std::move(begun);
  resume->PlanWaves();
  Status mine;
  for (size_t i = 0; i < binding.spans().size() && mine.ok(); ++i) {
    if (binding.spans()[i].eager) mine = resume->restoring_->WaitFor(i);
  }
  STEMMA_RETURN_IF_ERROR(resume->Agreed(mine));
  STEMMA_RETURN_IF_ERROR(resume->RunTo(resume->eager_));
  return resume;
}

// A wave ends where the readers begin anew, and where something else begins to be wanted: eager
// spans, then parameters, then what is late.
void Resume::PlanWaves() {
  const std::vector<lineage::SharedPart>& parts = restoring_->shared();
  const auto group = [&](const lineage::SharedPart& part) {
    const lineage::Span& span = binding_.spans()[part.span];
    return span.late ? 2 : span.eager ? 0 : 1;
  };
  whole_after_.assign(binding_.spans().size(), 0);
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool begins =
        i == 0 || parts[i].reader < parts[i - 1].reader || group(parts[i]) != group(parts[i - 1]);
    if (begins) waves_.push_back({i, i});
    waves_.back().last = i + 1;
    whole_after_[parts[i].span] = waves_.size();
    if (group(parts[i]) == 0) eager_ = waves_.size();
    if (group(parts[i]) < 2) early_ = waves_.size();
  }
}

void Resume::Await(size_t i) {
  if (parameters_there_) return;
  const Waited waited(&waited_s_);
  const ops::Section section(world_.recorder(), "reading of a parameter",
                             binding_.PatienceSeconds());
  Status there = failed_;
  // Alone: nothing to agree on. Otherwise what this rank has read of it is waited for in its waves.
  if (there.ok() && world_.ranks() == 1) there = Remember(Named(restoring_->WaitFor(i)));
  if (there.ok()) there = RunTo(whole_after_[i]);
  if (!there.ok()) throw std::runtime_error(there.message());
}

Status Resume::Parameters() {
  if (parameters_there_) return {};
  const Waited waited(&waited_s_);
  const ops::Section section(world_.recorder(), "reading of the parameters",
                             binding_.PatienceSeconds());
  STEMMA_RETURN_IF_ERROR(RunTo(early_));
  STEMMA_RETURN_IF_ERROR(Own(false));
  parameters_there_ = true;
  return {};
}

Status Resume::Finish() {
  if (restoring_ == nullptr) return {};
  STEMMA_RETURN_IF_ERROR(Parameters());
  STEMMA_RETURN_IF_ERROR(Slots());
  restoring_ = nullptr;
  LogToFile("restored", {{"state", lineage::NameOfState(from_)}, {"waited_s", waited_s_}});
  return {};
}

Status Resume::Slots() {
  const Waited waited(&waited_s_);
  const ops::Section section(world_.recorder(), "reading of the optimizer's state",
                             binding_.PatienceSeconds());
  STEMMA_RETURN_IF_ERROR(RunTo(waves_.size()));
  STEMMA_RETURN_IF_ERROR(Own(true));
  return mode_ == lineage::RestoreMode::kProgressive ? Patch() : Status();
}

// Also what is shared: with one rank nothing is spread.
Status Resume::Own(bool late) {
  STEMMA_RETURN_IF_ERROR(failed_);
  Status mine;
  for (size_t i = 0; i < binding_.spans().size() && mine.ok(); ++i) {
    if (binding_.spans()[i].late == late) mine = restoring_->WaitFor(i);
  }
  return Agreed(mine);
}

// The values that stood in for the parameters are replaced where they were read, then on the other
// ranks.
Status Resume::Patch() {
  STEMMA_RETURN_IF_ERROR(Agreed(restoring_->WaitAll()));
  for (size_t wave = eager_; wave < early_; ++wave) {
    STEMMA_RETURN_IF_ERROR(Remember(Spread(waves_[wave])));
  }
  return {};
}

Status Resume::RunTo(size_t wave) {
  STEMMA_RETURN_IF_ERROR(failed_);
  for (; run_ < wave; ++run_) {
    const Wave& next = waves_[run_];
    Status mine;
    for (size_t i = next.first; i < next.last && mine.ok(); ++i) {
      mine = restoring_->WaitForPart(i);
    }
    STEMMA_RETURN_IF_ERROR(Agreed(mine));
    STEMMA_RETURN_IF_ERROR(Remember(Spread(next)));
  }
  return {};
}

Status Resume::Agreed(const Status& mine) { return Remember(Named(Agree(world_.cohort(), mine))); }

Status Resume::Remember(Status status) {
  if (failed_.ok()) failed_ = status;
  return status;
}

// In place: what a rank has read lies where the others want it.
Status Resume::Spread(const Wave& wave) {
  std::vector<std::vector<at::Tensor>> of_reader(static_cast<size_t>(world_.ranks()));
  for (size_t i = wave.first; i < wave.last; ++i) {
    const lineage::SharedPart& part = restoring_->shared()[i];
    if (part.bytes == 0) continue;
    if (binding_.IsSmall(part.span)) {
      STEMMA_RETURN_IF_ERROR(SpreadSmall(part));
    } else {
      of_reader[static_cast<size_t>(part.reader)].push_back(
          binding_.BytesOf(part.span, part.offset, part.bytes));
    }
  }
  for (int reader = 0; reader < world_.ranks(); ++reader) {
    const auto& bytes = of_reader[static_cast<size_t>(reader)];
    if (bytes.empty()) continue;
    STEMMA_RETURN_IF_ERROR(
        ops::Broadcast(world_.data(), bytes, reader)
            .Within("exchange of what rank " + std::to_string(reader) + " read"));
  }
  return {};
}

// It lies in host memory, also where the tensors do not.
Status Resume::SpreadSmall(const lineage::SharedPart& part) {
  std::string bytes(part.bytes, '\0');
  STEMMA_RETURN_IF_ERROR(binding_.Read(part.span, part.offset, part.bytes, bytes.data()));
  STEMMA_ASSIGN_OR_RETURN(bytes, world_.cohort().Broadcast(std::move(bytes), part.reader));
  return binding_.Write(part.span, part.offset, bytes);
}

}  // namespace stemma::models
