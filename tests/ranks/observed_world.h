// A world that counts what goes through its data communicator.
//
//   ObservedWorld observed(world);
//   ... Reducer::Create(settings, observed, ...) ...
//   observed.calls("broadcast"); observed.progress();
#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/world.h"

namespace stemma::tests {

class ObservedCommunicator final : public comm::Communicator {
 public:
  using Work = comm::Work;
  using Span = comm::Span;
  using CallOptions = comm::CallOptions;

  explicit ObservedCommunicator(comm::Communicator& inner) : inner_(inner) {}
  int rank() const override { return inner_.rank(); }
  int ranks() const override { return inner_.ranks(); }
  std::string_view name() const override { return inner_.name(); }
  Result<Work> AllReduce(Span inout, const CallOptions& options) override {
    ++calls["all_reduce " + std::string(NameOf(inout.dtype))];
    return inner_.AllReduce(inout, options);
  }
  Result<Work> AllGather(comm::ConstSpan mine, Span all, const std::vector<int64_t>& counts,
                         const CallOptions& options) override {
    return inner_.AllGather(mine, all, counts, options);
  }
  Result<Work> ReduceScatter(comm::ConstSpan in, Span mine, const std::vector<int64_t>& counts,
                             const CallOptions& options) override {
    return inner_.ReduceScatter(in, mine, counts, options);
  }
  Result<Work> AllToAll(comm::ConstSpan in, const std::vector<int64_t>& send, Span out,
                        const std::vector<int64_t>& receive, const CallOptions& options) override {
    return inner_.AllToAll(in, send, out, receive, options);
  }
  Result<Work> Broadcast(Span inout, int root, const CallOptions& options) override {
    ++calls["broadcast"];
    return inner_.Broadcast(inout, root, options);
  }
  Result<Work> Barrier(const CallOptions& options) override { return inner_.Barrier(options); }
  Result<std::unique_ptr<comm::Segment>> Allocate(int64_t bytes, std::string_view what) override {
    ++calls["allocate"];
    return inner_.Allocate(bytes, what);
  }
  Status Progress() override {
    ++calls["progress"];
    return inner_.Progress();
  }
  void Abort(const Status& cause) override { inner_.Abort(cause); }
  Status Health() const override { return inner_.Health(); }

  std::map<std::string, int> calls;

 private:
  comm::Communicator& inner_;
};

class ObservedWorld final : public comm::World {
 public:
  explicit ObservedWorld(comm::World& inner) : inner_(inner), data_(inner.data()) {}
  int rank() const override { return inner_.rank(); }
  int ranks() const override { return inner_.ranks(); }
  int node_rank() const override { return inner_.node_rank(); }
  int node_ranks() const override { return inner_.node_ranks(); }
  const std::string& host() const override { return inner_.host(); }
  bool on_gpu() const override { return inner_.on_gpu(); }
  int gpu_index() const override { return inner_.gpu_index(); }
  comm::Communicator& data() override { return data_; }
  Cohort& cohort() override { return inner_.cohort(); }
  comm::Control& control() override { return inner_.control(); }
  Result<comm::Communicator*> Subset(const std::vector<int>& ranks) override {
    return inner_.Subset(ranks);
  }
  const std::string& description() const override { return inner_.description(); }
  comm::FlightRecorder& recorder() override { return inner_.recorder(); }
  void ReportInto(const std::string& folder) override { inner_.ReportInto(folder); }
  void SetTrace(bool on) override { inner_.SetTrace(on); }
  bool PeerGone() const override { return inner_.PeerGone(); }
  bool ClaimCause() override { return inner_.ClaimCause(); }
  [[noreturn]] void Abort(const Status& cause, int code) override {
    inner_.Abort(cause, code);
    std::abort();
  }
  Status Close() override { return inner_.Close(); }

  int calls(const std::string& name) { return data_.calls[name]; }

 private:
  comm::World& inner_;
  ObservedCommunicator data_;
};

}  // namespace stemma::tests
