#include "models/data/images/lenient.h"

#include <algorithm>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::models {

std::string LenientDataset::Digest() const {
  Encoder bytes;
  bytes.String("without bad samples");
  bytes.String(data_->Digest());
  return Sha256(bytes.bytes());
}

Status LenientDataset::Read(int64_t id, const Cursor& key, float* x, float* y) const {
  Status status = data_->Read(id, key, x, y);
  const Code code = status.code();
  if (code != Code::kNotFound && code != Code::kCorruption && code != Code::kIncompatible) {
    return status;
  }
  const SampleShape shape = data_->Shape();
  std::fill_n(x, shape.XCount(), 0.f);
  std::fill_n(y, shape.y, kNoLabel);
  return skipped_.Add(key.epoch, bad_max_, std::move(status));
}

}  // namespace stemma::models
