// error.json: the first failure of a run, for people and the scripts that restart jobs.
//
//   ErrorReport report;
//   report.rank = 3; report.cause = "write pack: no space left on device"; ...
//   const bool first = WriteErrorReport(folder, report);
//
// Any rank, any thread. Whoever comes first writes folder/error.json, whole or not at all; later
// ones write folder/error.rank-<r>.json. Best effort: a report must not hide the error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stemma {

struct ErrorReport {
  std::string code;  // CodeName of the status, or "hang", "peer lost"
  int rank = 0;      // that failed, which need not be the one that writes
  std::string host;
  int64_t pid = 0;
  int64_t step = 0;    // finished ones
  std::string phase;   // "start", "data", "backward", ...
  std::string call;    // the collective call under way, "" for none
  std::string cause;   // one line or a few
  std::string remedy;  // what to do now; "" when the cause says it
};

bool WriteErrorReport(const std::string& folder, const ErrorReport& report);

// "2026-11-20T14:02:11.503Z"
std::string UtcNow();

// As a JSON string with its quotes; bytes that are no UTF-8 are replaced.
std::string JsonQuoted(std::string_view text);

}  // namespace stemma
