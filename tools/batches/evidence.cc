#include "tools/batches/evidence.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "models/train/metrics.h"
#include "tools/scale/series/files.h"

namespace stemma::batches {
namespace {

constexpr double kLookS = 0.5;     // between looks for a wish to stop
constexpr int kFailuresAlike = 2;  // one after the other: the next would be a third

Status Refuse(const std::string& what) { return {Code::kInvalidArgument, what}; }

std::string Number(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

class Gatherer {
 public:
  Gatherer(const Job& job, sweep::Executor& executor, const Hooks& hooks)
      : job_(job), executor_(executor), hooks_(hooks) {}
  Result<Ending> Run();

 private:
  std::string CsvPath() const { return job_.folder + "/batches.csv"; }
  Status Open();
  Status CheckInput();
  Status RunAll(const std::vector<Trial>& trials, const std::string& what);
  Status RunOne(const Trial& trial);
  Result<sweep::Ended> Train(const Trial& trial);
  Result<std::optional<Row>> RowOf(const Trial& trial, const sweep::Ended& ended);
  Status ChooseRates();
  bool Done(const Trial& trial) const;
  bool GivesUp() const { return alike_ == kFailuresAlike; }
  void Fail(const Trial& trial, const std::string& why);

  const Job& job_;
  sweep::Executor& executor_;
  const Hooks& hooks_;
  Ending end_;
  double spent_s_ = 0;  // of the runs of this call, start to end
  std::string last_why_;
  int alike_ = 0;  // failures one after the other for the same reason
};

bool Gatherer::Done(const Trial& trial) const {
  const std::string name = RunOf(job_.shape, trial);
  return std::any_of(end_.rows.begin(), end_.rows.end(),
                     [&](const Row& row) { return row.run == name; });
}

void Gatherer::Fail(const Trial& trial, const std::string& why) {
  end_.failures.push_back(RunOf(job_.shape, trial) + ": " + why);
  alike_ = why == last_why_ ? alike_ + 1 : 1;
  last_why_ = why;
  hooks_.tell(GivesUp() ? RunOf(job_.shape, trial) +
                              ": for the same reason. The others are left for the next call"
                        : end_.failures.back());
}

Status Gatherer::CheckInput() {
  const std::string path = job_.folder + "/input.json";
  nlohmann::ordered_json mine = nlohmann::ordered_json::object();
  for (const auto& [name, value] : job_.input) mine[name] = value;
  const Result<std::string> text = scale::ReadFile(path);
  if (!text.ok() && text.status().code() == Code::kNotFound) {
    return scale::WriteFile(path, mine.dump(2) + "\n");
  }
  STEMMA_RETURN_IF_ERROR(text.status());
  const auto theirs = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!theirs.is_object()) return {Code::kCorruption, path + ": no JSON object"};
  for (const auto& [name, value] : job_.input) {
    const auto at = theirs.find(name);
    const std::string there = at != theirs.end() && at->is_string() ? at->get<std::string>() : "";
    if (there == value) continue;
    const bool is_short = there.size() + value.size() < 200;
    return Refuse(job_.folder + " holds runs of another input: " + name + " differs" +
                  (is_short ? ", '" + there + "' there and '" + value + "' here" : "") +
                  ". Losses compare with one input only: choose another --out");
  }
  return {};
}

Status Gatherer::Open() {
  STEMMA_RETURN_IF_ERROR(CheckInput());
  const Result<std::string> text = scale::ReadFile(CsvPath());
  if (!text.ok() && text.status().code() == Code::kNotFound) return {};
  STEMMA_RETURN_IF_ERROR(text.status());
  STEMMA_ASSIGN_OR_RETURN(end_.rows, ParseTable(*text, CsvPath()));
  return {};
}

// Waits for one training; a wish to stop is handed on to it.
Result<sweep::Ended> Gatherer::Train(const Trial& trial) {
  sweep::Job job;
  job.run = RunOf(job_.shape, trial);
  job.end = StepsOf(job_.shape, trial);
  job.ranks = job_.shape.ranks;
  STEMMA_ASSIGN_OR_RETURN(job.recipe, hooks_.recipe_of(WordsOf(job_.shape, trial)));
  STEMMA_RETURN_IF_ERROR(executor_.Start(job));
  for (bool told = false;;) {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<sweep::Ended> ended, executor_.Wait(kLookS));
    for (const sweep::Ended& one : ended) {
      if (one.run == job.run) return one;
    }
    if (!told && hooks_.stop_asked()) {
      executor_.Stop();
      told = true;
    }
  }
}

// nullopt: not at its end, or told as a failure.
Result<std::optional<Row>> Gatherer::RowOf(const Trial& trial, const sweep::Ended& ended) {
  Row row;
  row.optimizer = trial.optimizer;
  row.batch = trial.batch;
  row.seed = trial.seed;
  row.lr = trial.rate;
  row.steps = StepsOf(job_.shape, trial);
  row.run = RunOf(job_.shape, trial);
  row.seconds = executor_.Measure(row.run).once;
  const std::optional<Row> none;
  if (ended.how != sweep::How::kStopped && ended.how != sweep::How::kDiverged) {
    return Fail(trial, ended.why), none;
  }
  const Result<Losses> losses =
      ReadLosses(job_.folder + "/" + row.run + "/metrics.jsonl", row.steps);
  if (losses.ok()) row.first_loss = losses->first;
  if (ended.how == sweep::How::kDiverged) {
    row.diverged = true;
    return std::optional<Row>(row);
  }
  if (!losses.ok()) return Fail(trial, losses.status().message()), none;
  if (losses->steps < row.steps) {
    end_.stopped = true;
    return none;
  }
  row.loss = losses->last;
  row.diverged = !row.loss || !row.first_loss || *row.loss > kBlownUp * *row.first_loss;
  if (job_.metric == "loss" || row.diverged) return std::optional<Row>(row);
  const Result<double> metric = hooks_.metric_of(row.run, job_.metric);
  if (!metric.ok()) return Fail(trial, metric.status().message()), none;
  row.diverged = !std::isfinite(*metric);
  row.loss = row.diverged ? std::nullopt : std::optional<double>(*metric);
  return std::optional<Row>(row);
}

// Only what must end the whole is an error.
Status Gatherer::RunOne(const Trial& trial) {
  STEMMA_ASSIGN_OR_RETURN(const sweep::Ended ended, Train(trial));
  spent_s_ += ended.seconds;
  STEMMA_ASSIGN_OR_RETURN(const std::optional<Row> row, RowOf(trial, ended));
  if (!row) return {};
  alike_ = 0;
  STEMMA_RETURN_IF_ERROR(hooks_.keep(*row));  // again if this is killed before the table has it
  end_.rows.push_back(*row);
  ++end_.ran;
  hooks_.tell("  " + (row->loss ? job_.metric + " " + Number(*row->loss, 4) + ", " : "") +
              (row->diverged ? "diverged, " : "") + HumanDuration(ended.seconds));
  return scale::WriteFile(CsvPath(), TableText(end_.rows));
}

Status Gatherer::RunAll(const std::vector<Trial>& trials, const std::string& what) {
  for (size_t i = 0; i < trials.size() && !end_.stopped && !GivesUp(); ++i) {
    if (Done(trials[i])) {
      ++end_.found;
      continue;
    }
    if (hooks_.stop_asked()) {
      end_.stopped = true;
      break;
    }
    std::string line = what + " " + std::to_string(i + 1) + "/" + std::to_string(trials.size()) +
                       " " + RunOf(job_.shape, trials[i]) + ", lr " + Number(trials[i].rate, 4) +
                       ", " + std::to_string(StepsOf(job_.shape, trials[i])) + " steps";
    if (end_.ran > 0) {
      const double mean = spent_s_ / end_.ran;
      line += ", about " + HumanDuration(mean * static_cast<double>(trials.size() - i)) + " left";
    }
    hooks_.tell(line);
    STEMMA_RETURN_IF_ERROR(RunOne(trials[i]));
  }
  return {};
}

Status Gatherer::ChooseRates() {
  for (const std::string& name : job_.shape.optimizers) {
    if (name == "lamb") continue;
    const std::vector<double>& rates = job_.shape.rates.at(name);
    if (rates.size() == 1) {
      end_.base[name] = rates.front();
      continue;
    }
    const std::optional<BestRate> best = BestRateOf(end_.rows, name);
    if (!best) {
      return Refuse(name + " diverged at every rate that was tried at batch " +
                    std::to_string(job_.shape.batches.front()) +
                    ": give smaller ones, --lr=" + name + "=..., and another --out");
    }
    end_.base[name] = best->rate;
    if (best->edge) end_.on_edge.push_back(name);
  }
  return {};
}

Result<Ending> Gatherer::Run() {
  STEMMA_RETURN_IF_ERROR(CheckShape(job_.shape));
  STEMMA_RETURN_IF_ERROR(scale::MakeFolder(job_.folder));
  STEMMA_ASSIGN_OR_RETURN(const scale::FolderLock lock, scale::FolderLock::Take(job_.folder));
  STEMMA_RETURN_IF_ERROR(Open());
  STEMMA_RETURN_IF_ERROR(RunAll(SearchesOf(job_.shape), "search"));
  if (end_.stopped || !end_.failures.empty()) return end_;
  STEMMA_RETURN_IF_ERROR(ChooseRates());
  STEMMA_RETURN_IF_ERROR(RunAll(TrialsOf(job_.shape, end_.base), "run"));
  return end_;
}

}  // namespace

Result<Losses> ReadLosses(const std::string& metrics_path, int64_t steps) {
  STEMMA_ASSIGN_OR_RETURN(const auto rows, models::ReadMetrics(metrics_path));
  Losses losses;
  const int64_t tenth = std::max<int64_t>(1, steps / 10);
  double sum = 0;
  int64_t count = 0;
  for (const auto& [step, row] : rows) {
    const auto loss = row.find("loss");
    if (loss == row.end() || step > steps) continue;
    losses.steps = std::max(losses.steps, step);
    if (step == 1) losses.first = loss->second;
    if (step <= steps - tenth) continue;
    sum += loss->second;
    ++count;
  }
  if (count == tenth && std::isfinite(sum)) losses.last = sum / static_cast<double>(count);
  return losses;
}

Result<Ending> Gather(const Job& job, sweep::Executor& executor, const Hooks& hooks) {
  return Gatherer(job, executor, hooks).Run();
}

}  // namespace stemma::batches
