// metrics.jsonl: one JSON object per step, for people and their scripts. Rank 0 appends whole lines
// with one write(2) each to a file opened with O_APPEND, so a killed process leaves at most a torn
// last line, which readers ignore. Numbers are printed so that reading gives the same bits; what is
// not finite becomes null and its key is listed under "nonfinite".
//
// A run that continues first writes {"event":"continue","inc":2,"from_step":1000}, a fork that has
// no state of its own yet {"event":"fork","parent":"<state id>","from_step":12000}: readers drop
// records of earlier incarnations beyond that step (ReadMetrics does).
//
// Thread: the loop's, which never waits for the disk but in Sync(). Failure: kIo with path and
// errno text.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "lineage/serial_worker.h"

namespace stemma::models {

using MetricRow = std::vector<std::pair<std::string, double>>;  // in the order they are printed

class MetricsFile {
 public:
  MetricsFile() = default;
  ~MetricsFile();  // waits for a sync that has begun
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  // Also repairs a torn last line of a killed predecessor by ending it.
  Status Open(const std::string& path);
  Status Event(const std::string& event,
               const std::vector<std::pair<std::string, std::string>>& text,
               const MetricRow& numbers);
  Status Row(const MetricRow& numbers);
  // Begins to sync what is written; fails as an earlier sync did. At each capture.
  Status SyncBehind();
  // All that is written is on the disk. At the end.
  Status Sync();

 private:
  Status WriteLine(const std::string& line);
  Status SyncNow();

  int fd_ = -1;
  std::string path_;
  std::mutex mutex_;
  Status behind_;                                  // guarded by mutex_; the first failure
  std::unique_ptr<lineage::SerialWorker> worker_;  // from Open on
};

// One JSON line of `numbers`, without newline.
std::string MetricLine(const MetricRow& numbers);

// The steps of the run as they count: step -> key -> value, duplicates of abandoned incarnations
// resolved. Lines that are no JSON are ignored.
Result<std::map<int64_t, std::map<std::string, double>>> ReadMetrics(const std::string& path);

}  // namespace stemma::models
