// What a training says of itself before its first step: where it stands, what it trains with whom,
// and where its files go.
//
//   for (const std::string& line : LinesOf(table, *reducer, *optimizer)) progress.Event(line);
//
// Pure but for the number of LibTorch threads, which it asks LibTorch for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lineage/settings.h"

namespace stemma::ops {
class Reducer;
}
namespace stemma::optim {
class Optimizer;
}

namespace stemma::models {

struct StartTable {
  std::string headline;  // "r: continues from r@200"
  std::vector<std::string> notes;
  std::string world, model;
  std::string recipe;                                           // of the learning rate; "": none
  int64_t dataset_size = 0, global_batch = 0, total_steps = 0;  // samples, samples, steps
  std::string evaluation;                                       // "every 64 steps, ..."; "": none
  int64_t state_bytes = 0;                                      // of one capture
  std::string when;                                             // "every 100 steps"
  std::string store;                                            // "": no states are kept
  std::string folder;
};

// When states are captured and which are kept, in words.
std::string WhenCaptured(const lineage::LineageSettings& settings);

std::vector<std::string> LinesOf(const StartTable& table, const ops::Reducer& reducer,
                                 optim::Optimizer& optimizer);

}  // namespace stemma::models
