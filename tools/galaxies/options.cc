#include "tools/galaxies/options.h"

namespace stemma::galaxies {
namespace {

constexpr int64_t kCountMax = 10000000, kThreadsMax = 1024, kSideMin = 71, kSideMax = 1024;

constexpr char kEvalNotes[] =
    "Without --pictures galaxies are simulated, and every line says so; no accuracy on real "
    "images\n"
    "follows. Both telescopes look at the same objects. Told are the accuracy of all galaxies and\n"
    "of the more confident half; the same with each image turned, shifted, zoomed and flipped at\n"
    "random, as the publication tested; above S/N 20; in bins of S/N, and of the spirals'\n"
    "inclination: at 80 degrees a disc shows no arms; and what each class was called.\n"
    "\n"
    "--pictures=PATH are your own, all of them: a folder of JPEGs in elliptical/, spiral/ and\n"
    "unlabelled/, a table NAME.tsv of galaxies in FITS files, or NAME.h5 with images and labels.\n"
    "Accuracies are those of the labelled ones.\n"
    "\n"
    "--out=DIR writes scores.csv; answers.csv, a line for each galaxy; features.npy, 1024 numbers\n"
    "for each line of answers.csv, for t-SNE and the like; plane.svg, the features' two principal\n"
    "components; and, of simulated ones, signal_to_noise.svg and inclination.svg.\n"
    "\n"
    "  stemma galaxy-eval laptop@ --count=2000 --out=report\n"
    "  stemma galaxy-eval tag:best --survey=des --split=validation\n"
    "  stemma galaxy-eval tag:best --pictures=/data/des.h5 --out=clusters\n";

constexpr char kLabelNotes[] =
    "Recursive training: the network labels simulated galaxies of the unlabelled split, or those "
    "of\n"
    "your own pictures that have no label, and the most confident ones of each class are trained "
    "on\n"
    "as if the labels were true. The file holds their numbers, labels and probabilities; its name\n"
    "with its digest is the setting:\n"
    "\n"
    "  stemma galaxy-label laptop@ --out=round1.tsv\n"
    "  stemma fork laptop@ --name=round1 --set aides.labels=round1.tsv#5be1c07d20f4a1b3\n"
    "\n"
    "Of simulated galaxies it is told as well how many labels are right. Pictures are a folder "
    "with\n"
    "JPEGs in unlabelled/, a table NAME.tsv of FITS images, or NAME.h5 with images, and the run\n"
    "that trains on them has to be told where they lie:\n"
    "\n"
    "  stemma galaxy-label laptop@ --pictures=des.h5 --per-class=1000 --out=round1.tsv\n"
    "  stemma fork laptop@ --name=round1 --set aides.unlabelled=des.h5 \\\n"
    "      --set aides.labels=round1.tsv#5be1c07d20f4a1b3\n";

Status Outside(const char* flag, int64_t value, const std::string& range) {
  return {Code::kInvalidArgument, flag + (" = " + std::to_string(value)) + " must be " + range};
}

Status CheckCommon(int64_t count, int64_t side, int64_t threads) {
  if (count < 1 || count > kCountMax) return Outside("--count", count, "1 to 10,000,000");
  if (side != 0 && (side < kSideMin || side > kSideMax)) {
    return Outside("--side", side, "71 to 1024, or 0 for the training's");
  }
  if (threads < 0 || threads > kThreadsMax) {
    return Outside("--threads", threads, "0 to 1024; 0: all cores");
  }
  return {};
}

// What a flag of simulated galaxies was set to has no meaning for pictures.
template <typename Request>
Status CheckSimulated(const Request& request) {
  const Request unset;
  if (request.pictures.empty()) return {};
  const char* flag = request.survey != unset.survey ? "--survey"
                     : request.count != unset.count ? "--count"
                                                    : nullptr;
  if (flag == nullptr) return {};
  return {
      Code::kInvalidArgument,
      std::string(flag) + " is of simulated galaxies: with --pictures all of them are looked at"};
}

}  // namespace

cli::Flags FlagsOf(EvalRequest* request) {
  cli::Flags flags("galaxy-eval", "How well a state of aides tells galaxies apart.");
  flags.Word("STATE", &request->state, "which one");
  flags.Text("pictures", &request->pictures, "PATH",
             "your own galaxies, in place of simulated ones");
  flags.Choice("survey", &request->survey, {"both", "sdss", "des"},
               "of simulated ones: the telescope");
  flags.Choice("split", &request->split, {"test", "validation"}, "of simulated ones: which");
  flags.Integer("count", &request->count, "N", "of simulated ones: how many");
  flags.Integer("side", &request->side, "N", "pixels of an image's side; 0: the training's");
  flags.Switch("plain", &request->plain, "without the augmented images");
  flags.Text("out", &request->out, "DIR", "where to write tables, features and plots");
  flags.Integer("threads", &request->threads, "N", "to compute with; 0: all cores");
  flags.Text("store", &request->store, "DIR", "the store");
  flags.Notes(kEvalNotes);
  return flags;
}

cli::Flags FlagsOf(LabelRequest* request) {
  cli::Flags flags("galaxy-label", "A state's labels for unlabelled galaxies, to train on.");
  flags.Word("STATE", &request->state, "whose labels");
  flags.Text("pictures", &request->pictures, "PATH",
             "your own galaxies, in place of simulated ones");
  flags.Choice("survey", &request->survey, {"sdss", "des"}, "of simulated ones: the telescope");
  flags.Integer("count", &request->count, "N", "of simulated ones: how many to look at");
  flags.Integer("per-class", &request->per_class, "N", "the most confident so many of each class");
  flags.Integer("side", &request->side, "N", "pixels of an image's side; 0: the training's");
  flags.Text("out", &request->out, "FILE", "where to write the labels");
  flags.Integer("threads", &request->threads, "N", "to compute with; 0: all cores");
  flags.Text("store", &request->store, "DIR", "the store");
  flags.Notes(kLabelNotes);
  return flags;
}

Status Check(const EvalRequest& r) {
  STEMMA_RETURN_IF_ERROR(CheckSimulated(r));
  return CheckCommon(r.count, r.side, r.threads);
}

Status Check(const LabelRequest& r) {
  STEMMA_RETURN_IF_ERROR(CheckSimulated(r));
  STEMMA_RETURN_IF_ERROR(CheckCommon(r.count, r.side, r.threads));
  if (r.per_class < 1 || r.per_class > kCountMax) {
    return Outside("--per-class", r.per_class, "1 to 10,000,000");
  }
  if (r.out.empty()) {
    return {Code::kInvalidArgument, "say where to write the labels: --out=FILE"};
  }
  return {};
}

}  // namespace stemma::galaxies
