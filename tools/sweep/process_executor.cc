#include "tools/sweep/process_executor.h"

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/exit_code.h"
#include "tools/cli/shell.h"
#include "tools/sweep/child_process.h"

namespace stemma::sweep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kTrain[] = "{train}", kRanks[] = "{ranks}";
constexpr double kLookS = 0.004;      // between looks whether a job has ended
constexpr char kGroups[] = "groups";  // below the sweep's folder: where orders lie
constexpr double kFarewellS = 20;     // for trainings to save, when the executor goes
constexpr size_t kTailBytes = 2000;   // of a log, where no error.json says why

std::string Replaced(std::string text, const std::string& word, const std::string& with) {
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + with.size())) {
    text.replace(at, word.size(), with);
  }
  return text;
}

std::string LaunchFor(const ProcessOptions& options, int64_t ranks) {
  if (!options.launch.empty()) return options.launch;
  const std::string cores =
      options.threads > 0 ? "-c " + std::to_string(options.threads) + " " : std::string();
  if (std::getenv("SLURM_JOB_ID") != nullptr) {  // its default leaves ranks behind when one is gone
    return "srun --exact --kill-on-bad-exit=1 -n {ranks} " + cores + "{train}";
  }
  return ranks == 1 ? "{train}" : "mpirun --bind-to none -n {ranks} {train}";
}

std::string ReadText(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The error.json of the newest incarnation of a run, if it has one.
std::optional<json> NewestError(const std::string& folder) {
  fs::path newest;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const std::string best = newest.filename().string();
    const bool later = name.size() != best.size() ? name.size() > best.size() : name > best;
    if (name.rfind("inc-", 0) == 0 && (newest.empty() || later)) newest = entry.path();
  }
  if (newest.empty()) return std::nullopt;
  json error = json::parse(ReadText(newest / "error.json"), nullptr, false);
  if (!error.is_object()) return std::nullopt;
  return error;
}

// The last lines of a log, which say why in some way.
std::string TailOf(const std::string& path) {
  const std::string text = ReadText(path);
  if (text.size() <= kTailBytes) return text;
  const size_t line = text.find('\n', text.size() - kTailBytes);
  return text.substr(line == text.npos ? text.size() - kTailBytes : line + 1);
}

std::vector<std::string> TrainWords(const ProcessOptions& options, const Job& job,
                                    const std::string& recipe) {
  std::vector<std::string> words;
  if (!recipe.empty()) words.push_back(recipe);
  const std::string folder = options.folder + "/" + job.run;
  for (const std::string& word :
       {std::string("--run"), job.run, std::string("--store"), options.store, std::string("--dir"),
        folder, std::string("--set"), "train.stop_at=" + std::to_string(job.end),
        std::string("--progress=lines")}) {
    words.push_back(word);
  }
  return words;
}

}  // namespace

std::string TrainCommand(const ProcessOptions& options, const Job& job, const std::string& recipe,
                         const std::string& then) {
  std::string train = cli::Quoted(options.program) + " train";
  for (const std::string& word : TrainWords(options, job, recipe)) train += " " + cli::Quoted(word);
  if (!then.empty()) train += " --then " + cli::Quoted(then);
  const std::string line =
      Replaced(LaunchFor(options, job.ranks), kRanks, std::to_string(job.ranks));
  return Replaced(line, kTrain, train);
}

Status CheckLaunchLine(const std::string& launch) {
  if (launch.empty() || launch.find(kTrain) != launch.npos) return {};
  return {Code::kInvalidArgument, "--launch=" + launch +
                                      ": the place of the training is missing, as in 'srun -n "
                                      "{ranks} {train}'"};
}

ProcessExecutor::~ProcessExecutor() {
  Stop();
  const auto begun = Clock::now();
  while (!groups_.empty() && Clock::now() - begun < std::chrono::duration<double>(kFarewellS)) {
    if (const auto ended = Reap(); !ended.ok()) return;
    std::this_thread::sleep_for(std::chrono::duration<double>(kLookS));
  }
}

std::string ProcessExecutor::RecipeOf(const Job& job) const {
  return job.recipe.empty() ? "" : FolderOf(job.run) + "/recipe.toml";
}

Status ProcessExecutor::Start(const Job& job) {
  std::error_code error;
  if (!std::exchange(begun_, true)) fs::remove_all(FolderOf(kGroups), error);
  const std::string folder = FolderOf(job.run);
  fs::create_directories(folder, error);
  if (error) return {Code::kIo, "cannot make " + folder + ": " + error.message()};
  if (!job.recipe.empty()) STEMMA_RETURN_IF_ERROR(WriteWhole(RecipeOf(job), job.recipe));
  Group* const idle = IdleFor(job);
  return idle == nullptr ? Launch(job) : Hand(idle, job);
}

bool ProcessExecutor::IsIdle(const Group& group) {
  return !group.job && group.orders && !group.is_ending;
}

std::set<std::string> ProcessExecutor::InMemory() const {
  std::set<std::string> runs;
  for (const Group& group : groups_) {
    if (IsIdle(group)) runs.insert(group.run);
  }
  return runs;
}

// One whose memory holds what the job begins with, or the one whose memory is oldest.
ProcessExecutor::Group* ProcessExecutor::IdleFor(const Job& job) {
  Group* best = nullptr;
  for (Group& group : groups_) {
    if (!IsIdle(group) || group.ranks != job.ranks) continue;
    group.is_ending = StatusOf(group.pid).has_value();  // it died in its sleep
    if (group.is_ending) continue;
    if (!job.after.empty() && group.run == job.after) return &group;
    if (best == nullptr || group.since < best->since) best = &group;
  }
  return best;
}

Status ProcessExecutor::Hand(Group* group, const Job& job) {
  const std::string log = FolderOf(job.run) + "/train.log";
  STEMMA_RETURN_IF_ERROR(
      group->orders->Give(group->number + 1, {TrainWords(options_, job, RecipeOf(job)), log}));
  ++group->number;
  group->job = job;
  group->run = job.run;
  group->since = Clock::now();
  return {};
}

Status ProcessExecutor::Launch(const Job& job) {
  Group group;
  if (options_.reuse) {
    STEMMA_ASSIGN_OR_RETURN(group.orders, OrderFolder::Make(FolderOf(kGroups)));
  }
  group.slot = FreeSlot();
  group.job = job;
  group.since = Clock::now();
  group.ranks = job.ranks;
  group.run = job.run;
  group.log = FolderOf(job.run) + "/train.log";
  const std::vector<int> cores =
      options_.pin ? CoresOfPart(group.slot, options_.slots) : std::vector<int>();
  const std::string then = group.orders ? group.orders->path() : "";
  auto started =
      StartChild("exec " + TrainCommand(options_, job, RecipeOf(job), then), group.log, cores);
  if (!started.ok() && group.orders) group.orders->Remove();
  STEMMA_ASSIGN_OR_RETURN(group.pid, std::move(started));
  groups_.push_back(std::move(group));
  return {};
}

// The one that fewest living groups have.
int64_t ProcessExecutor::FreeSlot() const {
  int64_t best = 0, fewest = -1;
  for (int64_t slot = 0; slot < options_.slots; ++slot) {
    const int64_t count = std::count_if(groups_.begin(), groups_.end(),
                                        [slot](const Group& group) { return group.slot == slot; });
    if (fewest >= 0 && count >= fewest) continue;
    best = slot;
    fewest = count;
  }
  return best;
}

// What the group has said of its job, if it has. A refusal counts only from processes that the job
// has for itself.
Status ProcessExecutor::TakeAnswer(Group* group, std::vector<Ended>* ended) {
  if (!group->job || !group->orders) return {};
  const std::optional<Answer> answer = group->orders->AnswerTo(group->number);
  if (!answer) return {};
  Ended heard = Judge(*group, answer->exit_code, "left with " + std::to_string(answer->exit_code));
  const Job job = *std::exchange(group->job, std::nullopt);
  group->since = Clock::now();
  group->is_ending = group->is_ending || answer->last;
  const bool is_own = group->number == 1;
  if (heard.how != How::kRefused || is_own) {
    ended->push_back(std::move(heard));
    return {};
  }
  return Launch(job);  // `group` may have moved
}

// Only children of ours are asked for: the program may have others.
Result<std::vector<Ended>> ProcessExecutor::Reap() {
  std::vector<Ended> ended;
  for (size_t i = 0; i < groups_.size();) {
    const std::optional<int> status = StatusOf(groups_[i].pid);
    STEMMA_RETURN_IF_ERROR(TakeAnswer(&groups_[i], &ended));
    if (!status) {
      ++i;
      continue;
    }
    if (groups_[i].job) ended.push_back(JudgeEnd(groups_[i], *status));
    if (groups_[i].orders) groups_[i].orders->Remove();
    groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return ended;
}

Result<std::vector<Ended>> ProcessExecutor::Wait(double seconds) {
  const auto begun = Clock::now();
  for (;;) {
    STEMMA_ASSIGN_OR_RETURN(std::vector<Ended> ended, Reap());
    if (!ended.empty()) return ended;
    if (Clock::now() - begun >= std::chrono::duration<double>(seconds)) return ended;
    std::this_thread::sleep_for(std::chrono::duration<double>(kLookS));
  }
}

void ProcessExecutor::Stop() {
  for (Group& group : groups_) {
    group.is_ending = true;
    const bool closed = group.orders && group.orders->Close().ok();
    if (group.job || !closed) AskToStop(group.pid);
  }
}

Ended ProcessExecutor::JudgeEnd(const Group& group, int status) const {
  if (status >= 0 && WIFEXITED(status)) {
    const int code = WEXITSTATUS(status);
    return Judge(group, code, "left with " + std::to_string(code));
  }
  return Judge(group, -1,
               status >= 0 ? "ended by signal " + std::to_string(WTERMSIG(status))
                           : "was waited for by somebody else");
}

Ended ProcessExecutor::Judge(const Group& group, int code, const std::string& how) const {
  Ended ended;
  ended.run = group.job->run;
  ended.seconds = std::chrono::duration<double>(Clock::now() - group.since).count();
  if (code == kExitDone || code == kExitTryAgain) {
    ended.how = How::kStopped;
    return ended;
  }
  const std::string folder = FolderOf(ended.run);
  const auto error = NewestError(folder);
  const std::string kind = error ? error->value("code", "") : "";
  if (code == kExitFailed && kind == CodeName(Code::kNotFinite)) ended.how = How::kDiverged;
  if (code == kExitFailed && kind == CodeName(Code::kIo)) ended.how = How::kDisk;
  if (code == kExitUsage) ended.how = How::kRefused;
  const bool said = error && code != kExitUsage;
  const std::string own = TailOf(folder + "/train.log");
  ended.why = how + "; " +
              (said          ? error->value("cause", "")
               : own.empty() ? TailOf(group.log)
                             : own);
  return ended;
}

// Rows of all incarnations stand one after the other; one that goes on says from which step.
Work ProcessExecutor::Measure(const std::string& run) const {
  Work work;
  std::map<int64_t, std::pair<double, double>> steps;
  std::ifstream file(FolderOf(run) + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const json row = json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("step_s") || !row["step_s"].is_number()) continue;
    const double seconds = row["step_s"].get<double>() + row.value("evaluate_s", 0.0);
    work.all += seconds;
    steps[static_cast<int64_t>(row.value("step", 0.0))] = {seconds,
                                                           row.value("capture_stall_s", 0.0)};
  }
  for (const auto& [step, times] : steps) {
    work.once += times.first;
    work.capture += times.second;
  }
  return work;
}

}  // namespace stemma::sweep
