#include "tools/sweep/process_executor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <thread>

#include <nlohmann/json.hpp>

#include "core/exit_code.h"
#include "tools/cli/shell.h"

namespace stemma::sweep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What mpirun and srun hand on to their ranks, which save and stop. A SIGTERM would make mpirun
// kill them.
constexpr int kStopSignal = SIGUSR1;
constexpr char kTrain[] = "{train}", kRanks[] = "{ranks}";
constexpr double kLookS = 0.01;      // between looks whether a child has ended
constexpr double kFarewellS = 20;    // for trainings to save, when the executor goes
constexpr size_t kTailBytes = 2000;  // of a log, where no error.json says why

std::string Replaced(std::string text, const std::string& word, const std::string& with) {
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + with.size())) {
    text.replace(at, word.size(), with);
  }
  return text;
}

std::string LaunchFor(const ProcessOptions& options, int64_t ranks) {
  if (!options.launch.empty()) return options.launch;
  if (std::getenv("SLURM_JOB_ID") != nullptr) return "srun --exact -n {ranks} {train}";
  return ranks == 1 ? "{train}" : "mpirun --bind-to none -n {ranks} {train}";
}

std::string ReadText(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Status WriteWhole(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".part";
  std::ofstream file(temporary, std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file.good()) fs::rename(temporary, path, error);
  if (file.good() && !error) return {};
  return {Code::kIo, "cannot write " + path + (error ? ": " + error.message() : "")};
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

// In the child, after fork(): nothing here may allocate. Ends with exec.
[[noreturn]] void BecomeTraining(const char* command, int log, int nothing, pid_t parent) {
  (void)setpgid(0, 0);
  (void)prctl(PR_SET_PDEATHSIG, kStopSignal);
  if (getppid() != parent) _exit(kExitTryAgain);  // it died before that was asked for
  (void)dup2(nothing, STDIN_FILENO);
  (void)dup2(log, STDOUT_FILENO);
  (void)dup2(log, STDERR_FILENO);
  execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

std::string TrainCommand(const ProcessOptions& options, const Job& job, const std::string& recipe) {
  const auto word = [](const std::string& text) { return cli::Quoted(text); };
  std::string train = word(options.program) + " train ";
  if (!recipe.empty()) train += word(recipe) + " ";
  train += "--run " + word(job.run) + " --store " + word(options.store) + " --dir " +
           word(options.folder + "/" + job.run) +
           " --set train.stop_at=" + std::to_string(job.end) + " --progress=lines";
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
  while (!children_.empty() && Clock::now() - begun < std::chrono::duration<double>(kFarewellS)) {
    if (Reap().empty()) std::this_thread::sleep_for(std::chrono::duration<double>(kLookS));
  }
}

Status ProcessExecutor::Start(const Job& job) {
  const std::string folder = FolderOf(job.run);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return {Code::kIo, "cannot make " + folder + ": " + error.message()};
  std::string recipe;
  if (!job.recipe.empty()) {
    recipe = folder + "/recipe.toml";
    STEMMA_RETURN_IF_ERROR(WriteWhole(recipe, job.recipe));
  }
  const std::string log_path = folder + "/train.log";
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (log < 0) {
    return {Code::kIo, "open " + log_path + ": " + std::generic_category().message(errno)};
  }
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const std::string command = "exec " + TrainCommand(options_, job, recipe);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) BecomeTraining(command.c_str(), log, nothing, parent);
  const int failed = errno;
  (void)close(log);
  (void)close(nothing);
  if (child < 0) {
    return {Code::kIo, "fork for " + job.run + ": " + std::generic_category().message(failed)};
  }
  (void)setpgid(child, child);
  children_[child] = {job.run, Clock::now()};
  return {};
}

// Only children of ours are asked for: the program may have others.
std::vector<Ended> ProcessExecutor::Reap() {
  std::vector<Ended> ended;
  for (auto at = children_.begin(); at != children_.end();) {
    int status = 0;
    const pid_t done = waitpid(at->first, &status, WNOHANG);
    if (done == 0 || (done < 0 && errno == EINTR)) {
      ++at;
      continue;
    }
    ended.push_back(Judge(at->second, done < 0 ? -1 : status));
    at = children_.erase(at);
  }
  return ended;
}

Result<std::vector<Ended>> ProcessExecutor::Wait(double seconds) {
  const auto begun = Clock::now();
  for (;;) {
    std::vector<Ended> ended = Reap();
    if (!ended.empty()) return ended;
    if (Clock::now() - begun >= std::chrono::duration<double>(seconds)) return ended;
    std::this_thread::sleep_for(std::chrono::duration<double>(kLookS));
  }
}

void ProcessExecutor::Stop() {
  for (const auto& [pid, child] : children_) (void)kill(pid, kStopSignal);
}

Ended ProcessExecutor::Judge(const Child& child, int status) const {
  Ended ended;
  ended.run = child.run;
  ended.seconds = std::chrono::duration<double>(Clock::now() - child.started).count();
  const bool left = status >= 0 && WIFEXITED(status);
  const int code = left ? WEXITSTATUS(status) : -1;
  if (code == kExitDone || code == kExitTryAgain) {
    ended.how = How::kStopped;
    return ended;
  }
  ended.why = left          ? "left with " + std::to_string(code)
              : status >= 0 ? "ended by signal " + std::to_string(WTERMSIG(status))
                            : "was waited for by somebody else";
  const std::string folder = FolderOf(child.run);
  const auto error = NewestError(folder);
  const std::string kind = error ? error->value("code", "") : "";
  if (code == kExitFailed && kind == CodeName(Code::kNotFinite)) ended.how = How::kDiverged;
  if (code == kExitUsage) ended.how = How::kRefused;
  const bool said = error && code != kExitUsage;
  ended.why += "; " + (said ? error->value("cause", "") : TailOf(folder + "/train.log"));
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
