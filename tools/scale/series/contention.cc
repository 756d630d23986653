#include "tools/scale/series/contention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "tools/scale/series/child.h"
#include "tools/scale/series/files.h"
#include "tools/scale/series/samples.h"
#include "tools/scale/statistics.h"

namespace stemma::scale {
namespace {
namespace fs = std::filesystem;

using Tell = std::function<void(const std::string&)>;

constexpr char kHeader[] = "together,repeat,alone_s,together_s";

std::string PathIn(const std::string& folder) { return folder + "/contention.csv"; }

std::string TextOf(const std::vector<ContentionRow>& rows) {
  std::string text = std::string(kHeader) + "\n";
  for (const ContentionRow& row : rows) {
    char line[120];
    std::snprintf(line, sizeof line, "%d,%d,%.9g,%.9g\n", row.together, row.repeat, row.alone_s,
                  row.together_s);
    text += line;
  }
  return text;
}

bool ReadLine(const std::string& line, ContentionRow* row) {
  std::istringstream in(line);
  char a = 0, b = 0, c = 0;
  in >> row->together >> a >> row->repeat >> b >> row->alone_s >> c >> row->together_s;
  const bool whole = !in.fail() && in.peek() == std::char_traits<char>::eof();
  return whole && a == ',' && b == ',' && c == ',' && row->together > 1 && row->repeat >= 0 &&
         row->alone_s > 0 && std::isfinite(row->alone_s) && row->together_s > 0 &&
         std::isfinite(row->together_s);
}

Result<std::vector<ContentionRow>> ReadRows(const std::string& path) {
  std::vector<ContentionRow> rows;
  Result<std::string> text = ReadFile(path);
  if (!text.ok() && text.status().code() == Code::kNotFound) return rows;
  if (!text.ok()) return text.status();
  std::istringstream in(*text);
  std::string line;
  std::getline(in, line);
  const auto broken = [&](int number, const std::string& what) {
    return Status(Code::kCorruption, path + ":" + std::to_string(number) + ": " + what +
                                         "; delete the file, and `stemma scale run ... --curve` "
                                         "measures it again");
  };
  if (line != kHeader) return broken(1, std::string("not the columns ") + kHeader);
  for (int number = 2; std::getline(in, line); ++number) {
    ContentionRow row;
    if (!ReadLine(line, &row)) return broken(number, "'" + line + "' is no line of such");
    rows.push_back(row);
  }
  return rows;
}

// A step of `count` trainings that run at once, each a world of one rank. The median leaves out
// the steps in which one of them has begun, or has ended, alone.
Result<double> MedianStep(const Series& series, int count, const std::string& folder,
                          const Tell& tell) {
  STEMMA_RETURN_IF_ERROR(MakeFolder(folder));
  Point point;
  point.local_batch = point.global_batch = series.shape.batch;
  point.steps = series.shape.steps;
  point.warmup = series.shape.warmup;
  const auto json_of = [&](int i) { return folder + "/" + std::to_string(i) + ".json"; };
  std::vector<ChildEnd> ends(static_cast<size_t>(count));
  std::vector<std::thread> waiting;
  for (int i = 0; i < count; ++i) {
    std::vector<std::string> words =
        LaunchWords(series.launcher, series.machine, point, series.threads);
    for (const std::string& word : BenchWords(series, point, json_of(i))) words.push_back(word);
    tell((count == 1 ? "alone: " : "side by side: ") + CommandLine(words));
    waiting.emplace_back([&series, &folder, &ends, words, i] {
      const std::string log = folder + "/" + std::to_string(i) + ".log";
      ends[static_cast<size_t>(i)] = RunChild(words, log, series.limit_s);
    });
  }
  for (std::thread& one : waiting) one.join();
  std::vector<double> steady;
  for (int i = 0; i < count; ++i) {
    STEMMA_RETURN_IF_ERROR(ends[static_cast<size_t>(i)].status);
    STEMMA_ASSIGN_OR_RETURN(const PointSamples samples, ReadBench(json_of(i), series.model, point));
    bool stable = true;
    const size_t from = SteadyFrom(samples.step_s, &stable);
    steady.insert(steady.end(), samples.step_s.begin() + static_cast<std::ptrdiff_t>(from),
                  samples.step_s.end());
  }
  return QuantilesOf(steady).p50;
}

Result<ContentionRow> MeasureRow(const Series& series, int together, int repeat, const Tell& tell) {
  const std::string folder =
      series.folder + "/contention/" + std::to_string(together) + "-" + std::to_string(repeat);
  std::error_code error;
  fs::remove_all(folder, error);  // of an attempt that did not get into the table
  if (error) return Status(Code::kIo, folder + ": " + error.message());
  ContentionRow row;
  row.together = together;
  row.repeat = repeat;
  STEMMA_ASSIGN_OR_RETURN(row.alone_s, MedianStep(series, 1, folder + "/alone", tell));
  STEMMA_ASSIGN_OR_RETURN(row.together_s, MedianStep(series, together, folder + "/together", tell));
  char text[160];
  std::snprintf(text, sizeof text, "%d trainings side by side: median step %.3f ms, alone %.3f ms",
                together, 1e3 * row.together_s, 1e3 * row.alone_s);
  tell(text);
  return row;
}

}  // namespace

Contention::Contention(const std::vector<ContentionRow>& rows) {
  std::map<int, std::vector<double>> ratios;
  for (const ContentionRow& row : rows) {
    ratios[row.together].push_back(row.together_s / row.alone_s);
  }
  for (const auto& [together, of] : ratios) factors_[together] = QuantilesOf(of).p50;
}

std::optional<double> Contention::FactorOf(int together) const {
  if (together <= 1) return 1.0;
  const auto at = factors_.find(together);
  if (at == factors_.end()) return {};
  return at->second;
}

int TrainingsAtOnce(int ranks, int nodes, int threads, int cores) {
  const int of_node = (ranks + std::max(1, nodes) - 1) / std::max(1, nodes);
  return std::max(1, std::min(of_node, cores / std::max(1, threads)));
}

Result<Contention> ReadContention(const std::string& folder) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<ContentionRow> rows, ReadRows(PathIn(folder)));
  return Contention(rows);
}

Status MeasureContention(const Series& series, const Tell& tell) {
  if (series.model.empty() || series.shape.mode == "strong") return {};
  SeriesShape one = series.shape;
  one.repeats = 1;
  STEMMA_ASSIGN_OR_RETURN(const std::vector<Point> points, PointsOf(one));
  std::set<int> counts;
  for (const Point& point : points) {
    const int together =
        TrainingsAtOnce(point.ranks, point.nodes, series.threads, series.machine.cores);
    if (together > 1) counts.insert(together);
  }
  if (counts.empty()) return {};
  if (series.machine.on_gpu || series.launcher.slurm()) {
    tell(std::string("what ranks of a node take from each other is not measured ") +
         (series.machine.on_gpu ? "on GPUs"
                                : "under srun; --launcher=mpirun in the allocation does it"));
    return {};
  }
  STEMMA_ASSIGN_OR_RETURN(std::vector<ContentionRow> rows, ReadRows(PathIn(series.folder)));
  for (int repeat = 0; repeat < series.shape.repeats; ++repeat) {
    for (const int together : counts) {
      const bool there = std::any_of(rows.begin(), rows.end(), [&](const ContentionRow& row) {
        return row.together == together && row.repeat == repeat;
      });
      if (there) continue;
      STEMMA_ASSIGN_OR_RETURN(const ContentionRow row, MeasureRow(series, together, repeat, tell));
      rows.push_back(row);
      STEMMA_RETURN_IF_ERROR(WriteFile(PathIn(series.folder), TextOf(rows)));
    }
  }
  return {};
}

}  // namespace stemma::scale
