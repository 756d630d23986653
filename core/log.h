// The log: one line per event, with the time, the rank and the step, and what happened as text and
// key=value. For people who look for a cause; metrics have a file of their own and are never read
// out of the log.
//
//   SetLogRank(3);                                // once, when the rank is known
//   SetLogStep(1200);                             // whenever it changes
//   LogInfo("state committed", {{"id", "9f3c"}, {"write_ms", 840}});
//
//   14:02:11.503 r03 I step=1200 state committed id=9f3c write_ms=840
//
// Where it goes: rank 0's lines to stdout, warnings and errors of every rank to stderr, and all
// lines of a rank to its own file once OpenLogFile has named it. A line is one write, so that lines
// of several ranks do not mix. The level comes from the environment variable STEMMA_LOG (debug |
// info | warning | error | off; info without it) and from nowhere else.
//
// Any thread. Logging never fails: a full disk must not end a training.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/status.h"

namespace stemma {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// One key=value. Text with a blank, a quote or a line break is quoted, so that the line stays one
// line and can be taken apart again. Lives no longer than the call it is built for.
class LogField {
 public:
  LogField(std::string_view key, std::string_view value);
  LogField(std::string_view key, const char* value) : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, const std::string& value)
      : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, bool value) : LogField(key, value ? "true" : "false") {}
  LogField(std::string_view key, double value);
  template <typename Integer, typename = std::enable_if_t<std::is_integral_v<Integer>>>
  LogField(std::string_view key, Integer value) : LogField(key, std::to_string(value)) {}
  const std::string& text() const { return text_; }  // "key=value"

 private:
  std::string text_;
};

using LogFields = std::initializer_list<LogField>;

// The process's rank and step. Lines before the first call carry rank 0 and no step.
void SetLogRank(int rank);
void SetLogStep(int64_t step);
// For ranks that are threads: this thread's own rank, over the process's.
void SetThreadLogRank(int rank);

// Sends this process's lines to `path` as well, after what is there. kIo with path and reason.
Status OpenLogFile(const std::string& path);
void FlushLog();

// A line of level info for the rank's own file alone: what would flood a terminal from every rank.
void LogToFile(std::string_view text, LogFields fields = {});

// Whether a line of that level would be written anywhere: for what is costly to put together.
bool LogEnabled(LogLevel level);

void Log(LogLevel level, std::string_view text, LogFields fields = {});
inline void LogDebug(std::string_view text, LogFields fields = {}) {
  Log(LogLevel::kDebug, text, fields);
}
inline void LogInfo(std::string_view text, LogFields fields = {}) {
  Log(LogLevel::kInfo, text, fields);
}
inline void LogWarning(std::string_view text, LogFields fields = {}) {
  Log(LogLevel::kWarning, text, fields);
}
inline void LogError(std::string_view text, LogFields fields = {}) {
  Log(LogLevel::kError, text, fields);
}

}  // namespace stemma
