// Which tensors of a file go into an imported state, under which names and in which sections; and
// how they fit another state's, as load_state_dict would say. Internal to lineage/: import.h.
//
// Pure functions, any thread; a reader is one thread's. Failure: kInvalidArgument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/span.h"
#include "lineage/weights/axes.h"
#include "lineage/weights/name_map.h"
#include "lineage/weights/tensor_file.h"

namespace stemma::lineage {

// How tensors fit a state's parameters and buffers. All three empty: exactly.
struct Fit {
  std::vector<std::string> missing;     // in the state, not in the file
  std::vector<std::string> unexpected;  // in the file, not in the state; as text.h's Printable
  std::vector<std::string> mismatched;  // "fc.weight (f32 [10, 2048], there f32 [1000, 2048])"
  bool exact() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
};

struct ImportPlan {
  std::vector<Span> spans;
  std::vector<size_t> tensors;  // of the file, for each span
  std::vector<Axes> axes;       // in which order, for each span; empty: as in the file
  uint64_t renamed = 0, dropped = 0;
  Fit fit;
};

// `map` null: names stay. All tensors go to section "params".
Result<ImportPlan> PlanImport(const std::vector<FileTensor>& tensors, NameMap* map);

// Leaves in `plan` what fits the parameters and buffers of `like`, in its order and its sections,
// and says what does not.
void FitTo(const Layout& like, ImportPlan* plan);

// "12 missing (fc.weight, fc.bias, ...), 1 unexpected (head.weight)".
std::string FitInWords(const Fit& fit);

// The bytes of a plan's spans out of its file. A tensor whose axes change places is in memory as a
// whole. Both outlive the reader.
class PlanReader {
 public:
  PlanReader(TensorFile& file, const ImportPlan& plan) : file_(file), plan_(plan) {}
  // Part of the plan's span `span` in C order, at whole elements.
  Status Read(size_t span, uint64_t offset, uint64_t bytes, char* out);

 private:
  Status Turn(size_t span);

  TensorFile& file_;
  const ImportPlan& plan_;
  std::optional<size_t> turned_;  // whose bytes_ these are
  std::string bytes_;
};

}  // namespace stemma::lineage
