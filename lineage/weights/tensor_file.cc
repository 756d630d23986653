#include "lineage/weights/tensor_file.h"

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/pack_format.h"
#include "lineage/safetensors.h"
#include "lineage/weights/torch_file.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kHashBytes = 1 << 20;  // read at once for the file's digest
constexpr uint64_t kFirstBytes = 32;      // enough to tell formats apart

class SafetensorsFile final : public TensorFile {
 public:
  SafetensorsFile(std::unique_ptr<ReadableFile> file, uint64_t file_bytes)
      : file_(std::move(file)) {
    bytes_ = file_bytes;
  }

  Status Open() {
    std::string length(8, '\0');
    STEMMA_RETURN_IF_ERROR(file_->Read(0, 8, length.data()));
    const uint64_t json_bytes = Decoder(length).U64();
    if (json_bytes > kSafetensorsHeaderMax || json_bytes > bytes_ - 8) {
      return {Code::kCorruption,
              "no safetensors file: its first eight bytes are not the length of a header; and no "
              "archive of torch.save"};
    }
    std::string json(json_bytes, '\0');
    STEMMA_RETURN_IF_ERROR(file_->Read(8, json_bytes, json.data()));
    data_begin_ = 8 + json_bytes;
    STEMMA_ASSIGN_OR_RETURN(header_, ParseSafetensors(json, bytes_ - data_begin_));
    if (header_.metadata.count(kKeyPack)) {
      return {Code::kInvalidArgument,
              "it is a pack of a store, a part of a state and not a model: `stemma export` makes a "
              "file of the state that it belongs to"};
    }
    for (const SafetensorsEntry& entry : header_.entries) {
      tensors_.push_back({entry.name, entry.dtype, entry.shape});
    }
    return {};
  }

  Status Read(size_t tensor, uint64_t offset, uint64_t bytes, char* out) override {
    return file_->Read(data_begin_ + header_.entries[tensor].begin + offset, bytes, out);
  }

 private:
  ReadableFile& file() override { return *file_; }
  std::unique_ptr<ReadableFile> file_;
  uint64_t data_begin_ = 0;
  SafetensorsHeader header_;
};

class TorchTensorFile final : public TensorFile {
 public:
  TorchTensorFile(std::unique_ptr<TorchFile> torch, uint64_t file_bytes)
      : torch_(std::move(torch)) {
    bytes_ = file_bytes;
    others_ = torch_->others();
    for (size_t i = 0; i < torch_->tensors().size(); ++i) {
      const PickledTensor& tensor = torch_->tensors()[i];
      tensors_.push_back({tensor.name, torch_->dtype(i), tensor.shape});
    }
  }

  Status Read(size_t tensor, uint64_t offset, uint64_t bytes, char* out) override {
    return torch_->Read(tensor, offset, bytes, out);
  }

 private:
  ReadableFile& file() override { return torch_->file(); }
  std::unique_ptr<TorchFile> torch_;
};

}  // namespace

Result<std::string> TensorFile::Sha256() {
  Sha256Stream digest;
  std::string tile;
  for (uint64_t at = 0; at < bytes_; at += tile.size()) {
    tile.resize(std::min(kHashBytes, bytes_ - at));
    STEMMA_RETURN_IF_ERROR(file().Read(at, tile.size(), tile.data()));
    digest.Update(tile);
  }
  return digest.Finish();
}

Result<std::unique_ptr<TensorFile>> OpenTensorFile(Storage& storage, const std::string& path,
                                                   const std::string& key) {
  STEMMA_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, storage.OpenToRead(path));
  STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, storage.SizeOf(path));
  if (bytes < 8) {
    return Status(Code::kCorruption, "neither a safetensors file nor one of torch.save: it has " +
                                         std::to_string(bytes) + " bytes");
  }
  std::string first(std::min(bytes, kFirstBytes), '\0');
  STEMMA_RETURN_IF_ERROR(file->Read(0, first.size(), first.data()));
  if (IsOldTorchFile(first)) {
    return Status(Code::kInvalidArgument,
                  "torch wrote it in the form of before version 1.6, which is no archive: in "
                  "Python, torch.save(torch.load(FILE), OTHER)");
  }
  std::unique_ptr<TensorFile> opened;
  if (first.compare(0, 4, "PK\x03\x04") == 0) {
    STEMMA_ASSIGN_OR_RETURN(auto torch, TorchFile::Open(std::move(file), bytes, key));
    opened = std::make_unique<TorchTensorFile>(std::move(torch), bytes);
  } else {
    if (!key.empty()) {
      return Status(Code::kInvalidArgument,
                    "--key is for files of torch.save, and it is none: safetensors has one list");
    }
    auto plain = std::make_unique<SafetensorsFile>(std::move(file), bytes);
    STEMMA_RETURN_IF_ERROR(plain->Open());
    opened = std::move(plain);
  }
  if (opened->tensors().empty()) return Status(Code::kInvalidArgument, "it holds no tensor");
  return opened;
}

}  // namespace stemma::lineage
