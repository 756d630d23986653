// [lineage]: where states go and how often. Plain data.
#pragma once

#include <cstdint>
#include <string>

namespace stemma::lineage {

struct LineageSettings {
  std::string store = "stemma-store";  // directory; "" : no captures, said at start
  int64_t every = 100;                 // steps between captures; 0: only at the end and on request
  std::string budget;                  // "1%": share of run time they may take; "": not looked at
  int64_t every_max = 10000;           // with a budget: never more steps than this between them
  std::string keep = "all";            // all, or rules (policy.h): other states are marked pruned
  double ttl_s = 0;                    // time to live of periodic captures; 0: without end
  std::string critical;                // reasons whose captures no rule may prune: "final,signal"
  std::string scope;                   // an open scope that captures join; "": none
  int64_t depth = 1;                   // captures in flight; a further one waits for the oldest
  std::string on_failure = "stop";     // stop | continue; no room on the disk: goes on
  int64_t missed_captures_max = 3;     // in a row, then it stops all the same
  std::string direct_io = "auto";      // auto | on | off: O_DIRECT for packs
  int64_t writer_bytes_min = 8 << 20;  // fewer bytes per writer than this: fewer writers
  std::string restore = "exact";       // exact | progressive (restore.h); of the start of a fork
  bool verify_fence = false;           // hash the source again before the fence opens; tests
};

}  // namespace stemma::lineage
