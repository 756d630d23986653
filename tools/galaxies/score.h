// What a network says about galaxies, and how right it is: accuracies, the confusion matrix, bins
// by signal to noise and inclination, and a plane for the features. Free of LibTorch.
//
//   std::vector<Score> scores = ScoresOf(answers);            // of one telescope's galaxies
//   std::string csv = ScoresCsv({{"simulated sdss", scores}});
//
// The more probable class is what a network says; at equal probability it is "elliptical".
//
// Every line of every table begins with the name of the set, which says "simulated" or "pictures".
// A bin without galaxies is left out, and so is what nobody knows: a galaxy without a label is
// counted in no score. Pure functions and plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stemma::galaxies {

struct Answer {
  int64_t id = 0;                // number in the split, or among the pictures
  uint64_t object = 0;           // of the sky
  int truth = 0;                 // 0 elliptical, 1 spiral; negative: not labelled
  double spiral = 0;             // probability of class 1
  double spiral_augmented = -1;  // the same for the augmented image; negative: not asked
  double signal_to_noise = -1;   // negative: not known
  double inclination = -1;       // degrees; negative: an elliptical, or not known
};

inline int ClassOf(double spiral) { return spiral > .5 ? 1 : 0; }
inline double ConfidenceOf(double spiral) { return spiral > .5 ? spiral : 1 - spiral; }

// Galaxies of a group and how many of them were told right.
struct Score {
  std::string group;        // "all", "confident half", "S/N", "inclination", ...
  double from = 0, to = 0;  // of a bin; both 0: no bin
  int64_t galaxies = 0, right = 0;
  double accuracy() const {
    return galaxies == 0 ? 0 : static_cast<double>(right) / static_cast<double>(galaxies);
  }
};

// All, the most confident half, with augmentation both again; S/N above 20; bins of S/N;
// ellipticals; bins of the spirals' inclination.
std::vector<Score> ScoresOf(const std::vector<Answer>& answers);

// Counts of those that are labelled, [truth][said].
using Confusion = std::array<std::array<int64_t, 2>, 2>;
Confusion ConfusionOf(const std::vector<Answer>& answers);

template <typename T>
using Sets = std::vector<std::pair<std::string, T>>;  // "simulated sdss", ...

std::string ScoresText(const Sets<std::vector<Answer>>& sets);
std::string ScoresCsv(const Sets<std::vector<Score>>& sets);
std::string AnswersCsv(const Sets<std::vector<Answer>>& sets);
// Accuracy over bins of `group`, one line for each set.
std::string ScoresSvg(const Sets<std::vector<Score>>& sets, const std::string& group);
constexpr char kSimulatedNote[] = "Simulated galaxies; real images may look different.";

// The two directions in which rows of `values` [rows][columns] differ most, as coordinates of each
// row, with their shares of the variance. By subspace iteration from a fixed start: same input,
// same result.
struct Plane {
  std::vector<std::array<double, 2>> points;
  std::array<double, 2> share = {0, 0};
};
Plane PrincipalPlane(const std::vector<float>& values, size_t columns);
// Marks by class, or by what was said where there is no label. `note` stands below the title.
std::string PlaneSvg(const Plane& plane, const Sets<std::vector<Answer>>& sets,
                     const std::string& note);

// [rows][columns] as NumPy's .npy file of version 1.0.
std::string NpyOf(const std::vector<float>& values, size_t columns);

}  // namespace stemma::galaxies
