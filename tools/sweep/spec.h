// What a sweep is asked to do, as its file says it: SPEC.toml.
//
//   recipe = "laptop.toml"            # beside this file; or state = "r50@12000", of the store
//   [sweep]
//   name = "lr"                       # of the sweep, its scope and its runs
//   method = "asha"                   # method_names() lists them
//   metric = "loss"                   # of a state's record; "val_loss" with validate.every
//   goal = "min"                      # or max
//   budget = "400step"                # of one trial at most; "": what is left of train.length
//   ranks_per_trial = 2
//   slots = 1                         # trials that run at once
//   seed = 1                          # of the choices; train.seed stays the recipe's
//   [method]
//   trials = 27                       # parameters of the method: MethodSettings
//   [settings]                        # what all trials have in common, on top of the base
//   train.length = "400step"
//   [knobs]                           # what differs: a run setting, and how
//   optim.lr = { low = 1e-4, high = 1e-1, log = true }
//   optim.beta2 = { values = [0.99, 0.999] }
//   optim.weight_decay = { schedules = ["0: 0.01", "0: 0.01; 100step: 0.1; 6400samples: 0"] }
//
// A knob is a choice of values, a range, or a choice of schedules: pieces "FROM: VALUE", each of
// which holds from that step on. FROM counts from the start of training, in steps, samples or
// epochs (optim/units.h), and the first is 0. Knobs are settings that affect the training; where
// the base is a state, those that may change at a fork (tools/cli/fork_rules.h).
//
// Plain data. Failure: kInvalidArgument "file:line:column: what", with the nearest name for a slip.
// Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace stemma::sweep {

// One knob as it was written. Values are texts as --set takes them; optim/units.h's lengths in
// schedules are not resolved yet, because that needs the base's batch.
struct Knob {
  enum class Kind { kValues, kRange, kSchedules };
  std::string key;  // "optim.lr"
  Kind kind = Kind::kValues;
  std::vector<std::string> choices;  // kValues, kSchedules: at least one
  double low = 0, high = 0;          // kRange: low < high, both can be drawn
  bool log = false;                  // kRange: even in the logarithm; low > 0
  bool whole = false;                // kRange: the setting is a whole number
  std::string place;                 // "spec.toml:14:1", for messages
};

// [method]. A method reads some of these; a key that it does not read is an error, so that nobody
// believes in a parameter without effect.
struct MethodSettings {
  int64_t trials = 16;       // random, sobol, halving, asha: how many; pbt: the population
  double eta = 3;            // halving, hyperband, asha: one in eta goes on
  int64_t min_steps = 1;     // halving, hyperband, asha: r, the first rung in steps
  int64_t points = 0;        // grid: points of each range; 0: ranges are refused
  int64_t interval = 0;      // pbt, range: steps between two looks
  double truncation = 0.2;   // pbt: so large a share is replaced by so many of the best
  double factor_low = 0.8;   // pbt: explore multiplies a range's value by one of these
  double factor_high = 1.2;  //
  double resample = 0.25;    // pbt: the chance that explore draws anew
  double rise = 4;           // range: stop when the loss is so many times the least one
  std::string command;       // external: what is run; see external.h
};

struct SweepSpec {
  std::string file;           // where it was read, for messages and for paths beside it
  std::string recipe, state;  // one of them; recipe: the path to open
  std::string name, method = "grid";
  std::string metric = "loss", goal = "min";  // min | max
  std::string budget;
  int64_t ranks_per_trial = 1, slots = 1, seed = 1;
  int64_t share_min = 2;  // a prefix of fewer steps is not cut off to be shared: a fork costs more
  MethodSettings parameters;
  std::vector<std::string> settings;  // "key=value", common to all trials
  std::vector<Knob> knobs;            // sorted by key; at least one, but for range
};

// `file` names the text in messages, and recipes are looked up beside it.
Result<SweepSpec> ParseSpec(std::string_view toml, const std::string& file);
// kInvalidArgument where the file cannot be read.
Result<SweepSpec> ReadSpec(const std::string& path);

}  // namespace stemma::sweep
