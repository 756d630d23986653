#include "models/train/metrics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

namespace stemma::models {
namespace {

Status IoError(const std::string& what, const std::string& path) {
  return {Code::kIo, what + " " + path + ": " + std::strerror(errno)};
}

std::string Number(double value) {
  char text[40];
  const bool whole = std::floor(value) == value && std::fabs(value) < 1e15;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", value);
  return text;
}

std::string Quoted(const std::string& text) { return nlohmann::json(text).dump(); }

void AppendNumbers(const MetricRow& numbers, std::string* line) {
  std::string nonfinite;
  for (const auto& [key, value] : numbers) {
    if (line->size() > 1) *line += ',';
    *line += Quoted(key) + ":" + (std::isfinite(value) ? Number(value) : "null");
    if (!std::isfinite(value)) nonfinite += (nonfinite.empty() ? "" : ",") + Quoted(key);
  }
  if (!nonfinite.empty()) *line += ",\"nonfinite\":[" + nonfinite + "]";
}

}  // namespace

std::string MetricLine(const MetricRow& numbers) {
  std::string line = "{";
  AppendNumbers(numbers, &line);
  return line + "}";
}

MetricsFile::~MetricsFile() {
  worker_ = nullptr;
  if (fd_ >= 0) close(fd_);
}

Status MetricsFile::Open(const std::string& path) {
  path_ = path;
  fd_ = open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) return IoError("open", path);
  worker_ = std::make_unique<lineage::SerialWorker>();
  struct stat info {};
  if (fstat(fd_, &info) != 0) return IoError("stat", path);
  char last = '\n';
  if (info.st_size > 0 && pread(fd_, &last, 1, info.st_size - 1) == 1 && last != '\n') {
    return WriteLine("");
  }
  return {};
}

Status MetricsFile::WriteLine(const std::string& line) {
  const std::string whole = line + "\n";
  const ssize_t written = write(fd_, whole.data(), whole.size());
  if (written == static_cast<ssize_t>(whole.size())) return {};
  if (written >= 0) errno = ENOSPC;  // a short write to a file means just that
  return IoError("write", path_);
}

Status MetricsFile::Event(const std::string& event,
                          const std::vector<std::pair<std::string, std::string>>& text,
                          const MetricRow& numbers) {
  std::string line = "{\"event\":" + Quoted(event);
  for (const auto& [key, value] : text) line += "," + Quoted(key) + ":" + Quoted(value);
  AppendNumbers(numbers, &line);
  return WriteLine(line + "}");
}

Status MetricsFile::Row(const MetricRow& numbers) { return WriteLine(MetricLine(numbers)); }

Status MetricsFile::SyncBehind() {
  worker_->Post([this] {
    const Status synced = SyncNow();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (behind_.ok()) behind_ = synced;
  });
  const std::lock_guard<std::mutex> lock(mutex_);
  return behind_;
}

Status MetricsFile::Sync() {
  const Status synced = SyncNow();
  const std::lock_guard<std::mutex> lock(mutex_);
  return behind_.ok() ? synced : behind_;
}

Status MetricsFile::SyncNow() {
  if (fdatasync(fd_) != 0) return IoError("fdatasync", path_);
  return {};
}

Result<std::map<int64_t, std::map<std::string, double>>> ReadMetrics(const std::string& path) {
  std::ifstream in(path);
  if (!in) return Status(Code::kNotFound, "no metrics at " + path);
  std::map<int64_t, std::map<std::string, double>> steps;
  std::string line;
  while (std::getline(in, line)) {
    const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) continue;
    const auto event = object.value("event", nlohmann::json());
    if (event == "continue" || event == "fork") {
      steps.erase(steps.upper_bound(object.value("from_step", int64_t{0})), steps.end());
    }
    if (!event.is_null() || !object.contains("step")) continue;
    auto& row = steps[object.value("step", int64_t{0})];
    for (const auto& [key, value] : object.items()) {
      if (value.is_number()) row[key] = value.get<double>();
    }
  }
  return steps;
}

}  // namespace stemma::models
