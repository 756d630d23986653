#include "tests/support/world_contract.h"

#include <string>
#include <vector>

#include "tests/support/promise.h"

namespace stemma::tests {
namespace {

using comm::Control;
using comm::Mine;
using comm::Verdict;

Status Expect(const Status& found, Code code, const std::string& text) {
  if (found.code() == code && found.message() == text) return {};
  return Broken(std::string("expected ") + CodeName(code) + " '" + text + "', found " +
                CodeName(found.code()) + " '" + found.message() + "'");
}

}  // namespace

Status ControlWordCarriesFlags(Control& control, int rank, int ranks) {
  Mine mine;
  mine.agree = 77;
  if (rank == 0) mine.any = comm::kAnyStop;
  if (rank == ranks - 1) mine.any |= comm::kAnyCapture;
  mine.all = comm::kAllHasData | (rank == 0 ? 0u : uint32_t{comm::kAllCaptureWritten});
  mine.audit = rank == 0 ? 1 : 2;
  STEMMA_ASSIGN_OR_RETURN(Verdict verdict, control.EndStep(0, mine));
  if (verdict.step != -1) return Broken("no word before the first has been around");

  STEMMA_ASSIGN_OR_RETURN(verdict, control.EndStep(1, Mine{}));
  if (verdict.step != 0) return Broken("lag 1 speaks of the step before");
  if (verdict.any != (comm::kAnyStop | comm::kAnyCapture)) return Broken("no flag is lost");
  if (verdict.all != comm::kAllHasData) return Broken("`all` flags are those of every rank");
  if (verdict.audit_equal != (ranks == 1)) return Broken("a differing audit is reported");
  const uint64_t raised = uint64_t{1} | uint64_t{1} << (ranks - 1);
  if (verdict.raised_by != raised) return Broken("who raised a flag");

  STEMMA_ASSIGN_OR_RETURN(auto last, control.Drain());
  if (!last || last->step != 1 || last->any != 0) return Broken("Drain reads the last word");
  STEMMA_ASSIGN_OR_RETURN(last, control.Drain());
  if (last) return Broken("Drain ends");
  return {};
}

Status ControlWordNamesDisagreement(Control& control, int rank, int ranks) {
  Mine mine;
  mine.agree = rank == 1 ? 5 : 6;
  mine.text = rank == 1 ? "launched buckets 0-9" : "launched buckets 0-11";
  STEMMA_RETURN_IF_ERROR(control.EndStep(1201, mine).status());
  const Status found = control.EndStep(1202, Mine{}).status();
  if (ranks == 1) return found;
  const std::string others = ranks == 2 ? "rank {0}" : ranks == 3 ? "ranks {0,2}" : "ranks {0,2,3}";
  const std::string text =
      "step 1201: " + others + " launched buckets 0-11, rank {1} launched buckets 0-9";
  STEMMA_RETURN_IF_ERROR(Expect(found, Code::kIncompatible, text));
  return Expect(control.EndStep(1203, Mine{}).status(), Code::kIncompatible, text);
}

Status ControlWordCarriesFailure(Control& control, int rank, int ranks) {
  Mine mine;
  if (rank == ranks - 1) {
    mine.agree = 1;  // it could not launch what the others did
    mine.any = comm::kAnyFailed;
    mine.code = Code::kIo;
    mine.text = "loader: no space left";
  }
  STEMMA_RETURN_IF_ERROR(control.EndStep(8, mine).status());
  const std::string text =
      "step 8: rank " + std::to_string(ranks - 1) + " failed: loader: no space left";
  return Expect(control.EndStep(9, Mine{}).status(), Code::kIo, text);
}

Status CohortExchanges(Cohort& cohort) {
  const int rank = cohort.rank(), size = cohort.size();
  STEMMA_ASSIGN_OR_RETURN(const int least, cohort.Min(10 - rank));
  if (least != 10 - (size - 1)) return Broken("Min");
  for (int root = 0; root < size; ++root) {
    const std::string mine = rank == root ? "from " + std::to_string(root) : "other";
    STEMMA_ASSIGN_OR_RETURN(const std::string all, cohort.Broadcast(mine, root));
    if (all != "from " + std::to_string(root)) return Broken("Broadcast");
  }
  // Lengths differ, rank 0 has nothing to say.
  STEMMA_ASSIGN_OR_RETURN(const auto texts, cohort.AllGather(std::string(rank * 1000, 'a' + rank)));
  for (int r = 0; r < size; ++r) {
    if (texts.at(r) != std::string(r * 1000, 'a' + r)) return Broken("AllGather");
  }
  STEMMA_ASSIGN_OR_RETURN(const auto nothing, cohort.AllGather(""));
  return nothing == std::vector<std::string>(size) ? Status() : Broken("AllGather of nothing");
}

Status AgreeGivesOneVerdict(Cohort& cohort) {
  STEMMA_RETURN_IF_ERROR(Agree(cohort, {}));
  const int last = cohort.size() - 1;
  const Status mine = cohort.rank() == last ? Status(Code::kIo, "no space left") : Status();
  return Expect(Agree(cohort, mine), Code::kIo, "rank " + std::to_string(last) + ": no space left");
}

Status AgreeOnGroupsByValue(Cohort& cohort) {
  const int size = cohort.size();
  const bool last = cohort.rank() == size - 1;
  STEMMA_RETURN_IF_ERROR(AgreeOn(cohort, {{"build", "a"}, {"LibTorch loaded", "2.11.0"}}));
  Facts facts{{"build", "a"}, {"LibTorch loaded", last ? "2.10.0" : "2.11.0"}};
  if (!last) facts.emplace_back("NCCL loaded", "2.28.9");
  const Status found = AgreeOn(cohort, facts);
  if (size == 1) return found;
  const std::string others = size == 2 ? "rank {0}" : size == 3 ? "ranks {0,1}" : "ranks {0,1,2}";
  const std::string mine = "rank {" + std::to_string(size - 1) + "}";
  return Expect(found, Code::kIncompatible,
                "LibTorch loaded differs: " + others + " 2.11.0, " + mine +
                    " 2.10.0; NCCL loaded differs: " + others + " 2.28.9, " + mine + " (absent)");
}

}  // namespace stemma::tests
