#include "lineage/storage.h"

#include <cstring>
#include <utility>

#include "lineage/names.h"

namespace stemma::lineage {
namespace {

class FileByReadAt final : public ReadableFile {
 public:
  FileByReadAt(Storage& storage, std::string path) : storage_(storage), path_(std::move(path)) {}
  Status Read(uint64_t offset, uint64_t bytes, char* out) override {
    STEMMA_ASSIGN_OR_RETURN(const std::string read, storage_.ReadAt(path_, offset, bytes));
    std::memcpy(out, read.data(), read.size());
    return {};
  }

 private:
  Storage& storage_;
  const std::string path_;
};

}  // namespace

Result<FileBytes> Storage::Map(const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(std::string bytes, ReadAll(path));
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  const std::string_view view = *kept;
  return FileBytes{view, std::move(kept)};
}

Status TooLong(const std::string& path, uint64_t bytes, uint64_t max) {
  return Status(Code::kCorruption, path + " has " + std::to_string(bytes) + " bytes, at most " +
                                       std::to_string(max) + " make sense");
}

Result<std::string> Storage::ReadBounded(const std::string& path, uint64_t max) {
  STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, SizeOf(path));
  if (bytes > max) return TooLong(path, bytes, max);
  return ReadAll(path);
}

Result<std::unique_ptr<ReadableFile>> Storage::OpenToRead(const std::string& path) {
  STEMMA_RETURN_IF_ERROR(SizeOf(path).status());
  return std::unique_ptr<ReadableFile>(std::make_unique<FileByReadAt>(*this, path));
}

bool IsNoSpace(const Status& status) {
  if (status.code() != Code::kIo) return false;
  const std::string& text = status.message();
  return text.find("No space left on device") != std::string::npos ||
         text.find("Disk quota exceeded") != std::string::npos ||
         text.find("File too large") != std::string::npos;
}

Status WriteSynced(Storage& storage, const std::string& path, std::string_view bytes) {
  STEMMA_ASSIGN_OR_RETURN(const auto file, storage.Create(path, {}));
  STEMMA_RETURN_IF_ERROR(file->Append(bytes));
  STEMMA_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

Status WriteDurable(Storage& storage, const std::string& path, std::string_view bytes) {
  STEMMA_RETURN_IF_ERROR(WriteSynced(storage, path, bytes));
  return storage.SyncDir(ParentOf(path));
}

}  // namespace stemma::lineage
