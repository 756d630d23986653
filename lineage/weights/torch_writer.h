// Writes what Python's torch.load reads with its default weights_only=True: an archive like
// torch.save's, with an OrderedDict of tensors. No Python and no LibTorch is needed to make it.
//
//   TorchWriter writer(file, {{"fc.weight", DType::kF32, {10, 4}}, ...});
//   writer.Begin();
//   for (each tensor, in that order) writer.Append(its bytes, in pieces of any length);
//   writer.Finish();
//
// Each tensor is contiguous and has a storage of its own. The members: "archive/data.pkl", a pickle
// of protocol 2, then "archive/byteorder", "archive/data/0", ..., "archive/version", and
// "archive/stemma" with the text given to Note(), which torch does not look at.
//
// Memory: the pickle and some MiB. Thread: one at a time. Failure: the file's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/status.h"
#include "lineage/storage.h"
#include "lineage/weights/zip_writer.h"

namespace stemma::lineage {

struct TorchTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  uint64_t bytes() const;
};

class TorchWriter {
 public:
  TorchWriter(WritableFile& file, std::vector<TorchTensor> tensors)
      : zip_(file), tensors_(std::move(tensors)) {}

  void Note(std::string text) { note_ = std::move(text); }  // before Begin
  Status Begin();
  Status Append(std::string_view bytes);
  // REQUIRES: every byte of every tensor was appended.
  Status Finish();
  uint64_t written() const { return zip_.written(); }  // after Finish: the file's length

 private:
  Status OpenNext();  // the next tensor that has bytes; those without get their member here

  ZipWriter zip_;
  std::vector<TorchTensor> tensors_;
  std::string note_;
  size_t next_ = 0;    // the first tensor without a member
  uint64_t left_ = 0;  // bytes of the open one
};

// The pickle alone.
std::string PickleOf(const std::vector<TorchTensor>& tensors);

}  // namespace stemma::lineage
