// Which of the disks that a crash may leave are looked at. n unsynced things make 2^n disks; these
// are the ones in which programs that sync too little break:
//
//   nothing unsynced is left; all of it is; all names but no bytes, with the files' sizes and
//   without; each one thing alone is lost; each one thing alone is kept; and some drawn by a key.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/crash/replay/crash_disks.h"

namespace stemma::tests {

struct CrashCase {
  std::string what;
  std::vector<bool> kept;
  Lost lost = Lost::kGone;
};

// `singles`: at most so many things are lost or kept alone, drawn by the key where there are more.
inline std::vector<CrashCase> CasesOf(const CrashDisks& disks, uint64_t key, size_t singles,
                                      size_t drawn) {
  const std::vector<CrashDisks::Item> items = disks.Unsynced();
  std::vector<CrashCase> cases = {{"all is lost", std::vector<bool>(items.size()), Lost::kGone},
                                  {"all is kept", std::vector<bool>(items.size(), true), {}}};
  std::vector<bool> names(items.size());
  for (size_t i = 0; i < items.size(); ++i) names[i] = items[i].name;
  cases.push_back({"names without bytes", names, Lost::kGone});
  cases.push_back({"names and sizes without bytes", names, Lost::kZeros});
  Random random(key, "crash cases");
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
  order.resize(std::min(order.size(), singles));
  for (const size_t i : order) {
    for (const bool keep : {false, true}) {
      std::vector<bool> kept(items.size(), !keep);
      kept[i] = keep;
      cases.push_back({disks.TextOf(items[i]) + (keep ? " alone is kept" : " alone is lost"),
                       std::move(kept), i % 2 == 0 ? Lost::kGone : Lost::kZeros});
    }
  }
  for (size_t i = 0; i < drawn && items.size() > 2; ++i) {
    std::vector<bool> kept(items.size());
    for (size_t at = 0; at < kept.size(); ++at) kept[at] = random.Below(2) == 1;
    cases.push_back({"some, drawn", std::move(kept), random.Below(2) ? Lost::kGone : Lost::kZeros});
  }
  return cases;
}

}  // namespace stemma::tests
