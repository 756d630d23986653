// The world as the layers above see it: models/ may include ops/ but not comm/, and needs no more
// of comm/ than these names.
#pragma once

#include "comm/world.h"

namespace stemma::ops {

using comm::Control;
using comm::Identity;
using comm::kAllCaptureWritten;
using comm::kAnyCapture;
using comm::kAnyCaptureFailed;
using comm::kAnyFailed;
using comm::kAnyStop;
using comm::Mine;
using comm::Op;
using comm::Verdict;
using comm::World;

}  // namespace stemma::ops
