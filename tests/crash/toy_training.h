// A training without a network, for tests that kill it: parameters and momentum follow a fixed
// recurrence of the step, so that the state after any number of steps has known bits, while
// capture, fence, commit, resume and fencing are the real ones.
//
// One rank; all ranks of the cohort call RunToy. It returns only on failure or at its last step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"
#include "lineage/store.h"

namespace stemma::tests {

struct ToyState {
  int64_t step = 0;
  std::vector<float> parameters, momentum;

  static ToyState Initial(size_t count);
  void Advance();              // one step, in place
  std::string Digest() const;  // of all bytes
};

struct ToyOptions {
  std::string store;
  std::string run = "toy";
  size_t count = 12'345;      // elements of each tensor
  int64_t total = 1'000'000;  // steps
  int64_t more = 0;           // where set: so many steps from where it begins, and no total
  int64_t every = 2;          // steps between captures
  std::string on_failure = "stop", direct_io = "off";  // as in [lineage]
  std::string settings = "toy = true\n";               // the states' settings
};

// What an outside observer is told, by the rank that knows, before anything else happens:
// "restored <step> <digest>" after a resume, "durable <step> <id>" when a capture is acknowledged,
// "missed <step> <why>" when one was dropped and the training goes on.
using Observe = std::function<void(const std::string& line)>;

Status RunToy(const ToyOptions& options, Cohort& cohort, const Observe& observe);

// What a state of a toy training with `count` elements restores to, on one rank.
Result<ToyState> RestoreToy(const lineage::Store& store, const lineage::Record& record,
                            size_t count);

}  // namespace stemma::tests
