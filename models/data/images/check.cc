#include "models/data/images/check.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "models/data/images/folder_source.h"
#include "models/data/images/prepare.h"
#include "models/data/images/shard_source.h"

namespace stemma::models {
namespace {

// Findings of several threads.
class Findings {
 public:
  explicit Findings(const std::function<void(const std::string&)>& say) : say_(say) {}
  void Add(const std::string& text) {
    std::lock_guard<std::mutex> lock(mutex_);
    ++count_;
    say_(text);
  }
  int64_t count() const { return count_; }  // when all threads are done

 private:
  const std::function<void(const std::string&)>& say_;
  std::mutex mutex_;
  int64_t count_ = 0;
};

// Calls `task` for 0 .. count - 1, by `threads` threads.
template <typename MakeTask>
void ForAll(int64_t count, int threads, const MakeTask& make_task) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    auto task = make_task();
    for (int64_t i = next++; i < count; i = next++) task(i);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

// The shard's bytes give the index that lies beside it.
Status CheckShard(lineage::Storage& disk, const std::string& shard) {
  STEMMA_ASSIGN_OR_RETURN(const ShardIndex index, IndexOf(disk, shard));
  STEMMA_ASSIGN_OR_RETURN(const ShardIndex built, BuildIndex(disk, shard));
  if (EncodeIndex(index) == EncodeIndex(built)) return {};
  return {Code::kCorruption,
          shard + (index.digest == built.digest ? ": its index says other places than its headers"
                                                : ": its bytes are not those that were indexed")};
}

void CheckDecoding(const ImageSource& images, int threads, Findings* findings) {
  ForAll(images.Size(), threads, [&] {
    auto preparer = std::make_shared<ImagePreparer>(*ImagePreparer::Make({}));
    auto image = std::make_shared<EncodedImage>();
    return [&, preparer, image](int64_t id) {
      Status status = images.Read(id, image.get());
      if (status.ok()) {
        status = preparer->Verify(image->bytes).status();
        status = std::move(status).Within(images.NameOf(id));
      }
      if (!status.ok()) findings->Add(status.message());
    };
  });
}

}  // namespace

Result<CheckReport> CheckImages(lineage::Storage& disk, const std::string& path,
                                const CheckSettings& settings,
                                const std::function<void(const std::string&)>& say) {
  SoloCohort alone;
  CheckReport report;
  Findings findings(say);
  const int threads = std::max(1, settings.threads);
  std::shared_ptr<const ImageSource> images;
  const auto shards = ShardPaths(disk, path);
  if (shards.ok()) {
    report.shards = static_cast<int64_t>(shards->size());
    ForAll(report.shards, threads, [&] {
      return [&](int64_t i) {
        const Status status = CheckShard(disk, (*shards)[static_cast<size_t>(i)]);
        if (!status.ok()) findings.Add(status.message());
      };
    });
    const auto opened = ShardSource::Open(disk, path, alone);
    if (!opened.ok() && findings.count() == 0) findings.Add(opened.status().message());
    if (opened.ok()) images = *opened;
  } else if (shards.status().code() == Code::kNotFound && disk.Exists(path)) {
    STEMMA_ASSIGN_OR_RETURN(images, FolderSource::Open(disk, path, alone));
  } else {
    return shards.status();
  }
  if (images) {
    report.images = images->Size();
    report.classes = static_cast<int64_t>(images->Classes().size());
    if (settings.decode) CheckDecoding(*images, threads, &findings);
  }
  report.findings = findings.count();
  return report;
}

}  // namespace stemma::models
