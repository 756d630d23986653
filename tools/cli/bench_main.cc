#include "tools/cli/bench_main.h"

#include <cstdio>
#include <functional>

#include "core/exit_code.h"
#include "ops/world.h"
#include "tools/bench/comm_bench.h"
#include "tools/bench/data_bench.h"
#include "tools/bench/options.h"
#include "tools/bench/train_bench.h"
#include "tools/cli/environment.h"

namespace stemma::cli {
namespace {

int Fail(const Status& status) {
  std::fprintf(stderr, "stemma bench: %s\n", status.message().c_str());
  return ExitCodeFor(status);
}

int InWorld(const models::RunSettings& settings,
            const std::function<Status(comm::World&)>& measure) {
  auto world = ops::World::Open(settings.comm, ProgramIdentity());
  if (!world.ok()) return Fail(world.status());
  const Status status = measure(**world);
  // Wrong arguments are wrong on all ranks: they end together, without the launcher's complaints.
  if (!status.ok() && status.code() != Code::kInvalidArgument) {
    (*world)->Abort(status, ExitCodeFor(status));
  }
  if (!status.ok() && (*world)->rank() == 0) Fail(status);
  const Status closed = (*world)->Close();
  return status.ok() && !closed.ok() ? Fail(closed) : ExitCodeFor(status);
}

// Reads the flags, or says why not.
template <typename Values>
int Measure(Flags flags, Values* values, const std::vector<std::string>& words,
            Status (*run)(const Values&, const models::RunSettings&, comm::World&)) {
  models::RunSettings settings;
  Status status = flags.Parse(words);
  if (status.ok() && flags.help_asked()) {
    std::fputs(flags.HelpText().c_str(), stdout);
    return kExitDone;
  }
  if (status.ok()) status = bench::ReadSettings(*values, &settings);
  if (!status.ok()) return Fail(status);
  return InWorld(settings, [&](comm::World& world) { return run(*values, settings, world); });
}

// Without a world: a rank measures its own samples.
int MeasureData(const std::vector<std::string>& words) {
  bench::DataFlags values;
  cli::Flags flags = bench::DataFlagList(&values);
  Status status = flags.Parse(words);
  if (status.ok() && flags.help_asked()) {
    std::fputs(flags.HelpText().c_str(), stdout);
    return kExitDone;
  }
  if (status.ok()) status = bench::Check(values);
  if (status.ok()) status = bench::RunDataBench(values);
  return status.ok() ? kExitDone : Fail(status);
}

}  // namespace

int RunBench(const std::vector<std::string>& arguments) {
  const std::string what = arguments.empty() ? "" : arguments[0];
  const std::vector<std::string> words(arguments.begin() + (arguments.empty() ? 0 : 1),
                                       arguments.end());
  if (what == "train") {
    bench::TrainFlags values;
    return Measure(bench::TrainFlagList(&values), &values, words, &bench::RunTrainBench);
  }
  if (what == "comm") {
    bench::CommFlags values;
    return Measure<bench::CommFlags>(
        bench::CommFlagList(&values), &values, words,
        [](const bench::CommFlags& flags, const models::RunSettings&, comm::World& world) {
          return bench::RunCommBench(flags, world);
        });
  }
  if (what == "data") return MeasureData(words);
  return Fail({Code::kInvalidArgument, "no benchmark is called '" + what + "'"});
}

}  // namespace stemma::cli
