#include "tools/cli/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "core/cores.h"
#include "core/text.h"
#include "core/version.h"

extern char** environ;

namespace stemma::cli {
namespace {
namespace fs = std::filesystem;

std::string FirstLine(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// The value of the first line "KEY : value" of a file of /proc.
std::string ProcValue(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

uint64_t Number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

void AddProgram(std::vector<Fact>* facts) {
  facts->push_back({"program", "version", kProgramVersion, Verdict::kFact, ""});
  facts->push_back({"program", "compiler", CompilerText(), Verdict::kFact, ""});
  const std::string engine = FindEngine();
  facts->push_back({"program", "engine", engine.empty() ? "not found" : engine,
                    engine.empty() ? Verdict::kNote : Verdict::kOk,
                    engine.empty() ? "`stemma train` needs stemma-engine beside stemma or in "
                                     "../libexec; everything else works without it"
                                   : ""});
}

void AddProcessors(std::vector<Fact>* facts) {
  utsname name{};
  uname(&name);
  facts->push_back({"machine", "host", name.nodename, Verdict::kFact, ""});
  facts->push_back(
      {"machine", "kernel", std::string(name.sysname) + " " + name.release, Verdict::kFact, ""});
  const std::string model = ProcValue("/proc/cpuinfo", "model name");
  facts->push_back({"machine", "cpu", model.empty() ? name.machine : model, Verdict::kFact, ""});
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  const int mine = CoresOfThisProcess();
  Fact cores = {"machine", "cores", std::to_string(mine) + " of " + std::to_string(online),
                Verdict::kOk, ""};
  if (mine < online) {
    cores.verdict = Verdict::kNote;
    cores.cure = "this process may use only some cores: the launcher binds it, or taskset did";
  }
  facts->push_back(cores);
  const std::string quota = FirstLine("/sys/fs/cgroup/cpu.max");
  if (!quota.empty() && quota.compare(0, 3, "max") != 0) {
    facts->push_back({"machine", "cpu quota", quota, Verdict::kNote,
                      "the container limits processor time (microseconds used, per period)"});
  }
}

void AddMemory(std::vector<Fact>* facts) {
  const uint64_t total = Number(ProcValue("/proc/meminfo", "MemTotal")) * 1024;
  const uint64_t free = Number(ProcValue("/proc/meminfo", "MemAvailable")) * 1024;
  Fact memory = {"machine", "memory", HumanBytes(free) + " free of " + HumanBytes(total),
                 Verdict::kOk, ""};
  if (free < 2'000'000'000) {
    memory.verdict = Verdict::kNote;
    memory.cure = "less than 2 GB free: small models only, few ranks";
  }
  facts->push_back(memory);
  const std::string limit = FirstLine("/sys/fs/cgroup/memory.max");
  if (!limit.empty() && limit != "max") {
    facts->push_back({"machine", "memory limit", HumanBytes(Number(limit)), Verdict::kNote,
                      "of the container; a process that exceeds it is killed without a message"});
  }
}

void AddGpu(std::vector<Fact>* facts) {
  const std::string driver = FirstLine("/proc/driver/nvidia/version");
  std::error_code error;
  int count = 0;
  for (const fs::directory_entry& gpu : fs::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    const std::string model = ProcValue((gpu.path() / "information").string(), "Model");
    facts->push_back({"gpu", std::to_string(count++), model, Verdict::kOk, ""});
  }
  facts->push_back({"gpu", "driver", driver.empty() ? "none" : driver,
                    driver.empty() ? Verdict::kFact : Verdict::kOk, ""});
  if (count == 0) {
    facts->push_back({"gpu", "devices", "none", Verdict::kNote,
                      "train with device.kind=cpu, which is the default"});
  }
}

bool HasPrefix(const std::string& text, const char* prefix) {
  return text.compare(0, std::char_traits<char>::length(prefix), prefix) == 0;
}

bool LooksSecret(const std::string& name) {
  for (const char* word : {"KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "COOKIE"}) {
    if (name.find(word) != std::string::npos) return true;
  }
  return false;
}

void AddEnvironment(std::vector<Fact>* facts) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry; ++entry) variables.emplace_back(*entry);
  std::sort(variables.begin(), variables.end());
  for (const std::string& variable : variables) {
    const size_t equals = variable.find('=');
    const std::string name = variable.substr(0, equals);
    bool matters = name == "LD_LIBRARY_PATH" || name == "STEMMA_LOG";
    for (const char* prefix : {"OMPI_COMM_WORLD_", "OMPI_MCA_", "PMIX_RANK", "UCX_", "FI_",
                               "SLURM_", "NCCL_", "CUDA_", "OMP_", "MKL_", "PBS_"}) {
      matters = matters || HasPrefix(name, prefix);
    }
    if (!matters || equals == std::string::npos) continue;
    const std::string value = LooksSecret(name) ? "(masked)" : variable.substr(equals + 1);
    facts->push_back({"environment", name, value, Verdict::kFact, ""});
  }
}

// A rank that believes to be alone trains a model of its own: say what a launcher would tell us.
void AddLauncher(std::vector<Fact>* facts) {
  const char* ompi = std::getenv("OMPI_COMM_WORLD_SIZE");
  const char* slurm = std::getenv("SLURM_NTASKS");
  std::string text = "none: a single process";
  if (slurm) text = std::string("Slurm, ") + slurm + " tasks";
  if (ompi) text = std::string("Open MPI, ") + ompi + " ranks";
  Fact launcher = {"launch", "launcher", text, Verdict::kFact, ""};
  if (ompi && slurm && std::string(ompi) != slurm) {
    launcher.verdict = Verdict::kNote;
    launcher.cure = std::string("Slurm speaks of ") + slurm + " tasks: was that intended?";
  }
  facts->push_back(launcher);
}

std::string OnPath(const char* program) {
  const char* path = std::getenv("PATH");
  std::string rest = path ? path : "";
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const std::string candidate = rest.substr(0, colon) + "/" + program;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  return "";
}

void AddStarters(std::vector<Fact>* facts) {
  for (const char* program : {"mpirun", "srun"}) {
    const std::string found = OnPath(program);
    const bool missing_mpirun = found.empty() && program == std::string("mpirun");
    facts->push_back({"launch", program, found.empty() ? "not on PATH" : found,
                      missing_mpirun ? Verdict::kNote : Verdict::kFact,
                      missing_mpirun ? "one rank works without it; for more, install Open MPI or "
                                       "load its module"
                                     : ""});
  }
}

}  // namespace

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFact:
      return "";
    case Verdict::kOk:
      return "ok";
    case Verdict::kNote:
      return "note";
    case Verdict::kBad:
      return "BAD";
  }
  return "";
}

std::vector<Fact> InspectMachine() {
  std::vector<Fact> facts;
  AddProgram(&facts);
  AddProcessors(&facts);
  AddMemory(&facts);
  AddGpu(&facts);
  AddLauncher(&facts);
  AddStarters(&facts);
  AddEnvironment(&facts);
  return facts;
}

std::string FactsJson(const std::vector<Fact>& facts) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Fact& fact : facts) json[fact.group][fact.name] = fact.value;
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string ProgramFolder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? "" : program.parent_path().string();
}

std::string FindEngine() {
  const fs::path folder = ProgramFolder();
  for (const fs::path& candidate :
       {folder / "stemma-engine", folder.parent_path() / "libexec" / "stemma-engine"}) {
    if (access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  return "";
}

}  // namespace stemma::cli
