// The start of a training from a state of the store, with as little waiting as its bits allow.
// Buffers and the small record are whole on all ranks when Begin returns. A layer's forward waits
// for that layer's parameters alone (it is a Gate); the optimizer's slots, two thirds of the bytes
// with LAMB or Adam, are read behind forward and backward, and the first update waits for them.
// Each rank reads 1/N of what all want alike and the ranks exchange the rest, so the file system
// delivers a state once.
//
//   STEMMA_ASSIGN_OR_RETURN(auto resume,
//                           Resume::Begin(store, record, binding, world, &restart, mode));
//   ... workload.UseGate(resume.get());            first forward
//   STEMMA_RETURN_IF_ERROR(resume->Parameters());  before the first bucket of a reducer is launched
//   ...                                            backward, reduction
//   STEMMA_RETURN_IF_ERROR(resume->Finish());      then optimizer.Step()
//
// What is exchanged comes in waves, a task of each rank at a time, in an order that all ranks know;
// whoever asks for something runs the waves up to it, together with the others. So ranks may ask in
// any order and any number of times, as long as all of them come to Parameters and Finish, also
// those that failed at something else.
//
// Collective; the loop's thread. A read that failed on one rank ends the wave on all ranks, with
// that read's own message; every later call says the same. Where bytes of the state are to blame,
// rank 0 reads all of it once more and quarantines it (lineage/repair/quarantine.h): the failure
// says what is damaged, and which state the same command would go on from. None is ever taken in
// its place by itself. Everything given outlives it; ending it early stops the reading.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/restore.h"
#include "models/train/binding.h"
#include "models/train/gate.h"
#include "ops/world.h"

namespace stemma::models {

class Resume final : public Gate {
 public:
  // `restart_helps`, on all ranks: the state is quarantined by now, and another one is there.
  static Result<std::unique_ptr<Resume>> Begin(
      lineage::Store& store, const lineage::Record& from, Binding& binding, ops::World& world,
      bool* restart_helps, lineage::RestoreMode mode = lineage::RestoreMode::kExact);

  // Until span `i` of the binding, which is parameter `i`, is whole on all ranks; progressively:
  // until its upper halves are.
  void Await(size_t i) override;
  // Until all that forward and backward need is; at once when it was called before.
  Status Parameters();
  // Until all of the state is there; at once when it was called before.
  Status Finish();

 private:
  // Consecutive parts, at most one task of each rank, all late or none.
  struct Wave {
    size_t first = 0, last = 0;  // of shared()
  };

  Resume(lineage::Store& store, lineage::Record from, Binding& binding, ops::World& world,
         bool* restart_helps, lineage::RestoreMode mode)
      : store_(store),
        from_(std::move(from)),
        binding_(binding),
        world_(world),
        mode_(mode),
        restart_helps_(*restart_helps) {}
  void PlanWaves();
  Status Slots();             // the rest, which the update needs
  Status RunTo(size_t wave);  // all waves before it
  Status Own(bool late);      // what each rank reads for itself
  Status Patch();
  Status Agreed(const Status& mine);
  Status Spread(const Wave& wave);
  Status SpreadSmall(const lineage::SharedPart& part);
  Status Remember(Status status);
  Status Named(Status why);
  Status Judge(const std::string& said, std::string* text);

  lineage::Store& store_;
  const lineage::Record from_;
  Binding& binding_;
  ops::World& world_;
  const lineage::RestoreMode mode_;
  bool& restart_helps_;
  std::unique_ptr<lineage::Restoring> restoring_;  // null: all is there
  std::vector<Wave> waves_;
  std::vector<size_t> whole_after_;  // waves that have to be run for a span
  size_t eager_ = 0, early_ = 0;     // of the waves: the first ones; with parameters; then late
  size_t run_ = 0;
  bool parameters_there_ = false;
  double waited_s_ = 0;  // of the training, for bytes: the log has it
  Status failed_;        // the same on all ranks
};

}  // namespace stemma::models
