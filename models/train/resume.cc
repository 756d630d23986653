#include "models/train/resume.h"

#include <string>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "lineage/graph.h"
#include "lineage/repair/quarantine.h"
#include "ops/tensor_collectives.h"

namespace stemma::models {

// Ranks that were lost say nothing about the state.
Status Resume::Named(Status why) {
  if (why.ok() || why.code() == Code::kPeerLost || why.code() == Code::kTimeout) return why;
  why = std::move(why).Within("restore " + lineage::NameOfState(from_));
  if (why.code() != Code::kCorruption && why.code() != Code::kNotFound) return why;
  std::string text;
  const Status judged = Judge(&text);
  return {why.code(), why.message() + "; " + (judged.ok() ? text : judged.message())};
}

// Collective: rank 0 looks, all ranks hear.
Status Resume::Judge(std::string* text) {
  const ops::Section section(world_.recorder(), "second reading of " + lineage::NameOfState(from_),
                             binding_.PatienceSeconds());
  std::string mine;  // whether a restart helps, as '+' or '-', then the text
  if (world_.rank() == 0) {
    const auto verdict = lineage::JudgeFailedRestore(store_, from_.id);
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
                                              bool* restart_helps) {
  std::unique_ptr<Resume> resume(new Resume(store, from, binding, world, restart_helps));
  const ops::Section section(world.recorder(), "reading of " + lineage::NameOfState(from),
                             binding.PatienceSeconds());
  auto begun = lineage::BeginRestore(store, from, binding.spans(), binding, world.cohort(),
                                     lineage::RestoreReads::kOnce);
  STEMMA_RETURN_IF_ERROR(resume->Named(begun.status()));
  resume->restoring_ = *std::move(begun);
  STEMMA_RETURN_IF_ERROR(resume->Half(false));
  return resume;
}

Status Resume::Finish() {
  if (restoring_ == nullptr) return {};
  const ops::Section section(world_.recorder(), "reading of the optimizer's state",
                             binding_.PatienceSeconds());
  STEMMA_RETURN_IF_ERROR(Half(true));
  restoring_ = nullptr;
  return {};
}

Status Resume::Half(bool late) {
  Status mine;
  for (size_t i = 0; i < binding_.spans().size() && mine.ok(); ++i) {
    if (binding_.spans()[i].late == late) mine = restoring_->WaitFor(i);
  }
  STEMMA_RETURN_IF_ERROR(Named(Agree(world_.cohort(), mine)));
  return Spread(late);
}

// In place: what a rank has read lies where the others want it.
Status Resume::Spread(bool late) {
  std::vector<std::vector<at::Tensor>> of_reader(static_cast<size_t>(world_.ranks()));
  for (const lineage::SharedPart& part : restoring_->shared()) {
    if (binding_.spans()[part.span].late != late || part.bytes == 0) continue;
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
