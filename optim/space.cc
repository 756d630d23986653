#include "optim/space.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <set>

#include "optim/cuda_passes.h"
#include "optim/options.h"

namespace stemma::optim {
namespace {

constexpr int64_t kGroupBytes = int64_t{8} << 20;  // of p, g, m and v
constexpr int64_t kChunksPerTask = 8;

const char* NameOfRole(ops::ParameterRole role) {
  switch (role) {
    case ops::ParameterRole::kWeight:
      return "weight";
    case ops::ParameterRole::kBias:
      return "bias";
    case ops::ParameterRole::kNormScale:
      return "norm_scale";
    case ops::ParameterRole::kNormShift:
      return "norm_shift";
    case ops::ParameterRole::kEmbedding:
      return "embedding";
  }
  return "?";
}

Status CheckMemory(const ops::Parameter& parameter, const ops::FlatSpace& space) {
  if (space.dtype != DType::kF32 && space.dtype != DType::kF64) {
    return {Code::kInvalidArgument,
            "\"" + parameter.name + "\" is " + std::string(NameOf(space.dtype)) +
                ": optimizers keep f32 or f64 parameters; convert the model with "
                "to(torch::kFloat) and let autocast compute in " +
                std::string(NameOf(space.dtype))};
  }
  const at::Device device = space.parameters.device();
  if (device.is_cpu()) return {};
  const std::string place = "\"" + parameter.name + "\" is on " + device.str();
  if (device.is_cuda()) return CudaPassesBuilt().Within(place);
  return {Code::kInvalidArgument,
          place + ": optimizers update parameters on a CPU or a CUDA GPU; move the model there"};
}

void AddChunks(Space* space) {
  for (size_t t = 0; t < space->tensors.size(); ++t) {
    TensorPart& tensor = space->tensors[t];
    tensor.first_chunk = static_cast<int64_t>(space->chunks.size());
    for (int64_t at = 0; at < tensor.count; at += ops::kChunk) {
      space->chunks.push_back(
          {static_cast<int64_t>(t), tensor.offset + at, std::min(ops::kChunk, tensor.count - at)});
    }
    tensor.end_chunk = static_cast<int64_t>(space->chunks.size());
  }
}

void AddGroups(Space* space) {
  const auto bytes_each = 4 * static_cast<int64_t>(SizeOf(space->dtype));
  int64_t bytes = kGroupBytes;
  for (size_t t = 0; t < space->tensors.size(); ++t) {
    const TensorPart& tensor = space->tensors[t];
    const auto index = static_cast<int64_t>(t);
    if (bytes + tensor.count * bytes_each > kGroupBytes) {
      space->groups.push_back({index, index, tensor.first_chunk, tensor.first_chunk});
      bytes = 0;
    }
    bytes += tensor.count * bytes_each;
    space->groups.back().end_tensor = index + 1;
    space->groups.back().end_chunk = tensor.end_chunk;
  }
}

}  // namespace

Result<std::vector<Space>> MakeSpaces(const OptimSettings& settings, ops::Reducer& reducer) {
  const auto words = Words(settings.exclude);
  const std::set<std::string> excluded(words.begin(), words.end());
  const ops::Plan& plan = reducer.plan();
  std::vector<Space> spaces;
  for (const ops::FlatSpace& flat : reducer.spaces()) {
    spaces.push_back({flat.dtype, flat.parameters, flat.gradients, {}, {}, {}});
  }
  for (const ops::Slot& slot : plan.slots) {
    const ops::Parameter& parameter = reducer.parameters()[slot.parameter];
    const size_t segment = plan.buckets[slot.bucket].segment;
    STEMMA_RETURN_IF_ERROR(CheckMemory(parameter, reducer.spaces()[segment]));
    TensorPart part;
    part.parameter = slot.parameter;
    part.offset = slot.offset;
    part.count = slot.count;
    part.decay = excluded.count(NameOfRole(parameter.role)) ? 0 : settings.weight_decay;
    part.adapt = settings.name == "lamb" && (settings.adapt == "all" || part.decay != 0);
    spaces[segment].tensors.push_back(part);
  }
  for (Space& space : spaces) {
    std::sort(space.tensors.begin(), space.tensors.end(),
              [](const TensorPart& a, const TensorPart& b) { return a.offset < b.offset; });
    AddChunks(&space);
    AddGroups(&space);
  }
  return spaces;
}

void ForChunks(int64_t begin, int64_t end, const std::function<void(int64_t)>& body) {
  at::parallel_for(begin, end, kChunksPerTask, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) body(i);
  });
}

}  // namespace stemma::optim
