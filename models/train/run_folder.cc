#include "models/train/run_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "core/error_report.h"

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

std::string IncarnationFolder(const std::string& dir, uint32_t incarnation) {
  return dir + "/" + IncarnationName(incarnation);
}

Status RunFolder::EnterIncarnation(uint32_t incarnation) {
  incarnation_ = incarnation;
  const std::string path = IncarnationFolder(dir_, incarnation);
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
                                       {"wall_s", outcome.wall_s},         {"time", UtcNow()}};
  return Write(IncarnationFile("outcome.json"), json.dump(1) + "\n");
}

std::string RankLogPath(const std::string& dir, uint32_t incarnation, int rank, int ranks,
                        int node_rank) {
  if (ranks > kRankLogsMax && rank != 0 && node_rank != 0) return "";
  return dir + "/" + IncarnationName(incarnation) + "/logs/rank-" + std::to_string(rank) + ".log";
}

bool RunFolder::StopAsked() const { return access(File("STOP").c_str(), F_OK) == 0; }

bool RunFolder::TakeSave() const { return unlink(File("SAVE").c_str()) == 0; }

bool RunFolder::TraceAsked(bool otherwise) const {
  std::ifstream file(File("TRACE"));
  std::string word;
  if (!file) return otherwise;
  file >> word;
  return word != "off";
}

}  // namespace stemma::models
