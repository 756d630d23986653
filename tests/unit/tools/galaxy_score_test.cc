// How right a network is about galaxies, from answers that are written down; the plane of its
// features where it is known; the bytes of a .npy file.
#include "tools/galaxies/score.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tools/galaxies/options.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::galaxies {
namespace {

using tests::HasCode;
using tests::IsOk;

// truth, spiral, augmented, S/N, inclination
Answer Row(int truth, double spiral, double augmented, double signal, double inclination) {
  Answer answer;
  answer.truth = truth;
  answer.spiral = spiral;
  answer.spiral_augmented = augmented;
  answer.signal_to_noise = signal;
  answer.inclination = inclination;
  return answer;
}

// Right: rows 0, 1, 2, 4. Confidences: .9, .8, .7, .6, .55, .5 (the last says elliptical).
const std::vector<Answer> kAnswers = {Row(1, .9, .1, 10, 20),      Row(0, .2, .3, 150, -1),
                                      Row(1, .7, .8, 150, 75),     Row(0, .6, .4, 500, -1),
                                      Row(1, .55, .6, 2000, 29.9), Row(1, .5, .2, 100, 30)};

Score Find(const std::vector<Score>& scores, const std::string& group, double from = 0) {
  const auto found = std::find_if(scores.begin(), scores.end(), [&](const Score& score) {
    return score.group == group && score.from == from;
  });
  return found == scores.end() ? Score{} : *found;
}

TEST_CASE("accuracies of all, of the confident half and of bins") {
  const std::vector<Score> scores = ScoresOf(kAnswers);
  struct Case {
    const char* group;
    double from;
    int64_t galaxies, right;
  };
  const Case cases[] = {{"all", 0, 6, 4},
                        {"confident half", 0, 3, 3},
                        {"all, augmented", 0, 6, 4},             // rows 1 to 4
                        {"confident half, augmented", 0, 3, 1},  // rows 0, 2, 5
                        {"S/N above 20", 0, 5, 3},
                        {"S/N", 0, 1, 1},
                        {"S/N", 100, 3, 2},
                        {"S/N", 400, 1, 0},
                        {"S/N", 1600, 1, 1},
                        {"ellipticals", 0, 2, 1},
                        {"spirals", 0, 4, 3},
                        {"inclination", 0, 2, 2},
                        {"inclination", 30, 1, 0},
                        {"inclination", 70, 1, 1}};
  for (const Case& test : cases) {
    INFO(test.group << " from " << test.from);
    const Score score = Find(scores, test.group, test.from);
    CHECK(score.galaxies == test.galaxies);
    CHECK(score.right == test.right);
  }
  CHECK(Find(scores, "S/N", 800).galaxies == 0);  // left out
  CHECK(scores.size() == 4 + 1 + 4 + 2 + 3);
  CHECK(ConfusionOf(kAnswers) == Confusion{{{1, 1}, {1, 3}}});
}

TEST_CASE("what nobody knows of a galaxy is in no score and no column") {
  std::vector<Answer> answers = {Row(1, .9, -1, -1, -1), Row(-1, .2, -1, -1, -1),
                                 Row(0, .8, -1, -1, -1)};
  const std::vector<Score> scores = ScoresOf(answers);
  CHECK(Find(scores, "all").galaxies == 2);
  CHECK(Find(scores, "all").right == 1);
  CHECK(scores.size() == 4);  // all, the confident half, each class
  CHECK(ConfusionOf(answers) == Confusion{{{0, 1}, {0, 1}}});
  CHECK(AnswersCsv({{"pictures", answers}}).find("pictures,0,0,-1,0,0.200000,,,\n") !=
        std::string::npos);
  CHECK(ScoresText({{"pictures", {answers[1]}}}).empty());

  const Plane plane = {{{0, 0}, {1, 1}, {2, 0}}, {.5, .5}};
  const std::string svg = PlaneSvg(plane, {{"pictures", answers}}, "");
  for (const char* kind :
       {"pictures, elliptical", "pictures, spiral", "pictures, called elliptical"}) {
    CHECK(svg.find(kind) != std::string::npos);
  }
  CHECK(svg.find("called spiral") == std::string::npos);

  LabelRequest request;
  request.out = "l.tsv";
  request.pictures = "p.h5";
  CHECK_THAT(Check(request), IsOk());
  request.count = 5;
  CHECK_THAT(Check(request), HasCode(Code::kInvalidArgument, "--count is of simulated galaxies"));
  EvalRequest eval;
  eval.pictures = "p.h5";
  eval.survey = "des";
  CHECK_THAT(Check(eval), HasCode(Code::kInvalidArgument, "--survey is of simulated galaxies"));
}

TEST_CASE("every line of every table says that the galaxies are simulated") {
  const Sets<std::vector<Answer>> sets = {{"simulated sdss", kAnswers}};
  const Sets<std::vector<Score>> scores = {{"simulated sdss", ScoresOf(kAnswers)}};
  for (std::string table : {ScoresText(sets), ScoresCsv(scores), AnswersCsv(sets)}) {
    if (table.compare(0, 4, "set,") == 0) table.erase(0, table.find('\n') + 1);
    size_t lines = 0;
    for (size_t at = 0; at < table.size(); at = table.find('\n', at) + 1, ++lines) {
      CHECK(table.compare(at, 14, "simulated sdss") == 0);
    }
    CHECK(lines >= kAnswers.size());
  }
  CHECK(AnswersCsv(sets).find("simulated sdss,0,0,1,1,0.900000,0.100000,10.0,20.0\n") !=
        std::string::npos);
  CHECK(ScoresSvg(scores, "inclination").find("Simulated galaxies") != std::string::npos);
}

TEST_CASE("the plane in which features differ most") {
  // 40 points along (3, 4) / 5 with places -19.5 to 19.5, and +-1 across it in the third column.
  std::vector<float> values;
  for (int i = 0; i < 40; ++i) {
    const double along = i - 19.5, across = i % 2 == 0 ? 1 : -1;
    values.push_back(static_cast<float>(.6 * along + 7));
    values.push_back(static_cast<float>(.8 * along - 2));
    values.push_back(static_cast<float>(across));
  }
  const Plane plane = PrincipalPlane(values, 3);
  REQUIRE(plane.points.size() == 40);
  const double total = 40 * (40. * 40 - 1) / 12 + 40;
  CHECK(plane.share[0] + plane.share[1] == Approx(1).epsilon(1e-6));
  CHECK(plane.share[1] == Approx(40 / total).epsilon(.05));  // along and across correlate a little
  for (int i = 0; i < 40; ++i) {
    CHECK(std::abs(plane.points[static_cast<size_t>(i)][0]) ==
          Approx(std::abs(i - 19.5)).margin(.02));
  }
  const Plane flat = PrincipalPlane(std::vector<float>(12, 3), 3);
  CHECK(flat.points.size() == 4);
  CHECK(flat.points[0] == std::array<double, 2>{0, 0});
}

TEST_CASE("a .npy file: magic, a header that ends at a multiple of 64, the floats") {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::string file = NpyOf(values, 3);
  CHECK(file.compare(0, 8, std::string("\x93NUMPY\x01\x00", 8)) == 0);
  const size_t header = static_cast<uint8_t>(file[8]) + 256 * static_cast<uint8_t>(file[9]);
  CHECK((10 + header) % 64 == 0);
  CHECK(file[9 + header] == '\n');
  CHECK(file.find("'shape': (2, 3), ") != std::string::npos);
  REQUIRE(file.size() == 10 + header + 24);
  CHECK(std::memcmp(file.data() + 10 + header, values.data(), 24) == 0);
}

TEST_CASE("requests that make no sense are refused by their flag") {
  EvalRequest eval;
  CHECK_THAT(Check(eval), IsOk());
  eval.side = 70;
  CHECK_THAT(Check(eval), HasCode(Code::kInvalidArgument, "--side = 70"));
  LabelRequest label;
  CHECK_THAT(Check(label), HasCode(Code::kInvalidArgument, "--out=FILE"));
  label.out = "a";
  CHECK_THAT(Check(label), IsOk());
  label.per_class = 0;
  CHECK_THAT(Check(label), HasCode(Code::kInvalidArgument, "--per-class = 0"));
}

}  // namespace
}  // namespace stemma::galaxies
