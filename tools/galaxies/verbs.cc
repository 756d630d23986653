#include "tools/galaxies/verbs.h"

#include <ATen/Parallel.h>

#include <cstdio>
#include <map>
#include <utility>

#include "core/bytes.h"
#include "lineage/export.h"
#include "lineage/graph.h"
#include "lineage/storage.h"
#include "models/aides/labels.h"
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

Status WriteReport(const std::string& dir, const Sets<std::vector<Answer>>& sets,
                   const std::vector<float>& features) {
  Sets<std::vector<Score>> scores;
  for (const auto& [name, answers] : sets) scores.emplace_back(name, ScoresOf(answers));
  return WriteAll(dir, {{"scores.csv", ScoresCsv(scores)},
                        {"answers.csv", AnswersCsv(sets)},
                        {"features.npy", NpyOf(features, kFeatures)},
                        {"signal_to_noise.svg", ScoresSvg(scores, "S/N")},
                        {"inclination.svg", ScoresSvg(scores, "inclination")},
                        {"plane.svg", PlaneSvg(PrincipalPlane(features, kFeatures), sets)}});
}

Status Evaluate(const EvalRequest& request) {
  STEMMA_ASSIGN_OR_RETURN(const Subject subject,
                          SubjectOf(request.store, request.state, request.side, request.threads));
  const GalaxySplit split = request.split == "test" ? GalaxySplit::kTest : GalaxySplit::kValidation;
  Sets<std::vector<Answer>> sets;
  std::vector<float> features;
  for (const SurveyKind survey : {SurveyKind::kSdss, SurveyKind::kDes}) {
    if (request.survey != "both" && request.survey != models::FactsOf(survey).name) continue;
    STEMMA_ASSIGN_OR_RETURN(
        Answers answers,
        subject.judge->Look(survey, split, request.count, {!request.plain, !request.out.empty()}));
    sets.emplace_back(NameOfSet(survey), std::move(answers.answers));
    features.insert(features.end(), answers.features.begin(), answers.features.end());
  }
  cli::Print(subject.words + ", " + std::to_string(request.count) + " simulated galaxies of the " +
             request.split + " split, images of " +
             std::to_string(subject.judge->settings().image) + " pixels a side\n" +
             ScoresText(sets));
  return request.out.empty() ? Status() : WriteReport(request.out, sets, features);
}

Status Label(const LabelRequest& request) {
  STEMMA_ASSIGN_OR_RETURN(const Subject subject,
                          SubjectOf(request.store, request.state, request.side, request.threads));
  STEMMA_ASSIGN_OR_RETURN(const SurveyKind survey, models::SurveyByName(request.survey));
  STEMMA_ASSIGN_OR_RETURN(const Answers looked,
                          subject.judge->Look(survey, GalaxySplit::kUnlabelled, request.count, {}));
  std::vector<models::PredictedLabel> labels;
  for (const Answer& a : looked.answers) {
    labels.push_back({a.id, ClassOf(a.spiral), ConfidenceOf(a.spiral)});
  }
  models::LabelFile file;
  file.survey = survey;
  file.data_seed = subject.judge->settings().data_seed;
  file.state = Hex(subject.id);
  file.labels = models::MostConfident(std::move(labels), static_cast<size_t>(request.per_class));
  int64_t counts[2] = {0, 0}, right[2] = {0, 0};
  for (const models::PredictedLabel& label : file.labels) {
    ++counts[label.label];
    const int truth = looked.answers[static_cast<size_t>(label.id)].truth;
    right[label.label] += truth == label.label ? 1 : 0;
  }
  const std::string text = models::EncodeLabels(file);
  STEMMA_RETURN_IF_ERROR(lineage::PutWhole(lineage::PosixStorage(), request.out, text));
  char line[320];
  std::snprintf(
      line, sizeof line,
      "%s labelled %lld galaxies of the unlabelled split, %s: taken are %lld ellipticals, "
      "%lld of them right, and %lld spirals, %lld right\n",
      subject.words.c_str(), static_cast<long long>(request.count), NameOfSet(survey).c_str(),
      static_cast<long long>(counts[0]), static_cast<long long>(right[0]),
      static_cast<long long>(counts[1]), static_cast<long long>(right[1]));
  cli::Print(line);
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
