// `stemma data galaxyzoo TABLE`: the votes of Galaxy Zoo 1 as AI-DES's classes and splits, with the
// counts beside the published ones (models/aides/galaxy_zoo.h).
#pragma once

#include "tools/cli/verb.h"

namespace stemma::cli {

// `arguments` are those after "galaxyzoo".
Result<int> RunDataGalaxyZoo(const Arguments& arguments);

}  // namespace stemma::cli
