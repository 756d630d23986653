#include "comm/checked_communicator.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <utility>

#include "comm/arguments.h"
#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::comm {

struct CheckedCommunicator::Call {
  std::string text;                    // what must be equal, as people read it
  Status refused;                      // what this rank alone can see
  std::vector<int64_t> send, receive;  // all_to_all
  std::vector<ConstSpan> reads, writes;
};

struct CheckedCommunicator::Item {
  std::mutex mutex;
  Work work;                        // guarded by mutex
  std::atomic<bool> over{false};    // has been waited for, here or by its owner
  std::atomic<bool> handed{false};  // its owner has waited: the memory is the caller's again
  std::vector<ConstSpan> reads, writes;

  Status Wait() {
    const std::lock_guard<std::mutex> lock(mutex);
    Status status = work.Wait();
    over = true;
    return status;
  }
};

class CheckedCommunicator::Pending final : public Work::Impl {
 public:
  explicit Pending(std::shared_ptr<Item> item) : item_(std::move(item)) {}
  Status Wait() override {
    Status status = item_->Wait();
    item_->handed = true;
    return status;
  }
  bool Done() const override {
    if (item_->over) return true;
    const std::unique_lock<std::mutex> lock(item_->mutex, std::try_to_lock);
    return lock.owns_lock() && item_->work.Done();  // else somebody is waiting for it
  }

 private:
  const std::shared_ptr<Item> item_;
};

CheckedCommunicator::CheckedCommunicator(std::unique_ptr<Communicator> inner,
                                         std::unique_ptr<Cohort> cohort)
    : inner_(std::move(inner)), cohort_(std::move(cohort)) {}

CheckedCommunicator::~CheckedCommunicator() = default;

namespace {

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

// Few counts as they are, many as a digest.
std::string CountsText(const std::vector<int64_t>& counts) {
  constexpr size_t kShownMax = 8;
  Encoder all;
  std::string text;
  for (int64_t count : counts) {
    all.I64(count);
    text += (text.empty() ? "" : ",") + std::to_string(count);
  }
  if (counts.size() <= kShownMax) return " parts {" + text + "}";
  Encoder digest;
  digest.U64(Xxh64(all.bytes()));
  return " " + std::to_string(counts.size()) + " parts, digest " + Hex(digest.bytes());
}

// One rank's message to the others.
struct Said {
  std::string what, text, refused;
  uint8_t code = 0;
  std::vector<int64_t> send, receive;
};

std::string Encode(const Said& said) {
  Encoder out;
  out.String(said.what);
  out.String(said.text);
  out.String(said.refused);
  out.U8(said.code);
  out.U64(said.send.size());
  for (int64_t count : said.send) out.I64(count);
  for (int64_t count : said.receive) out.I64(count);
  return out.Take();
}

Said Decode(const std::string& bytes) {
  Decoder in(bytes);
  Said said;
  said.what = in.String();
  said.text = in.String();
  said.refused = in.String();
  said.code = in.U8();
  const uint64_t counts = in.U64();
  for (uint64_t k = 0; k < counts; ++k) said.send.push_back(in.I64());
  for (uint64_t k = 0; k < counts; ++k) said.receive.push_back(in.I64());
  return said;
}

// The first pair of ranks that see their blocks differently; empty when there is none.
std::string Unequal(const std::vector<Said>& all) {
  for (size_t from = 0; from < all.size(); ++from) {
    for (size_t to = 0; to < all[from].send.size(); ++to) {
      const int64_t sent = all[from].send[to], expected = all[to].receive[from];
      if (sent == expected) continue;
      return all[from].text + ": rank " + std::to_string(from) + " sends " + std::to_string(sent) +
             " elements to rank " + std::to_string(to) + ", which expects " +
             std::to_string(expected);
    }
  }
  return "";
}

// The same verdict on every rank.
Status Verdict(const std::string& call, const std::vector<Said>& all) {
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].code == 0) continue;
    return {static_cast<Code>(all[rank].code),
            call + " was refused by rank " + std::to_string(rank) + ": " + all[rank].refused};
  }
  bool same_what = true, same = true;
  for (const Said& said : all) {
    same_what = same_what && said.what == all[0].what;
    same = same && said.text == all[0].text;
  }
  const std::string name = all[0].what.empty() ? "" : " \"" + all[0].what + "\"";
  if (same && same_what) {
    const std::string unequal = Unequal(all);
    return unequal.empty() ? Status() : Status(Code::kIncompatible, call + name + ": " + unequal);
  }
  std::vector<std::string> texts;
  for (const Said& said : all) {
    texts.push_back((same_what ? "" : "\"" + said.what + "\" ") + said.text);
  }
  return {Code::kIncompatible, call + (same_what ? name : "") + ": " + GroupByValue(texts)};
}

bool AnyOverlap(const std::vector<ConstSpan>& a, const std::vector<ConstSpan>& b) {
  for (const ConstSpan& one : a) {
    for (const ConstSpan& other : b) {
      if (Overlap(one, other)) return true;
    }
  }
  return false;
}

// all_reduce f32[4096] sum scaled by 0.5
std::string Text(const char* kind, const Span& span, CallOptions options) {
  options.what.clear();
  const std::string scale = options.scale != 1 ? " scaled by " + Number(options.scale) : "";
  return Describe(kind, span, options) + scale;
}

}  // namespace

// A call that another may still be writing for, or that writes what another reads.
Status CheckedCommunicator::Unsubmitted(const Call& call) {
  for (const auto& item : items_) {
    if (item->handed) continue;
    if (AnyOverlap(item->writes, call.reads) || AnyOverlap(item->writes, call.writes) ||
        AnyOverlap(item->reads, call.writes)) {
      return {Code::kInvalidArgument,
              "its memory belongs to an earlier call that has not been waited for"};
    }
  }
  return {};
}

// Completes earlier calls: a peer that waits for one of them must not depend on a rank that stands
// in a comparison. Their results stay with their Works.
Status CheckedCommunicator::Settle() {
  for (const auto& item : items_) {
    if (!item->over) STEMMA_RETURN_IF_ERROR(item->Wait());
  }
  const auto handed = [](const auto& item) { return item->handed.load(); };
  items_.erase(std::remove_if(items_.begin(), items_.end(), handed), items_.end());
  return {};
}

Status CheckedCommunicator::Compare(const Call& call, const CallOptions& options) {
  Said mine;
  mine.what = options.what;
  mine.text = call.text;
  mine.refused = call.refused.message();
  mine.code = static_cast<uint8_t>(call.refused.code());
  mine.send = call.send;
  mine.receive = call.receive;
  mine.send.resize(call.receive.size());  // lengths were refused before if they differ
  const std::string name = "call " + std::to_string(sequence_++);
  Result<std::vector<std::string>> texts = cohort_->AllGather(Encode(mine));
  if (!texts.ok()) {
    return Status(texts.status()).Within(name + " \"" + mine.what + "\" " + mine.text);
  }
  std::vector<Said> all;
  for (const std::string& text : *texts) all.push_back(Decode(text));
  return Verdict(name, all);
}

template <typename Launch>
Result<Work> CheckedCommunicator::Run(Call call, const CallOptions& options, Launch launch) {
  STEMMA_RETURN_IF_ERROR(Health());
  if (call.refused.ok()) call.refused = Unsubmitted(call);
  STEMMA_RETURN_IF_ERROR(Settle());
  const Status compared = Compare(call, options);
  if (!compared.ok()) {
    MutexLock lock(mutex_);
    const bool sent_nothing = compared.code() == Code::kInvalidArgument;
    if (failure_.ok() && !sent_nothing) failure_ = compared;
    return compared;
  }
  auto item = std::make_shared<Item>();
  item->reads = std::move(call.reads);
  item->writes = std::move(call.writes);
  STEMMA_ASSIGN_OR_RETURN(Work work, launch());
  item->work = std::move(work);  // nobody else knows the item yet
  items_.push_back(item);
  return Work(std::make_unique<Pending>(std::move(item)));
}

Result<Work> CheckedCommunicator::AllReduce(Span inout, const CallOptions& options) {
  Call call;
  call.text = Text("all_reduce", inout, options);
  call.refused = CheckReduce(inout, options);
  call.writes = {Const(inout)};
  return Run(std::move(call), options, [&] { return inner_->AllReduce(inout, options); });
}

Result<Work> CheckedCommunicator::AllGather(ConstSpan mine, Span all,
                                            const std::vector<int64_t>& counts,
                                            const CallOptions& options) {
  Call call;
  call.text = Text("all_gather", all, options) + CountsText(counts);
  call.refused = CheckGather(mine, all, counts, rank(), ranks());
  call.reads = {mine};
  call.writes = {Const(all)};
  return Run(std::move(call), options,
             [&] { return inner_->AllGather(mine, all, counts, options); });
}

Result<Work> CheckedCommunicator::ReduceScatter(ConstSpan in, Span mine,
                                                const std::vector<int64_t>& counts,
                                                const CallOptions& options) {
  Call call;
  call.text = Text("reduce_scatter", {nullptr, in.count, in.dtype}, options) + CountsText(counts);
  call.refused = CheckReduceScatter(in, mine, counts, rank(), ranks(), options);
  call.reads = {in};
  call.writes = {Const(mine)};
  return Run(std::move(call), options,
             [&] { return inner_->ReduceScatter(in, mine, counts, options); });
}

Result<Work> CheckedCommunicator::AllToAll(ConstSpan in, const std::vector<int64_t>& send, Span out,
                                           const std::vector<int64_t>& receive,
                                           const CallOptions& options) {
  Call call;
  call.text = "all_to_all " + std::string(NameOf(in.dtype)) + options.shape;
  call.refused = CheckAllToAll(in, send, out, receive, rank(), ranks());
  call.send = send;
  call.receive = receive;
  call.reads = {in};
  call.writes = {Const(out)};
  return Run(std::move(call), options,
             [&] { return inner_->AllToAll(in, send, out, receive, options); });
}

Result<Work> CheckedCommunicator::Broadcast(Span inout, int root, const CallOptions& options) {
  Call call;
  call.text = Text("broadcast", inout, options) + " from " + std::to_string(root);
  call.refused = CheckBroadcast(inout, root, ranks());
  call.writes = {Const(inout)};
  return Run(std::move(call), options, [&] { return inner_->Broadcast(inout, root, options); });
}

Result<Work> CheckedCommunicator::Barrier(const CallOptions& options) {
  Call call;
  call.text = "barrier";
  return Run(std::move(call), options, [&] { return inner_->Barrier(options); });
}

// Not compared: its size may differ between ranks, and a backend that needs all ranks for it agrees
// by itself.
Result<std::unique_ptr<Segment>> CheckedCommunicator::Allocate(int64_t bytes,
                                                               std::string_view what) {
  STEMMA_RETURN_IF_ERROR(Health());
  STEMMA_RETURN_IF_ERROR(Settle());
  return inner_->Allocate(bytes, what);
}

void CheckedCommunicator::Abort(const Status& cause) { inner_->Abort(cause); }

Status CheckedCommunicator::Health() const {
  {
    MutexLock lock(mutex_);
    STEMMA_RETURN_IF_ERROR(failure_);
  }
  return inner_->Health();
}

Status CheckedCommunicator::Close() {
  STEMMA_RETURN_IF_ERROR(Health());
  STEMMA_RETURN_IF_ERROR(Settle());
  return inner_->Close();
}

}  // namespace stemma::comm
