// What a scaling series ran on, for its report: date, versions of this program and of the engine's
// libraries, hosts, processor, devices. A fact that cannot be found out is left out.
#pragma once

#include <string>

#include "tools/scale/series/report.h"
#include "tools/scale/series/series.h"

namespace stemma::cli {

// Starts `stemma-engine version`, which alone knows its libraries; what it said is kept in the
// series' folder.
scale::Facts ScaleFacts(const scale::Series& series);

std::string HostName();  // "this-machine" where the system does not say

}  // namespace stemma::cli
