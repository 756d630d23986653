#include "tools/bench/options.h"

#include <algorithm>
#include <cstdlib>

namespace stemma::bench {
namespace {

Status Refuse(const std::string& why) { return {Code::kInvalidArgument, why}; }

Status ApplySets(const std::vector<std::string>& assignments, SettingsList* list) {
  for (const std::string& assignment : assignments) {
    const std::string section = assignment.substr(0, assignment.find('.'));
    if (section != "comm" && section != "ops" && section != "device") {
      return Refuse("--set " + assignment +
                    ": a benchmark takes settings of comm, ops and device only");
    }
    STEMMA_RETURN_IF_ERROR(list->Set(assignment));
  }
  return {};
}

}  // namespace

cli::Flags TrainFlagList(TrainFlags* v) {
  cli::Flags flags("bench train",
                   "Steps of data-parallel training on one synthetic batch, after the protocol of\n"
                   "Horovod's synthetic benchmark: the same flags, the same lines. What is added\n"
                   "stands below them and counts the slowest rank.");
  flags.Word("MODEL", &v->model_word, "resnet50, vgg16, aigw, aides, mlp, tiny", true);
  flags.Text("model", &v->model, "MODEL", "the same");
  flags.Integer("batch-size", &v->batch_size, "N", "samples per step and rank");
  flags.Integer("num-warmup-batches", &v->warmup_batches, "N", "steps that are not counted");
  flags.Integer("num-batches-per-iter", &v->batches_per_iter, "N", "steps per iteration");
  flags.Integer("num-iters", &v->iters, "N", "iterations");
  flags.Switch("fp16-allreduce", &v->fp16_allreduce, "gradients as fp16 on the wire");
  flags.Switch("use-adasum", &v->use_adasum, "not offered: refused");
  flags.Switch("no-cuda", &v->no_cuda, "the CPU, also where a recipe would say cuda");
  flags.Integer("size", &v->size, "N", "side of images or points of a waveform; 0: the model's");
  flags.Integer("threads", &v->threads, "N", "LibTorch threads per rank; 0: its share of cores");
  flags.Switch("channels-last", &v->channels_last, "resnet50: channels-last tensors");
  flags.Choice("precision", &v->precision, {"f32", "tf32", "bf16"}, "of convolutions and products");
  flags.Switch("no-comm", &v->no_comm,
               "alternate with the same loop without communication: exposed communication");
  flags.Switch("bare", &v->bare, "alternate with a loop of bare LibTorch: the engine's tax");
  flags.Switch("only", &v->only, "with --no-comm or --bare: leave out the engine's loop");
  flags.Number("efficiency-baseline", &v->efficiency_baseline, "X",
               "samples/s of one rank: prints the efficiency against it");
  flags.List("set", &v->set, "KEY=VALUE", "a setting of comm, ops or device; repeatable");
  flags.Text("json", &v->json, "FILE", "rank 0 appends the numbers as one JSON object");
  flags.Notes(
      "Examples\n"
      "  mpirun -n 2 stemma bench train mlp --no-comm\n"
      "  mpirun -n 2 stemma bench train resnet50 --size=64 --batch-size=8 --num-iters=5\n"
      "  stemma bench train resnet50 --bare --size=64        the tax of the engine on one rank\n");
  return flags;
}

cli::Flags CommFlagList(CommFlags* v) {
  cli::Flags flags("bench comm",
                   "Every collective call at sizes from 4 B to 256 MiB. Each rank rewrites its\n"
                   "buffers before each call, a call's time is that of the slowest rank, results\n"
                   "are checked, and figures are medians over rounds that visit all sizes.");
  flags.Text("backend", &v->backend, "NAME", "short for --set comm.backend=NAME");
  flags.Text("ops", &v->ops, "LIST",
             "all_reduce, reduce_scatter, all_gather, all_to_all, broadcast, barrier; all");
  flags.Text("sizes", &v->sizes, "LIST", "as 4,1KiB,64MiB; default 4 B .. 256 MiB");
  flags.Integer("rounds", &v->rounds, "N", "visits of every size");
  flags.Number("round-ms", &v->round_ms, "MS", "time of one visit; three calls at least");
  flags.Text("csv", &v->csv, "FILE", "rank 0 writes the table there too");
  flags.List("set", &v->set, "KEY=VALUE", "a setting of comm, ops or device; repeatable");
  flags.Notes(
      "algbw is bytes / time; busbw counts what has to travel (all_reduce 2(N-1)/N of it). The\n"
      "last column compares algbw with a memcpy of as many bytes on all ranks at once.\n"
      "\n"
      "Example\n"
      "  mpirun -n 2 stemma bench comm --ops=all_reduce --sizes=4,64KiB,64MiB\n");
  return flags;
}

cli::Flags DataFlagList(DataFlags* v) {
  cli::Flags flags("bench data",
                   "What samples cost before they are trained on: JPEG to floats, the loader's\n"
                   "share, more threads, and shards on a disk beside the bare file. Images are\n"
                   "made: 500 x 375, about 100 kB.");
  flags.Integer("images", &v->images, "N", "how many different ones");
  flags.Integer("threads", &v->threads, "N", "most threads that are tried; 0: cores");
  flags.Integer("passes", &v->passes, "N", "of each part; the best counts");
  flags.Text("dir", &v->dir, "DIR", "on the disk to measure; empty: leave the disk out");
  flags.Text("shard-size", &v->shard_size, "SIZE", "of the shard written there for a moment");
  flags.Notes(
      "A shard is read with an empty page cache, as far as the file system gives its pages back.\n"
      "\n"
      "Example\n"
      "  stemma bench data --dir=$LOCAL_SCRATCH --shard-size=4GiB\n");
  return flags;
}

Status Check(const DataFlags& flags) {
  if (flags.images < 1 || flags.images > 100000 || flags.passes < 1 || flags.passes > 1000) {
    return Refuse("--images is 1 to 100000 and --passes 1 to 1000");
  }
  if (flags.threads < 0 || flags.threads > 1024) return Refuse("--threads is 0 to 1024");
  const auto sizes = ParseSizes(flags.shard_size);
  if (!sizes.ok() || sizes->size() != 1 || sizes->front() < (1 << 20)) {
    return Refuse("--shard-size=" + flags.shard_size +
                  ", expected bytes from 1MiB to 16 GB, such as 256MiB");
  }
  return {};
}

Status ReadSettings(const TrainFlags& flags, models::RunSettings* settings) {
  if (flags.use_adasum) {
    return Refuse(
        "--use-adasum: Adasum is not offered; gradients are averaged. For large batches use LAMB "
        "(optim.name = \"lamb\")");
  }
  if (flags.only && !flags.no_comm && !flags.bare) {
    return Refuse("--only leaves no loop to measure: add --no-comm or --bare");
  }
  for (const int64_t n : {flags.batch_size, flags.batches_per_iter, flags.iters}) {
    if (n < 1) return Refuse("batch size, batches per iteration and iterations are 1 at least");
  }
  if (flags.warmup_batches < 0 || flags.threads < 0 || flags.size < 0) {
    return Refuse("--num-warmup-batches, --threads and --size are not negative");
  }
  SettingsList list = models::FieldsOf(*settings);
  if (flags.fp16_allreduce) STEMMA_RETURN_IF_ERROR(list.Set("ops.compress=fp16"));
  STEMMA_RETURN_IF_ERROR(ApplySets(flags.set, &list));
  if (flags.no_cuda && settings->device.kind == "cuda") {
    return Refuse("--no-cuda contradicts --set device.kind=cuda");
  }
  settings->comm.device = settings->device.kind;
  return {};
}

Status ReadSettings(const CommFlags& flags, models::RunSettings* settings) {
  if (flags.rounds < 1 || !(flags.round_ms > 0)) {
    return Refuse("--rounds is 1 at least and --round-ms above 0");
  }
  SettingsList list = models::FieldsOf(*settings);
  if (flags.backend != "auto") {
    STEMMA_RETURN_IF_ERROR(list.Set("comm.backend=" + flags.backend, "--backend"));
  }
  STEMMA_RETURN_IF_ERROR(ApplySets(flags.set, &list));
  if (settings->device.kind != "cpu") {
    return Refuse("bench comm measures host memory: device.kind=" + settings->device.kind +
                  " has `bench train`");
  }
  settings->comm.device = settings->device.kind;
  return {};
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> words;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Result<std::vector<int64_t>> ParseSizes(const std::string& text) {
  std::vector<int64_t> sizes;
  for (const std::string& word : Split(text)) {
    char* end = nullptr;
    const double number = std::strtod(word.c_str(), &end);
    const std::string unit = end;
    double factor = 0;
    if (unit.empty() || unit == "B") factor = 1;
    if (unit == "KiB" || unit == "K") factor = 1 << 10;
    if (unit == "MiB" || unit == "M") factor = 1 << 20;
    if (unit == "GiB" || unit == "G") factor = 1 << 30;
    const double bytes = number * factor;
    const bool good = end != word.c_str() && bytes >= 4 && bytes <= 16e9;
    if (!good || static_cast<int64_t>(bytes) % 4 != 0) {
      return Refuse("--sizes: \"" + word +
                    "\" is no multiple of 4 bytes up to 16 GB, as in 4, 64KiB or 16MiB");
    }
    sizes.push_back(static_cast<int64_t>(bytes));
  }
  return sizes;
}

std::string HelpText() {
  return "stemma bench WHAT [flags]\n\n"
         "How fast the parts are. `stemma bench WHAT --help` explains one.\n\n"
         "  train       steps of a synthetic training, after Horovod's protocol\n"
         "  comm        every collective call by size\n"
         "  data        what samples cost: JPEG, the loader, its threads, shards on a disk\n"
         "\nStart them under mpirun like a training: mpirun -n 2 stemma bench comm\n";
}

}  // namespace stemma::bench
