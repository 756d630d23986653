// Rows that speak of calls on tensors: the functions of tests/ranks/tensor_rows.h, on every
// backend.
#include "tests/conformance/row.h"
#include "tests/ranks/tensor_rows.h"

namespace stemma::tests {
namespace {

CONFORMANCE_ROW(conformance_25_a_tensor_elsewhere_is_refused) {
  return Row25OtherDevice(rig.data());
}

CONFORMANCE_ROW(conformance_28_no_elements) { return Row28NoElements(rig.data()); }

CONFORMANCE_ROW(conformance_30_non_contiguous_input) { return Row30NonContiguous(rig.data()); }

CONFORMANCE_ROW(conformance_31_unsupported_dtype) { return Row31UnsupportedTypes(rig.data()); }

CONFORMANCE_ROW(conformance_36_all_gather_equal_sizes) { return Row36GatherEqual(rig.data()); }

CONFORMANCE_ROW(conformance_37_all_gather_different_first_dims) {
  return Row37GatherUnequal(rig.data());
}

CONFORMANCE_ROW(conformance_38_all_gather_errors) { return Row38GatherErrors(rig.data()); }

CONFORMANCE_ROW(conformance_39_broadcast_from_every_root) {
  return Row39BroadcastEveryRoot(rig.data());
}

CONFORMANCE_ROW(conformance_40_broadcast_invalid_root) {
  return Row40BroadcastInvalidRoot(rig.data());
}

CONFORMANCE_ROW(conformance_41_broadcast_of_300_tensors) {
  return Row41BroadcastManyTensors(rig.data());
}

CONFORMANCE_ROW(conformance_42_reduce_scatter_even_and_uneven) {
  return Row42ReduceScatter(rig.data());
}

CONFORMANCE_ROW(conformance_43_reduce_scatter_errors) {
  return Row43ReduceScatterErrors(rig.data());
}

CONFORMANCE_ROW(conformance_44_scatter_and_gather_is_all_reduce) {
  return Row44ScatterGatherIsAllReduce(rig.data());
}

CONFORMANCE_ROW_FROM(2, conformance_45_equal_split_not_divisible) {
  return Row45EqualSplitNotDivisible(rig.data());
}

CONFORMANCE_ROW(conformance_46_all_to_all_with_splits) { return Row46AllToAllSplits(rig.data()); }

CONFORMANCE_ROW(conformance_47_all_to_all_errors) { return Row47AllToAllErrors(rig.data()); }

CONFORMANCE_ROW(work_under_way_keeps_its_tensor) { return AsyncHoldsItsTensor(rig.data()); }

}  // namespace
}  // namespace stemma::tests
