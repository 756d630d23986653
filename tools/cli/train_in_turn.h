// Trains one run after the other in one world: what the command line said, then what is ordered in
// a folder (tools/sweep/orders.h), until that is closed. The launch, LibTorch's load and the
// opening of the world, seconds of them, are thus paid once for all runs and not for each.
//
//   const int code = TrainInTurn(flags, settings, list, **world, models::MakeWorkload);
//
// Each run is what `stemma train` with the same words makes of it, to the bit, with a folder, an
// incarnation, metrics and an error report of its own. One that was forked from the end of the run
// before begins in the memory of these ranks (models/train/live_state.h): its parent's tensors
// were kept, not copied, and are let go of after its first step. Any other is restored from its
// packs, or begins at step 0. The ranks' logs say which, how long the first step took to come,
// and how much memory the process had then.
//
// The group ends when the folder is closed or gone, when a signal asks it to stop, and with the
// first training that does not end in order: what such a one leaves behind in a process is nobody's
// to guess. A run whose [comm] or [device] are not those that the world was opened with is refused
// before it touches the store: it needs processes of its own. All of that is answered.
//
// Collective over the world; the loop's thread. The result is an exit code: kExitDone where the
// group ended because nothing more was ordered, else that of the last training.
#pragma once

#include "core/settings.h"
#include "models/train/settings.h"
#include "models/train/trainer.h"
#include "ops/world.h"
#include "tools/cli/train_options.h"

namespace stemma::cli {

// REQUIRES: flags.then is a folder, and `settings` are those that the world was opened with.
int TrainInTurn(const TrainFlags& flags, const models::RunSettings& settings,
                const SettingsList& list, ops::World& world, const models::WorkloadFactory& make);

}  // namespace stemma::cli
