// Medians and the like of small samples, and what the kernel says about this process's memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stemma::bench {

double Quantile(std::vector<double> values, double share);  // of none: 0; interpolated
inline double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }
double Mean(const std::vector<double>& values);
double Deviation(const std::vector<double>& values);  // of the population

// A field of a file of /proc/self such as "VmHWM" in "status" or "Pss" in "smaps_rollup": bytes, or
// 0 where the kernel does not say.
int64_t ProcBytes(const std::string& file, const std::string& field);

}  // namespace stemma::bench
