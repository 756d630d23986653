// Differences of settings and metrics between two states as text: what `diff` prints, and `bisect`
// at its end. Pure functions; lines ended by line breaks.
#pragma once

#include <string>
#include <vector>

#include "core/settings.h"
#include "lineage/record.h"

namespace stemma::cli {

// "settings" and a line for each, or "settings  the same".
std::string SettingsText(const std::vector<SettingChange>& changes);

// "metrics" and a line for each that one of the two has: before, after, the change.
std::string MetricsText(const lineage::Record& a, const lineage::Record& b);

}  // namespace stemma::cli
