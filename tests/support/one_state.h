#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "lineage/memory_storage.h"
#include "lineage/restore.h"
#include "lineage/store.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::tests {

// A store with one state, base@10, written by `ranks` ranks.
struct OneState {
  lineage::MemoryStorage disk;
  std::unique_ptr<lineage::Store> store;
  std::vector<lineage::Span> spans;
  lineage::Record record;

  OneState(int ranks, std::vector<lineage::Span> what) : spans(std::move(what)) {
    store = *lineage::Store::Open("/store", true, disk);
    lineage::LineageSettings settings;
    settings.writer_bytes_min = 1024;
    CohortRoom room(ranks);
    const auto statuses = SpawnRanks(ranks, [&](int rank) -> Status {
      ThreadCohort cohort(room, rank);
      ToySpans state(spans, rank);
      ToyRank toy{*store, cohort, state, nullptr, nullptr};
      STEMMA_RETURN_IF_ERROR(toy.Begin("base", false, settings));
      return toy.CaptureStep(10, std::nullopt).status();
    });
    for (const Status& status : statuses) REQUIRE_THAT(status, IsOk());
    record = store->Load()->states.begin()->second;
  }

  Status RestoreTo(std::vector<lineage::Span> wanted, int ranks = 1) {
    CohortRoom room(ranks);
    return SpawnRanks(ranks,
                      [&](int rank) -> Status {
                        ThreadCohort cohort(room, rank);
                        ToySpans state(wanted, rank);
                        return lineage::Restore(*store, record, wanted, state, cohort);
                      })
        .front();
  }
};

}  // namespace stemma::tests
