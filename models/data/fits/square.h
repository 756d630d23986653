// The arithmetic of a cut-out that needs no library. Internal to models/data/fits.
#pragma once

#include <string>

#include "models/data/fits/fits_images.h"

namespace stemma::models::internal {

// `side` * `side` pixels, all NaN and all outside.
void ClearCutout(int64_t side, FitsCutout* cutout);

// Puts the median of the finite pixels in place of the others, and counts those among them that
// are not `outside`. The median of an even number is the greater of the middle two.
// kIncompatible, with `path`: there is no finite pixel.
Status FillEmpty(const std::string& path, FitsCutout* cutout);

}  // namespace stemma::models::internal
