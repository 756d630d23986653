// Five outputs of the network as three parameters of a binary. The network says q, s1, s2 and two
// functions of them, chi_eff and S_eff; nothing forces the five to agree.
//
//   Estimate e = FirstThree(outputs);                  // q, s1, s2 as they are
//   STEMMA_ASSIGN_OR_RETURN(const auto combination, Combination::Fit(readings_of_other_mergers));
//   Estimate f = combination.Of(outputs);              // all five
//
// Combination finds the q, s1, s2 whose five values lie nearest to the outputs, errors e weighed by
// the inverse of their matrix of mean products C, measured on mergers that are not judged:
//   minimise  e^T C^-1 e,  e = outputs - (q, s1, s2, chi_eff(q, s1, s2), S_eff(q, s1, s2))
// by Gauss and Newton's steps. chi_eff and S_eff are what a wave depends on most, so the network
// knows them far better than s2 alone, and the sum takes s2 from them where they say more.
//
// Estimates lie inside the waves' domain: a parameter beyond its end is put on it, `clamped` says
// so, and Combination fits the others again.
//
// Plain values; const, so any thread.
#pragma once

#include <array>
#include <vector>

#include "core/status.h"
#include "models/aigw/phenomt.h"

namespace stemma::models {

// q (never 1/q), s1, s2, chi_eff, S_eff, in their own units.
using AigwValues = std::array<double, 5>;

AigwValues ValuesOf(const Binary& binary);

// What the network read off one merger.
struct Reading {
  Binary truth;
  AigwValues outputs;
};

struct Estimate {
  Binary binary;
  bool clamped = false;
};

// REQUIRES: the outputs are finite
Estimate FirstThree(const AigwValues& outputs);

class Combination {
 public:
  // kInvalidArgument: fewer than 50 readings say nothing about 15 mean products.
  static Result<Combination> Fit(const std::vector<Reading>& readings);
  // REQUIRES: the outputs are finite
  Estimate Of(const AigwValues& outputs) const;

 private:
  using Matrix = std::array<AigwValues, 5>;
  explicit Combination(const Matrix& weights) : weights_(weights) {}
  void Descend(const AigwValues& outputs, const std::array<bool, 3>& fixed,
               std::array<double, 3>* p) const;

  Matrix weights_;  // C^-1
};

}  // namespace stemma::models
