#include "tests/crash/toy_training.h"

#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/capturer.h"
#include "lineage/posix_storage.h"
#include "lineage/restore.h"
#include "lineage/store.h"

namespace stemma::tests {
namespace {

using lineage::Record;

std::vector<lineage::Span> SpansFor(size_t elements) {
  std::vector<lineage::Span> spans(3);
  const auto count = static_cast<int64_t>(elements);
  spans[0].name = "w";
  spans[0].section = "params";
  spans[0].shape = {count};
  spans[1].name = "optim/m/w";
  spans[1].section = "optim/m";
  spans[1].shape = {count};
  spans[2].name = "step";
  spans[2].section = "small";
  spans[2].dtype = DType::kI64;
  spans[2].eager = true;
  return spans;
}

class ToyBinding final : public lineage::Source, public lineage::Sink {
 public:
  explicit ToyBinding(ToyState* state) : state_(*state) {}
  Status Read(size_t span, uint64_t offset, uint64_t bytes, char* out) override {
    std::memcpy(out, At(span) + offset, bytes);
    return {};
  }
  Status Write(size_t span, uint64_t offset, std::string_view bytes) override {
    std::memcpy(At(span) + offset, bytes.data(), bytes.size());
    return {};
  }

 private:
  char* At(size_t span) {
    if (span == 0) return reinterpret_cast<char*>(state_.parameters.data());
    if (span == 1) return reinterpret_cast<char*>(state_.momentum.data());
    return reinterpret_cast<char*>(&state_.step);
  }
  ToyState& state_;
};

// What rank 0 found in the store: where to begin, and the claim on it.
struct Begin {
  std::unique_ptr<lineage::Store> store;
  std::unique_ptr<lineage::RunWriter> writer;
  lineage::ObjectId settings;
  std::string from;  // encoded state id, "" at the start
  std::string tmp_dir, run;
  uint32_t incarnation = 0;
};

Status Claim(const ToyOptions& options, Begin* begin) {
  auto& store = *begin->store;
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store.Load());
  const auto run = graph.runs.find(options.run);
  if (run == graph.runs.end()) {
    STEMMA_ASSIGN_OR_RETURN(begin->writer, store.StartRun(options.run));
  } else {
    if (!run->second.states.empty()) {
      std::vector<std::string> skipped;
      STEMMA_ASSIGN_OR_RETURN(begin->from, ResumePoint(store, graph, options.run, &skipped));
      if (!skipped.empty()) return {Code::kCorruption, "damaged after a kill: " + skipped[0]};
    }
    STEMMA_ASSIGN_OR_RETURN(begin->writer, store.NextIncarnation(options.run));
  }
  begin->tmp_dir = begin->writer->tmp_dir();
  begin->run = begin->writer->run();
  begin->incarnation = begin->writer->incarnation();
  STEMMA_ASSIGN_OR_RETURN(begin->settings, store.PutBlob(options.settings));
  return {};
}

Result<Begin> OpenToy(const ToyOptions& options, Cohort& cohort) {
  Begin begin;
  Status mine;
  if (cohort.rank() == 0) {
    auto store = lineage::Store::Open(options.store, true, lineage::PosixStorage());
    mine = store.status();
    if (store.ok()) {
      begin.store = *std::move(store);
      mine = Claim(options, &begin);
    }
  }
  STEMMA_RETURN_IF_ERROR(Agree(cohort, mine));
  STEMMA_ASSIGN_OR_RETURN(begin.from, cohort.Broadcast(begin.from, 0));
  STEMMA_ASSIGN_OR_RETURN(begin.tmp_dir, cohort.Broadcast(begin.tmp_dir, 0));
  STEMMA_ASSIGN_OR_RETURN(begin.run, cohort.Broadcast(begin.run, 0));
  if (cohort.rank() != 0) {
    STEMMA_ASSIGN_OR_RETURN(begin.store,
                            lineage::Store::Open(options.store, false, lineage::PosixStorage()));
  }
  return begin;
}

// The loop's end of a step with a control word that is read at once.
class ToyLoop {
 public:
  ToyLoop(const ToyOptions& options, Begin& begin, ToyState& state, lineage::Capturer& capturer,
          Cohort& cohort, const Observe& observe)
      : options_(options),
        begin_(begin),
        state_(state),
        capturer_(capturer),
        cohort_(cohort),
        observe_(observe),
        parent_(begin.from) {}

  Status Run() {
    const int64_t end = options_.more > 0 ? state_.step + options_.more : options_.total;
    while (state_.step < end) {
      STEMMA_RETURN_IF_ERROR(capturer_.WaitCopied());  // the fence
      state_.Advance();
      STEMMA_RETURN_IF_ERROR(EndStep());
      if (state_.step % options_.every == 0) STEMMA_RETURN_IF_ERROR(Capture());
    }
    STEMMA_ASSIGN_OR_RETURN(const auto last, capturer_.Finish(cohort_));
    for (const auto& durable : last) Acknowledge(durable);
    if (in_flight_ && last.empty()) Miss();
    return {};
  }

 private:
  Status EndStep() {
    const lineage::CaptureBits bits = capturer_.Poll();
    STEMMA_ASSIGN_OR_RETURN(
        const auto all, cohort_.AllGather(std::string(bits.written ? "w" : "-") +
                                          (bits.failed ? "f" : "-") + std::to_string(bits.audit)));
    bool written = true, failed = false, equal = true;
    for (const std::string& one : all) {
      written = written && one[0] == 'w';
      failed = failed || one[1] == 'f';
      equal = equal && one.substr(2) == all[0].substr(2);
    }
    if (!in_flight_ || (!written && !failed)) return {};
    STEMMA_ASSIGN_OR_RETURN(const auto durable, capturer_.Advance(written, failed, equal, cohort_));
    if (capturer_.InFlight()) return {};  // the record is on its way
    in_flight_ = false;
    durable ? Acknowledge(*durable) : Miss();
    return {};
  }

  Status Capture() {
    if (in_flight_) {
      STEMMA_ASSIGN_OR_RETURN(const auto before, capturer_.Finish(cohort_));
      for (const auto& durable : before) Acknowledge(durable);
      if (before.empty()) Miss();
    }
    lineage::CaptureRequest request;
    request.record.run = begin_.run;
    request.record.run_name = options_.run;
    request.record.incarnation = begin_.incarnation;
    request.record.settings = request.record.environment = begin_.settings;
    if (!parent_.empty()) request.record.parents = {{parent_, lineage::EdgeKind::kTrain}};
    request.record.step = state_.step;
    request.record.metrics["loss"] = 1.0 / static_cast<double>(state_.step + 1);
    request.record.world = static_cast<uint32_t>(cohort_.size());
    in_flight_ = true;
    return capturer_.Capture(std::move(request));
  }

  void Acknowledge(const lineage::Durable& durable) {
    parent_ = durable.id;
    if (cohort_.rank() != 0) return;
    observe_("durable " + std::to_string(durable.record.step) + " " + Hex(durable.id));
  }

  void Miss() {
    if (cohort_.rank() == 0) {
      observe_("missed " + std::to_string(state_.step) + " " + capturer_.last_failure().message());
    }
  }

  const ToyOptions& options_;
  Begin& begin_;
  ToyState& state_;
  lineage::Capturer& capturer_;
  Cohort& cohort_;
  const Observe& observe_;
  lineage::StateId parent_;
  bool in_flight_ = false;
};

}  // namespace

ToyState ToyState::Initial(size_t count) {
  ToyState state;
  state.parameters.resize(count);
  state.momentum.assign(count, 0);
  for (size_t i = 0; i < count; ++i) state.parameters[i] = static_cast<float>(i % 97) / 7;
  return state;
}

void ToyState::Advance() {
  ++step;
  const auto push = static_cast<float>(step % 13) * 0.01f;
  for (size_t i = 0; i < parameters.size(); ++i) {
    momentum[i] = 0.9f * momentum[i] + push - 0.1f * parameters[i];
    parameters[i] += 0.05f * momentum[i];
  }
}

std::string ToyState::Digest() const {
  Xxh128Stream digest;
  const auto add = [&](const void* data, size_t bytes) {
    digest.Update({static_cast<const char*>(data), bytes});
  };
  add(&step, sizeof step);
  add(parameters.data(), parameters.size() * sizeof(float));
  add(momentum.data(), momentum.size() * sizeof(float));
  return Hex(digest.Finish());
}

Status RunToy(const ToyOptions& options, Cohort& cohort, const Observe& observe) {
  STEMMA_ASSIGN_OR_RETURN(Begin begin, OpenToy(options, cohort));
  ToyState state = ToyState::Initial(options.count);
  ToyBinding binding(&state);
  const auto spans = SpansFor(options.count);
  if (!begin.from.empty()) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, begin.store->Load());
    STEMMA_RETURN_IF_ERROR(
        Restore(*begin.store, graph.states.at(begin.from), spans, binding, cohort));
    observe("restored " + std::to_string(state.step) + " " + state.Digest());
  }
  lineage::LineageSettings settings;
  settings.writer_bytes_min = 4096;  // so that every rank writes
  settings.direct_io = options.direct_io;
  settings.on_failure = options.on_failure;
  STEMMA_ASSIGN_OR_RETURN(
      const auto capturer,
      lineage::Capturer::Create(settings, *begin.store, begin.writer.get(), begin.tmp_dir, spans,
                                binding, cohort.rank(), cohort.size()));
  return ToyLoop(options, begin, state, *capturer, cohort, observe).Run();
}

Result<ToyState> RestoreToy(const lineage::Store& store, const lineage::Record& record,
                            size_t count) {
  ToyState state = ToyState::Initial(count);
  ToyBinding binding(&state);
  SoloCohort solo;
  STEMMA_RETURN_IF_ERROR(Restore(store, record, SpansFor(count), binding, solo));
  return state;
}

}  // namespace stemma::tests
