// Rows in which ranks ask for different things, rows about groups, and what else comm.check=full
// promises: the functions that tests/support/check_contract.h has, on every backend.
#include <vector>

#include "tests/conformance/row.h"
#include "tests/support/check_contract.h"
#include "tests/support/communicator_contract.h"

namespace stemma::tests {
namespace {

// In a new world in which every call is compared before it begins.
Status Checked(Rig& rig, Status (*row)(comm::World&)) {
  comm::CommSettings settings = Rig::Patient();
  settings.check = "full";
  STEMMA_RETURN_IF_ERROR(rig.Reopen(settings));
  return row(rig.world());
}

// With and without that.
Status Both(Rig& rig, Status (*row)(comm::World&)) {
  STEMMA_RETURN_IF_ERROR(row(rig.world()));
  return Checked(rig, row);
}

CONFORMANCE_ROW(conformance_05_closed_world_and_its_groups) { return Both(rig, Row05ClosedWorld); }

CONFORMANCE_ROW_FROM(2, conformance_19_scales_differ) { return Checked(rig, Row19ScalesDiffer); }

CONFORMANCE_ROW_FROM(2, conformance_20_sizes_differ) { return Checked(rig, Row20ShapesDiffer); }

CONFORMANCE_ROW_FROM(2, conformance_21_other_dimensions_of_spans) {
  return Checked(rig, Row21OtherNumberOfDims);
}

CONFORMANCE_ROW_FROM(2, conformance_22_dtypes_differ) { return Checked(rig, Row22DTypesDiffer); }

CONFORMANCE_ROW_FROM(2, conformance_23_one_reduces_and_one_gathers) {
  return Checked(rig, Row23ReduceAgainstGather);
}

CONFORMANCE_ROW_FROM(2, conformance_24_operators_differ) { return Checked(rig, Row24OpsDiffer); }

CONFORMANCE_ROW(conformance_26_a_tensor_given_away_twice) {
  return Checked(rig, Row26SubmittedTwice);
}

CONFORMANCE_ROW(conformance_27_a_name_used_again) { return Both(rig, Row27NameUsedAgain); }

CONFORMANCE_ROW_FROM(2, conformance_38_gathers_differ) { return Checked(rig, Row38GathersDiffer); }

CONFORMANCE_ROW_FROM(2, conformance_40_broadcasts_differ) {
  return Checked(rig, Row40BroadcastsDiffer);
}

CONFORMANCE_ROW(conformance_49_groups) { return Both(rig, Row49Groups); }

CONFORMANCE_ROW(conformance_50_lists_that_cannot_be_and_non_members) {
  return Both(rig, Row50BadLists);
}

CONFORMANCE_ROW_FROM(2, conformance_51_unequal_lists) { return Both(rig, Row51UnequalLists); }

// Not on the checklist.

CONFORMANCE_ROW_FROM(2, the_same_call_for_another_bucket_is_another_call) {
  return Checked(rig, OrderOfBucketsDiffers);
}

CONFORMANCE_ROW_FROM(2, blocks_of_other_lengths_are_named) { return Checked(rig, BlocksDiffer); }

CONFORMANCE_ROW_FROM(2, parts_of_other_sizes_are_named) { return Checked(rig, CountsDiffer); }

CONFORMANCE_ROW(a_rank_that_refuses_leaves_nobody_waiting) { return Checked(rig, OneRankRefuses); }

CONFORMANCE_ROW(comparing_keeps_every_promise) {
  for (const auto promise : {SumsEveryDType, SumsInRankOrder, GathersUnequalCounts,
                             BroadcastsFromEveryRoot, ExchangesBlocks, KeepsTheOrderOfCalls,
                             AcceptsNothing, RefusesMistakes, RefusesMistakesOfParts}) {
    comm::CommSettings settings = Rig::Patient();
    settings.check = "full";
    STEMMA_RETURN_IF_ERROR(rig.Reopen(settings));
    STEMMA_RETURN_IF_ERROR(promise(rig.data()));
  }
  return {};
}

CONFORMANCE_ROW(a_group_keeps_every_promise) {
  for (const auto promise :
       {SumsEveryDType, SumsInRankOrder, GathersUnequalCounts, ScatterThenGatherIsAllReduce,
        ExchangesBlocks, BroadcastsFromEveryRoot, AllocatesAlignedZeros}) {
    STEMMA_RETURN_IF_ERROR(rig.Reopen(Rig::Patient()));
    std::vector<int> members;  // all but the first
    for (int r = rig.ranks() > 1 ? 1 : 0; r < rig.ranks(); ++r) members.push_back(r);
    STEMMA_ASSIGN_OR_RETURN(comm::Communicator* const group, rig.world().Subset(members));
    if (group->rank() >= 0) STEMMA_RETURN_IF_ERROR(promise(*group));
  }
  return {};
}

}  // namespace
}  // namespace stemma::tests
