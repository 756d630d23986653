#include "core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "core/mutex.h"

namespace stemma {
namespace {

constexpr int64_t kNoStep = -1;
constexpr char kPattern[] = "%H:%M:%S.%e %v";

struct Sinks {
  Mutex mutex;
  std::shared_ptr<spdlog::sinks::sink> out STEMMA_GUARDED_BY(mutex);
  std::shared_ptr<spdlog::sinks::sink> err STEMMA_GUARDED_BY(mutex);
  std::shared_ptr<spdlog::sinks::sink> file STEMMA_GUARDED_BY(mutex);  // null until it is opened
};

// Never destroyed: threads may log while the process ends.
Sinks& TheSinks() {
  static Sinks* const sinks = [] {
    auto* made = new Sinks;
    made->out = std::make_shared<spdlog::sinks::stdout_sink_mt>();
    made->err = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    made->out->set_pattern(kPattern);
    made->err->set_pattern(kPattern);
    return made;
  }();
  return *sinks;
}

std::atomic<int> process_rank{0};
std::atomic<int64_t> process_step{kNoStep};
thread_local int thread_rank = -1;

LogLevel LevelOfEnvironment() {
  const char* value = std::getenv("STEMMA_LOG");
  const std::string_view text = value ? value : "info";
  if (text == "debug") return LogLevel::kDebug;
  if (text == "warning") return LogLevel::kWarning;
  if (text == "error") return LogLevel::kError;
  if (text == "off") return LogLevel::kOff;
  if (text != "info") {
    std::fprintf(stderr, "STEMMA_LOG=%s: expected debug, info, warning, error or off; using info\n",
                 value);
  }
  return LogLevel::kInfo;
}

LogLevel Threshold() {
  static const LogLevel level = LevelOfEnvironment();
  return level;
}

int RankNow() { return thread_rank >= 0 ? thread_rank : process_rank.load(); }

std::string Line(LogLevel level, std::string_view text, LogFields fields) {
  constexpr char kLetters[] = "DIWE";
  char head[32];
  std::snprintf(head, sizeof head, "r%02d %c ", RankNow(), kLetters[static_cast<int>(level)]);
  std::string line = head;
  const int64_t step = process_step.load();
  if (step != kNoStep) line += "step=" + std::to_string(step) + " ";
  // A line break inside an event would make two lines of it.
  for (const char c : text) line += c == '\n' ? ' ' : c;
  for (const LogField& field : fields) line += " " + field.text();
  return line;
}

bool NeedsQuotes(std::string_view value) {
  return value.empty() || value.find_first_of(" \"\n\t=") != std::string_view::npos;
}

}  // namespace

LogField::LogField(std::string_view key, std::string_view value) : text_(std::string(key) + "=") {
  if (!NeedsQuotes(value)) {
    text_ += value;
    return;
  }
  text_ += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') text_ += '\\';
    text_ += c == '\n' ? ' ' : c;
  }
  text_ += '"';
}

LogField::LogField(std::string_view key, double value) : text_(std::string(key) + "=") {
  char text[64];
  text_.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void SetLogRank(int rank) { process_rank = rank; }
void SetLogStep(int64_t step) { process_step = step; }
void SetThreadLogRank(int rank) { thread_rank = rank; }

Status OpenLogFile(const std::string& path) {
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    file->set_pattern(kPattern);
    Sinks& sinks = TheSinks();
    const MutexLock lock(sinks.mutex);
    sinks.file = std::move(file);
  } catch (const spdlog::spdlog_ex& error) {
    return {Code::kIo, "log file " + path + ": " + error.what()};
  }
  return {};
}

void FlushLog() {
  Sinks& sinks = TheSinks();
  const MutexLock lock(sinks.mutex);
  try {
    if (sinks.file) sinks.file->flush();
  } catch (const std::exception&) {  // a full disk: see the header
  }
}

bool LogEnabled(LogLevel level) { return level >= Threshold() && level < LogLevel::kOff; }

void LogToFile(std::string_view text, LogFields fields) {
  if (!LogEnabled(LogLevel::kInfo)) return;
  const std::string line = Line(LogLevel::kInfo, text, fields);
  Sinks& sinks = TheSinks();
  const MutexLock lock(sinks.mutex);
  try {
    if (!sinks.file) return;
    sinks.file->log(spdlog::details::log_msg("", spdlog::level::info, line));
    sinks.file->flush();  // few lines, and the last ones before a death are those that matter
  } catch (const std::exception&) {  // a full disk: see the header
  }
}

void Log(LogLevel level, std::string_view text, LogFields fields) {
  if (!LogEnabled(level)) return;
  const std::string line = Line(level, text, fields);
  const bool warning = level >= LogLevel::kWarning;
  const spdlog::details::log_msg message("", spdlog::level::info, line);
  Sinks& sinks = TheSinks();
  const MutexLock lock(sinks.mutex);
  try {
    if (warning) sinks.err->log(message);
    if (!warning && RankNow() == 0) sinks.out->log(message);
    if (!sinks.file) return;
    sinks.file->log(message);
    if (warning) sinks.file->flush();
  } catch (const std::exception&) {  // a full disk: see the header
  }
}

}  // namespace stemma
