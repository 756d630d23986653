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
#include "comm/flight_recorder.h"
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
  // A communicator of its own for some of the ranks, which are numbered in it in ascending order.
  // Collective over the world: every rank calls this with the same list, also those that are not
  // in it, in the same order of lists; a list that differs is the same kIncompatible on all ranks,
  // one that cannot be is kInvalidArgument. Groups without a common rank work at the same time.
  // A rank that is not in the list gets one whose every call is kInvalidArgument. Owned by the
  // World and closed with it.
  virtual Result<Communicator*> Subset(const std::vector<int>& ranks) = 0;

  // Ranks that have no data left and only take part in bucket reductions and control words, as the
  // last step of a reducer told all ranks. Any other collective call would wait for them in vain:
  // CheckNobodyJoined refuses it, naming them. The loop's thread.
  void SetJoined(std::vector<int> ranks) { joined_ = std::move(ranks); }
  Status CheckNobodyJoined(std::string_view call) const;

  // "2 ranks on 1 host, backend node-shared, order rank"
  virtual const std::string& description() const = 0;

  // What this rank is doing, for peers that wonder. A loop says which phase it enters; calls of
  // data() are noted by themselves.
  virtual FlightRecorder& recorder() = 0;
  // Where error.json and logs/ go when the job hangs or loses a rank (comm/watchdog.h).
  virtual void ReportInto(const std::string& folder) = 0;
  // Writes logs/trace.<rank>.json there from now on, or ends it. Local; changes no result.
  virtual void SetTrace(bool on) = 0;
  // A rank of this node has ended without a word: whatever needs all ranks will not succeed.
  virtual bool PeerGone() const = 0;
  // True for the first rank of this node that has a cause to print, once; the others are silent.
  virtual bool ClaimCause() = 0;

  // Ends the job from this rank: prints the cause unless a rank of this node has printed one, then
  // MPI_Abort with `exit_code`.
  [[noreturn]] virtual void Abort(const Status& cause, int exit_code) = 0;
  // Collective and last; afterwards every call returns kInvalidArgument.
  virtual Status Close() = 0;

 private:
  std::vector<int> joined_;
};

// From signal handlers: the watchdog prints where the ranks of this node are, soon, and goes on.
void AskForVerdict();
// From signal handlers, before _exit: this rank's end needs no explanation.
void LeaveNow();

}  // namespace stemma::comm
