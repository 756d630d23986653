// A training without a network, for tests that kill it: parameters and momentum follow a fixed
// recurrence of the step, so that the state after any number of steps has known bits, while
// capture, fence, commit, resume and fencing are the real ones.
//
// One rank; all ranks of the cohort call RunToy. It returns only on failure or at `total` steps.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/status.h"

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
  int64_t every = 2;          // steps between captures
};

// What an outside observer is told, by the rank that knows, before anything else happens:
// "restored <step> <digest>" after a resume, "durable <step> <id>" when a capture is acknowledged.
using Observer = std::function<void(const std::string& line)>;

Status RunToy(const ToyOptions& options, Cohort& cohort, const Observer& observe);

}  // namespace stemma::tests
