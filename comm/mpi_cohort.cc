#include "comm/mpi_cohort.h"

#include <algorithm>
#include <utility>

#include "comm/flight_recorder.h"

namespace stemma::comm {

struct MpiCohort::Buffers {
  int64_t length = 0;
  std::vector<int64_t> lengths;
  std::string text;
};

MpiCohort::MpiCohort(MpiGroup& group, std::chrono::milliseconds deadline, std::string name,
                     std::string host)
    : group_(group),
      deadline_(deadline),
      name_(std::move(name)),
      host_(std::move(host)),
      buffers_(std::make_unique<Buffers>()) {}

MpiCohort::~MpiCohort() {
  if (!group_.Health().ok()) buffers_.release();  // MPI may still write there
}

Waiting MpiCohort::WaitingFor(const char* call) const {
  Waiting waiting;
  waiting.deadline = Section::Lengthen(deadline_);
  waiting.what = name_ + " (" + call + ")";
  return waiting;
}

Result<int> MpiCohort::Min(int mine) { return group_.Min(mine, WaitingFor("minimum")); }

Result<std::string> MpiCohort::Broadcast(std::string mine, int root) {
  if (root < 0 || root >= size()) {
    return Status(Code::kInvalidArgument, name_ + ": root " + std::to_string(root) + " of " +
                                              std::to_string(size()) + " ranks");
  }
  const Waiting waiting = WaitingFor("broadcast");
  auto& [length, unused, text] = *buffers_;
  (void)unused;
  text = std::move(mine);
  length = static_cast<int64_t>(text.size());
  STEMMA_RETURN_IF_ERROR(group_.Broadcast(&length, sizeof length, root, waiting));
  text.resize(static_cast<size_t>(length));
  STEMMA_RETURN_IF_ERROR(group_.Broadcast(text.data(), length, root, waiting));
  return std::move(text);
}

Result<std::vector<std::string>> MpiCohort::AllGather(std::string mine) {
  const Waiting waiting = WaitingFor("gather");
  auto& [length, lengths, text] = *buffers_;
  length = static_cast<int64_t>(mine.size());
  lengths.assign(static_cast<size_t>(size()), 0);
  STEMMA_RETURN_IF_ERROR(group_.GatherEqual(&length, sizeof length, lengths.data(), waiting));

  int64_t total = 0, own = 0;
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) own = total;
    total += lengths[r];
  }
  text.assign(static_cast<size_t>(total), '\0');
  text.replace(static_cast<size_t>(own), mine.size(), mine);
  if (total > 0) STEMMA_RETURN_IF_ERROR(group_.GatherInPlace(text.data(), lengths, waiting));

  std::vector<std::string> texts;
  size_t at = 0;
  for (int64_t bytes : lengths) {
    texts.push_back(text.substr(at, static_cast<size_t>(bytes)));
    at += static_cast<size_t>(bytes);
  }
  return texts;
}

}  // namespace stemma::comm
