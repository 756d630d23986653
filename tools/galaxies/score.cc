#include "tools/galaxies/score.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <numeric>

namespace stemma::galaxies {
namespace {

constexpr double kSignalEdges[] = {0, 100, 200, 400, 800, 1600, 1e9};
constexpr double kInclinationEdges[] = {0, 30, 45, 60, 70, 81};
constexpr double kSignalWanted = 20;

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[240];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

template <typename Wanted>
Score Count(const std::vector<Answer>& answers, const std::string& group, Wanted wanted) {
  Score score;
  score.group = group;
  for (const Answer& answer : answers) {
    if (!wanted(answer)) continue;
    ++score.galaxies;
    score.right += ClassOf(answer.spiral) == answer.truth ? 1 : 0;
  }
  return score;
}

// The more confident half; of equal ones those that come first.
std::vector<Answer> ConfidentHalf(std::vector<Answer> answers) {
  std::stable_sort(answers.begin(), answers.end(), [](const Answer& a, const Answer& b) {
    return ConfidenceOf(a.spiral) > ConfidenceOf(b.spiral);
  });
  answers.resize((answers.size() + 1) / 2);
  return answers;
}

void AddAllAndHalf(const std::vector<Answer>& answers, const std::string& suffix,
                   std::vector<Score>* scores) {
  const auto everyone = [](const Answer&) { return true; };
  scores->push_back(Count(answers, "all" + suffix, everyone));
  scores->push_back(Count(ConfidentHalf(answers), "confident half" + suffix, everyone));
}

template <size_t N, typename Value>
void AddBins(const std::vector<Answer>& answers, const std::string& group, const double (&edges)[N],
             Value value, std::vector<Score>* scores) {
  for (size_t i = 0; i + 1 < N; ++i) {
    Score score = Count(answers, group, [&](const Answer& a) {
      return value(a) >= edges[i] && value(a) < edges[i + 1];
    });
    score.from = edges[i];
    score.to = edges[i + 1];
    if (score.galaxies > 0) scores->push_back(score);
  }
}

std::string BinText(const Score& score) {
  if (score.from == 0 && score.to == 0) return "";
  return score.to >= 1e9 ? Format(" from %.0f", score.from)
                         : Format(" %.0f to %.0f", score.from, score.to);
}

}  // namespace

std::vector<Score> ScoresOf(const std::vector<Answer>& all) {
  std::vector<Answer> answers;
  std::copy_if(all.begin(), all.end(), std::back_inserter(answers),
               [](const Answer& a) { return a.truth >= 0; });
  std::vector<Score> scores;
  if (answers.empty()) return scores;
  AddAllAndHalf(answers, "", &scores);
  if (answers[0].spiral_augmented >= 0) {
    std::vector<Answer> augmented = answers;
    for (Answer& answer : augmented) answer.spiral = answer.spiral_augmented;
    AddAllAndHalf(augmented, ", augmented", &scores);
  }
  if (answers[0].signal_to_noise >= 0) {
    scores.push_back(Count(answers, "S/N above 20",
                           [](const Answer& a) { return a.signal_to_noise > kSignalWanted; }));
  }
  AddBins(
      answers, "S/N", kSignalEdges, [](const Answer& a) { return a.signal_to_noise; }, &scores);
  scores.push_back(Count(answers, "ellipticals", [](const Answer& a) { return a.truth == 0; }));
  scores.push_back(Count(answers, "spirals", [](const Answer& a) { return a.truth == 1; }));
  AddBins(
      answers, "inclination", kInclinationEdges, [](const Answer& a) { return a.inclination; },
      &scores);
  return scores;
}

Confusion ConfusionOf(const std::vector<Answer>& answers) {
  Confusion confusion = {};
  for (const Answer& answer : answers) {
    if (answer.truth < 0) continue;
    ++confusion.at(static_cast<size_t>(answer.truth))
          .at(static_cast<size_t>(ClassOf(answer.spiral)));
  }
  return confusion;
}

std::string ScoresText(const Sets<std::vector<Answer>>& sets) {
  std::string text;
  for (const auto& [name, answers] : sets) {
    for (const Score& score : ScoresOf(answers)) {
      text += Format("%-16s%-28s%8.4f  %lld of %lld\n", name.c_str(),
                     (score.group + BinText(score)).c_str(), score.accuracy(),
                     static_cast<long long>(score.right), static_cast<long long>(score.galaxies));
    }
    const Confusion c = ConfusionOf(answers);
    for (const size_t truth : {size_t{0}, size_t{1}}) {
      if (c[truth][0] + c[truth][1] == 0) continue;
      text += Format("%-16s%-28s%lld elliptical, %lld spiral\n", name.c_str(),
                     truth == 0 ? "ellipticals called" : "spirals called",
                     static_cast<long long>(c[truth][0]), static_cast<long long>(c[truth][1]));
    }
  }
  return text;
}

std::string ScoresCsv(const Sets<std::vector<Score>>& sets) {
  std::string csv = "set,group,from,to,galaxies,right,accuracy\n";
  for (const auto& [name, scores] : sets) {
    for (const Score& s : scores) {
      csv +=
          Format("%s,\"%s\",%g,%g,%lld,%lld,%.6f\n", name.c_str(), s.group.c_str(), s.from, s.to,
                 static_cast<long long>(s.galaxies), static_cast<long long>(s.right), s.accuracy());
    }
  }
  return csv;
}

std::string AnswersCsv(const Sets<std::vector<Answer>>& sets) {
  std::string csv =
      "set,number,object,class,said,spiral,spiral_augmented,signal_to_noise,inclination\n";
  for (const auto& [name, answers] : sets) {
    for (const Answer& a : answers) {
      csv +=
          Format("%s,%lld,%llu,%d,%d,%.6f,", name.c_str(), static_cast<long long>(a.id),
                 static_cast<unsigned long long>(a.object), a.truth, ClassOf(a.spiral), a.spiral);
      csv += a.spiral_augmented < 0 ? "," : Format("%.6f,", a.spiral_augmented);
      csv += a.signal_to_noise < 0 ? "," : Format("%.1f,", a.signal_to_noise);
      csv += a.inclination < 0 ? "\n" : Format("%.1f\n", a.inclination);
    }
  }
  return csv;
}

std::string NpyOf(const std::vector<float>& values, size_t columns) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
                       std::to_string(values.size() / columns) + ", " + std::to_string(columns) +
                       "), }";
  constexpr size_t kBegin = 10;  // magic, version, length of the header
  header.append(63 - (kBegin + header.size()) % 64, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  file.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return file;
}

}  // namespace stemma::galaxies
