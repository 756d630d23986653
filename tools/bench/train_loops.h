// The loops that `bench train` compares: the same model, batch and learning rate, as three users
// would write them.
//
//   engine    ops::Reducer, optim's SGD and the control word, over the world's ranks
//   no-comm   the same program text, with a world of one on each rank: nothing is sent
//   bare      torch::optim::SGD and nothing of ours
//
// Owner: the caller; worlds outlive their loops. Thread: the loop's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/status.h"
#include "models/bench_nets/bench_model.h"
#include "ops/reducer.h"

namespace stemma::bench {

struct LoopShape {
  models::BenchShape model;
  double lr = 0.01;
  std::string precision = "f32";  // f32 | tf32 | bf16
};

class Loop {
 public:
  virtual ~Loop() = default;
  virtual Status Step() = 0;
  // Everything asked for has been computed; on a GPU the host waits.
  virtual Status Settle() = 0;
  // After the last step: no message is under way.
  virtual Status Close() { return {}; }
  virtual const char* name() const = 0;
  virtual const models::BenchModel& model() const = 0;
  virtual const ops::Reducer* reducer() const { return nullptr; }

  std::vector<double> step_s;  // filled by who drives it
};

// `name` is "engine" or "no-comm"; the world says which of them it is.
Result<std::unique_ptr<Loop>> MakeEngineLoop(const char* name, comm::World& world,
                                             const ops::OpsSettings& settings,
                                             const LoopShape& shape);
Result<std::unique_ptr<Loop>> MakeBareLoop(const LoopShape& shape);

}  // namespace stemma::bench
