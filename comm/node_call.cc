#include "comm/node_call.h"

#include <algorithm>

namespace stemma::comm {

void NodeCall::Begin(const NodeRequest& request) {
  static_cast<NodeRequest&>(*this) = request;
  counts.clear();
  receive.clear();
  if (request.counts != nullptr) counts = *request.counts;
  if (request.receive != nullptr) receive = *request.receive;
  if (!what.empty() || !request.options->what.empty()) what = request.options->what;
  if (!shape.empty() || !request.options->shape.empty()) shape = request.options->shape;
  place = NodePlace::kInline;
  seen = {};
  window = own_pieces = pieces = 0;
  matched = any_staged = false;
}

void NodeCall::CutSlices(int ranks) {
  constexpr int64_t kLine = 64, kPage = 4096;
  const int64_t bytes = count * element();
  unit = bytes >= 16 * kPage * ranks ? kPage : kLine;
  const int64_t all = (bytes + unit - 1) / unit;
  units = all / ranks;
  longer = all % ranks;
}

int64_t NodeCall::SliceBegin(int64_t range) const {
  const int64_t at = units * range + std::min(range, longer);
  return std::min(count * element(), at * unit);
}

}  // namespace stemma::comm
