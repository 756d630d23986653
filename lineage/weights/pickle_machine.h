// Runs a pickle of protocol 2 to 5: a stack of values and a memo. It knows the instructions that
// plain data needs, and TorchObjects knows what they may name; all else is refused. Internal to
// weights/.
//
//   PickleMachine machine(bytes);
//   STEMMA_RETURN_IF_ERROR(machine.Run());
//   const PickleValue& root = machine.values()[machine.root()];
//
// Each instruction makes one value at most, and moves only what instructions before it put on the
// stack, so time and memory are those of the pickle's length. Text is a view of the pickle, which
// outlives the machine. Thread: one. Failure: as pickle.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "lineage/weights/pickle_torch.h"

namespace stemma::lineage {

class PickleMachine {
 public:
  explicit PickleMachine(std::string_view pickle) : in_(pickle) {}
  Status Run();

  // After Run().
  const PickleValues& values() const { return values_; }
  uint32_t root() const { return stack_.back(); }
  PickledTensors TakeFound() { return std::move(objects_.found); }

 private:
  Status Step(uint8_t instruction, bool* stop);
  Status Scalar(uint8_t instruction, bool* known);     // makes one plain value
  Status Container(uint8_t instruction, bool* known);  // makes or fills one
  Status Object(uint8_t instruction, bool* known);     // names, calls, memo

  Status Push(PickleValue value);
  Status PushKind(PickleKind kind, int64_t number = 0);
  Status PushText(size_t bytes);
  Status PushLong(size_t bytes);
  Status PushTuple(size_t count);
  Status PushNamed(std::string_view module, std::string_view name);
  Status Fill(PickleKind kind, size_t count);  // the container below `count` values
  Status Call();
  Status Remember(uint64_t slot);
  Status Recall(uint64_t slot);
  Result<uint32_t> Pop();
  Result<size_t> PopMark();  // how many values lie above it

  Decoder in_;
  PickleValues values_;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint64_t, uint32_t> memo_;
  TorchObjects objects_;
};

}  // namespace stemma::lineage
