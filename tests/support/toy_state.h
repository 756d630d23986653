#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "core/random.h"
#include "lineage/capturer.h"
#include "lineage/graph.h"
#include "lineage/restore.h"
#include "lineage/span.h"
#include "lineage/store.h"

namespace stemma::tests {

// A "model" whose every byte is a function of (span, step), of the rank too where spans are
// PerRank, and at all steps the same where they are Frozen: so what a state must hold is known
// without having kept it. Steps below 0 are for bytes that nobody must see.
class ToySpans final : public lineage::Source, public lineage::Sink {
 public:
  ToySpans(std::vector<lineage::Span> toy_spans, int rank)
      : spans(std::move(toy_spans)), bytes(spans.size()), rank_(rank) {
    for (size_t i = 0; i < spans.size(); ++i) {
      bytes[i].resize(static_cast<size_t>(spans[i].bytes()));
    }
  }

  static lineage::Span MakeSpan(const std::string& name, const std::string& section, DType dtype,
                                std::vector<int64_t> shape) {
    lineage::Span span;
    span.name = name;
    span.section = section;
    span.dtype = dtype;
    span.shape = std::move(shape);
    return span;
  }

  // A tensor that writers must cut, odd sizes, a scalar, an empty one, an eager buffer.
  static std::vector<lineage::Span> SmallModel(bool per_rank) {
    std::vector<lineage::Span> out = {MakeSpan("w1", "params", DType::kF32, {61, 53}),
                                      MakeSpan("b1", "params", DType::kF32, {7}),
                                      MakeSpan("none", "params", DType::kF32, {0, 3}),
                                      MakeSpan("m/w1", "optim/m", DType::kF32, {61, 53}),
                                      MakeSpan("mean", "small", DType::kF64, {5}),
                                      MakeSpan("t", "small", DType::kI64, {})};
    out[4].eager = true;
    if (per_rank) {
      out.push_back(MakeSpan("noise", "small", DType::kU8, {13}));
      out.back().role = lineage::Role::kPerRank;
    }
    return out;
  }

  void Fill(int64_t step) {
    for (size_t i = 0; i < spans.size(); ++i) {
      const bool mine = spans[i].role == lineage::Role::kPerRank;
      const bool stays = spans[i].role == lineage::Role::kFrozen && step >= 0;
      Random draw(Key({i, static_cast<uint64_t>(stays ? 0 : step),
                       mine ? 1u + static_cast<uint64_t>(rank_) : 0u}),
                  "toy");
      for (char& byte : bytes[i]) byte = static_cast<char>(draw.U32());
      if (spans[i].role == lineage::Role::kSharded) SpoilOthers(i);
    }
  }

  // What this rank does not hold of a sharded span: neither captured nor restored, at any step.
  void SpoilOthers(size_t span) {
    const size_t size = SizeOf(spans[span].dtype);
    std::string spoilt(bytes[span].size(), static_cast<char>(0xe0 + rank_));
    for (const lineage::Elements& held : spans[span].held) {
      const size_t at = static_cast<size_t>(held.first) * size;
      const size_t count = static_cast<size_t>(held.count) * size;
      spoilt.replace(at, count, bytes[span], at, count);
    }
    bytes[span] = spoilt;
  }

  Status Read(size_t span, uint64_t offset, uint64_t count, char* out) override {
    std::memcpy(out, bytes[span].data() + offset, count);
    return {};
  }
  Status Write(size_t span, uint64_t offset, std::string_view in) override {
    std::memcpy(bytes[span].data() + offset, in.data(), in.size());
    return {};
  }

  std::vector<lineage::Span> spans;
  std::vector<std::string> bytes;

 private:
  int rank_;
};

// OK when `record` restores, on this cohort, to what step `record.step` must hold.
inline Status CheckRestores(const lineage::Store& store, const lineage::Record& record,
                            const std::vector<lineage::Span>& spans, Cohort& cohort) {
  ToySpans want(spans, cohort.rank()), got(spans, cohort.rank());
  want.Fill(record.step);
  got.Fill(-1);
  STEMMA_RETURN_IF_ERROR(lineage::Restore(store, record, spans, got, cohort));
  if (got.bytes == want.bytes) return {};
  return {Code::kInternal, lineage::NameOfState(record) + " restored to other bytes"};
}

// One rank of a job: rank 0 has the run's writer.
struct ToyRank {
  lineage::Store& store;
  Cohort& cohort;
  ToySpans& state;
  std::unique_ptr<lineage::RunWriter> writer;
  std::unique_ptr<lineage::Capturer> capturer;

  // Begins `name`, or goes on with it: rank 0 acts, all hear of it.
  // `from`: the state that it goes on from, where frozen spans are to be named again.
  Status Begin(const std::string& name, bool resume, const lineage::LineageSettings& settings,
               const lineage::Record* from = nullptr) {
    Status mine;
    if (cohort.rank() == 0) {
      auto made = resume ? store.NextIncarnation(name) : store.StartRun(name);
      mine = made.status();
      if (made.ok()) writer = *std::move(made);
    }
    STEMMA_RETURN_IF_ERROR(Agree(cohort, mine));
    STEMMA_ASSIGN_OR_RETURN(const std::string tmp,
                            cohort.Broadcast(writer ? writer->tmp_dir() : "", 0));
    auto created = lineage::Capturer::Create(settings, store, writer.get(), tmp, state.spans, state,
                                             cohort.rank(), cohort.size(), from);
    STEMMA_RETURN_IF_ERROR(Agree(cohort, created.status()));
    capturer = *std::move(created);
    return {};
  }

  // Captures `step`, then lets training overwrite everything, then commits.
  Result<std::optional<lineage::Durable>> CaptureStep(int64_t step,
                                                      std::optional<lineage::StateId> parent) {
    state.Fill(step);
    lineage::CaptureRequest request;
    request.record.step = step;
    request.record.metrics["loss"] = 1.0 / static_cast<double>(step + 1);
    if (parent) request.record.parents = {{*parent, lineage::EdgeKind::kTrain}};
    STEMMA_RETURN_IF_ERROR(capturer->Capture(std::move(request)));
    STEMMA_RETURN_IF_ERROR(capturer->WaitCopied());
    state.Fill(-step - 1);
    STEMMA_ASSIGN_OR_RETURN(std::vector<lineage::Durable> all, capturer->Finish(cohort));
    if (all.empty()) return std::optional<lineage::Durable>();
    return std::optional<lineage::Durable>(std::move(all.back()));
  }
};

}  // namespace stemma::tests
