// A training in which one rank dies, stops, loops for ever or throws, at a chosen step and in a
// chosen phase. The rest of the arguments are those of `stemma train`.
//
//   stuck_training WHAT PHASE RANK STEP RECIPE ...
//     WHAT   kill (SIGKILL), stop (SIGSTOP), loop (its training thread never returns), throw
//     PHASE  a name of comm/flight_recorder.h, or "launch": before MPI
//
// It strikes in the training's own thread, as it enters that phase of that step.
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/exit_code.h"
#include "models/train/trainer.h"
#include "models/workloads.h"
#include "ops/world.h"
#include "tools/cli/train_options.h"

namespace stemma {
namespace {

struct Plan {
  std::string what, phase;
  int rank = 0;
  int64_t step = 0;
};

Plan the_plan;  // of this rank, while it has one

void Strike(const Plan& plan) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  std::fprintf(stderr, "strikes at %.3f\n",
               static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9);
  if (plan.what == "kill") raise(SIGKILL);
  if (plan.what == "stop") raise(SIGSTOP);
  while (plan.what == "loop") pause();
}

void StrikeInTime(ops::Phase phase, int64_t step) {
  if (ops::NameOf(phase) == the_plan.phase && step >= the_plan.step) Strike(the_plan);
}

// Throws from Loss at the planned step.
class Throwing final : public models::Workload {
 public:
  Throwing(std::unique_ptr<models::Workload> inner, const Plan& plan, bool mine)
      : inner_(std::move(inner)), plan_(plan), mine_(mine) {}
  std::string name() const override { return inner_->name(); }
  std::vector<ops::Parameter> Parameters() override { return inner_->Parameters(); }
  std::vector<ops::Buffer> Buffers() override { return inner_->Buffers(); }
  void SetTraining(bool training) override { inner_->SetTraining(training); }
  at::Tensor Loss(const models::Batch& batch, models::LossParts* parts) override {
    if (mine_ && ++steps_ == plan_.step) throw std::runtime_error("the planned failure");
    return inner_->Loss(batch, parts);
  }
  std::shared_ptr<const models::Dataset> TrainData() const override { return inner_->TrainData(); }

 private:
  const std::unique_ptr<models::Workload> inner_;
  const Plan plan_;
  const bool mine_;
  int64_t steps_ = 0;
};

int Fail(const Status& status) {
  std::fprintf(stderr, "stuck_training: %s\n", status.message().c_str());
  return ExitCodeFor(status);
}

int Run(const Plan& plan, const std::vector<std::string>& arguments) {
  cli::TrainFlags command;
  cli::Flags flags = cli::TrainFlagList(&command);
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  if (const Status parsed = flags.Parse(arguments); !parsed.ok()) return Fail(parsed);
  const Status resolved = cli::ReadTrainSettings(command, &settings, &list);
  if (!resolved.ok()) return Fail(resolved);

  const char* said = std::getenv("OMPI_COMM_WORLD_RANK");
  const bool mine = std::atoi(said == nullptr ? "0" : said) == plan.rank;
  if (mine && plan.phase == "launch") {
    Strike(plan);
  }
  auto opened = ops::World::Open(settings.comm, {{"build", "stuck"}});
  if (!opened.ok()) return Fail(opened.status());
  ops::World& world = **opened;
  if (mine && plan.what != "throw") {
    the_plan = plan;
    ops::FlightRecorder::SetEnterHook(&StrikeInTime);
  }
  const auto make = [&](const models::RunSettings& s, Cohort& cohort) {
    Result<std::unique_ptr<models::Workload>> made = models::MakeWorkload(s, cohort);
    if (!made.ok() || plan.what != "throw") return made;
    return Result<std::unique_ptr<models::Workload>>(
        std::make_unique<Throwing>(*std::move(made), plan, mine));
  };
  const models::Outcome outcome = models::Train(
      settings, list, {command.dir, command.fresh, command.progress, "{}"}, world, make);
  if (!world.data().Health().ok()) return outcome.exit_code;
  const Status closed = world.Close();
  return outcome.exit_code != kExitDone || closed.ok() ? outcome.exit_code : Fail(closed);
}

}  // namespace
}  // namespace stemma

int main(int argc, char** argv) {
  if (argc < 6) return stemma::kExitUsage;
  const stemma::Plan plan{argv[1], argv[2], std::atoi(argv[3]), std::atoll(argv[4])};
  return stemma::Run(plan, {argv + 5, argv + argc});
}
