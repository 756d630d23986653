// The start of a training from a state of the store, with as little waiting as its bits allow. What
// forward and backward need (parameters, buffers, the small record) is whole on all ranks when
// Begin returns; the optimizer's slots, two thirds of the bytes with LAMB or Adam, are read behind
// the first forward and backward, and the first update waits for them. Each rank reads 1/N of what
// all want alike and the ranks exchange the rest, so the file system delivers a state once.
//
//   STEMMA_ASSIGN_OR_RETURN(auto resume, Resume::Begin(store, record, binding, world, &restart));
//   ...                                            first forward, backward, reduction
//   STEMMA_RETURN_IF_ERROR(resume->Finish());      then optimizer.Step()
//
// Collective; the loop's thread. A failure is the same on every rank. Where bytes of the state are
// to blame, rank 0 reads all of it once more and quarantines it (lineage/repair/quarantine.h): the
// failure says what is damaged, and which state the same command would go on from. None is ever
// taken in its place by itself. Everything given outlives it; ending it early stops the reading.
#pragma once

#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/restore.h"
#include "models/train/binding.h"
#include "ops/world.h"

namespace stemma::models {

class Resume {
 public:
  // `restart_helps`, on all ranks: the state is quarantined by now, and another one is there.
  static Result<std::unique_ptr<Resume>> Begin(lineage::Store& store, const lineage::Record& from,
                                               Binding& binding, ops::World& world,
                                               bool* restart_helps);
  // Until all of the state is there; at once when it was called before.
  Status Finish();

 private:
  Resume(lineage::Store& store, lineage::Record from, Binding& binding, ops::World& world,
         bool* restart_helps)
      : store_(store),
        from_(std::move(from)),
        binding_(binding),
        world_(world),
        restart_helps_(*restart_helps) {}
  // Until this half of the state (what is late, or what is not) is whole on all ranks.
  Status Half(bool late);
  Status Spread(bool late);
  Status SpreadSmall(const lineage::SharedPart& part);
  Status Named(Status why);
  Status Judge(std::string* text);

  lineage::Store& store_;
  const lineage::Record from_;
  Binding& binding_;
  ops::World& world_;
  bool& restart_helps_;
  std::unique_ptr<lineage::Restoring> restoring_;  // null: all is there
};

}  // namespace stemma::models
