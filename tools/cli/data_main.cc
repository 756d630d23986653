#include "tools/cli/data_main.h"

#include <unistd.h>

#include <cstdio>

#include "core/text.h"
#include "lineage/storage.h"
#include "models/aigw/waveform_file.h"
#include "tools/cli/data_waveforms.h"

namespace stemma::cli {
namespace {

models::AigwSplit SplitOf(const std::string& name) {
  if (name == "validation") return models::AigwSplit::kValidation;
  return name == "test" ? models::AigwSplit::kTest : models::AigwSplit::kTrain;
}

}  // namespace

Status RunDataVerb(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() != "waveforms") {
    return {Code::kInvalidArgument, "expected waveforms; see `stemma data --help`"};
  }
  WaveformsCommand command;
  Flags flags = WaveformsFlagList(&command);
  STEMMA_RETURN_IF_ERROR(flags.Parse({arguments.begin() + 1, arguments.end()}));
  if (flags.help_asked()) {
    std::fputs(flags.HelpText().c_str(), stdout);
    return {};
  }
  STEMMA_ASSIGN_OR_RETURN(const models::AigwSettings settings, ReadWaveformSettings(&command));
  const bool watched = isatty(STDERR_FILENO) == 1;
  const Status written = models::WriteWaveformFile(
      lineage::PosixStorage(), settings, SplitOf(command.split), command.count, command.out,
      [watched](int64_t done, int64_t all) {
        if (!watched) return;
        std::fprintf(stderr, "\r%lld of %lld waveforms", static_cast<long long>(done),
                     static_cast<long long>(all));
      });
  if (watched) std::fprintf(stderr, "\r\x1b[K");
  STEMMA_RETURN_IF_ERROR(written);
  STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, lineage::PosixStorage().SizeOf(command.out));
  std::printf("%s: %lld waveforms of %lld samples, %s\n", command.out.c_str(),
              static_cast<long long>(command.count),
              static_cast<long long>(models::SamplesOf(settings)), HumanBytes(bytes).c_str());
  return {};
}

}  // namespace stemma::cli
