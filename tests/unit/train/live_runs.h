#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lineage/reader/state_reader.h"
#include "lineage/restore.h"
#include "lineage/store.h"
#include "models/train/trainer.h"
#include "ops/world.h"

#include "tests/support/tiny_workload.h"

namespace stemma::tests {

// Trains the run to its end; what the outcome says.
inline Status TrainTiny(const TinyRun& run, const std::string& folder, ops::World& world,
                        models::HandOver hand_over = {}, const models::LiveState* live = nullptr) {
  models::TrainOptions options;
  options.dir = folder + "/" + run.settings.run.name;
  options.progress = "off";
  options.environment_json = "{}";
  options.hand_over = std::move(hand_over);
  options.live = live;
  const models::Outcome outcome =
      models::Train(run.settings, run.list, options, world, TinyWorkload::Make);
  return outcome.exit_code == 0 ? Status() : Status(Code::kInternal, outcome.cause);
}

// Every span of a state, one after the other, out of the packs.
inline Result<std::string> BytesOf(const lineage::Store& store, const lineage::Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const auto spans, lineage::SpansOf(store, record));
  std::string all;
  for (const lineage::Span& span : spans) {
    STEMMA_ASSIGN_OR_RETURN(const std::string bytes, lineage::ReadSpan(store, record, span.name));
    all += span.name + "\n" + bytes;
  }
  return all;
}

inline const lineage::Record* StateAt(const lineage::Graph& graph, const std::string& run,
                                      int64_t step,
                                      lineage::Reason not_of = lineage::Reason::kFork) {
  for (const auto& [id, record] : graph.states) {
    if (record.run_name == run && record.step == step && record.reason != not_of) return &record;
  }
  return nullptr;
}

}  // namespace stemma::tests
