// The mistakes that a rank can see alone, found before anything is sent. Every backend calls these
// first, so that all refuse the same calls with the same words. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/status.h"

namespace stemma::comm {

Status CheckReduce(const Span& inout, const CallOptions& options);
Status CheckGather(const ConstSpan& mine, const Span& all, const std::vector<int64_t>& counts,
                   int rank, int ranks);
// `in` and `mine` may overlap only where `mine` is its own part of `in`.
Status CheckReduceScatter(const ConstSpan& in, const Span& mine, const std::vector<int64_t>& counts,
                          int rank, int ranks, const CallOptions& options);
Status CheckAllToAll(const ConstSpan& in, const std::vector<int64_t>& send, const Span& out,
                     const std::vector<int64_t>& receive, int rank, int ranks);
Status CheckBroadcast(const Span& inout, int root, int ranks);

ConstSpan Const(const Span& span);
// Whether they share memory.
bool Overlap(const ConstSpan& a, const ConstSpan& b);

// Where rank r's part begins, in elements: counts[0] + ... + counts[r - 1].
int64_t BeginOf(const std::vector<int64_t>& counts, int rank);

// What the reduced value is multiplied with: Average divides by the ranks.
double FactorOf(const CallOptions& options, int ranks);

// all_reduce "bucket 4" f32[4096] sum: how a call is named in error texts, and what must be the
// same on all ranks.
std::string Describe(std::string_view call, const Span& span, const CallOptions& options);

}  // namespace stemma::comm
