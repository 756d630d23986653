#include "comm/control.h"

#include <deque>
#include <utility>

#include "core/bytes.h"
#include "core/check.h"
#include "core/digest.h"

namespace stemma::comm {
namespace {

using Words = WordExchange::Words;

// 0 hash, 1 its inverse, 2 any, 3 not all, 4 who raised a flag, 5 audit, 6 its inverse, 7 zero.
Words Encode(int64_t step, const Mine& mine, int rank) {
  Encoder hashed;
  hashed.I64(step);
  hashed.U64(mine.agree);
  const uint64_t hash = Xxh64(hashed.bytes());
  const uint64_t raised = mine.any == 0 ? 0 : uint64_t{1} << (rank % 64);
  const uint64_t not_all = static_cast<uint32_t>(~mine.all);
  return {hash, ~hash, mine.any, not_all, raised, mine.audit, ~mine.audit, 0};
}

// Whether all ranks sent the same value, by the OR of the values and of their inverses.
bool Equal(uint64_t values, uint64_t inverses) { return values == ~inverses; }

// The second round: what one rank says about a step.
struct Saying {
  bool failed = false;
  Code code = Code::kInternal;
  uint64_t agree = 0;
  std::string text, host;
};

std::string Encode(const Saying& saying) {
  Encoder out;
  out.U8(saying.failed ? 1 : 0);
  out.U8(static_cast<uint8_t>(saying.code));
  out.U64(saying.agree);
  out.String(saying.text);
  out.String(saying.host);
  return out.Take();
}

Saying DecodeSaying(const std::string& bytes) {
  Decoder in(bytes);
  Saying saying;
  saying.failed = in.U8() != 0;
  saying.code = static_cast<Code>(in.U8());
  saying.agree = in.U64();
  saying.text = in.String();
  saying.host = in.String();
  return saying;
}

// The lowest failing rank's code, and every failing rank's text.
Status Failed(const std::string& where, const std::vector<Saying>& by_rank) {
  std::string text;
  Code code = Code::kOk;
  for (size_t rank = 0; rank < by_rank.size(); ++rank) {
    if (!by_rank[rank].failed) continue;
    if (code == Code::kOk) code = by_rank[rank].code;
    text += (text.empty() ? "" : "; ") + RankName(static_cast<int>(rank), by_rank[rank].host) +
            " failed: " + by_rank[rank].text;
  }
  return {code == Code::kOk ? Code::kInternal : code, where + text};
}

Status Disagreed(const std::string& where, const std::vector<Saying>& by_rank) {
  std::vector<std::string> texts, hashes;
  bool texts_differ = false;
  for (const Saying& saying : by_rank) {
    Encoder hash;
    hash.U64(saying.agree);
    texts.push_back(saying.text);
    hashes.push_back((saying.text.empty() ? "" : saying.text + " ") + "hash " + Hex(hash.bytes()));
    texts_differ = texts_differ || saying.text != by_rank[0].text;
  }
  return {Code::kIncompatible, where + GroupByValue(texts_differ ? texts : hashes)};
}

class ControlWord final : public Control {
 public:
  ControlWord(std::unique_ptr<WordExchange> words, std::unique_ptr<Cohort> texts, int64_t lag)
      : words_(std::move(words)), texts_(std::move(texts)), lag_(lag) {}

  Result<Verdict> EndStep(int64_t step, const Mine& mine) override {
    STEMMA_RETURN_IF_ERROR(failure_);
    STEMMA_RETURN_IF_ERROR(Keep(words_->Post(Encode(step, mine, texts_->rank()))));
    posted_.push_back({step, mine});
    if (static_cast<int64_t>(posted_.size()) <= lag_) return Verdict{};
    return Read();
  }

  Result<std::optional<Verdict>> Drain() override {
    STEMMA_RETURN_IF_ERROR(failure_);
    if (posted_.empty()) return std::optional<Verdict>();
    STEMMA_ASSIGN_OR_RETURN(const Verdict verdict, Read());
    return std::optional<Verdict>(verdict);
  }

 private:
  struct Posted {
    int64_t step = 0;
    Mine mine;
  };

  Status Keep(Status status) {
    if (failure_.ok()) failure_ = status;
    return status;
  }

  Result<Verdict> Read() {
    const Posted posted = std::move(posted_.front());
    posted_.pop_front();
    const std::string where = "step " + std::to_string(posted.step) + ": ";
    Result<Words> all = words_->Collect(where + "control word");
    STEMMA_RETURN_IF_ERROR(Keep(all.status()));
    const Words& word = *all;
    Verdict verdict;
    verdict.step = posted.step;
    verdict.any = static_cast<uint32_t>(word[2]);
    verdict.all = ~static_cast<uint32_t>(word[3]);
    verdict.raised_by = word[4];
    verdict.audit_equal = Equal(word[5], word[6]);
    const bool failed = (verdict.any & kAnyFailed) != 0;
    if (Equal(word[0], word[1]) && !failed) return verdict;
    return Keep(Ask(where, posted.mine, failed));
  }

  // Reached by all ranks or by none: they read the same word.
  Status Ask(const std::string& where, const Mine& mine, bool failed) {
    Saying saying;
    saying.failed = (mine.any & kAnyFailed) != 0;
    saying.code = mine.code;
    saying.agree = mine.agree;
    saying.text = mine.text;
    saying.host = texts_->host();
    STEMMA_ASSIGN_OR_RETURN(const auto texts, texts_->AllGather(Encode(saying)));
    std::vector<Saying> by_rank;
    for (const std::string& text : texts) by_rank.push_back(DecodeSaying(text));
    return failed ? Failed(where, by_rank) : Disagreed(where, by_rank);
  }

  const std::unique_ptr<WordExchange> words_;
  const std::unique_ptr<Cohort> texts_;
  const int64_t lag_;
  std::deque<Posted> posted_;
  Status failure_;
};

}  // namespace

std::unique_ptr<Control> MakeControl(std::unique_ptr<WordExchange> words,
                                     std::unique_ptr<Cohort> texts, int64_t lag) {
  STEMMA_CHECK(lag == 0 || lag == 1, "control lag " + std::to_string(lag));
  return std::make_unique<ControlWord>(std::move(words), std::move(texts), lag);
}

}  // namespace stemma::comm
