// A cohort is a group of ranks that must agree: all go on, or all stop. core/ knows only this
// interface; comm/ implements it over MPI and over threads, so lineage/ can ask for agreement
// without knowing either.
//
// Every call is collective: all ranks of the cohort make it, in the same order, from one thread
// each.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/status.h"

namespace stemma {

class Cohort {
 public:
  virtual ~Cohort() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Every rank gets the smallest value given by any.
  virtual Result<int> Min(int mine) = 0;

  // Every rank gets what `root` holds.
  virtual Result<std::string> Broadcast(std::string mine, int root) = 0;

  // Every rank gets what every rank holds, in rank order. For texts and small records.
  virtual Result<std::vector<std::string>> AllGather(std::string mine) = 0;
};

// The verdict of the lowest failing rank, the same on every rank; OK only when every rank is OK.
// The message names the rank. Fails with the cohort's own status when the ranks cannot be asked.
Status Agree(Cohort& cohort, const Status& mine);

// A cohort of one: every call answers at once.
class SoloCohort final : public Cohort {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  Result<int> Min(int mine) override { return mine; }
  Result<std::string> Broadcast(std::string mine, int) override { return mine; }
  Result<std::vector<std::string>> AllGather(std::string mine) override {
    return std::vector<std::string>{std::move(mine)};
  }
};

}  // namespace stemma
