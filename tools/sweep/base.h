// Where all trials of a sweep begin: a recipe at step 0, or a state of the store.
//
//   STEMMA_ASSIGN_OR_RETURN(const Base base, BaseFromRecipe(spec));
//   STEMMA_ASSIGN_OR_RETURN(const Base base, BaseFromState(spec, {hex, 12000, 4, settings_text}));
//
// Holds settings as "key=value" in the order they were given, not resolved: a preset fills only
// what nobody has set (models/train/fill_settings.h), and a knob may be the preset. Plain data; any
// thread. Failure: kInvalidArgument that names the key or the place in the spec.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/sweep/spec.h"

namespace stemma::sweep {

struct Base {
  std::string root;  // hex: the state's id; for a recipe the digest of what it comes to
  bool is_state = false;
  int64_t begin = 0;      // the step at which every trial begins
  int64_t end = 0;        // budget: the last step of a trial, unless train.length is a knob
  bool own_ends = false;  // train.length is a knob and no budget is given: each trial has its end
  int64_t epoch = 0;      // samples of one, of data in files where lengths need it (epoch.h)
  std::string build;      // which program; part of every stage's key
  std::vector<std::string> assignments;  // "key=value", of the recipe or of the state
  std::vector<std::string> settings;     // the spec's [settings], on top of them
};

// What the store knows of the state that spec.state names.
struct BaseState {
  std::string id;  // hex
  int64_t step = 0;
  uint32_t world = 1;
  std::string settings;  // its blob, TOML
};

// Both check every knob against the settings: that it is one, that it affects the training, that
// its values are in range, and that it may change where the base is a state. A state needs
// ranks_per_trial equal to its world: another number is a reshape first.
Result<Base> BaseFromRecipe(const SweepSpec& spec);
Result<Base> BaseFromState(const SweepSpec& spec, const BaseState& state);

}  // namespace stemma::sweep
