#include "comm/words.h"

#include <cstring>
#include <utility>

#include "comm/flight_recorder.h"
#include "core/bytes.h"

namespace stemma::comm {
namespace {

class MpiWords final : public WordExchange {
 public:
  MpiWords(MpiGroup& group, std::chrono::milliseconds deadline)
      : group_(group), deadline_(deadline) {}

  Status Post(const Words& words) override { return group_.PostOr(words); }

  Result<Words> Collect(std::string_view what) override {
    Waiting waiting;
    waiting.deadline = Section::Lengthen(deadline_);
    waiting.what = std::string(what);
    return group_.WaitOr(waiting);
  }

 private:
  MpiGroup& group_;
  const std::chrono::milliseconds deadline_;
};

class ThreadWords final : public WordExchange {
 public:
  ThreadWords(std::shared_ptr<ThreadGroup> group, int rank)
      : group_(std::move(group)), rank_(rank) {}

  Status Post(const Words& words) override {
    Encoder out;
    for (uint64_t word : words) out.U64(word);
    return group_->Post(kControlBoard, rank_, out.Take());
  }

  Result<Words> Collect(std::string_view what) override {
    STEMMA_ASSIGN_OR_RETURN(const auto texts, group_->Collect(kControlBoard, rank_, what));
    Words all{};
    for (const std::string& text : texts) {
      Decoder in(text);
      for (uint64_t& word : all) word |= in.U64();
    }
    return all;
  }

 private:
  const std::shared_ptr<ThreadGroup> group_;
  const int rank_;
};

}  // namespace

std::unique_ptr<WordExchange> MakeMpiWords(MpiGroup& group, std::chrono::milliseconds deadline) {
  return std::make_unique<MpiWords>(group, deadline);
}

std::unique_ptr<WordExchange> MakeThreadWords(std::shared_ptr<ThreadGroup> group, int rank) {
  return std::make_unique<ThreadWords>(std::move(group), rank);
}

}  // namespace stemma::comm
