#include "tools/cli/trace_merge.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

namespace stemma::cli {
namespace {

namespace fs = std::filesystem;

// "trace.12.json" -> 12; -1: something else.
int RankOf(const fs::path& path) {
  const std::string name = path.filename().string();
  int rank = -1, end = 0;
  if (std::sscanf(name.c_str(), "trace.%d.json%n", &rank, &end) != 1) return -1;
  return end == static_cast<int>(name.size()) ? rank : -1;
}

std::vector<std::string> TracesIn(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (RankOf(entry.path()) >= 0) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(),
            [](const fs::path& a, const fs::path& b) { return RankOf(a) < RankOf(b); });
  return {found.begin(), found.end()};
}

}  // namespace

Result<std::vector<std::string>> FindTraces(const std::string& run_folder) {
  std::vector<fs::path> incarnations;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_folder, error)) {
    if (entry.path().filename().string().rfind("inc-", 0) == 0) {
      incarnations.push_back(entry.path());
    }
  }
  std::sort(incarnations.rbegin(), incarnations.rend());
  for (const fs::path& folder : incarnations) {
    std::vector<std::string> traces = TracesIn(folder / "logs");
    if (!traces.empty()) return traces;
  }
  return Status(Code::kNotFound, "no traces in " + run_folder +
                                     "/inc-*/logs: train with --set diagnose.trace=on, or make a "
                                     "file TRACE in that folder while the run trains");
}

Result<TraceMerge> MergeTraces(const std::vector<std::string>& paths) {
  TraceMerge merge;
  for (const std::string& path : paths) {
    std::ifstream file(path);
    if (!file) return Status(Code::kIo, "cannot read " + path);
    std::string line;
    while (std::getline(file, line)) {
      if (!line.empty() && line.back() == ',') line.pop_back();
      if (line.empty() || line == "[" || line == "]") continue;
      if (!nlohmann::json::accept(line)) {
        ++merge.dropped;
        continue;
      }
      merge.json += (merge.events++ == 0 ? "[\n" : ",\n") + line;
    }
  }
  merge.json += merge.events == 0 ? "[]\n" : "\n]\n";
  return merge;
}

}  // namespace stemma::cli
