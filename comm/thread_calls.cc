#include "comm/thread_calls.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "comm/arguments.h"
#include "comm/reduce_kernels.h"
#include "core/cohort.h"

namespace stemma::comm {
namespace {

void ReduceAll(const std::vector<ThreadCall>& calls) {
  std::vector<const void*> in;
  for (const ThreadCall& call : calls) in.push_back(call.out.data);
  const Span& out = calls[0].out;
  const double factor = FactorOf(calls[0].options, static_cast<int>(calls.size()));
  Reduce(calls[0].options.op, out.dtype, in, out.count, factor, out.data);
  for (size_t r = 1; r < calls.size(); ++r) {
    std::memcpy(calls[r].out.data, out.data, out.bytes());
  }
}

void GatherAll(const std::vector<ThreadCall>& calls) {
  const size_t size = SizeOf(calls[0].out.dtype);
  for (const ThreadCall& call : calls) {
    char* at = static_cast<char*>(call.out.data);
    for (size_t r = 0; r < calls.size(); ++r) {
      const size_t bytes = static_cast<size_t>(call.counts[r]) * size;
      if (bytes > 0 && at != calls[r].in.data) std::memmove(at, calls[r].in.data, bytes);
      at += bytes;
    }
  }
}

void ScatterAll(const std::vector<ThreadCall>& calls) {
  const size_t size = SizeOf(calls[0].in.dtype);
  const double factor = FactorOf(calls[0].options, static_cast<int>(calls.size()));
  size_t begin = 0;
  for (const ThreadCall& call : calls) {
    std::vector<const void*> in;
    for (const ThreadCall& theirs : calls) {
      in.push_back(static_cast<const char*>(theirs.in.data) + begin);
    }
    if (call.out.count > 0) {
      Reduce(call.options.op, call.out.dtype, in, call.out.count, factor, call.out.data);
    }
    begin += static_cast<size_t>(call.out.count) * size;
  }
}

void ExchangeAll(const std::vector<ThreadCall>& calls) {
  const size_t size = SizeOf(calls[0].in.dtype);
  for (size_t to = 0; to < calls.size(); ++to) {
    char* at = static_cast<char*>(calls[to].out.data);
    for (const ThreadCall& from : calls) {
      const auto begin = static_cast<size_t>(BeginOf(from.counts, static_cast<int>(to)));
      const size_t bytes = static_cast<size_t>(from.counts[to]) * size;
      if (bytes == 0) continue;
      std::memcpy(at, static_cast<const char*>(from.in.data) + begin * size, bytes);
      at += bytes;
    }
  }
}

void BroadcastAll(const std::vector<ThreadCall>& calls) {
  const Span& from = calls[calls[0].root].out;
  for (const ThreadCall& call : calls) {
    if (call.out.data != from.data) std::memcpy(call.out.data, from.data, from.bytes());
  }
}

// What must be the same on all ranks; with `what`, as people should read it.
std::string Fingerprint(const ThreadCall& call, bool with_what) {
  CallOptions options = call.options;
  if (!with_what) options.what.clear();
  const bool scatter = call.kind == ThreadCall::kScatter;
  std::string text;
  if (call.kind == ThreadCall::kExchange) {
    options.shape = " ";  // the counts may differ: Unequal compares them
    text = Describe(call.name, call.out, options);
    text.pop_back();
  } else {
    text = Describe(call.name, scatter ? Span{nullptr, call.in.count, call.in.dtype} : call.out,
                    options);
    for (int64_t count : call.counts) text += " " + std::to_string(count);
  }
  if (call.kind == ThreadCall::kBroadcast) text += " from " + std::to_string(call.root);
  if (options.scale != 1) text += " scaled by " + std::to_string(options.scale);
  return text;
}

// The first pair of ranks that see their exchange differently; empty when there is none.
std::string Unequal(const std::vector<ThreadCall>& calls) {
  if (calls[0].kind != ThreadCall::kExchange) return "";
  for (size_t from = 0; from < calls.size(); ++from) {
    for (size_t to = 0; to < calls.size(); ++to) {
      if (calls[from].counts[to] == calls[to].receive[from]) continue;
      return Fingerprint(calls[from], true) + ": rank " + std::to_string(from) + " sends " +
             std::to_string(calls[from].counts[to]) + " elements to rank " + std::to_string(to) +
             ", which expects " + std::to_string(calls[to].receive[from]);
    }
  }
  return "";
}

Status Match(int64_t number, const std::vector<ThreadCall>& calls) {
  const std::string first = Fingerprint(calls[0], false);
  bool same = true;
  std::vector<std::string> texts;
  for (const ThreadCall& call : calls) {
    same = same && Fingerprint(call, false) == first;
    texts.push_back(Fingerprint(call, true));
  }
  const std::string unequal = same ? Unequal(calls) : "";
  if (same && unequal.empty()) return {};
  if (same) return {Code::kIncompatible, "call " + std::to_string(number) + ": " + unequal};
  return {Code::kIncompatible, "call " + std::to_string(number) + ": " + GroupByValue(texts)};
}

void Execute(const std::vector<ThreadCall>& calls) {
  switch (calls[0].kind) {
    case ThreadCall::kReduce:
      return ReduceAll(calls);
    case ThreadCall::kGather:
      return GatherAll(calls);
    case ThreadCall::kScatter:
      return ScatterAll(calls);
    case ThreadCall::kExchange:
      return ExchangeAll(calls);
    case ThreadCall::kBroadcast:
      return BroadcastAll(calls);
    case ThreadCall::kBarrier:
      return;
  }
}

}  // namespace

ThreadCalls::ThreadCalls(std::shared_ptr<ThreadGroup> group)
    : group_(std::move(group)), arrivals_(group_->ranks(), 0) {}

Result<int64_t> ThreadCalls::Arrive(int rank, ThreadCall call) {
  MutexLock lock(group_->mutex);
  STEMMA_RETURN_IF_ERROR(group_->failure);
  const int64_t number = arrivals_[rank]++;
  const auto at = static_cast<size_t>(number - first_);
  if (at == open_.size()) {
    open_.push_back({std::vector<ThreadCall>(group_->ranks()), std::vector<bool>(group_->ranks()),
                     group_->ranks()});
  }
  open_[at].calls[rank] = std::move(call);
  open_[at].came[rank] = true;
  --open_[at].left;
  if (!running_) CarryOut();
  return number;
}

void ThreadCalls::CarryOut() {
  while (group_->failure.ok() && !open_.empty() && open_.front().left == 0) {
    Meeting& meeting = open_.front();  // stays where it is: others only append
    Status matched = group_->ranks() == 1 ? Status() : Match(first_, meeting.calls);
    if (matched.ok()) {
      running_ = true;
      group_->mutex.unlock();
      Execute(meeting.calls);
      group_->mutex.lock();
      running_ = false;
      open_.pop_front();
      ++first_;
    } else if (group_->failure.ok()) {
      group_->failure = std::move(matched);
    }
    group_->changed.notify_all();
  }
}

Status ThreadCalls::Wait(int64_t number, std::chrono::milliseconds deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  MutexLock lock(group_->mutex);
  while (!Finished(number)) {
    const bool touched = running_ && number == first_;
    if (!group_->failure.ok() && !touched) return group_->failure;
    if (touched) {
      group_->changed.wait(group_->mutex);  // memory is being added up: that ends
      continue;
    }
    if (group_->changed.wait_until(group_->mutex, until) != std::cv_status::timeout) continue;
    if (Finished(number) || running_ || !group_->failure.ok()) continue;
    const Meeting& late = open_.front();
    const auto one = std::find(late.came.begin(), late.came.end(), true) - late.came.begin();
    group_->failure = {Code::kTimeout, Fingerprint(late.calls[one], true) + ": " +
                                           Missing(late.came) + " within " +
                                           std::to_string(deadline.count()) + " ms"};
    group_->changed.notify_all();
  }
  return {};
}

bool ThreadCalls::Done(int64_t number) {
  MutexLock lock(group_->mutex);
  return Finished(number) || !group_->failure.ok();
}

}  // namespace stemma::comm
