#include "tools/scale/series/series.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "tools/scale/series/child.h"
#include "tools/scale/series/files.h"
#include "tools/scale/series/samples.h"
#include "tools/scale/series/stored_state.h"

namespace stemma::scale {
namespace {
namespace fs = std::filesystem;

using Tell = std::function<void(const std::string&)>;
using Words = std::vector<std::string>;

std::string PointFolder(const Series& series, const Point& point) {
  return series.folder + "/points/" + NameOf(point);
}

std::string RunName(const Point& point) { return "scale-" + NameOf(point); }

bool SamePoint(const RunRow& row, const Series& series, const Point& point) {
  return row.mode == series.shape.mode && row.system == series.system && row.ranks == point.ranks &&
         row.repeat == point.repeat;
}

class Runner {
 public:
  Runner(const Series& series, const Tell& tell) : series_(series), tell_(tell) {}
  Result<SeriesEnd> Run();

 private:
  Status Open();
  Status CheckInput();
  Status RunPoint(const Point& point);
  Result<PointSamples> Read(const Point& point) const;
  Status Accept(const Point& point, const PointSamples& samples, double seconds);
  Status CheckSameMeasured(const Point& point, const PointSamples& samples);
  Status WriteRows();
  std::string CsvPath() const { return series_.folder + "/scale.csv"; }
  Words WordsOfPoint(const Point& point) const;
  bool Done(const Point& point) const;

  const Series& series_;
  const Tell& tell_;
  std::vector<Point> points_;
  SeriesEnd end_;
  std::set<int> given_up_;  // counts
  std::string input_, input_of_;
};

bool Runner::Done(const Point& point) const {
  return std::any_of(end_.rows.begin(), end_.rows.end(),
                     [&](const RunRow& row) { return SamePoint(row, series_, point); });
}

Words Runner::WordsOfPoint(const Point& point) const {
  Words words = LaunchWords(series_.launcher, series_.machine, point, series_.threads);
  for (const std::string& word : ChildWords(series_, point)) words.push_back(word);
  return words;
}

// A folder of an earlier invocation goes on only with the same input.
Status Runner::CheckInput() {
  const std::string path = series_.folder + "/series.json";
  nlohmann::ordered_json mine;
  for (const auto& [name, value] : InputOf(series_)) mine[name] = value;
  Result<std::string> text = ReadFile(path);
  if (!text.ok() && text.status().code() != Code::kNotFound) return text.status();
  if (!text.ok()) {
    if (!series_.recipe.empty()) {
      STEMMA_RETURN_IF_ERROR(WriteFile(series_.folder + "/recipe.toml", series_.recipe));
    }
    return WriteFile(path, mine.dump(2) + "\n");
  }
  const auto theirs = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!theirs.is_object()) {
    return {Code::kCorruption, path + ": no JSON object; --fresh begins the series again"};
  }
  for (const auto& [name, value] : InputOf(series_)) {
    const auto at = theirs.find(name);
    const std::string there = at != theirs.end() && at->is_string() ? at->get<std::string>() : "";
    if (there == value) continue;
    const bool is_long = name == "recipe";
    return {Code::kInvalidArgument,
            series_.folder + " holds a series of another input: " + name +
                (is_long ? std::string(" differs from its recipe.toml")
                         : " is '" + there + "' there and '" + value + "' here") +
                ". Efficiencies compare one input only: choose another --out, or --fresh to begin "
                "again"};
  }
  return {};
}

Status Runner::Open() {
  STEMMA_RETURN_IF_ERROR(CheckInput());
  std::error_code error;
  if (!fs::exists(CsvPath(), error)) return {};
  STEMMA_ASSIGN_OR_RETURN(end_.rows, ReadRunTable(CsvPath()));
  STEMMA_RETURN_IF_ERROR(CheckSameInput(end_.rows));
  for (const Point& point : points_) {
    const fs::path facts = PointFolder(series_, point) + "/point.json";
    Result<std::string> text = ReadFile(facts.string());
    if (!Done(point) || !text.ok()) continue;
    const auto object = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (object.is_object() && object.contains("input") && object["input"].is_string()) {
      input_ = object["input"].get<std::string>();
      input_of_ = NameOf(point);
    }
  }
  return {};
}

Result<PointSamples> Runner::Read(const Point& point) const {
  const std::string folder = PointFolder(series_, point);
  return series_.recipe.empty() ? ReadBench(folder + "/bench.json", series_.model, point)
                                : ReadTraining(folder + "/run", point);
}

Status Runner::CheckSameMeasured(const Point& point, const PointSamples& samples) {
  if (input_.empty()) {
    input_ = samples.input;
    input_of_ = NameOf(point);
  }
  if (samples.input == input_) return {};
  return {Code::kIncompatible, "inputs differ between the counts: " + input_of_ + " measured " +
                                   input_ + ", and " + NameOf(point) + " " + samples.input +
                                   ". Nothing is compared; look at their logs in " +
                                   series_.folder + "/points"};
}

Status Runner::WriteRows() {
  FillEfficiencies(&end_.rows);
  return WriteFile(CsvPath(), RunTableText(end_.rows));
}

Status Runner::Accept(const Point& point, const PointSamples& samples, double seconds) {
  STEMMA_RETURN_IF_ERROR(CheckSameMeasured(point, samples));
  RunRow row = RowOf(point, series_.shape.mode, samples);
  row.system = series_.system;
  const bool fewer_hosts = row.nodes < point.nodes;
  if (fewer_hosts || Oversubscribed(series_.machine, point, series_.threads)) {
    row.flags.emplace_back("oversubscribed");
  }
  const std::string folder = PointFolder(series_, point);
  if (!series_.recipe.empty()) {
    STEMMA_ASSIGN_OR_RETURN(const StoredState state,
                            ReadLastState(folder + "/store", RunName(point)));
    row.plan_digest = state.plan_digest;
    row.state_id = state.id;
    STEMMA_RETURN_IF_ERROR(NoteSpeed(folder + "/store", state, row));
  }
  std::vector<RunRow> all = end_.rows;
  all.push_back(row);
  STEMMA_RETURN_IF_ERROR(CheckSameInput(all));
  end_.rows = std::move(all);

  const auto [least, most] = std::minmax_element(samples.step_s.begin(), samples.step_s.end());
  nlohmann::ordered_json facts = {
      {"point", NameOf(point)}, {"command", CommandLine(WordsOfPoint(point))},
      {"input", samples.input}, {"world", samples.world},
      {"wall_s", seconds},      {"step_min_s", *least},
      {"step_max_s", *most}};
  for (const auto& [name, value] : samples.numbers) facts[name] = value;
  STEMMA_RETURN_IF_ERROR(WriteFile(folder + "/point.json", facts.dump() + "\n"));
  return WriteRows();
}

// Only what must stop the whole series is an error.
Status Runner::RunPoint(const Point& point) {
  const std::string folder = PointFolder(series_, point);
  std::error_code error;
  fs::remove_all(folder, error);  // of an attempt that did not get into the table
  if (error) return {Code::kIo, folder + ": " + error.message()};
  STEMMA_RETURN_IF_ERROR(MakeFolder(folder));
  const ChildEnd child = RunChild(WordsOfPoint(point), folder + "/log", series_.limit_s);
  Status status = child.status;
  if (status.ok()) {
    Result<PointSamples> samples = Read(point);
    if (samples.ok()) {
      ++end_.ran;
      STEMMA_RETURN_IF_ERROR(Accept(point, *samples, child.seconds));
      const RunRow& row = end_.rows.back();
      char text[160];
      std::snprintf(text, sizeof text, "median step %.3f ms, %.4g samples/s", 1e3 * *row.step_p50_s,
                    *row.samples_per_s);
      tell_(NameOf(point) + ": " + text + ", " + HumanDuration(child.seconds) +
            (row.Has("oversubscribed") ? ", oversubscribed" : ""));
      return {};
    }
    const std::string tail = LastLines(folder + "/log", 12);
    status = Status(samples.status().code(),
                    CommandLine(WordsOfPoint(point)) + "\n  " + samples.status().message() +
                        (tail.empty() ? "" : "; the child's last lines:\n" + tail));
  }
  given_up_.insert(point.ranks);
  end_.failures.push_back(NameOf(point) + ": " + status.message());
  tell_(end_.failures.back());
  return {};
}

Result<SeriesEnd> Runner::Run() {
  STEMMA_ASSIGN_OR_RETURN(points_, PointsOf(series_.shape));
  STEMMA_RETURN_IF_ERROR(MakeFolder(series_.folder));
  STEMMA_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::Take(series_.folder));
  STEMMA_RETURN_IF_ERROR(Open());
  for (const Point& point : points_) {
    end_.commands.push_back(NameOf(point) + ": " + CommandLine(WordsOfPoint(point)));
  }
  for (size_t i = 0; i < points_.size(); ++i) {
    const Point& point = points_[i];
    const std::string which = std::to_string(i + 1) + "/" + std::to_string(points_.size()) + " ";
    if (Done(point)) {
      ++end_.found;
    } else if (given_up_.count(point.ranks) != 0) {
      tell_(which + NameOf(point) + ": left out, this count failed before");
    } else {
      tell_(which + CommandLine(WordsOfPoint(point)));
      STEMMA_RETURN_IF_ERROR(RunPoint(point));
    }
  }
  return end_;
}

}  // namespace

Words ChildWords(const Series& series, const Point& point) {
  const std::string folder = PointFolder(series, point);
  if (!series.recipe.empty()) {
    return {series.program,
            "train",
            series.folder + "/recipe.toml",
            "--run=" + RunName(point),
            "--store=" + folder + "/store",
            "--dir=" + folder + "/run",
            "--fresh",
            "--progress=off",
            "--set=train.global_batch=" + std::to_string(point.global_batch),
            "--set=train.length=" + std::to_string(point.warmup + point.steps) + "step",
            "--set=device.threads=" + std::to_string(series.threads)};
  }
  return BenchWords(series, point, folder + "/bench.json");
}

Words BenchWords(const Series& series, const Point& point, const std::string& json) {
  Words words = {series.program,
                 "bench",
                 "train",
                 series.model,
                 "--batch-size=" + std::to_string(point.local_batch),
                 "--num-warmup-batches=" + std::to_string(point.warmup),
                 "--num-batches-per-iter=1",
                 "--num-iters=" + std::to_string(point.steps),
                 "--threads=" + std::to_string(series.threads),
                 "--json=" + json};
  words.insert(words.end(), series.bench_words.begin(), series.bench_words.end());
  return words;
}

std::vector<std::pair<std::string, std::string>> InputOf(const Series& series) {
  const SeriesShape& shape = series.shape;
  // In mode data the largest count decides how many samples all train.
  std::string work = std::to_string(shape.steps);
  if (shape.mode == "data") work += " on " + std::to_string(shape.ranks.back()) + " ranks";
  std::string words;
  for (const std::string& word : series.bench_words) words += (words.empty() ? "" : " ") + word;
  return {{"workload", series.recipe.empty() ? "bench " + series.model : "recipe"},
          {"recipe", series.recipe},
          {"flags", words},
          {"mode", shape.mode},
          {"batch", std::to_string(shape.batch)},
          {"steps", work},
          {"warmup", std::to_string(shape.warmup)},
          {"ranks per node", std::to_string(shape.ranks_per_node)},
          {"threads", std::to_string(series.threads)},
          {"cores", std::to_string(series.machine.cores)},
          {"system", series.system},
          {"build", series.build}};
}

Result<SeriesEnd> RunSeries(const Series& series, const Tell& tell) {
  return Runner(series, tell).Run();
}

}  // namespace stemma::scale
