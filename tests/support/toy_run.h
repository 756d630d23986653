#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lineage/restore.h"
#include "lineage/store.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::tests {

// Spans as rank `rank` has them; only `held` may differ between ranks.
using SpansOfRank = std::function<std::vector<lineage::Span>(int rank)>;

// Captures `steps` one after the other on `ranks` ranks: a new run, or one that goes on (then the
// first state's parent is the run's head). The bytes are ToySpans'.
inline std::vector<lineage::StateId> TrainToy(lineage::Store& store, const std::string& name,
                                              int ranks, const SpansOfRank& spans,
                                              const std::vector<int64_t>& steps) {
  const lineage::Graph graph = *store.Load();
  const auto run = graph.runs.find(name);
  const bool resume = run != graph.runs.end();
  lineage::LineageSettings settings;
  settings.writer_bytes_min = 1024;
  std::vector<lineage::StateId> ids;
  CohortRoom room(ranks);
  const auto statuses = SpawnRanks(ranks, [&](int rank) -> Status {
    ThreadCohort cohort(room, rank);
    ToySpans state(spans(rank), rank);
    ToyRank toy{store, cohort, state, nullptr, nullptr};
    STEMMA_RETURN_IF_ERROR(toy.Begin(name, resume, settings));
    std::optional<lineage::StateId> parent = resume ? run->second.head : std::nullopt;
    for (const int64_t step : steps) {
      STEMMA_ASSIGN_OR_RETURN(const auto durable, toy.CaptureStep(step, parent));
      if (!durable) return {Code::kInternal, "no state"};
      parent = durable->id;
      if (rank == 0) ids.push_back(durable->id);
    }
    return rank == 0 ? toy.writer->Close() : Status();
  });
  for (const Status& status : statuses) REQUIRE_THAT(status, IsOk());
  return ids;
}

inline SpansOfRank SameOnAll(std::vector<lineage::Span> spans) {
  return [spans](int) { return spans; };
}

// What a span of a state that TrainToy made holds, all of it: `at` is its place among the spans.
inline std::string ToyBytes(std::vector<lineage::Span> spans, size_t at, int64_t step,
                            int rank = 0) {
  for (lineage::Span& span : spans) {
    if (span.role == lineage::Role::kSharded) span.role = lineage::Role::kReplicated;
  }
  ToySpans toy(std::move(spans), rank);
  toy.Fill(step);
  return toy.bytes[at];
}

inline Status RestoresOn(const lineage::Store& store, const lineage::Record& record, int ranks,
                         const SpansOfRank& spans) {
  CohortRoom room(ranks);
  for (const Status& status : SpawnRanks(ranks, [&](int rank) -> Status {
         ThreadCohort cohort(room, rank);
         return CheckRestores(store, record, spans(rank), cohort);
       })) {
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace stemma::tests
