#include "optim/space.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <set>

#include "ops/shard.h"
#include "optim/cuda_passes.h"
#include "optim/options.h"

namespace stemma::optim {
namespace {

// Of p, g, m and v: what tensors are grouped to, and how large a tensor may be that stays in the
// cache between the passes. Smaller groups leave more of p and the updates in the nearer caches,
// larger ones keep more threads busy.
constexpr int64_t kGroupBytes = int64_t{8} << 20;
constexpr int64_t kCachedBytes = int64_t{16} << 20;
// Of the updates alone. Reading them beats computing them again even where half of them have left
// the cache: a root and a division take longer than their bytes.
constexpr int64_t kKeptBytes = int64_t{16} << 20;
constexpr int64_t kChunksPerTask = 8;
constexpr int64_t kChunksPerRun = 64;

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
      space->chunks.push_back({static_cast<int64_t>(t), tensor.offset + at,
                               std::min(ops::kChunk, tensor.count - at),
                               tensor.state + at - tensor.first});
    }
    tensor.end_chunk = static_cast<int64_t>(space->chunks.size());
  }
}

// Whose chunk is whose. A chunk of a tensor lies in one part: tensors keep clear of its borders.
void Distribute(const ops::Plan& plan, const ops::Shard& shard, Space* space) {
  std::vector<std::vector<int64_t>> of_ranks(static_cast<size_t>(shard.ranks));
  for (size_t i = 0; i < space->chunks.size(); ++i) {
    const ChunkPart& chunk = space->chunks[i];
    const size_t bucket = space->tensors[static_cast<size_t>(chunk.tensor)].bucket;
    const int owner =
        shard.ranks == 1 ? 0 : ops::OwnerOf(plan.buckets[bucket], chunk.offset, shard.ranks);
    of_ranks[static_cast<size_t>(owner)].push_back(static_cast<int64_t>(i));
  }
  space->mine = of_ranks[static_cast<size_t>(shard.rank)];
  if (shard.ranks > 1) space->of_ranks = std::move(of_ranks);
}

void AddGroups(Space* space) {
  const auto tensors = static_cast<int64_t>(space->tensors.size());
  const auto size = static_cast<int64_t>(SizeOf(space->dtype));
  if (!space->of_ranks.empty()) {
    space->groups.emplace_back();
    Group& all = space->groups.back();
    all.end_tensor = tensors;
    all.end_chunk = static_cast<int64_t>(space->mine.size());
    all.count = space->state_count;
    all.keeps_updates = all.count * size <= kKeptBytes;
    return;
  }
  const int64_t bytes_each = 4 * size;
  int64_t bytes = kGroupBytes;
  for (int64_t t = 0; t < tensors; ++t) {
    const TensorPart& tensor = space->tensors[static_cast<size_t>(t)];
    if (bytes + tensor.count * bytes_each > kGroupBytes) {
      space->groups.emplace_back();
      space->groups.back().first_tensor = t;
      space->groups.back().first_chunk = tensor.first_chunk;
      space->groups.back().first = tensor.state;
      bytes = 0;
    }
    bytes += tensor.count * bytes_each;
    Group& group = space->groups.back();
    group.end_tensor = t + 1;
    group.end_chunk = tensor.end_chunk;
    group.count = tensor.state + tensor.count - group.first;
    group.cached = bytes <= kCachedBytes;
    group.keeps_updates = group.count * size <= kKeptBytes;
  }
}

using Roles = std::set<std::string>;

Roles RolesOf(const std::string& list) {
  const auto words = Words(list);
  return Roles(words.begin(), words.end());
}

// Which tensors get a trust ratio, once their decay is known.
bool IsAdapted(const OptimSettings& settings, const Roles& listed, const std::string& role,
               const TensorPart& part) {
  if (settings.name != "lamb" && settings.name != "lars") return false;
  if (settings.adapt == "all") return true;
  if (settings.adapt == "list") return listed.count(role) != 0;
  return settings.name == "lamb" ? part.decay != 0 : !part.excluded;
}

// Where the slot's tensor lies, and which of its elements, with their state, are this rank's.
TensorPart PartOf(const ops::Plan& plan, const ops::Slot& slot, const ops::Shard& shard,
                  const ops::ShardArrays& arrays) {
  const ops::Range held = ops::ShardOf(plan, slot, shard);
  const ops::Range of_bucket = ops::ShardOf(plan.buckets[slot.bucket], shard);
  TensorPart part;
  part.parameter = slot.parameter;
  part.offset = slot.offset;
  part.count = slot.count;
  part.bucket = slot.bucket;
  part.first = held.begin;
  part.held = held.count();
  part.state = arrays.begin[slot.bucket] + slot.offset + held.begin - of_bucket.begin;
  return part;
}

}  // namespace

Result<std::vector<Space>> MakeSpaces(const OptimSettings& settings, ops::Reducer& reducer) {
  const Roles excluded = RolesOf(settings.exclude), listed = RolesOf(settings.adapt_roles);
  const ops::Plan& plan = reducer.plan();
  const ops::Shard shard = reducer.shard();
  const ops::ShardArrays arrays = ops::ArraysOf(plan, shard);
  std::vector<Space> spaces;
  for (const ops::FlatSpace& flat : reducer.spaces()) {
    spaces.emplace_back();
    spaces.back().dtype = flat.dtype;
    spaces.back().parameters = flat.parameters;
    spaces.back().gradients = flat.gradients;
    spaces.back().state_count = arrays.count[spaces.size() - 1];
  }
  for (const ops::Slot& slot : plan.slots) {
    const ops::Parameter& parameter = reducer.parameters()[slot.parameter];
    const size_t segment = plan.buckets[slot.bucket].segment;
    STEMMA_RETURN_IF_ERROR(CheckMemory(parameter, reducer.spaces()[segment]));
    TensorPart part = PartOf(plan, slot, shard, arrays);
    const std::string role = NameOfRole(parameter.role);
    part.excluded = excluded.count(role) != 0;
    part.decay = part.excluded ? 0 : settings.weight_decay;
    part.adapt = IsAdapted(settings, listed, role, part);
    spaces[segment].tensors.push_back(part);
  }
  for (Space& space : spaces) {
    std::sort(space.tensors.begin(), space.tensors.end(),
              [](const TensorPart& a, const TensorPart& b) { return a.offset < b.offset; });
    AddChunks(&space);
    Distribute(plan, shard, &space);
    AddGroups(&space);
  }
  return spaces;
}

void ForChunks(int64_t begin, int64_t end, Order order, const std::function<void(int64_t)>& body) {
  at::parallel_for(begin, end, kChunksPerTask, [&](int64_t first, int64_t last) {
    if (order == Order::kForwards) {
      for (int64_t i = first; i < last; ++i) body(i);
      return;
    }
    for (int64_t end_of_run = last; end_of_run > first; end_of_run -= kChunksPerRun) {
      for (int64_t i = std::max(first, end_of_run - kChunksPerRun); i < end_of_run; ++i) body(i);
    }
  });
}

}  // namespace stemma::optim
