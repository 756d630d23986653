#include "optim/average.h"

#include <ATen/Functions.h>

#include <algorithm>

namespace stemma::optim {
namespace {

constexpr int64_t kLanes = 16;  // a fixed count, so that the inner loop is vectorised at -O2 too

template <typename T>
void Approach(T rest, const T* __restrict p, T* __restrict a, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
#pragma GCC ivdep
    for (int64_t lane = i; lane < i + kLanes; ++lane) a[lane] += rest * (p[lane] - a[lane]);
  }
  for (; i < count; ++i) a[i] += rest * (p[i] - a[i]);
}

}  // namespace

double RestOfAverage(double decay, int64_t t) {
  const double warm = static_cast<double>(1 + t) / static_cast<double>(10 + t);
  return 1 - std::min(decay, warm);
}

WeightAverage::WeightAverage(double decay, const std::vector<Space>& spaces,
                             std::vector<at::Tensor> arrays)
    : decay_(decay), spaces_(spaces), arrays_(std::move(arrays)), pairs_(spaces.size()) {
  for (size_t s = 0; s < spaces_.size(); ++s) {
    for (const TensorPart& part : spaces_[s].tensors) {
      if (part.held == 0) continue;
      pairs_[s].push_back({spaces_[s].parameters.narrow(0, part.offset + part.first, part.held),
                           arrays_[s].narrow(0, part.state, part.held)});
    }
  }
}

void WeightAverage::Start() {
  for (const auto& pairs : pairs_) {
    for (const Pair& pair : pairs) pair.averages.copy_(pair.parameters);
  }
}

template <typename T>
void WeightAverage::FollowOnHost(size_t index, double rest) {
  const Space& space = spaces_[index];
  const T* p = space.parameters.const_data_ptr<T>();
  T* a = arrays_[index].mutable_data_ptr<T>();
  const auto chunks = static_cast<int64_t>(space.mine.size());
  ForChunks(0, chunks, Order::kForwards, [&](int64_t i) {
    const ChunkPart& chunk = space.chunks[static_cast<size_t>(space.mine[static_cast<size_t>(i)])];
    Approach(static_cast<T>(rest), p + chunk.offset, a + chunk.state, chunk.count);
  });
}

void WeightAverage::Follow(int64_t t) {
  const double rest = RestOfAverage(decay_, t);
  for (size_t s = 0; s < spaces_.size(); ++s) {
    if (!spaces_[s].parameters.is_cpu()) {
      std::vector<at::Tensor> averages, parameters;
      for (const Pair& pair : pairs_[s]) {
        averages.push_back(pair.averages);
        parameters.push_back(pair.parameters);
      }
      if (!averages.empty()) at::_foreach_lerp_(averages, parameters, rest);
    } else if (spaces_[s].dtype == DType::kF64) {
      FollowOnHost<double>(s, rest);
    } else {
      FollowOnHost<float>(s, rest);
    }
  }
}

void WeightAverage::Swap() {
  for (const auto& pairs : pairs_) {
    for (const Pair& pair : pairs) {
      const at::Tensor kept = pair.parameters.clone();
      pair.parameters.copy_(pair.averages);
      pair.averages.copy_(kept);
    }
  }
}

}  // namespace stemma::optim
