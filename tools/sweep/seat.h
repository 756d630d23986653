// One controller at a time: the seat of a sweep. Whoever sits on it is an incarnation of the run
// that has the sweep's name and holds no states, so the store's own fence (store.h) keeps a
// controller that was taken for dead from acting once another has begun.
//
//   STEMMA_ASSIGN_OR_RETURN(Seat seat, Seat::Take(store, "lr3", {}, lineage::MonotonicClock()));
//   for (...) { STEMMA_RETURN_IF_ERROR(seat.Keep()); ... }     // before every act
//   STEMMA_RETURN_IF_ERROR(seat.Leave());
//
// The sitter writes a notice into the temporary folder of its incarnation and renews it: its beat.
// Who wants the seat reads it. Where the sitter's process can be looked for (the same machine), a
// living one is refused at once and a dead one is followed at once; elsewhere the beat is watched,
// and one that stands still for stale_s is dead. A file lock would need a file system that has
// them. Two that take a free seat at the same moment get two numbers, and the lower one is fenced
// at its next Keep().
//
// Owner: the controller. One thread. Failure: kInvalidArgument while another sits; kIncompatible
// "fenced" from Keep() once another has come; else as Storage.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/status.h"
#include "lineage/collect.h"
#include "lineage/notice.h"
#include "lineage/store.h"

namespace stemma::sweep {

// A process, so that it is not taken for another one of the same number.
struct Sitter {
  std::string machine;  // host, boot and process namespace
  int64_t pid = 0;
  uint64_t started = 0;  // by the machine's clock of starts
};
Sitter ThisProcess();
// nullopt: on another machine, so nobody here can say.
std::optional<bool> IsAlive(const Sitter& sitter);

struct SeatOptions {
  double beat_s = 10;    // between signs of life
  double stale_s = 120;  // without one for so long: dead
  Sitter me = ThisProcess();
  std::function<std::optional<bool>(const Sitter&)> is_alive = IsAlive;  // tests bring their own
};

class Seat {
 public:
  // `store` and `clock` outlive it.
  static Result<Seat> Take(lineage::Store& store, const std::string& sweep,
                           const SeatOptions& options, lineage::GcClock& clock);

  // OK while it is ours. Beats when that is due.
  Status Keep();
  Status Leave();
  uint32_t number() const { return run_->incarnation(); }  // of this controller: 1, 2, ...

 private:
  Seat(lineage::Store& store, SeatOptions options, lineage::GcClock& clock)
      : store_(&store), options_(std::move(options)), clock_(&clock) {}
  Status Beat();

  lineage::Store* store_;
  SeatOptions options_;
  lineage::GcClock* clock_;
  std::unique_ptr<lineage::RunWriter> run_;
  lineage::Notice notice_;
  double beaten_at_ = 0;
};

// Who sits there now, in words: "ana@node7, pid 4711"; nullopt: nobody, or one that is dead.
Result<std::optional<std::string>> WhoSits(const lineage::Store& store, const lineage::Graph& graph,
                                           const std::string& sweep, const SeatOptions& options);

}  // namespace stemma::sweep
