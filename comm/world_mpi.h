// The World of processes under a launcher: behind comm/world.h, whose Open takes these steps in
// this order, each of which fails on all ranks or on none, or by a deadline.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/layout.h"
#include "comm/mpi_group.h"
#include "comm/mpi_runtime.h"
#include "comm/time_limit.h"
#include "comm/world_base.h"
#include "comm/world_choice.h"

namespace stemma::comm {

class MpiWorld final : public WorldBase {
 public:
  MpiWorld(std::unique_ptr<MpiRuntime> runtime, Diagnostics diagnostics,
           const CommSettings& settings);
  ~MpiWorld() override;

  // Agreement and control word.
  Status Connect();
  // Who shares a node: what MPI found, or what the settings say instead.
  Status FindLayout();
  Status ConnectData(Backend backend);

  Result<std::unique_ptr<Communicator>> MakeGroup(const std::vector<int>& members,
                                                  int place) override;
  [[noreturn]] void Abort(const Status& cause, int exit_code) override;
  Status Close() override;

  MpiRuntime& runtime() { return *runtime_; }
  const Layout& layout() const { return layout_; }

 private:
  Status CloseAll();
  // For MPI's calls that block until all ranks have come, and know no deadline for it.
  TimeLimit LimitStart(const std::string& what) const;
  Result<std::unique_ptr<Communicator>> MakeData();
  Result<std::unique_ptr<Communicator>> MakeHierarchy();
  std::unique_ptr<Communicator> Check(std::unique_ptr<MpiGroup> group,
                                      std::unique_ptr<Communicator> data);

  const std::unique_ptr<MpiRuntime> runtime_;
  const CommSettings settings_;
  const std::chrono::milliseconds deadline_;
  Backend backend_ = Backend::kMpi;
  Layout layout_;
  Communicator* gpu_data_ = nullptr;  // within data_, when that moves GPU memory
  std::unique_ptr<MpiGroup> agreement_, words_;
  std::vector<std::unique_ptr<MpiGroup>> parts_;  // of nodes and groups, and for comparing calls
  std::optional<Status> closed_;                  // what a further Close says
};

}  // namespace stemma::comm
