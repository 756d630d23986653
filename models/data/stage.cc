#include "models/data/stage.h"

#include <mutex>
#include <utility>

#include "core/log.h"

namespace stemma::models {

// Both files are opened when they are first needed: with all copies there, nobody asks the source.
class StagedFiles::Handle final : public lineage::ReadableFile {
 public:
  Handle(const StagedFiles& all, File& file) : all_(all), file_(file) {}

  Status Read(uint64_t offset, uint64_t bytes, char* out) override {
    if (const auto copy = Copy()) {
      const Status status = copy->Read(offset, bytes, out);
      if (status.ok()) {
        ++all_.copies_;
        return status;
      }
      if (!file_.bad.exchange(true)) {
        LogWarning("a copy on this node's disk cannot be read; its source is read instead",
                   {{"copy", file_.copy}, {"source", file_.about.path}, {"why", status.message()}});
      }
    }
    STEMMA_ASSIGN_OR_RETURN(const auto source, Source());
    ++all_.source_reads_;
    return source->Read(offset, bytes, out);
  }

 private:
  std::shared_ptr<lineage::ReadableFile> Copy() {
    if (file_.bad) return nullptr;
    std::lock_guard<std::mutex> lock(mutex_);
    if (copy_) return copy_;
    const auto bytes = all_.local_.SizeOf(file_.copy);
    if (!bytes.ok() || *bytes != file_.about.bytes) return nullptr;
    auto opened = all_.local_.OpenToRead(file_.copy);
    if (!opened.ok()) return nullptr;
    copy_ = *std::move(opened);
    return copy_;
  }

  Result<std::shared_ptr<lineage::ReadableFile>> Source() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!source_) {
      STEMMA_ASSIGN_OR_RETURN(source_, all_.source_.OpenToRead(file_.about.path));
    }
    return source_;
  }

  const StagedFiles& all_;
  File& file_;
  std::mutex mutex_;
  std::shared_ptr<lineage::ReadableFile> copy_, source_;
};

StagedFiles::StagedFiles(lineage::Storage& source, lineage::Storage& local, std::string dir,
                         std::vector<StageFile> files)
    : source_(source), local_(local) {
  for (StageFile& about : files) {
    auto file = std::make_unique<File>();
    file->copy = CopyPath(dir, about);
    file->about = std::move(about);
    by_path_.emplace(file->about.path, files_.size());
    files_.push_back(std::move(file));
  }
}

Result<std::unique_ptr<lineage::ReadableFile>> StagedFiles::Open(const std::string& path) const {
  const auto at = by_path_.find(path);
  if (at == by_path_.end()) return source_.OpenToRead(path);
  return std::unique_ptr<lineage::ReadableFile>(
      std::make_unique<Handle>(*this, *files_[at->second]));
}

}  // namespace stemma::models
