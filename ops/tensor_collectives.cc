#include "ops/tensor_collectives.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "comm/arguments.h"
#include "core/cohort.h"
#include "ops/guard.h"
#include "ops/tensor_bytes.h"

namespace stemma::ops {
namespace {

Status Refuse(const std::string& why) { return {Code::kInvalidArgument, why}; }

std::string SizesText(at::IntArrayRef sizes) {
  std::string text;
  for (int64_t size : sizes) text += (text.empty() ? "" : ",") + std::to_string(size);
  return "[" + text + "]";
}

Result<comm::Span> Checked(const comm::Communicator& c, const at::Tensor& tensor,
                           const char* what) {
  STEMMA_ASSIGN_OR_RETURN(const comm::Span span, SpanOf(tensor, what));
  if (tensor.is_cpu() != c.on_gpu()) return span;
  return Refuse(std::string(what) + ": the tensor is on " + tensor.device().str() +
                ", the communicator (" + std::string(c.name()) + ") moves " +
                (c.on_gpu() ? "GPU" : "host") + " memory");
}

comm::CallOptions OptionsFor(const at::Tensor& tensor, const char* what) {
  comm::CallOptions options;
  options.what = what;
  options.shape = SizesText(tensor.sizes());
  if (!tensor.is_contiguous()) options.shape += " strides " + SizesText(tensor.strides());
  options.stream = StreamOf(tensor.device());
  return options;
}

class HoldingWork final : public comm::Work::Impl {
 public:
  HoldingWork(comm::Work work, at::Tensor tensor)
      : tensor_(std::move(tensor)), work_(std::move(work)) {}
  Status Wait() override { return work_.Wait(); }
  bool Done() const override { return work_.Done(); }

 private:
  const at::Tensor tensor_;  // outlives work_, whose destructor waits
  comm::Work work_;
};

// A tensor with rows, contiguous, whose elements can be moved.
Result<at::Tensor> WithRows(const at::Tensor& tensor, const char* what) {
  if (!tensor.defined()) return Refuse(std::string(what) + ": the tensor is undefined");
  if (tensor.dim() == 0) {
    return Refuse(std::string(what) + ": a scalar has no rows; pass tensor.reshape({1})");
  }
  if (tensor.layout() != at::kStrided) return Refuse(std::string(what) + ": the tensor is sparse");
  return tensor.detach().contiguous();
}

int64_t RowOf(const at::Tensor& tensor) {  // elements of one row
  const at::IntArrayRef sizes = tensor.sizes();
  return std::accumulate(sizes.begin() + 1, sizes.end(), int64_t{1}, std::multiplies<>());
}

at::Tensor EmptyRows(const at::Tensor& like, int64_t rows) {
  std::vector<int64_t> sizes = like.sizes().vec();
  sizes[0] = rows;
  return at::empty(sizes, like.options());
}

// What a rank tells the others about its tensor: dtype, dimensions, the sizes of all but the first,
// then the number of rows that this message is about. A scalar or a type that cannot be moved is
// found before; dimensions beyond the limit too.
constexpr int kDimsMax = 12;
constexpr int64_t kWords = kDimsMax + 2;

std::vector<int64_t> Introduce(const at::Tensor& tensor, DType dtype, int64_t rows) {
  std::vector<int64_t> words(kWords, 0);
  words[0] = static_cast<int64_t>(dtype);
  words[1] = tensor.dim();
  for (int64_t d = 1; d < tensor.dim(); ++d) words[1 + d] = tensor.size(d);
  words[kWords - 1] = rows;
  return words;
}

Status CheckDims(const at::Tensor& tensor, const char* what) {
  if (tensor.dim() <= kDimsMax) return {};
  return Refuse(std::string(what) + ": " + std::to_string(tensor.dim()) + " dimensions; at most " +
                std::to_string(kDimsMax) + " are offered");
}

// Rank r's words are those from r * kWords on. The same verdict on all ranks.
Status SameRows(const std::vector<int64_t>& words, const char* what) {
  std::vector<std::string> texts;
  bool same = true;
  for (size_t at = 0; at < words.size(); at += kWords) {
    std::string text(NameOf(static_cast<DType>(words[at])));
    text += "[rows";
    for (int64_t d = 1; d < words[at + 1]; ++d) text += "," + std::to_string(words[at + 1 + d]);
    texts.push_back(text + "]");
    same = same && texts.back() == texts.front();
  }
  if (same) return {};
  return {Code::kIncompatible, std::string(what) + ": " + GroupByValue(texts)};
}

// Sends `words` (kWords per rank) and returns what came, in host memory. `to_all`: the same kWords
// for every rank.
Result<std::vector<int64_t>> Tell(comm::Communicator& c, const at::Tensor& like,
                                  std::vector<int64_t> words, bool to_all, const char* what) {
  const auto count = static_cast<int64_t>(words.size());
  const at::TensorOptions host = at::TensorOptions(at::kLong);
  const at::Tensor mine = at::from_blob(words.data(), {count}, host).to(like.device());
  const at::Tensor all = at::empty({kWords * c.ranks()}, mine.options());
  comm::CallOptions options;
  options.what = std::string(what) + ", sizes";
  options.stream = StreamOf(like.device());
  const std::vector<int64_t> counts(c.ranks(), kWords);
  const comm::ConstSpan in{mine.data_ptr(), count, DType::kI64};
  const comm::Span out{all.data_ptr(), all.numel(), DType::kI64};
  STEMMA_ASSIGN_OR_RETURN(comm::Work work, to_all ? c.AllGather(in, out, counts, options)
                                                  : c.AllToAll(in, counts, out, counts, options));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  const at::Tensor found = all.cpu();
  const auto* const begin = found.const_data_ptr<int64_t>();
  return std::vector<int64_t>(begin, begin + found.numel());
}

// Runs `body`, which returns a Result<T>, where LibTorch's exceptions end.
template <typename T, typename Body>
Result<T> GuardFor(const char* what, Body body) {
  Result<T> result = Status(Code::kInternal, what);
  const Status status = Guard(what, [&]() -> Status {
    result = body();
    return {};
  });
  if (!status.ok()) return status;
  return result;
}

// Small tensors as the bytes of one.
Status BroadcastTogether(comm::Communicator& c, const std::vector<at::Tensor>& tensors,
                         const std::vector<comm::Span>& spans, int root,
                         const comm::CallOptions& options) {
  int64_t total = 0;
  for (const comm::Span& span : spans) total += static_cast<int64_t>(span.bytes());
  const at::TensorOptions bytes = tensors[0].options().dtype(at::kByte).requires_grad(false);
  const at::Tensor flat = at::empty({total}, bytes);
  const auto copy = [&](bool out) {
    int64_t at = 0;
    for (const comm::Span& span : spans) {
      const auto size = static_cast<int64_t>(span.bytes());
      if (size == 0) continue;
      const at::Tensor raw = at::from_blob(span.data, {size}, bytes);
      const at::Tensor part = flat.narrow(0, at, size);
      if (out) {
        raw.copy_(part);
      } else {
        part.copy_(raw);
      }
      at += size;
    }
  };
  if (c.rank() == root) copy(false);
  STEMMA_ASSIGN_OR_RETURN(comm::Work work,
                          c.Broadcast({flat.data_ptr(), total, DType::kU8}, root, options));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  if (c.rank() != root) copy(true);
  return {};
}

}  // namespace

Result<comm::Work> AllReduceAsync(comm::Communicator& c, const at::Tensor& tensor,
                                  const comm::CallOptions& options) {
  return GuardFor<comm::Work>("AllReduce", [&]() -> Result<comm::Work> {
    STEMMA_ASSIGN_OR_RETURN(const comm::Span span, Checked(c, tensor, "AllReduce"));
    comm::CallOptions call = OptionsFor(tensor, "a tensor");
    if (!options.what.empty()) call.what = options.what;
    call.op = options.op;
    call.scale = options.scale;
    call.deadline = options.deadline;
    STEMMA_ASSIGN_OR_RETURN(comm::Work work, c.AllReduce(span, call));
    return comm::Work(std::make_unique<HoldingWork>(std::move(work), tensor));
  });
}

Status AllReduce(comm::Communicator& c, const at::Tensor& tensor, comm::Op op, double scale) {
  comm::CallOptions options;
  options.op = op;
  options.scale = scale;
  STEMMA_ASSIGN_OR_RETURN(comm::Work work, AllReduceAsync(c, tensor, options));
  return work.Wait();
}

Status Broadcast(comm::Communicator& c, const at::Tensor& tensor, int root) {
  return Broadcast(c, std::vector<at::Tensor>{tensor}, root);
}

Status Broadcast(comm::Communicator& c, const std::vector<at::Tensor>& tensors, int root) {
  return Guard("Broadcast", [&]() -> Status {
    std::vector<comm::Span> spans;
    for (const at::Tensor& tensor : tensors) {
      STEMMA_ASSIGN_OR_RETURN(const comm::Span span, Checked(c, tensor, "Broadcast"));
      spans.push_back(span);
    }
    STEMMA_RETURN_IF_ERROR(comm::CheckBroadcast({}, root, c.ranks()));
    for (size_t first = 0; first < tensors.size();) {
      size_t last = first;
      int64_t bytes = 0;
      std::string shape;
      while (last < tensors.size()) {
        bytes += static_cast<int64_t>(spans[last].bytes());
        if (last > first && bytes > kBroadcastBytesMax) break;
        const comm::CallOptions one = OptionsFor(tensors[last], "");
        shape += (last > first ? "+" : "") + std::string(NameOf(spans[last].dtype)) + one.shape;
        ++last;
      }
      comm::CallOptions options = OptionsFor(tensors[first], "tensors");
      if (last - first == 1) {
        STEMMA_ASSIGN_OR_RETURN(comm::Work work, c.Broadcast(spans[first], root, options));
        STEMMA_RETURN_IF_ERROR(work.Wait());
      } else {
        options.shape = "[" + shape + "]";
        STEMMA_RETURN_IF_ERROR(
            BroadcastTogether(c, {tensors.begin() + first, tensors.begin() + last},
                              {spans.begin() + first, spans.begin() + last}, root, options));
      }
      first = last;
    }
    return {};
  });
}

Result<at::Tensor> AllGather(comm::Communicator& c, const at::Tensor& tensor) {
  const char* const what = "AllGather";
  return GuardFor<at::Tensor>(what, [&]() -> Result<at::Tensor> {
    STEMMA_ASSIGN_OR_RETURN(const at::Tensor mine, WithRows(tensor, what));
    STEMMA_ASSIGN_OR_RETURN(const comm::Span span, Checked(c, mine, what));
    STEMMA_RETURN_IF_ERROR(CheckDims(mine, what));
    STEMMA_ASSIGN_OR_RETURN(const std::vector<int64_t> words,
                            Tell(c, mine, Introduce(mine, span.dtype, mine.size(0)), true, what));
    STEMMA_RETURN_IF_ERROR(SameRows(words, what));
    std::vector<int64_t> counts;
    int64_t rows = 0;
    for (int r = 0; r < c.ranks(); ++r) {
      const int64_t theirs = words[(r + 1) * kWords - 1];
      counts.push_back(theirs * RowOf(mine));
      rows += theirs;
    }
    const at::Tensor all = EmptyRows(mine, rows);
    STEMMA_ASSIGN_OR_RETURN(const comm::Span out, SpanOf(all, what));
    comm::CallOptions options = OptionsFor(all, "rows");
    STEMMA_ASSIGN_OR_RETURN(comm::Work work,
                            c.AllGather({span.data, span.count, span.dtype}, out, counts, options));
    STEMMA_RETURN_IF_ERROR(work.Wait());
    return all;
  });
}

Result<at::Tensor> ReduceScatter(comm::Communicator& c, const at::Tensor& tensor, comm::Op op,
                                 double scale) {
  const char* const what = "ReduceScatter";
  return GuardFor<at::Tensor>(what, [&]() -> Result<at::Tensor> {
    STEMMA_ASSIGN_OR_RETURN(const at::Tensor whole, WithRows(tensor, what));
    STEMMA_ASSIGN_OR_RETURN(const comm::Span in, Checked(c, whole, what));
    const int64_t rows = whole.size(0), n = c.ranks();
    std::vector<int64_t> counts;
    for (int64_t r = 0; r < n; ++r) {
      counts.push_back((rows / n + (r < rows % n ? 1 : 0)) * RowOf(whole));
    }
    const at::Tensor part = EmptyRows(whole, rows / n + (c.rank() < rows % n ? 1 : 0));
    STEMMA_ASSIGN_OR_RETURN(const comm::Span out, SpanOf(part, what));
    comm::CallOptions options = OptionsFor(whole, "rows");
    options.op = op;
    options.scale = scale;
    STEMMA_ASSIGN_OR_RETURN(comm::Work work,
                            c.ReduceScatter({in.data, in.count, in.dtype}, out, counts, options));
    STEMMA_RETURN_IF_ERROR(work.Wait());
    return part;
  });
}

Result<std::vector<int64_t>> SplitsOf(const at::Tensor& splits) {
  return GuardFor<std::vector<int64_t>>("splits", [&]() -> Result<std::vector<int64_t>> {
    if (!splits.defined() || splits.dim() != 1) {
      return Refuse("splits: a tensor of one dimension, with one number per rank, is needed");
    }
    if (splits.scalar_type() != at::kLong && splits.scalar_type() != at::kInt) {
      return Refuse(std::string("splits: numbers of int32 or int64 are needed, not ") +
                    c10::toString(splits.scalar_type()));
    }
    const at::Tensor host = splits.to(at::kCPU, at::kLong).contiguous();
    const auto* const begin = host.const_data_ptr<int64_t>();
    return std::vector<int64_t>(begin, begin + host.numel());
  });
}

namespace {

Result<std::vector<int64_t>> CheckedSplits(int64_t rows, int ranks,
                                           const std::vector<int64_t>& splits) {
  if (splits.empty()) {
    if (rows % ranks == 0) return std::vector<int64_t>(ranks, rows / ranks);
    return Refuse("AllToAll: " + std::to_string(rows) + " rows cannot be split evenly over " +
                  std::to_string(ranks) + " ranks; pass splits");
  }
  if (splits.size() != static_cast<size_t>(ranks)) {
    return Refuse("AllToAll: " + std::to_string(splits.size()) + " splits for " +
                  std::to_string(ranks) + " ranks");
  }
  int64_t left = rows;
  for (int64_t split : splits) {
    if (split < 0) return Refuse("AllToAll: a split below zero: " + SizesText(splits));
    if (split > left) left = -1;
    if (left < 0) break;
    left -= split;
  }
  if (left == 0) return splits;
  return Refuse("AllToAll: splits " + SizesText(splits) + (left < 0 ? " exceed the " : " leave ") +
                (left < 0 ? std::to_string(rows) + " rows"
                          : std::to_string(left) + " of " + std::to_string(rows) + " rows"));
}

}  // namespace

Result<Rows> AllToAll(comm::Communicator& c, const at::Tensor& tensor,
                      const std::vector<int64_t>& splits) {
  const char* const what = "AllToAll";
  return GuardFor<Rows>(what, [&]() -> Result<Rows> {
    STEMMA_ASSIGN_OR_RETURN(const at::Tensor mine, WithRows(tensor, what));
    STEMMA_ASSIGN_OR_RETURN(const comm::Span in, Checked(c, mine, what));
    STEMMA_RETURN_IF_ERROR(CheckDims(mine, what));
    STEMMA_ASSIGN_OR_RETURN(const std::vector<int64_t> sent,
                            CheckedSplits(mine.size(0), c.ranks(), splits));
    std::vector<int64_t> telling;
    for (int64_t rows : sent) {
      const std::vector<int64_t> words = Introduce(mine, in.dtype, rows);
      telling.insert(telling.end(), words.begin(), words.end());
    }
    STEMMA_ASSIGN_OR_RETURN(const std::vector<int64_t> told,
                            Tell(c, mine, std::move(telling), false, what));
    STEMMA_RETURN_IF_ERROR(SameRows(told, what));
    Rows result;
    std::vector<int64_t> send, receive;
    int64_t rows = 0;
    for (int r = 0; r < c.ranks(); ++r) {
      result.splits.push_back(told[(r + 1) * kWords - 1]);
      rows += result.splits.back();
      send.push_back(sent[r] * RowOf(mine));
      receive.push_back(result.splits.back() * RowOf(mine));
    }
    result.data = EmptyRows(mine, rows);
    STEMMA_ASSIGN_OR_RETURN(const comm::Span out, SpanOf(result.data, what));
    comm::CallOptions options = OptionsFor(mine, "rows");
    options.shape = "[rows" + SizesText(mine.sizes().slice(1)).substr(1);
    STEMMA_ASSIGN_OR_RETURN(comm::Work work,
                            c.AllToAll({in.data, in.count, in.dtype}, send, out, receive, options));
    STEMMA_RETURN_IF_ERROR(work.Wait());
    return result;
  });
}

}  // namespace stemma::ops
