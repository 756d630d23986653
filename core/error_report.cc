#include "core/error_report.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>

namespace stemma {
namespace {

using nlohmann::ordered_json;

std::string Text(const ErrorReport& report) {
  const ordered_json json = {{"code", report.code}, {"rank", report.rank},
                             {"host", report.host}, {"pid", report.pid},
                             {"step", report.step}, {"phase", report.phase},
                             {"call", report.call}, {"cause", report.cause},
                             {"time", UtcNow()},    {"remedy", report.remedy}};
  return json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

bool WriteWhole(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  const bool whole =
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  close(fd);
  return whole;
}

}  // namespace

std::string UtcNow() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char text[40];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + n, sizeof text - n, ".%03ldZ", now.tv_nsec / 1000000);
  return text;
}

std::string JsonQuoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// link() refuses an existing name, so the first wins and nobody ever reads half a report.
bool WriteErrorReport(const std::string& folder, const ErrorReport& report) {
  const std::string text = Text(report);
  const std::string part = folder + "/error.part-" + std::to_string(getpid());
  if (!WriteWhole(part, text)) return false;
  const bool first = link(part.c_str(), (folder + "/error.json").c_str()) == 0;
  if (first || errno != EEXIST) {
    unlink(part.c_str());
    return first;
  }
  const std::string own = folder + "/error.rank-" + std::to_string(report.rank) + ".json";
  if (rename(part.c_str(), own.c_str()) != 0) unlink(part.c_str());
  return false;
}

}  // namespace stemma
