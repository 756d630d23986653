#include "lineage/weights/torch_writer.h"

#include <algorithm>

#include "core/bytes.h"
#include "core/check.h"
#include "lineage/weights/pickle.h"

namespace stemma::lineage {
namespace {

constexpr char kFolder[] = "archive/";

// Instructions of a pickle, as pickle_machine.cc reads them.
void Text(std::string_view text, Encoder* out) {
  out->U8('X');
  out->String(text);
}

void Number(int64_t number, Encoder* out) {
  if (number >= 0 && number <= 0x7fffffff) {
    out->U8('J');
    out->U32(static_cast<uint32_t>(number));
  } else {
    out->U8(0x8a);
    out->U8(8);
    out->I64(number);
  }
}

void Tuple(const std::vector<int64_t>& numbers, Encoder* out) {
  out->U8('(');
  for (const int64_t number : numbers) Number(number, out);
  out->U8('t');
}

void EmptyOrderedDict(Encoder* out) { out->Raw("ccollections\nOrderedDict\n)R"); }

std::vector<int64_t> StridesOf(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
void Tensor(const TorchTensor& tensor, size_t key, Encoder* out) {
  out->Raw("ctorch._utils\n_rebuild_tensor_v2\n((");
  Text("storage", out);
  out->Raw("ctorch\n");
  out->Raw(StorageNameOf(tensor.dtype));
  out->Raw("\n");
  Text(std::to_string(key), out);
  Text("cpu", out);
  Number(static_cast<int64_t>(tensor.bytes() / SizeOf(tensor.dtype)), out);
  out->Raw("tQ");
  Number(0, out);
  Tuple(tensor.shape, out);
  Tuple(StridesOf(tensor.shape), out);
  out->U8(0x89);  // False
  EmptyOrderedDict(out);
  out->Raw("tR");
}

}  // namespace

uint64_t TorchTensor::bytes() const {
  uint64_t bytes = SizeOf(dtype);
  for (const int64_t dim : shape) bytes *= static_cast<uint64_t>(dim);
  return bytes;
}

std::string PickleOf(const std::vector<TorchTensor>& tensors) {
  Encoder out;
  out.U8(0x80);
  out.U8(2);
  EmptyOrderedDict(&out);
  out.U8('(');
  for (size_t i = 0; i < tensors.size(); ++i) {
    Text(tensors[i].name, &out);
    Tensor(tensors[i], i, &out);
  }
  out.Raw("u.");
  return out.Take();
}

Status TorchWriter::Begin() {
  const std::string folder = kFolder;
  STEMMA_RETURN_IF_ERROR(zip_.Add(folder + "data.pkl", PickleOf(tensors_)));
  STEMMA_RETURN_IF_ERROR(zip_.Add(folder + "byteorder", "little"));
  if (!note_.empty()) STEMMA_RETURN_IF_ERROR(zip_.Add(folder + "stemma", note_));
  return OpenNext();
}

Status TorchWriter::OpenNext() {
  for (; next_ < tensors_.size() && left_ == 0; ++next_) {
    const std::string name = kFolder + ("data/" + std::to_string(next_));
    left_ = tensors_[next_].bytes();
    STEMMA_RETURN_IF_ERROR(zip_.Begin(name, left_));
    if (left_ == 0) STEMMA_RETURN_IF_ERROR(zip_.End());
  }
  return {};
}

Status TorchWriter::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    STEMMA_CHECK(left_ > 0, "no more bytes than the tensors have");
    const uint64_t count = std::min<uint64_t>(left_, bytes.size());
    STEMMA_RETURN_IF_ERROR(zip_.Append(bytes.substr(0, count)));
    bytes.remove_prefix(count);
    left_ -= count;
    if (left_ > 0) continue;
    STEMMA_RETURN_IF_ERROR(zip_.End());
    STEMMA_RETURN_IF_ERROR(OpenNext());
  }
  return {};
}

Status TorchWriter::Finish() {
  STEMMA_CHECK(left_ == 0 && next_ == tensors_.size(), "all bytes of all tensors are there");
  STEMMA_RETURN_IF_ERROR(zip_.Add(std::string(kFolder) + "version", "3\n"));
  return zip_.Finish();
}

}  // namespace stemma::lineage
