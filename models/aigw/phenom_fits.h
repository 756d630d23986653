// What the two waveform models share: sums of fitted terms, post-Newtonian series, small linear
// systems. Internal to phenomt*.cc and phenomd.cc; the numbers are in phenomt_tables.h and
// phenomd_tables.h.
//
// Everything is float64 arithmetic without library functions, so the same on every machine.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "models/aigw/phenomt_tables.h"

namespace stemma::models::internal {

constexpr double kPi = 3.14159265358979323846;
constexpr double kEulerGamma = 0.57721566490153286061;
constexpr double kLn2 = 0.69314718055994530942;

// Integer powers, also negative ones.
double Power(double base, int power);

// The groups called `name` at these parameters. Quasi-normal modes ("f_ring", "f_damp") have the
// final spin in the place of eta, and nothing else. REQUIRES: the name exists.
double SumAt(const char* name, double eta, double spin, double dchi, double delta);

// Adds the monomials of a post-Newtonian series to the coefficients of their orders.
template <size_t N>
void AddSeries(const SeriesTerm* terms, int count, double eta, double delta, double s1, double s2,
               std::array<double, N>* out) {
  const double bases[7] = {eta, delta, s1, s2, kPi, kEulerGamma, kLn2};
  for (const SeriesTerm* term = terms; term != terms + count; ++term) {
    double value = term->factor;
    for (int i = 0; i < 7; ++i) value *= Power(bases[i], term->powers[i]);
    (*out)[static_cast<size_t>(term->order)] += value;
  }
}

// Solves a x = b by LU with partial pivoting; x replaces b. The collocation matrices are
// Vandermonde-like: double suffices, float never does.
template <size_t N>
void Solve(std::array<std::array<double, N>, N> a, std::array<double, N>* b) {
  for (size_t column = 0; column < N; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < N; ++row) {
      if (std::abs(a[row][column]) > std::abs(a[pivot][column])) pivot = row;
    }
    std::swap(a[column], a[pivot]);
    std::swap((*b)[column], (*b)[pivot]);
    for (size_t row = column + 1; row < N; ++row) {
      const double factor = a[row][column] / a[column][column];
      for (size_t i = column; i < N; ++i) a[row][i] -= factor * a[column][i];
      (*b)[row] -= factor * (*b)[column];
    }
  }
  for (size_t row = N; row-- > 0;) {
    for (size_t i = row + 1; i < N; ++i) (*b)[row] -= a[row][i] * (*b)[i];
    (*b)[row] /= a[row][row];
  }
}

}  // namespace stemma::models::internal
