// IMRPhenomT against IMRPhenomD: the mismatch of two independent families for the same binary, as a
// detector would see it.
//
//   STEMMA_ASSIGN_OR_RETURN(const FamilyMismatch m, CompareFamilies({1, 0, 0}, {}));
//   m.advanced_ligo, m.flat                             // 3.9e-4 for this binary with LIGO's noise
//   STEMMA_RETURN_IF_ERROR(PrintFamilyTable(std::cout, 40));       // corners, then random binaries
//
// What it is for: a wrong coefficient, sign or unit in either family shows as a mismatch of 1e-2 or
// more where 1e-3 is the rule; the wrong sign of the phase gives 0.8. What it is not: a measure of
// either family's error. At high q with a large positive spin of the heavier hole the mismatch
// reaches 0.1, and that is IMRPhenomD's weakness (IMRPhenomT agrees with SEOBNRv4 there to 1e-2).
//
// Method: IMRPhenomT from -42,000 M on, faded in over 4,000 M with a raised cosine so that the
// beginning is no step, sampled every 1 M, transformed; IMRPhenomD at the same frequencies; see
// overlap.h. Everything below 20 Hz is outside the band, and at 60 solar masses that is after the
// fade.
//
// Pure functions; any thread; about 25 ms a binary.
#pragma once

#include <cstdint>
#include <ostream>

#include "core/status.h"
#include "models/aigw/overlap.h"
#include "models/aigw/phenomt.h"

namespace stemma::models {

struct FamilySettings {
  double total_mass = 60;   // solar masses: turns M into seconds. 30 to 100
  Band hertz = {20, 1000};  // within 10 to 2048
  double phase_sign = -1;   // of IMRPhenomD's phase; 1 shows what a wrong sign looks like
};

struct FamilyMismatch {
  double advanced_ligo, flat;  // 1 - overlap
};

// kInvalidArgument: a binary outside the models' domain, or settings outside their ranges.
Result<FamilyMismatch> CompareFamilies(const Binary& binary, const FamilySettings& settings);

// A table of ten binaries at the domain's corners and inside, then the median, the 90th percentile
// and the largest mismatch of `random` binaries drawn evenly from the domain (always the same
// ones; none if 0). kIo: `out` cannot be written.
Status PrintFamilyTable(std::ostream& out, int64_t random, const FamilySettings& settings = {});

}  // namespace stemma::models
