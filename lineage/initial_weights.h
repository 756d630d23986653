// Tensors of a file from outside as what a training begins with: which of a network's parameters
// and buffers the file gives, and their bytes.
//
//   WeightsSource source{"resnet50.pt"};
//   source.skip = {"fc.*"};                          // these stay as the network has them
//   STEMMA_ASSIGN_OR_RETURN(const auto weights, InitialWeights::Open(storage, source, spans));
//   for (size_t i = 0; i < weights->spans().size(); ++i) {
//     weights->Read(i, 0, bytes, out);               // of the network's span weights->spans()[i]
//   }
//
// Names, types and shapes are those of the network, as load_state_dict would have them, but for
// what `skip` names. Nothing is taken of a file that does not fit so: all that is missing,
// unexpected and mismatched is counted and named.
//
// Owner: the caller. The file must not change while it is open. Thread: one at a time. Failure:
// kInvalidArgument for what does not fit and for a name to skip that nobody has; as import.h for
// the file itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/span.h"
#include "lineage/storage.h"

namespace stemma::lineage {

class PlanReader;
class TensorFile;
struct ImportPlan;

struct WeightsSource {
  std::string path = {};               // of safetensors or torch.save; "": none
  std::string key = {};                // which dict of a checkpoint; "": the one there is
  std::string map = {};                // file of rules for names, as import's --map; "": names stay
  std::vector<std::string> skip = {};  // names that nobody takes; one * in each stands for any text
};

class InitialWeights {
 public:
  // `model`: the network's spans; those that are neither parameters nor buffers are passed over.
  static Result<std::unique_ptr<InitialWeights>> Open(Storage& storage, const WeightsSource& source,
                                                      const std::vector<Span>& model);
  ~InitialWeights();

  // Positions in `model` of what the file gives, ascending.
  const std::vector<size_t>& spans() const { return spans_; }
  // Part of the tensor for spans()[i] in C order, at whole elements.
  Status Read(size_t i, uint64_t offset, uint64_t bytes, char* out);
  // "resnet50.pt (sha256 5be1c07d): 318 tensors taken; as they began: fc.weight, fc.bias".
  const std::string& summary() const { return summary_; }
  // Of the root that the training leaves: as an imported state's, import.h.
  const std::map<std::string, AttributeValue>& attributes() const { return attributes_; }

 private:
  InitialWeights();
  Status Fit(Storage& storage, const WeightsSource& source, const std::vector<Span>& model);
  Status Describe(const WeightsSource& source);

  std::unique_ptr<TensorFile> file_;
  std::unique_ptr<ImportPlan> plan_;  // of `file_`: what is taken, in the order of spans_
  std::unique_ptr<PlanReader> reader_;
  std::vector<size_t> spans_;
  std::vector<std::string> left_;  // of the network, skipped
  std::string summary_;
  std::map<std::string, AttributeValue> attributes_;
};

}  // namespace stemma::lineage
