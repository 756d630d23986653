// The job: all ranks, how they reach each other, and what they have agreed on. A value that the
// program opens once and passes around; there are no globals.
//
//   Result<std::unique_ptr<World>> world = World::Open(settings, identity);
//
// Open, in this order (ENGINE design, section 5): launcher variables are compared with what MPI
// says; no launcher means a world of one, and MPI is never called. MPI is initialised with
// MPI_THREAD_MULTIPLE on a duplicated communicator that returns errors. Every rank says hello
// before a deadline, so that a missing one is named. Then all ranks compare their Identity: any
// difference is the same error on every rank, grouped by value.
//
// Thread: the loop's, except Abort (any). Failure: kInvalidArgument for a launch that cannot be
// right (with the command that would be), kIncompatible where ranks differ, kTimeout and kPeerLost.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "comm/control.h"
#include "comm/settings.h"
#include "core/cohort.h"
#include "core/status.h"

namespace stemma::comm {

// What must be the same on all ranks before anything else happens: {"build", "..."},
// {"LibTorch loaded", "2.11.0"}, ... World adds the MPI and NCCL versions itself.
using Identity = std::vector<std::pair<std::string, std::string>>;

class World {
 public:
  static Result<std::unique_ptr<World>> Open(const CommSettings& settings,
                                             const Identity& identity);

  // `ranks` worlds over threads of this process, for tests: give one to each thread. Rank r is
  // element r. All die together when one is aborted. With comm.backend=node-shared they meet in
  // node-shared memory as processes do, otherwise in memory of the process.
  static std::vector<std::unique_ptr<World>> Threads(int ranks, const CommSettings& settings = {});

  virtual ~World() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  virtual int node_rank() const = 0;  // 0 .. node_ranks()-1 among the ranks of this host
  virtual int node_ranks() const = 0;
  virtual const std::string& host() const = 0;
  virtual bool on_gpu() const = 0;    // device of the data communicator
  virtual int gpu_index() const = 0;  // -1 on CPU

  virtual Communicator& data() = 0;  // gradients, parameters
  virtual Cohort& cohort() = 0;      // agreement and small texts, on a communicator of its own
  virtual Control& control() = 0;
  // Ranks that have no data left and only take part in bucket reductions and control words, as the
  // last step of a reducer told all ranks. Any other collective call would wait for them in vain:
  // CheckNobodyJoined refuses it, naming them. The loop's thread.
  void SetJoined(std::vector<int> ranks) { joined_ = std::move(ranks); }
  Status CheckNobodyJoined(std::string_view call) const;

  // "2 ranks on 1 host, backend node-shared, order rank"
  virtual const std::string& description() const = 0;

  // Ends the job from this rank: prints the cause once, then MPI_Abort with `exit_code`.
  [[noreturn]] virtual void Abort(const Status& cause, int exit_code) = 0;
  // Collective and last; afterwards every call returns kInvalidArgument.
  virtual Status Close() = 0;

 private:
  std::vector<int> joined_;
};

}  // namespace stemma::comm
