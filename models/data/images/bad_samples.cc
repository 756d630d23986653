#include "models/data/images/bad_samples.h"

#include <utility>

#include "core/bytes.h"
#include "core/log.h"

namespace stemma::models {

Status SkippedSamples::Add(uint64_t epoch, int64_t most, Status reason) {
  std::lock_guard<std::mutex> lock(mutex_);
  BadSamples& bad = by_epoch_[epoch];
  ++bad.count;
  if (bad.names.size() < kBadNamesMax) {
    LogWarning("an image is left out", {{"epoch", epoch}, {"why", reason.message()}});
    bad.names.push_back(reason.message());
  }
  if (bad.count <= most) return {};
  return std::move(reason).Within("more than " + std::to_string(most) +
                                  " bad samples in this epoch, the last one");
}

BadSamples SkippedSamples::Of(uint64_t epoch) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto at = by_epoch_.find(epoch);
  return at == by_epoch_.end() ? BadSamples() : at->second;
}

Result<BadSamples> GatherBadSamples(Cohort& cohort, const BadSamples& mine,
                                    std::vector<int>* ranks) {
  Encoder bytes;
  bytes.I64(mine.count);
  bytes.U64(mine.names.size());
  for (const std::string& name : mine.names) bytes.String(name);
  STEMMA_ASSIGN_OR_RETURN(const auto all, cohort.AllGather(bytes.Take()));
  BadSamples sum;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    Decoder in(all[rank]);
    const int64_t count = in.I64();
    sum.count += count;
    if (count > 0 && ranks != nullptr) ranks->push_back(static_cast<int>(rank));
    for (uint64_t names = in.U64(); names > 0 && in.ok(); --names) {
      std::string name = in.String();
      if (sum.names.size() < kBadNamesMax) sum.names.push_back(std::move(name));
    }
    if (!in.ok() || in.remaining() != 0) {
      return Status(Code::kInternal,
                    "rank " + std::to_string(rank) + " sent no list of its bad samples");
    }
  }
  return sum;
}

Status TellBadSamples(Cohort& cohort, uint64_t epoch, const BadSamples& mine) {
  std::vector<int> ranks;
  STEMMA_ASSIGN_OR_RETURN(const BadSamples all, GatherBadSamples(cohort, mine, &ranks));
  if (all.count == 0 || cohort.rank() != 0) return {};
  LogWarning("bad samples were left out",
             {{"epoch", epoch}, {"count", all.count}, {"ranks", RanksText(ranks)}});
  for (const std::string& name : all.names) LogWarning("bad sample", {{"what", name}});
  return {};
}

}  // namespace stemma::models
