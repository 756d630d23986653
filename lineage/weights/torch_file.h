// A file of torch.save, opened without Python or LibTorch: an archive with a pickle that names
// tensors and a member for each storage. The pickle is read by pickle.h, which executes nothing.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto file, TorchFile::Open(std::move(readable), bytes, ""));
//   for (size_t i = 0; i < file->tensors().size(); ++i) {
//     file->Read(i, 0, bytes_of_tensor, out);         // in C order, whatever the strides
//   }
//
// Views of any strides are copied right; storages may be shared by any number of tensors. A tensor
// that lies in its storage otherwise than in C order (a transpose, channels-last) is gathered in
// memory: the part of its storage that it touches, one tensor at a time. Others are read in place.
//
// Refused, with the way out: what torch wrote before 1.6 or was told to write that way, TorchScript
// archives, big-endian files, and tensors that together claim more than sixteen times the file.
//
// Thread: one at a time. Failure: kCorruption for what is no such file, kInvalidArgument for one
// that holds more than a dict of tensors; the file's own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"
#include "lineage/weights/pickle.h"

namespace stemma::lineage {

class TorchFile {
 public:
  // `key`: as in pickle.h. Takes the file.
  static Result<std::unique_ptr<TorchFile>> Open(std::unique_ptr<ReadableFile> file,
                                                 uint64_t file_bytes, const std::string& key);

  const std::vector<PickledTensor>& tensors() const { return found_.tensors; }
  DType dtype(size_t tensor) const { return StorageOf(tensor).dtype; }
  uint64_t others() const { return found_.others; }
  // Bytes [offset, offset + bytes) of the tensor in C order; both at whole elements.
  Status Read(size_t tensor, uint64_t offset, uint64_t bytes, char* out);
  ReadableFile& file() { return *file_; }

 private:
  explicit TorchFile(std::unique_ptr<ReadableFile> file) : file_(std::move(file)) {}
  const PickledStorage& StorageOf(size_t tensor) const {
    return found_.storages[found_.tensors[tensor].storage];
  }
  Status Gather(size_t tensor);

  std::unique_ptr<ReadableFile> file_;
  PickledTensors found_;
  std::vector<uint64_t> begins_;  // of each storage's bytes, in the file
  size_t gathered_ = ~size_t{0};  // whose part of a storage is in memory_
  std::string memory_;
};

// The first bytes of a file that torch wrote without an archive, before 1.6.
bool IsOldTorchFile(std::string_view first_bytes);

}  // namespace stemma::lineage
