#include "tools/pytorch/sample_verb.h"

#include <ATen/Parallel.h>

#include <cstdio>
#include <exception>

#include "lineage/storage.h"
#include "models/sample/sample.h"
#include "tools/cli/flags.h"

namespace stemma::cli {
namespace {

constexpr int64_t kThreadsMax = 1024;

}  // namespace

Status RunSample(const std::vector<std::string>& arguments) {
  models::SampleRequest request;
  std::string file, type = "f32";
  int64_t threads = 0;
  bool quiet = false;
  Flags flags("sample", "A network's answer to a keyed input, as torch.load reads it.");
  flags.Word("MODEL", &request.model, "resnet50, aides or aigw");
  flags.Word("FILE", &file, "where to; replaced if it is there");
  flags.Text("weights", &request.weights, "FILE", "of safetensors or torch.save; without: keyed");
  flags.Integer("batch", &request.batch, "N", "samples of the input");
  flags.Integer("side", &request.side, "N", "of images, or points of a waveform; 0: the model's");
  flags.Choice("type", &type, {"f32", "f64"}, "of weights and input");
  flags.Switch("gradients", &request.gradients, "training mode too, with gradients");
  flags.Integer("threads", &threads, "N", "to compute with; 0: all cores");
  flags.Switch("quiet", &quiet, "print nothing");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return std::fputs(flags.HelpText().c_str(), stdout), Status();
  request.in_f64 = type == "f64";
  if (threads < 0 || threads > kThreadsMax) {
    return {Code::kInvalidArgument,
            "--threads is " + std::to_string(threads) + ", expected 0 to 1024; 0: all cores"};
  }
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
  lineage::Storage& storage = lineage::PosixStorage();
  try {
    STEMMA_ASSIGN_OR_RETURN(const auto sample, models::TakeSample(request, storage));
    STEMMA_RETURN_IF_ERROR(models::WriteTensors(storage, file, sample));
    if (!quiet) {
      std::printf("wrote %s: what %s answers, %zu tensors\n", file.c_str(), request.model.c_str(),
                  sample.size());
    }
  } catch (const std::exception& error) {
    return {Code::kInternal, std::string("LibTorch: ") + error.what()};
  }
  return {};
}

}  // namespace stemma::cli
