// A file of tensors from outside, whichever format it has: safetensors, or what torch.save writes.
// Internal to lineage/: what import reads.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto file, OpenTensorFile(storage, "weights.pt", ""));
//   for (const FileTensor& tensor : file->tensors()) ...
//   file->Read(i, offset, bytes, out);           // of tensor i in C order, at whole elements
//
// The first bytes say which format it is, not the name. Everything is checked when it is opened,
// but what torch writes is trusted as far as its bytes go: no digest of them is in the file.
//
// The file must not change while it is open. Thread: one at a time. Failure: as safetensors.h and
// weights/torch_file.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::lineage {

struct FileTensor {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;
};

class TensorFile {
 public:
  virtual ~TensorFile() = default;
  const std::vector<FileTensor>& tensors() const { return tensors_; }
  uint64_t bytes() const { return bytes_; }    // of the file
  uint64_t others() const { return others_; }  // values in it that are no tensors
  virtual Status Read(size_t tensor, uint64_t offset, uint64_t bytes, char* out) = 0;
  // Of the whole file, raw.
  Result<std::string> Sha256();

 protected:
  virtual ReadableFile& file() = 0;
  std::vector<FileTensor> tensors_;
  uint64_t bytes_ = 0, others_ = 0;
};

// `key`: which of several dicts, see weights/pickle.h; kInvalidArgument for safetensors, which
// has none.
Result<std::unique_ptr<TensorFile>> OpenTensorFile(Storage& storage, const std::string& path,
                                                   const std::string& key);

}  // namespace stemma::lineage
