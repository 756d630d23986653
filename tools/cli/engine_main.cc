// stemma-engine: the verbs that compute. People call `stemma`, which replaces itself by this
// program for `train`, `evaluate`, `bench`, ...; process id, environment and signals stay those
// that mpirun or srun knows.
#include <cstdio>
#include <string>
#include <vector>

#include "core/exit_code.h"
#include "models/train/trainer.h"
#include "models/workloads.h"
#include "ops/world.h"
#include "tools/cli/bench_main.h"
#include "tools/cli/data_main.h"
#include "tools/cli/environment.h"
#include "tools/cli/evaluate_main.h"
#include "tools/cli/train_in_turn.h"
#include "tools/cli/train_options.h"
#include "tools/galaxies/verbs.h"
#include "tools/overlap/engine_verb.h"
#include "tools/pytorch/sample_verb.h"

namespace stemma::cli {
namespace {

int Fail(const Status& status) {
  std::fprintf(stderr, "stemma: %s\n", status.message().c_str());
  return ExitCodeFor(status);
}

int TrainAsAsked(const TrainFlags& command, const models::RunSettings& settings,
                 const SettingsList& list, ops::World& world) {
  if (!command.then.empty()) {
    return TrainInTurn(command, settings, list, world, models::MakeWorkload);
  }
  models::TrainOptions options{command.dir, command.fresh, command.progress, EnvironmentJson()};
  options.init_from = InitFrom(command);
  return models::Train(settings, list, options, world, models::MakeWorkload).exit_code;
}

int RunTrain(const std::vector<std::string>& arguments) {
  TrainFlags command;
  Flags flags = TrainFlagList(&command);
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  if (const Status parsed = flags.Parse(arguments); !parsed.ok()) return Fail(parsed);
  if (flags.help_asked()) {
    std::fputs((flags.HelpText() + "\nSettings\n" + list.HelpText()).c_str(), stdout);
    return kExitDone;
  }
  const Status resolved = ReadTrainSettings(command, &settings, &list);
  if (resolved.ok() && command.dry_run) {
    std::fputs(list.ToToml().c_str(), stdout);
    return kExitDone;
  }
  if (!resolved.ok()) return Fail(resolved);
  auto world = ops::World::Open(settings.comm, ProgramIdentity());
  if (!world.ok()) return Fail(world.status());
  const int code = TrainAsAsked(command, settings, list, **world);
  // After a failed collective MPI may still write to memory that is about to go: no more calls.
  if (!(*world)->data().Health().ok()) return code;
  const Status closed = (*world)->Close();
  return code != kExitDone || closed.ok() ? code : Fail(closed);
}

}  // namespace
}  // namespace stemma::cli

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string verb = arguments.empty() ? "" : arguments[0];
  if (verb == "train") {
    return stemma::cli::RunTrain({arguments.begin() + 1, arguments.end()});
  }
  if (verb == "bench") {
    return stemma::cli::RunBench({arguments.begin() + 1, arguments.end()});
  }
  if (verb == "evaluate") {
    return stemma::cli::RunEvaluate({arguments.begin() + 1, arguments.end()});
  }
  if (verb == "sample") {
    const stemma::Status done = stemma::cli::RunSample({arguments.begin() + 1, arguments.end()});
    return done.ok() ? stemma::kExitDone : stemma::cli::Fail(done);
  }
  if (verb == "data") {
    const stemma::Status done = stemma::cli::RunDataVerb({arguments.begin() + 1, arguments.end()});
    return done.ok() ? stemma::kExitDone : stemma::cli::Fail(done);
  }
  if (verb == "galaxy-eval" || verb == "galaxy-label") {
    const auto run =
        verb == "galaxy-eval" ? stemma::galaxies::RunEval : stemma::galaxies::RunLabel;
    const stemma::Status done = run({arguments.begin() + 1, arguments.end()});
    return done.ok() ? stemma::kExitDone : stemma::cli::Fail(done);
  }
  if (verb == "overlap") {
    const stemma::Status done =
        stemma::cli::RunOverlapEngine({arguments.begin() + 1, arguments.end()});
    return done.ok() ? stemma::kExitDone : stemma::cli::Fail(done);
  }
  if (verb == "version") {
    std::printf("%s\n", stemma::cli::EnvironmentJson().c_str());
    return stemma::kExitDone;
  }
  std::fprintf(stderr, "stemma-engine: no verb '%s'; people call 'stemma', see 'stemma help'\n",
               verb.c_str());
  return stemma::kExitUsage;
}
