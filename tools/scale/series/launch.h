// How the ranks of a point are started: `srun` inside a Slurm allocation, else `mpirun`. Every
// count goes through the launcher, one rank too, and every rank has as many threads: p in the
// efficiency then counts equal things.
//
//   STEMMA_ASSIGN_OR_RETURN(Launcher launcher, ChooseLauncher("auto", "", Environment()));
//   Machine machine = {cores, gpus};
//   LaunchWords(launcher, machine, point, threads)    {"mpirun", "-n", "2", "--bind-to", "none"}
//   Oversubscribed(machine, point, threads)           more ranks than there are cores for
//
// mpirun is told not to bind: with its default one rank would get one core and two ranks two,
// whatever --threads says. --launcher-args comes last and wins.
//
// Pure functions but for the look at PATH. Failure: kInvalidArgument, kNotFound for a launcher that
// is not there, with the way out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/status.h"
#include "tools/scale/series/points.h"

namespace stemma::scale {

using Variables = std::map<std::string, std::string>;
Variables Environment();

struct Launcher {
  enum class Kind { kMpirun, kSrun };
  Kind kind = Kind::kMpirun;
  std::string program;             // with its path
  std::vector<std::string> extra;  // --launcher-args
  int nodes = 0;                   // of the allocation; 0: none, or it does not say
  std::string hosts;               // of the allocation, as Slurm writes them; else ""
  bool slurm() const { return kind == Kind::kSrun; }
};

// `asked`: auto, mpirun or srun.
Result<Launcher> ChooseLauncher(const std::string& asked, const std::string& extra,
                                const Variables& environment);

// Of one node.
struct Machine {
  int cores = 1;
  int gpus = 0;
  bool on_gpu = false;  // the workload computes there
};

bool Oversubscribed(const Machine& machine, const Point& point, int threads);

// Everything before the program that a rank runs.
std::vector<std::string> LaunchWords(const Launcher& launcher, const Machine& machine,
                                     const Point& point, int threads);

// Of a text with blanks between words; quotes are not looked at.
std::vector<std::string> WordsOf(const std::string& text);

}  // namespace stemma::scale
