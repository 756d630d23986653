// The run's folder: files for people. It may be deleted without losing a state; states live in the
// store.
//
//   DIR/settings.toml          resolved settings, re-runnable as a recipe
//   DIR/settings.origin.json   key -> default | file:line | --set
//   DIR/metrics.jsonl          one object per step, all incarnations
//   DIR/STOP  DIR/SAVE         made by people: save and stop, save and go on
//   DIR/TRACE                  made by people: trace while it is there; "off" in it: do not
//   DIR/inc-0001/outcome.json  how that incarnation ended
//   DIR/inc-0001/error.json    the first failure, if any (core/error_report.h)
//   DIR/inc-0001/logs/         flight.<rank>.json after a hang, trace.<rank>.json
//   DIR/inc-0001/env.json      what it ran on
//   DIR/inc-0001/logs/rank-0.log   one per rank (core/log.h): what it did, and where its time went
//
// Rank 0 only, the loop's thread. Failure: kIo with path and cause.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"

namespace stemma::models {

struct Outcome {
  int exit_code = 0;
  std::string cause;       // "done", "stopped by SIGUSR1", the error's text
  std::string last_state;  // "laptop@400 (5be1c07d)", "" when none
  int64_t step = 0;
  double wall_s = 0;
};

// DIR/inc-<n>, which any rank may write reports into.
std::string IncarnationFolder(const std::string& dir, uint32_t incarnation);

class RunFolder {
 public:
  RunFolder() = default;
  // Makes the folder and those above it; checks that it can be written.
  static Result<RunFolder> Open(const std::string& dir);

  const std::string& dir() const { return dir_; }
  std::string File(const std::string& name) const { return dir_ + "/" + name; }
  // Makes inc-<n>/ (a number may be taken by an incarnation that died at once: that is no error).
  Status EnterIncarnation(uint32_t incarnation);
  std::string IncarnationFile(const std::string& name) const;

  // Whole or not at all: temporary, then rename.
  Status Write(const std::string& path, const std::string& text) const;
  Status WriteOutcome(const Outcome& outcome) const;

  bool StopAsked() const;  // DIR/STOP is there; people remove it
  bool TraceAsked(bool otherwise) const;
  bool TakeSave() const;  // DIR/SAVE was there; removed before the capture

 private:
  std::string dir_;
  uint32_t incarnation_ = 0;
};

// DIR/inc-0001/logs/rank-3.log; "" for a rank that keeps none: above kRankLogsMax ranks only rank 0
// and the first of each node do, or the files would eat a quota of inodes.
constexpr int kRankLogsMax = 512;
std::string RankLogPath(const std::string& dir, uint32_t incarnation, int rank, int ranks,
                        int node_rank);

}  // namespace stemma::models
