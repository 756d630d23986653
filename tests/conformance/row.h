// The rows of the engine's conformance checklist, written once for every backend.
//
//   CONFORMANCE_ROW(conformance_28_zero_elements_succeed) {
//     return Finish(rig.data().AllReduce({nullptr, 0, DType::kF32}, {}));
//   }
//
// A row is a function of one rank, collective over a Rig's ranks, that returns the first promise
// that was broken. What runs it is linked in: threads_runner.cc with ranks as threads, at 1 to 4
// ranks, or mpi_runner.cc with ranks as processes; each goes through the backends it knows and
// notes backend, ranks and result for the table (tests/support/conformance_report.h).
//
// A row that breaks its communicator, or needs other settings, goes on with another world:
// rig.Reopen(settings).
#pragma once

#include <memory>
#include <string>

#include "comm/world.h"
#include "core/status.h"

#include <catch2/catch.hpp>

namespace stemma::tests {

// One rank's way to worlds of one backend. Thread: the rank's.
class Rig {
 public:
  virtual ~Rig() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  virtual const std::string& backend() const = 0;
  // The same number on all ranks when all have called it: the largest.
  virtual int Worst(int mine) = 0;

  // Settings of a world that gives up after seconds, as a row about failures wants it.
  static comm::CommSettings Patient();
  // Collective. Ends the world there is, broken or not, and begins another one over all ranks. The
  // backend is the rig's business.
  Status Reopen(comm::CommSettings settings);
  void End() { world_.reset(); }

  comm::World& world() { return *world_; }
  comm::Communicator& data() { return world_->data(); }

 protected:
  virtual Result<std::unique_ptr<comm::World>> Open(comm::CommSettings settings) = 0;

 private:
  std::unique_ptr<comm::World> world_;
};

using RowBody = Status (*)(Rig&);

// Runs `body` on all backends with `min_ranks` and more ranks, each time in a new world. One for
// threads, one for processes.
void RunRow(const char* name, RowBody body, int min_ranks);

}  // namespace stemma::tests

// A group of one cannot disagree: rows about that begin at two ranks.
#define CONFORMANCE_ROW(name) CONFORMANCE_ROW_FROM(1, name)
#define CONFORMANCE_ROW_FROM(min_ranks, name)                           \
  static ::stemma::Status name(::stemma::tests::Rig& rig);              \
  TEST_CASE(#name) { ::stemma::tests::RunRow(#name, name, min_ranks); } \
  static ::stemma::Status name([[maybe_unused]] ::stemma::tests::Rig& rig)
