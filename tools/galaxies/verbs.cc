#include "tools/galaxies/verbs.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/bytes.h"
#include "lineage/export.h"
#include "lineage/graph.h"
#include "lineage/storage.h"
#include "models/aides/labels.h"
#include "models/aides/training_data.h"
#include "tools/cli/open_store.h"
#include "tools/cli/terminal.h"
#include "tools/galaxies/options.h"
#include "tools/galaxies/predict.h"
#include "tools/galaxies/score.h"

namespace stemma::galaxies {
namespace {

using models::GalaxySplit;
using models::SurveyKind;

struct Subject {
  std::unique_ptr<Judge> judge;
  lineage::StateId id;
  std::string words;
};

Result<Subject> SubjectOf(const std::string& path, const std::string& state, int64_t side,
                          int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
  STEMMA_ASSIGN_OR_RETURN(const cli::OpenedStore opened, cli::OpenStore(path));
  Subject subject;
  STEMMA_ASSIGN_OR_RETURN(subject.id, cli::OneState(opened, state));
  subject.words = cli::Words(opened.graph, subject.id);
  STEMMA_ASSIGN_OR_RETURN(subject.judge,
                          Judge::Of(*opened.store, opened.graph.states.at(subject.id), side));
  return subject;
}

std::string NameOfSet(SurveyKind survey) {
  return "simulated " + std::string(models::FactsOf(survey).name);
}

Status WriteAll(const std::string& dir, const std::map<std::string, std::string>& files) {
  lineage::Storage& disk = lineage::PosixStorage();
  if (!disk.Exists(dir)) STEMMA_RETURN_IF_ERROR(disk.MakeDir(dir));
  for (const auto& [name, bytes] : files) {
    STEMMA_RETURN_IF_ERROR(lineage::PutWhole(disk, dir + "/" + name, bytes));
  }
  cli::Print("wrote " + std::to_string(files.size()) + " files to " + dir + "\n");
  return {};
}

struct Report {
  Sets<std::vector<Answer>> sets;
  std::vector<float> features;  // of all sets, one behind the other
  bool simulated = true;
};

Status WriteReport(const std::string& dir, const Report& report) {
  Sets<std::vector<Score>> scores;
  for (const auto& [name, answers] : report.sets) scores.emplace_back(name, ScoresOf(answers));
  std::map<std::string, std::string> files = {
      {"scores.csv", ScoresCsv(scores)},
      {"answers.csv", AnswersCsv(report.sets)},
      {"features.npy", NpyOf(report.features, kFeatures)},
      {"plane.svg", PlaneSvg(PrincipalPlane(report.features, kFeatures), report.sets,
                             report.simulated ? kSimulatedNote : "")}};
  if (report.simulated) {
    files["signal_to_noise.svg"] = ScoresSvg(scores, "S/N");
    files["inclination.svg"] = ScoresSvg(scores, "inclination");
  }
  return WriteAll(dir, files);
}

void Add(const std::string& name, Answers answers, Report* report) {
  report->sets.emplace_back(name, std::move(answers.answers));
  report->features.insert(report->features.end(), answers.features.begin(), answers.features.end());
}

// What was looked at, for the first line.
Result<std::string> LookAtAll(const EvalRequest& request, Judge* judge, Report* report) {
  const LookOptions options = {!request.plain, !request.out.empty()};
  if (!request.pictures.empty()) {
    STEMMA_ASSIGN_OR_RETURN(
        const auto pictures,
        models::OwnGalaxiesOf(judge->settings(), lineage::PosixStorage(), request.pictures));
    STEMMA_ASSIGN_OR_RETURN(Answers answers, judge->LookAt(*pictures, options));
    const auto labelled = std::count_if(answers.answers.begin(), answers.answers.end(),
                                        [](const Answer& a) { return a.truth >= 0; });
    Add("pictures", std::move(answers), report);
    report->simulated = false;
    return std::to_string(pictures->Size()) + " pictures of " + request.pictures + ", " +
           std::to_string(labelled) + " of them labelled";
  }
  const GalaxySplit split = request.split == "test" ? GalaxySplit::kTest : GalaxySplit::kValidation;
  for (const SurveyKind survey : {SurveyKind::kSdss, SurveyKind::kDes}) {
    if (request.survey != "both" && request.survey != models::FactsOf(survey).name) continue;
    STEMMA_ASSIGN_OR_RETURN(Answers answers, judge->Look(survey, split, request.count, options));
    Add(NameOfSet(survey), std::move(answers), report);
  }
  return std::to_string(request.count) + " simulated galaxies of the " + request.split + " split";
}

Status Evaluate(const EvalRequest& request) {
  STEMMA_ASSIGN_OR_RETURN(const Subject subject,
                          SubjectOf(request.store, request.state, request.side, request.threads));
  Report report;
  STEMMA_ASSIGN_OR_RETURN(const std::string what, LookAtAll(request, subject.judge.get(), &report));
  cli::Print(subject.words + ", " + what + ", images of " +
             std::to_string(subject.judge->settings().image) + " pixels a side\n" +
             ScoresText(report.sets));
  return request.out.empty() ? Status() : WriteReport(request.out, report);
}

// The state's answers to all that have no label; `file` gets to know of what they are.
Result<Answers> LookAtUnlabelled(const LabelRequest& request, Judge* judge,
                                 models::LabelFile* file) {
  if (request.pictures.empty()) {
    STEMMA_ASSIGN_OR_RETURN(file->survey, models::SurveyByName(request.survey));
    file->data_seed = judge->settings().data_seed;
    return judge->Look(file->survey, GalaxySplit::kUnlabelled, request.count, {});
  }
  STEMMA_ASSIGN_OR_RETURN(
      const auto pictures,
      models::OwnGalaxiesOf(judge->settings(), lineage::PosixStorage(), request.pictures));
  file->pictures = Hex(pictures->Source());
  STEMMA_ASSIGN_OR_RETURN(Answers looked, judge->LookAt(*pictures, {}));
  const auto known = std::remove_if(looked.answers.begin(), looked.answers.end(),
                                    [](const Answer& a) { return a.truth >= 0; });
  looked.answers.erase(known, looked.answers.end());
  if (!looked.answers.empty()) return looked;
  return Status(Code::kInvalidArgument,
                request.pictures + " has no galaxy without a label, so there is nothing to label");
}

// How many labels were taken and, of simulated galaxies, how many of them are right.
std::string TakenText(const models::LabelFile& file, const std::vector<Answer>& answers) {
  std::map<int64_t, int> truths;
  for (const Answer& a : answers) truths[a.id] = a.truth;
  int64_t counts[2] = {0, 0}, right[2] = {0, 0};
  for (const models::PredictedLabel& label : file.labels) {
    ++counts[label.label];
    right[label.label] += truths[label.id] == label.label ? 1 : 0;
  }
  const auto of = [&](int label, const char* name) {
    const std::string taken = std::to_string(counts[label]) + " " + name;
    return file.pictures.empty() ? taken + ", " + std::to_string(right[label]) + " of them right"
                                 : taken;
  };
  return of(0, "ellipticals") + ", and " + of(1, "spirals");
}

Status Label(const LabelRequest& request) {
  STEMMA_ASSIGN_OR_RETURN(const Subject subject,
                          SubjectOf(request.store, request.state, request.side, request.threads));
  models::LabelFile file;
  STEMMA_ASSIGN_OR_RETURN(const Answers looked,
                          LookAtUnlabelled(request, subject.judge.get(), &file));
  std::vector<models::PredictedLabel> labels;
  for (const Answer& a : looked.answers) {
    labels.push_back({a.id, ClassOf(a.spiral), ConfidenceOf(a.spiral)});
  }
  file.state = Hex(subject.id);
  file.labels = models::MostConfident(std::move(labels), static_cast<size_t>(request.per_class));
  const std::string text = models::EncodeLabels(file);
  STEMMA_RETURN_IF_ERROR(lineage::PutWhole(lineage::PosixStorage(), request.out, text));
  cli::Print(subject.words + " labelled " + std::to_string(looked.answers.size()) +
             (file.pictures.empty() ? " galaxies of the unlabelled split, " + NameOfSet(file.survey)
                                    : " pictures of " + request.pictures) +
             ": taken are " + TakenText(file, looked.answers) + "\n");
  if (!file.pictures.empty()) cli::Print("aides.unlabelled=" + request.pictures + "\n");
  cli::Print("aides.labels=" + request.out + "#" + models::LabelDigest(text) + "\n");
  return {};
}

template <typename Request>
Status Run(const std::vector<std::string>& arguments, Status (*run)(const Request&)) {
  Request request;
  cli::Flags flags = FlagsOf(&request);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return cli::Print(flags.HelpText()), Status();
  STEMMA_RETURN_IF_ERROR(Check(request));
  return run(request);
}

}  // namespace

Status RunEval(const std::vector<std::string>& arguments) { return Run(arguments, Evaluate); }
Status RunLabel(const std::vector<std::string>& arguments) { return Run(arguments, Label); }

}  // namespace stemma::galaxies
