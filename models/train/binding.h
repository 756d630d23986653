// The whole state of a training as named spans, for capture and restore: parameters, every slot of
// the optimizer, buffers, and one small record with the step, the cursor and the optimizer's
// scalars. Anything that the training needs to go on bit for bit is here; there are no random
// streams, because every draw is keyed by (seed, step, sample).
//
//   params     Replicated, copied in the background until the fence; Frozen where the tensor needs
//              no gradient when the training starts: its bytes are written once
//   optim/...  Replicated, likewise; Sharded when the optimizer is: each rank has its part of it.
//              The names and shapes are the same, so states go from one to the other. Frozen
//              parameters have slots too, as before a first update, Frozen as they are: a fork of
//              the state may train what its parent froze, and the reverse
//   buffers    Replicated (averaged over ranks, or the same on all), copied at once: forward
//   changes
//              them
//   small      Replicated, copied at once
//
// Restore copies into existing memory, so aliases into buckets stay. Owner: the Trainer; the
// tensors it is given outlive it. Read() and Write() run on lineage threads, everything else on the
// loop's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lineage/span.h"
#include "models/data/cursor.h"
#include "models/train/patience.h"
#include "ops/reducer.h"
#include "optim/optimizer.h"

namespace stemma::models {

// What is neither a tensor of the model nor of the optimizer.
struct SmallState {
  int64_t step = 0;       // completed steps
  Cursor cursor;          // next global sample
  std::string optimizer;  // Optimizer::EncodeSmall
  // Where train.stop_patience counts evaluations. States of programs that knew of none have none.
  std::optional<Patience> patience = {};
};

constexpr size_t kSmallBytes = 4096;  // the span's fixed size; the content carries its own length

std::string EncodeSmall(const SmallState& small);        // exactly kSmallBytes
Result<SmallState> DecodeSmall(std::string_view bytes);  // kCorruption when it is none

// kInvalidArgument for tensors that no state can hold: other dtypes, other orders of elements.
Status CheckBinding(const std::vector<ops::Parameter>& parameters,
                    const std::vector<ops::Buffer>& buffers);

class Binding final : public lineage::Source, public lineage::Sink {
 public:
  // REQUIRES: CheckBinding is OK; each slot is of one of the parameters
  Binding(const std::vector<ops::Parameter>& parameters, const std::vector<ops::Buffer>& buffers,
          const std::vector<optim::NamedState>& slots);

  const std::vector<lineage::Span>& spans() const { return spans_; }
  // The spans again when a frozen tensor needs a gradient by now, and is Replicated from here on;
  // else none: for CaptureRequest. One that needs none any more stays Replicated until the next
  // start: it may be half of a GAN, which is frozen only every other step.
  std::vector<lineage::Span> Thawed();
  // How long a disk may take for a state before it counts as a hang: ten minutes, and what a slow
  // one needs, at 10 MB/s.
  double PatienceSeconds() const;
  // The small record of the next capture; after a restore, what came back.
  void SetSmall(const SmallState& small);
  Result<SmallState> TakeSmall() const;

  // The small record's span; all others are tensors.
  bool IsSmall(size_t span) const { return span >= tensors_.size(); }
  // Part of a tensor as its bytes, where they lie. REQUIRES: not IsSmall
  at::Tensor BytesOf(size_t span, uint64_t offset, uint64_t bytes) const;

  Status Read(size_t span, uint64_t offset, uint64_t bytes, char* out) override;
  Status Write(size_t span, uint64_t offset, std::string_view bytes) override;
  char* Room(size_t span, uint64_t offset, uint64_t bytes) override;
  Status WriteLow(size_t span, uint64_t first, std::string_view low) override;

 private:
  void Add(lineage::Span span, const at::Tensor& tensor);
  void AddSlot(const optim::NamedState& slot);
  void AddSlots(const std::vector<ops::Parameter>& parameters,
                const std::vector<optim::NamedState>& slots);
  std::vector<lineage::Span> spans_;
  std::vector<at::Tensor> tensors_;  // one per span but the last
  std::vector<char*> memory_;        // null: on a device
  std::vector<uint64_t> begins_;  // bytes of the span before the tensor's first; 0 but for shards
  std::string small_;
};

}  // namespace stemma::models
