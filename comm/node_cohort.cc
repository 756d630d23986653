#include "comm/node_cohort.h"

#include <deque>

namespace stemma::comm {
namespace {

Status Finish(Result<Work> work) {
  STEMMA_RETURN_IF_ERROR(work.status());
  return work->Wait();
}

class NodeWords final : public WordExchange {
 public:
  explicit NodeWords(Communicator& communicator)
      : communicator_(communicator), counts_(static_cast<size_t>(communicator.ranks()), kWords) {}

  // Nobody reads what is still under way: end it, and do not wait for ranks that may be gone.
  ~NodeWords() override {
    if (!posted_.empty()) communicator_.Abort({Code::kInvalidArgument, "the control is closed"});
  }

  Status Post(const Words& words) override {
    posted_.emplace_back();
    Posted& posted = posted_.back();
    posted.mine = words;
    posted.all.resize(counts_.size() * kWords);
    CallOptions options;
    options.what = "control word";
    Result<Work> work = communicator_.AllGather(
        {posted.mine.data(), kWords, DType::kI64},
        {posted.all.data(), static_cast<int64_t>(posted.all.size()), DType::kI64}, counts_,
        options);
    if (!work.ok()) {
      posted_.pop_back();
      return work.status();
    }
    posted.work = *std::move(work);
    return {};
  }

  Result<Words> Collect(std::string_view what) override {
    if (posted_.empty()) return Status(Code::kInternal, std::string(what) + ": nothing was posted");
    STEMMA_RETURN_IF_ERROR(posted_.front().work.Wait().Within(std::string(what)));
    Words any{};
    const std::vector<uint64_t>& all = posted_.front().all;
    for (size_t k = 0; k < all.size(); ++k) any[k % kWords] |= all[k];
    posted_.pop_front();
    return any;
  }

 private:
  static constexpr int64_t kWords = std::tuple_size<Words>::value;
  struct Posted {
    Words mine;
    std::vector<uint64_t> all;
    Work work;  // ends first: it reads and writes the others
  };
  Communicator& communicator_;
  const std::vector<int64_t> counts_;
  std::deque<Posted> posted_;
};

}  // namespace

CallOptions NodeCohort::Options(const char* call) const {
  CallOptions options;
  options.what = name_ + " (" + call + ")";
  return options;
}

Result<int> NodeCohort::Min(int mine) {
  CallOptions options = Options("minimum");
  options.op = Op::kMin;
  int32_t least = mine;
  STEMMA_RETURN_IF_ERROR(Finish(communicator_.AllReduce({&least, 1, DType::kI32}, options)));
  return static_cast<int>(least);
}

Result<std::string> NodeCohort::Broadcast(std::string mine, int root) {
  if (root < 0 || root >= size()) {
    return Status(Code::kInvalidArgument, name_ + ": root " + std::to_string(root) + " of " +
                                              std::to_string(size()) + " ranks");
  }
  const CallOptions options = Options("broadcast");
  auto length = static_cast<int64_t>(mine.size());
  STEMMA_RETURN_IF_ERROR(Finish(communicator_.Broadcast({&length, 1, DType::kI64}, root, options)));
  mine.resize(static_cast<size_t>(length));
  STEMMA_RETURN_IF_ERROR(
      Finish(communicator_.Broadcast({mine.data(), length, DType::kU8}, root, options)));
  return mine;
}

Result<std::vector<std::string>> NodeCohort::AllGather(std::string mine) {
  const CallOptions options = Options("gather");
  const auto ranks = static_cast<size_t>(size());
  const auto length = static_cast<int64_t>(mine.size());
  std::vector<int64_t> lengths(ranks);
  STEMMA_RETURN_IF_ERROR(Finish(communicator_.AllGather({&length, 1, DType::kI64},
                                                        {lengths.data(), size(), DType::kI64},
                                                        std::vector<int64_t>(ranks, 1), options)));
  int64_t total = 0;
  for (int64_t bytes : lengths) total += bytes;
  std::string all(static_cast<size_t>(total), '\0');
  STEMMA_RETURN_IF_ERROR(Finish(communicator_.AllGather(
      {mine.data(), length, DType::kU8}, {all.data(), total, DType::kU8}, lengths, options)));
  std::vector<std::string> texts;
  size_t at = 0;
  for (int64_t bytes : lengths) {
    texts.push_back(all.substr(at, static_cast<size_t>(bytes)));
    at += static_cast<size_t>(bytes);
  }
  return texts;
}

std::unique_ptr<WordExchange> MakeNodeWords(Communicator& communicator) {
  return std::make_unique<NodeWords>(communicator);
}

}  // namespace stemma::comm
