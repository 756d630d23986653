#include "models/train/run_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

#include <nlohmann/json.hpp>

namespace stemma::models {
namespace {

std::string IncarnationName(uint32_t incarnation) {
  char name[16];
  std::snprintf(name, sizeof name, "inc-%04u", incarnation);
  return name;
}

Status IoError(const std::string& what, const std::string& path) {
  return {Code::kIo, what + " " + path + ": " + std::strerror(errno)};
}

std::string TimeNow() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char text[40];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + n, sizeof text - n, ".%03ldZ", now.tv_nsec / 1000000);
  return text;
}

Status WriteFd(int fd, const std::string& path, const std::string& text) {
  const ssize_t written = write(fd, text.data(), text.size());
  Status status;
  if (written != static_cast<ssize_t>(text.size())) {
    if (written >= 0) errno = ENOSPC;
    status = IoError("write", path);
  } else if (fsync(fd) != 0) {
    status = IoError("fsync", path);
  }
  close(fd);
  return status;
}

}  // namespace

Result<RunFolder> RunFolder::Open(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) {
    return Status(Code::kIo, "cannot make the run folder " + dir + ": " + error.message() +
                                 "; choose another with --dir=DIR");
  }
  if (access(dir.c_str(), W_OK | X_OK) != 0) {
    return Status(Code::kIo, "cannot write to the run folder " + dir + ": " + std::strerror(errno) +
                                 "; choose another with --dir=DIR");
  }
  RunFolder folder;
  folder.dir_ = dir;
  return folder;
}

Status RunFolder::EnterIncarnation(uint32_t incarnation) {
  incarnation_ = incarnation;
  const std::string path = File(IncarnationName(incarnation));
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return IoError("mkdir", path);
  return {};
}

std::string RunFolder::IncarnationFile(const std::string& name) const {
  return File(IncarnationName(incarnation_) + "/" + name);
}

Status RunFolder::Write(const std::string& path, const std::string& text) const {
  const std::string part = path + ".part";
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return IoError("open", part);
  STEMMA_RETURN_IF_ERROR(WriteFd(fd, part, text));
  if (rename(part.c_str(), path.c_str()) != 0) return IoError("rename", part);
  return {};
}

Status RunFolder::WriteOutcome(const Outcome& outcome) const {
  const nlohmann::ordered_json json = {{"exit_code", outcome.exit_code},   {"cause", outcome.cause},
                                       {"last_state", outcome.last_state}, {"step", outcome.step},
                                       {"wall_s", outcome.wall_s},         {"time", TimeNow()}};
  return Write(IncarnationFile("outcome.json"), json.dump(1) + "\n");
}

std::string RankLogPath(const std::string& dir, uint32_t incarnation, int rank, int ranks,
                        int node_rank) {
  if (ranks > kRankLogsMax && rank != 0 && node_rank != 0) return "";
  return dir + "/" + IncarnationName(incarnation) + "/logs/rank-" + std::to_string(rank) + ".log";
}

bool RunFolder::StopAsked() const { return access(File("STOP").c_str(), F_OK) == 0; }

bool RunFolder::TakeSave() const { return unlink(File("SAVE").c_str()) == 0; }

void WriteError(const std::string& dir, uint32_t incarnation, const ErrorReport& report) {
  const std::string folder = dir + "/" + IncarnationName(incarnation);
  const nlohmann::ordered_json json = {{"rank", report.rank},
                                       {"host", report.host},
                                       {"step", report.step},
                                       {"phase", report.phase},
                                       {"code", CodeName(report.status.code())},
                                       {"message", report.status.message()},
                                       {"time", TimeNow()}};
  std::string path = folder + "/error.json";
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EEXIST) {
    path = folder + "/error.rank-" + std::to_string(report.rank) + ".json";
    fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  }
  if (fd < 0) return;
  const Status best_effort =
      WriteFd(fd, path, json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  static_cast<void>(best_effort);
}

}  // namespace stemma::models
