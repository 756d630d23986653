#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "core/cohort.h"
#include "core/cores.h"
#include "core/text.h"
#include "lineage/storage.h"
#include "models/data/images/check.h"
#include "models/data/images/pack.h"
#include "models/data/images/shard_source.h"
#include "models/data/stage.h"
#include "tools/bench/options.h"
#include "tools/cli/become_engine.h"
#include "tools/cli/data_galaxy_zoo.h"
#include "tools/cli/data_waveforms.h"
#include "tools/cli/flags.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

constexpr char kHelp[] =
    "stemma data: images, waveforms and labels on a disk, as what trainings read\n"
    "\n"
    "  stemma data pack FOLDER --out=DIR    class folders of JPEG as shards, with index and "
    "manifest\n"
    "  stemma data index PATH...            the index of shards that others made\n"
    "  stemma data check PATH               is every image whole, every shard what its index says\n"
    "  stemma data waveforms --out=FILE     the waveforms of an AI-GW training as HDF5\n"
    "  stemma data galaxyzoo TABLE          Galaxy Zoo's votes as AI-DES's classes and splits\n"
    "  stemma data stage PATH... --to=DIR   shards onto this node's own disk, before a training\n"
    "\n"
    "A shard is a tar archive in WebDataset's layout: KEY.jpg and KEY.cls, the class as a number.\n"
    "`stemma data pack --help` and the like explain one.\n";

std::string Count(int64_t count, const std::string& one, const std::string& more) {
  return std::to_string(count) + " " + (count == 1 ? one : more);
}

std::string Images(int64_t count) { return Count(count, "image", "images"); }
std::string Shards(int64_t count) { return Count(count, "shard", "shards"); }

Result<uint64_t> SizeIn(const std::string& flag, const std::string& text) {
  const auto sizes = bench::ParseSizes(text);
  if (sizes.ok() && sizes->size() == 1) return static_cast<uint64_t>(sizes->front());
  return Status(Code::kInvalidArgument,
                flag + "=" + text + ", expected a number of bytes such as 256MiB");
}

void PrintReport(const models::PackReport& report, const std::string& out) {
  uint64_t bytes = 0;
  for (const models::ShardFacts& shard : report.manifest.shards) bytes += shard.bytes;
  Print(out + ": " + Images(report.manifest.samples()) + " of " +
        Count(static_cast<int64_t>(report.manifest.classes.size()), "class", "classes") + " in " +
        Shards(static_cast<int64_t>(report.manifest.shards.size())) + ", " + HumanBytes(bytes) +
        "\n");
  if (report.others > 0) {
    std::fprintf(stderr, "warning: left out: %s called neither .jpg nor .jpeg\n",
                 Count(report.others, "file", "files").c_str());
  }
  if (report.strange == 0) return;
  std::fprintf(stderr,
               "warning: packed, but no JPEG: %s. A training ends there unless it is told to skip "
               "bad samples:\n",
               Count(report.strange, "file", "files").c_str());
  for (const std::string& name : report.strangers) std::fprintf(stderr, "  %s\n", name.c_str());
  const auto listed = static_cast<int64_t>(report.strangers.size());
  if (report.strange > listed) {
    std::fprintf(stderr, "  and %s\n", Count(report.strange - listed, "other", "others").c_str());
  }
}

Result<int> Pack(const Arguments& arguments) {
  models::PackSettings settings;
  std::string shard_size = "256MiB";
  int64_t seed = 0;
  Flags flags("data pack", "Class folders of JPEG as tar shards, with index and manifest.");
  flags.Word("FOLDER", &settings.folder, "holds CLASS/NAME.jpg");
  flags.Text("out", &settings.out, "DIR", "the folder to make; it must not exist");
  flags.Text("shard-size", &shard_size, "SIZE", "bytes of a shard at most");
  flags.Text("name", &settings.name, "NAME", "shards are NAME-000000.tar and so on");
  flags.Integer("seed", &seed, "N", "of the order in which images are packed");
  flags.Notes(
      "Labels are the positions of the class folders in the byte-wise order of their names. Equal\n"
      "images and flags give equal bytes. DIR.part holds what is being written.\n"
      "\n"
      "Example\n"
      "  stemma data pack imagenet/train --out=imagenet/train-shards\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (settings.out.empty()) {
    return Status(Code::kInvalidArgument, "--out=DIR is missing: the folder to make");
  }
  if (seed < 0) return Status(Code::kInvalidArgument, "--seed is negative");
  settings.seed = static_cast<uint64_t>(seed);
  STEMMA_ASSIGN_OR_RETURN(settings.shard_bytes, SizeIn("--shard-size", shard_size));
  const bool watched = isatty(STDERR_FILENO) == 1;
  if (watched) {
    settings.progress = [](int64_t done, int64_t all) {
      std::fprintf(stderr, "\r%lld of %lld images", static_cast<long long>(done),
                   static_cast<long long>(all));
    };
  }
  const auto report = PackFolder(lineage::PosixStorage(), settings);
  if (watched) std::fprintf(stderr, "\r\x1b[K");
  if (!report.ok()) return report.status();
  PrintReport(*report, settings.out);
  return 0;
}

Result<int> Index(const Arguments& arguments) {
  std::vector<std::string> paths;
  Flags flags("data index", "Writes the index beside each shard, over one that is there.");
  flags.Words("PATH...", &paths, "shards, ranges such as train-{000..146}.tar, or folders of them");
  flags.Notes("What is asked of a shard: files KEY.jpg (or .jpeg) and KEY.cls side by side.\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (paths.empty()) return Status(Code::kInvalidArgument, "expected shards or folders of them");
  lineage::Storage& disk = lineage::PosixStorage();
  for (const std::string& path : paths) {
    STEMMA_ASSIGN_OR_RETURN(const auto shards, models::ShardPaths(disk, path));
    for (const std::string& shard : shards) {
      STEMMA_ASSIGN_OR_RETURN(const auto facts, models::WriteIndex(disk, shard));
      Print(models::IndexPathOf(shard) + ": " + Count(facts.samples, "sample", "samples") + "\n");
    }
  }
  return 0;
}

Result<int> Check(const Arguments& arguments) {
  std::string path;
  models::CheckSettings settings;
  bool quick = false;
  int64_t threads = CoresOfThisProcess();
  Flags flags("data check", "Is every image whole, and every shard what index and manifest say.");
  flags.Word("PATH", &path, "a folder of shards or of classes, a shard, or a range of shards");
  flags.Switch("quick", &quick, "do not decode the images");
  flags.Integer("threads", &threads, "N", "that decode");
  flags.Notes("Exit code 1 when anything is wrong; each finding is a line.\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (threads < 1 || threads > 1024) {
    return Status(Code::kInvalidArgument,
                  "--threads is " + std::to_string(threads) + ", expected 1 to 1024");
  }
  settings.threads = static_cast<int>(threads);
  settings.decode = !quick;
  STEMMA_ASSIGN_OR_RETURN(const models::CheckReport report,
                          CheckImages(lineage::PosixStorage(), path, settings,
                                      [](const std::string& finding) { Print(finding + "\n"); }));
  std::string text = path + ": " + Images(report.images);
  if (report.classes > 0) text += " of " + Count(report.classes, "class", "classes");
  if (report.shards > 0) text += " in " + Shards(report.shards);
  Print(text + (quick ? ", not decoded" : "") + ", " +
        (report.findings == 0 ? "all good" : Count(report.findings, "finding", "findings")) + "\n");
  return report.findings == 0 ? 0 : 1;
}

// Wrong words are refused here, before the engine is loaded.
Result<int> Waveforms(const Arguments& arguments) {
  WaveformsCommand command;
  Flags flags = WaveformsFlagList(&command);
  STEMMA_RETURN_IF_ERROR(flags.Parse({arguments.begin() + 1, arguments.end()}));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(ReadWaveformSettings(&command).status());
  return BecomeEngine("data", arguments);
}

// What is told while shards are copied, on a terminal: "1.2 GB of 37.1 GB".
bool TellCopied(uint64_t done, uint64_t all) {
  std::fprintf(stderr, "\r%s of %s ", HumanBytes(done).c_str(), HumanBytes(all).c_str());
  return true;
}

int PrintStaged(const models::StageReport& report, const std::string& to) {
  const int64_t here = report.there + report.copied;
  Print(to + ": " + Shards(here) + " on this node's disk, " + std::to_string(report.copied) +
        " copied now (" + HumanBytes(report.bytes) + " in " + HumanDuration(report.seconds) +
        ")\n");
  if (report.left == 0) return 0;
  std::fprintf(stderr, "warning: %s not copied: %s. A training reads them from the source\n",
               Shards(report.left).c_str(), report.why.message().c_str());
  return 1;
}

Result<int> Stage(const Arguments& arguments) {
  std::vector<std::string> paths;
  models::StageSettings settings;
  std::string keep_free = "1GiB";
  Flags flags("data stage", "Copies shards to this node's own disk, for the trainings of a job.");
  flags.Words("PATH...", &paths, "shards, ranges such as train-{000..146}.tar, or folders of them");
  flags.Text("to", &settings.dir, "DIR", "of this node; made where it is not there");
  flags.Text("keep-free", &keep_free, "SIZE", "bytes of that disk that are left to others");
  flags.Notes(
      "For the prologue of a job, once per node. A copy is named by its digest: shards that are\n"
      "there already are not copied again, and several jobs share them. What a job that died has\n"
      "half copied is removed after a minute. A training that stages to the same DIR reads them.\n"
      "Exit code 1 when not all are there, such as on a full disk.\n"
      "\n"
      "Example\n"
      "  srun --ntasks-per-node=1 stemma data stage imagenet/train-shards --to=$LOCAL_SCRATCH/x\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (paths.empty()) return Status(Code::kInvalidArgument, "expected shards or folders of them");
  if (settings.dir.empty()) {
    return Status(Code::kInvalidArgument, "--to=DIR is missing: a folder on this node's disk");
  }
  STEMMA_ASSIGN_OR_RETURN(settings.keep_free, SizeIn("--keep-free", keep_free));
  lineage::Storage& disk = lineage::PosixStorage();
  SoloCohort alone;
  std::vector<models::StageFile> files;
  for (const std::string& path : paths) {
    STEMMA_ASSIGN_OR_RETURN(const auto shards, models::ShardSource::Open(disk, path, alone));
    for (models::StageFile& file : shards->Files()) files.push_back(std::move(file));
  }
  const bool watched = isatty(STDERR_FILENO) == 1;
  const models::StageReport report = models::CopyFiles(
      disk, disk, settings, files,
      [&](uint64_t done, uint64_t all) { return watched ? TellCopied(done, all) : true; });
  if (watched) std::fprintf(stderr, "\r\x1b[K");
  if (!report.why.ok() && report.there + report.copied == 0) return report.why;
  return PrintStaged(report, settings.dir);
}

}  // namespace

Result<int> RunData(const Arguments& arguments) {
  const std::string what = arguments.empty() ? "" : arguments.front();
  if (what == "--help" || what == "-h") return Print(kHelp), 0;
  const Arguments rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  const auto named = [&](Result<int> result) -> Result<int> {
    return result.ok() ? result : Status(result.status()).Within(what);
  };
  if (what == "pack") return named(Pack(rest));
  if (what == "index") return named(Index(rest));
  if (what == "check") return named(Check(rest));
  if (what == "stage") return named(Stage(rest));
  if (what == "waveforms") return named(Waveforms(arguments));
  if (what == "galaxyzoo") return named(RunDataGalaxyZoo(rest));
  const std::string meant =
      Nearest(what, {"pack", "index", "check", "stage", "waveforms", "galaxyzoo"});
  return Status(Code::kInvalidArgument,
                "expected pack, index, check, stage, waveforms or galaxyzoo" +
                    (meant.empty() ? "; see `stemma data --help`"
                                   : "; did you mean `stemma data " + meant + "`?"));
}

}  // namespace stemma::cli
