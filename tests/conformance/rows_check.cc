// Rows in which ranks ask for different things, and rows about groups: the functions that
// tests/support/check_contract.h has, on every backend.
#include "tests/conformance/row.h"
#include "tests/support/check_contract.h"

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

CONFORMANCE_ROW(conformance_38_gathers_differ) { return Checked(rig, Row38GathersDiffer); }

CONFORMANCE_ROW(conformance_40_broadcasts_differ) { return Checked(rig, Row40BroadcastsDiffer); }

CONFORMANCE_ROW(conformance_49_groups) { return Both(rig, Row49Groups); }

CONFORMANCE_ROW(conformance_50_lists_that_cannot_be_and_non_members) {
  return Both(rig, Row50BadLists);
}

CONFORMANCE_ROW_FROM(2, conformance_51_unequal_lists) { return Both(rig, Row51UnequalLists); }

}  // namespace
}  // namespace stemma::tests
