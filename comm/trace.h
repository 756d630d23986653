// What one rank did, as a Chrome trace for ui.perfetto.dev: the entries of its flight recorder,
// written out in time. The training does nothing for it that it does not do anyway, so results are
// the same with and without it, and it can begin and end at any step.
//
//   Trace trace(board.mine());
//   trace.Start("logs/trace.0.json", Trace::Now(board.mine()));
//   trace.Pump();  // now and then, sooner than the recorder's ring goes round
//   trace.Stop();
//
// The file is one JSON array and whole after every Pump, also when the process is killed: the
// closing bracket is written with each batch and overwritten by the next. Times are microseconds of
// rank 0's clock, so that files of several ranks can be put into one (`stemma trace`). pid is the
// rank; tid 1 holds the host's phases as spans that never overlap; collective calls, which do, are
// asynchronous pairs. On a GPU a call's end is the moment its Wait returned on the host.
//
// Whoever calls it serialises the calls. Disk errors end the trace, never the training.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/flight_recorder.h"

namespace stemma::comm {

class Trace {
 public:
  explicit Trace(const void* memory) : memory_(memory) {}
  ~Trace() { Stop(); }
  Trace(const Trace&) = delete;

  // Where the recorder was at some moment: what came before is not traced.
  struct Begin {
    uint64_t call = 0;
    PhaseRecord phase;  // cut off at that moment
  };
  static Begin Now(const void* memory);

  bool on() const { return fd_ >= 0; }
  // A second time it goes on in the same file.
  void Start(const std::string& path, const Begin& from);
  void Pump();
  void Stop();

 private:
  void Add(const std::string& event);
  void AddPhases();
  void AddCalls();
  void AddLost(uint64_t lost, const char* what);
  void Write();
  void Close();
  double Microseconds(int64_t nanoseconds) const;

  const void* const memory_;
  int fd_ = -1;
  int64_t end_ = 0;  // of the events in the file; the bracket follows
  bool begun_ = false;
  std::string batch_;
  HostRecord host_;
  PhaseRecord phase_;  // the one under way
  uint64_t last_phase_ = 0, last_call_ = 0;
  std::vector<CallRecord> pending_;  // begun, not ended
};

}  // namespace stemma::comm
