// The state of a training in the memory of the ranks that train it, and how another training begins
// from it without a disk: the warm way beside Resume.
//
//   options.hand_over.due = [](int64_t step) { return step == 500; };
//   options.hand_over.give = [&](const LiveState& live, lineage::Store& store) -> Status {
//     STEMMA_ASSIGN_OR_RETURN(child, Clone(live));       // or WarmFork (warm_fork.h), or a look
//     return {};
//   };
//   Train(settings, list, options, world, make);         // calls `give` on each rank, at step 500
//
//   other.live = &child;                                 // its record is a fork of that state
//   Train(child_settings, child_list, other, world, make);
//
// Each rank holds all replicated spans, and of sharded ones what it was given: its own part, or,
// from WarmFork, all of it. Bytes are those of the durable state `record`, bit for bit.
//
// Owner: whoever holds it; tensors are handles. Thread: the loop's, one at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/span.h"
#include "lineage/store.h"
#include "models/train/binding.h"

namespace stemma::models {

struct LiveState {
  // A span's bytes, or a part of them: `bytes` is 1-D u8, of the span from `first` on.
  struct Part {
    lineage::Span span;
    int64_t first = 0;
    at::Tensor bytes;
  };
  lineage::Record record;   // of the durable state that these bytes are
  std::vector<Part> parts;  // in the order of the binding's spans, without the small one
  std::string small;        // the small record, kSmallBytes
};

// When a training shows its state, and to whom. Both run on every rank of the group, at the end of
// a step, with that state durable and nothing under way: `give` may be collective. What it returns
// is agreed on, and a failure ends the training.
struct HandOver {
  std::function<bool(int64_t step)> due;  // the same answer on all ranks
  std::function<Status(const LiveState& live, lineage::Store& store)> give;
};

// kInvalidArgument: a hand-over that says only when, only to whom, or has no store to be durable
// in.
Status CheckHandOver(const HandOver& hand_over, const std::string& store);

// Handles to what the binding holds now: true until the next step changes it.
Result<LiveState> LiveStateOf(Binding& binding, const lineage::Record& record);

// A copy with memory of its own. kInternal with LibTorch's text where there is none.
Result<LiveState> Clone(const LiveState& live);

// Copies into the tensors of `binding`, whose training was started for `from`, the state that
// `live` is. kInvalidArgument when it is another one; kIncompatible, with the span's name, where
// the other training has other tensors or `live` lacks a part that this rank needs.
Status CopyInto(const LiveState& live, const std::optional<lineage::Record>& from,
                Binding* binding);

}  // namespace stemma::models
