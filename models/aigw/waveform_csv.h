// Prints a waveform as text, for people who want to look at what the network sees:
//
//   STEMMA_RETURN_IF_ERROR(PrintWaveformCsv(std::cout, {.q = 2, .s1 = 0.5, .s2 = -0.3}));
//
//   t,amp,omega,phase,re,im
//   -1000,0.12269309975713842,0.057804889271321345,-88.555433680502094,...
//
// or, of the other family, at frequencies in units of 1 / M:
//
//   f,amp,phase,re,im
//   0.02,26.031208...
//
// One row a time or frequency, 17 significant digits, so that a reader gets the very doubles back.
// The phase is zero at t = 0, h22 = amp * e^(-i phase); IMRPhenomD's is that of h+~. No LibTorch.
#pragma once

#include <ostream>
#include <string>

#include "core/status.h"

namespace stemma::models {

enum class WaveformFamily { kPhenomT, kPhenomD };

struct WaveformRequest {
  WaveformFamily family = WaveformFamily::kPhenomT;
  double q = 1, s1 = 0, s2 = 0;
  // A file with one time (frequency) per line, in units of M (1 / M), in any order; empty lines and
  // lines that begin with '#' are skipped. Empty: the grid below.
  std::string times_file;
  double from = -1000, to = 130;  // [from, to)
  double step = 1;
};

// kInvalidArgument: parameters outside the model's domain, a frequency that is not positive, a grid
// that is none, a line that is no number (the text says file:line and what stands there).
// kNotFound: no such file. kIo: the file cannot be read or `out` cannot be written. Nothing is
// printed before all input is known to be good.
Status PrintWaveformCsv(std::ostream& out, const WaveformRequest& request);

}  // namespace stemma::models
