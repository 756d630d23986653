// What every World keeps and answers alike; behind comm/world.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/node_board.h"
#include "comm/node_links.h"
#include "comm/watchdog.h"
#include "comm/world.h"

namespace stemma::comm {

// Who watches over a rank; it begins before MPI does. Without a watchdog: ranks that are threads.
struct Diagnostics {
  std::shared_ptr<NodeBoard> board;
  std::unique_ptr<FlightRecorder> recorder;
  std::unique_ptr<Watchdog> watchdog;
};

class WorldBase : public World {
 public:
  explicit WorldBase(Diagnostics diagnostics) : diagnostics_(std::move(diagnostics)) {}
  ~WorldBase() override { diagnostics_.recorder->Leave(); }

  struct Place {
    int rank = 0, ranks = 1;
    int node_rank = 0, node_ranks = 1;
    int gpu_index = -1;
    std::string host = HostName();
  };

  int rank() const override { return place_.rank; }
  int ranks() const override { return place_.ranks; }
  int node_rank() const override { return place_.node_rank; }
  int node_ranks() const override { return place_.node_ranks; }
  const std::string& host() const override { return place_.host; }
  bool on_gpu() const override { return place_.gpu_index >= 0; }
  int gpu_index() const override { return place_.gpu_index; }
  Communicator& data() override { return *data_; }
  Cohort& cohort() override { return *cohort_; }
  Control& control() override { return *control_; }
  Result<Communicator*> Subset(const std::vector<int>& ranks) override;
  const std::string& description() const override { return description_; }

  FlightRecorder& recorder() override { return *diagnostics_.recorder; }
  void ReportInto(const std::string& folder) override {
    if (diagnostics_.watchdog) diagnostics_.watchdog->ReportInto(folder);
  }
  void SetTrace(bool on) override {
    if (diagnostics_.watchdog) diagnostics_.watchdog->SetTrace(on);
  }
  bool PeerGone() const override {
    return diagnostics_.watchdog && diagnostics_.watchdog->PeerGone();
  }
  bool ClaimCause() override { return diagnostics_.board->ClaimCause(); }

  static std::string HostName();
  // On stderr, once per node.
  void PrintCause(const Status& cause);
  // After a lost peer: leaves the watchdog three seconds to say which, before another cause is
  // told.
  void LetWatchdogSpeak(const Status& cause) const;
  // Puts the recorder between the caller and `data`.
  void SetData(std::unique_ptr<Communicator> data);

  Diagnostics diagnostics_;  // ends last
  // Collective over the world; `members` are the same on all ranks, `place` is this one's or -1.
  // Null without a place.
  virtual Result<std::unique_ptr<Communicator>> MakeGroup(const std::vector<int>& members,
                                                          int place) = 0;
  // The first failure of the data communicator or of a group.
  Status Healthy() const;
  // Completes and closes the groups, then the data communicator. Collective.
  Status CloseData();
  // Puts agreement and control word into memory of the node, and makes a communicator for data
  // there. Collective over `node`.
  Result<std::unique_ptr<Communicator>> ConnectNode(Cohort& node, const CommSettings& settings);
  // A communicator in memory of the node for the ranks of `members`, over which it is collective.
  // REQUIRES: ConnectNode was called
  Result<std::unique_ptr<Communicator>> NodeGroup(Cohort& members, const CommSettings& settings);
  // Every call on them fails from now on.
  void CloseNode(const Status& closed);

  // Filled in while the world is being opened. `data_` ends first: its thread may still be at work.
  Place place_;
  std::string description_;
  NodeLinks links_;                                    // without data
  const NodeSharedCommunicator* node_data_ = nullptr;  // within data_, when that is in node memory
  std::unique_ptr<Cohort> cohort_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<Communicator> data_;
  std::vector<std::unique_ptr<Communicator>> groups_;  // in the order in which they were made
};

}  // namespace stemma::comm
