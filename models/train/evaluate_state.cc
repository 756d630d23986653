#include "models/train/evaluate_state.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "core/cohort.h"
#include "lineage/graph.h"
#include "lineage/reader/state_reader.h"
#include "models/train/threads.h"
#include "ops/guard.h"

namespace stemma::models {
namespace {

constexpr double kOpenPatienceS = 600, kDiskBytesPerS = 1e7;

constexpr char kAverages[] = "optim/ema/";  // of parameters, where optim.ema_decay kept them

Status Copy(const std::string& name, const at::Tensor& tensor, lineage::StateReader* state) {
  STEMMA_ASSIGN_OR_RETURN(std::string bytes, state->Read(name));
  if (bytes.size() != tensor.nbytes()) {
    return {Code::kIncompatible, "'" + name + "' has " + std::to_string(bytes.size()) +
                                     " bytes in the state and " + std::to_string(tensor.nbytes()) +
                                     " in the model that the settings describe"};
  }
  const auto size = static_cast<int64_t>(bytes.size());
  return ops::Guard("copy of a tensor into the model", [&]() -> Status {
    tensor.detach().view(-1).view(at::kByte).copy_(at::from_blob(bytes.data(), {size}, at::kByte));
    return {};
  });
}

Status ReadModel(const lineage::Store& store, const lineage::Record& record, bool average,
                 Workload* workload) {
  STEMMA_ASSIGN_OR_RETURN(const auto state, lineage::StateReader::Open(store, record));
  for (const ops::Parameter& parameter : workload->Parameters()) {
    const std::string name = (average ? kAverages : "") + parameter.name;
    if (average && !state->layout().Find(name)) {
      return {Code::kIncompatible, "validate.weights = average, and the state has no '" + name +
                                       "': averages are kept with optim.ema_decay alone"};
    }
    STEMMA_RETURN_IF_ERROR(Copy(name, parameter.tensor, state.get()));
  }
  for (const ops::Buffer& buffer : workload->Buffers()) {
    STEMMA_RETURN_IF_ERROR(Copy(buffer.name, buffer.tensor, state.get()));
  }
  return {};
}

}  // namespace

Result<Score> EvaluateState(const RunSettings& settings, const lineage::Store& store,
                            const lineage::Record& record, ops::World& world,
                            const WorkloadFactory& make) {
  STEMMA_RETURN_IF_ERROR(UseThreads(settings, world));
  std::unique_ptr<Workload> workload;
  {
    const double seconds =
        kOpenPatienceS + static_cast<double>(record.logical_bytes) / kDiskBytesPerS;
    const ops::Section section(world.recorder(), "reading of " + lineage::NameOfState(record),
                               seconds);
    Status mine = ops::Guard("making of the model", [&]() -> Status {
      STEMMA_ASSIGN_OR_RETURN(workload, make(settings, world.cohort()));
      return {};
    });
    const bool average = settings.validate.weights == "average";
    if (mine.ok()) mine = ReadModel(store, record, average, workload.get());
    STEMMA_RETURN_IF_ERROR(Agree(world.cohort(), mine));
  }
  STEMMA_ASSIGN_OR_RETURN(const auto evaluation, Evaluation::Make(settings, *workload, world));
  return evaluation->Run();
}

}  // namespace stemma::models
