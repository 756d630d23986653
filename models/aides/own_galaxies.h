// Your own pictures of galaxies, whatever they lie in; some or all of them may have no label.
// open_own_galaxies.h opens them.
//
// x is [3, side, side] in [0, 1], each value a multiple of 1/255; y is the class, 0 for an
// elliptical, 1 for a spiral and kNotLabelled. Source() is the identity of the pictures and not of
// what is made of them: labels that a network gave at one size of image are of the same galaxies at
// another (labels.h).
//
// Owner: whoever holds the pointer; the disk outlives it. Thread: any number at once.
#pragma once

#include <cstdint>
#include <string>

#include "models/data/dataset.h"

namespace stemma::models {

class OwnGalaxies : public Dataset {
 public:
  // REQUIRES: 0 <= id < Size()
  virtual int LabelOf(int64_t id) const = 0;
  virtual std::string Source() const = 0;  // raw SHA-256
};

}  // namespace stemma::models
