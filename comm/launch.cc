#include "comm/launch.h"

#include <charconv>
#include <cstdlib>

namespace stemma::comm {
namespace {

Result<int> Number(const std::string& variable, const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number > 0) return number;
  return Status(Code::kInvalidArgument, variable + "='" + text +
                                            "' is no number of ranks: unset it, or start with "
                                            "mpirun or srun");
}

// Ranks of srun find each other through a plugin, which is known by what it leaves behind.
Status CheckPlugin(const Launch& launch, const Environment& environment) {
  if (launch.launcher != "srun" || launch.ranks == 1) return {};
  const auto type = environment("SLURM_MPI_TYPE");
  if (type && *type != "none") return {};
  for (const char* variable : {"PMIX_NAMESPACE", "PMI_RANK", "PMI_FD"}) {
    if (!type && environment(variable)) return {};
  }
  return {Code::kInvalidArgument,
          "srun started " + std::to_string(launch.ranks) +
              " ranks without a plugin for MPI, so they cannot find each other: start them with "
              "`srun --mpi=pmix` (`srun --mpi=list` says what this Slurm has), or with mpirun "
              "inside the allocation"};
}

}  // namespace

std::optional<std::string> EnvironmentVariable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Result<Launch> ReadLaunch(const Environment& environment) {
  // In this order: mpirun's ranks inherit Slurm's variables, which then speak of something else.
  const struct {
    const char* variable;
    const char* launcher;
  } known[] = {{"OMPI_COMM_WORLD_SIZE", "mpirun"},
               {"SLURM_STEP_NUM_TASKS", "srun"},
               {"PMI_SIZE", "mpiexec"}};
  for (const auto& [variable, launcher] : known) {
    const auto text = environment(variable);
    if (!text) continue;
    STEMMA_ASSIGN_OR_RETURN(const int ranks, Number(variable, *text));
    Launch launch{launcher, variable, ranks};
    STEMMA_RETURN_IF_ERROR(CheckPlugin(launch, environment));
    return launch;
  }
  const auto tasks = environment("SLURM_NTASKS");
  if (!tasks) return Launch{};
  STEMMA_ASSIGN_OR_RETURN(const int count, Number("SLURM_NTASKS", *tasks));
  if (count == 1) return Launch{};
  return Status(
      Code::kInvalidArgument,
      "this Slurm allocation has " + *tasks +
          " tasks, but the command was started bare, as one process (SLURM_NTASKS=" + *tasks +
          ", no SLURM_STEP_NUM_TASKS): put `srun --mpi=pmix` or `mpirun` "
          "before it; for one rank on purpose, `srun -n 1`");
}

Status CheckSize(const Launch& launch, int mpi_ranks, const std::string& library) {
  if (launch.ranks == mpi_ranks || launch.launcher.empty()) return {};
  const bool srun = launch.launcher == "srun";
  return {Code::kInvalidArgument,
          launch.launcher + " started " + std::to_string(launch.ranks) + " ranks (" +
              launch.variable + "=" + std::to_string(launch.ranks) + "), but MPI sees " +
              std::to_string(mpi_ranks) + ". This program is linked to " + library +
              (srun ? ", which srun did not serve: start it with `srun --mpi=pmix`"
                    : ", which is not that launcher's: use the mpirun of that library, or under "
                      "Slurm `srun --mpi=pmix`")};
}

}  // namespace stemma::comm
