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
  // Where this rank runs, for reports; "" while all ranks are on one host.
  virtual std::string host() const { return {}; }

  // Every rank gets the smallest value given by any.
  virtual Result<int> Min(int mine) = 0;

  // Every rank gets what `root` holds.
  virtual Result<std::string> Broadcast(std::string mine, int root) = 0;

  // Every rank gets what every rank holds, in rank order. For texts and small records.
  virtual Result<std::vector<std::string>> AllGather(std::string mine) = 0;
};

// "rank 3", or "rank 3 on node7".
std::string RankName(int rank, const std::string& host);

// The verdict of the lowest failing rank, the same on every rank; OK only when every rank is OK.
// The message names the rank. Fails with the cohort's own status when the ranks cannot be asked.
Status Agree(Cohort& cohort, const Status& mine);

// Facts that must be the same on every rank: {"LibTorch loaded", "2.11.0"}, ...
using Facts = std::vector<std::pair<std::string, std::string>>;

// OK when every rank gives the same facts. Otherwise the same kIncompatible on every rank, with the
// values grouped by rank: "LibTorch loaded differs: ranks {0,1} 2.11.0, rank {2} 2.10.0". It names
// kKeysNamedMax keys and counts the rest; a key that a rank lacks is "(absent)". Only a digest
// travels while all is well, so facts may be long.
//
//   STEMMA_RETURN_IF_ERROR(AgreeOn(cohort, {{"plan", plan_digest}, {"settings", text}}));
constexpr int kKeysNamedMax = 5;
Status AgreeOn(Cohort& cohort, const Facts& facts);

// What each rank said, in rank order, as people read it: "ranks {0,1} 2.11.0, rank {2} 2.10.0".
// From four neighbours on a range is written: "ranks {0-7} yes, rank {8} no".
std::string GroupByValue(const std::vector<std::string>& by_rank);

// "rank {3}", "ranks {0,2}", "ranks {0-7,9}": how all texts name ranks, which are ascending here.
std::string RanksText(const std::vector<int>& ranks);

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
