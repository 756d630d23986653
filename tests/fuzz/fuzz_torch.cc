// Files of torch.save: the pickle alone; whole archives; a pickle in an archive that has storages.
// What is opened is read: every tensor, twice over, must lie inside of the file.

#include "core/bytes.h"
#include "lineage/memory_storage.h"
#include "lineage/weights/pickle.h"
#include "lineage/weights/torch_file.h"
#include "lineage/weights/torch_writer.h"
#include "tests/fuzz/fuzz.h"

#include "tests/support/lineage_samples.h"

namespace stemma::fuzz {
namespace {

// Appends to a text.
class TextFile final : public lineage::WritableFile {
 public:
  Status Append(std::string_view bytes) override { return text += bytes, Status(); }
  Status Sync() override { return {}; }
  Status Close() override { return {}; }
  std::string text;
};

// With the storages "0" of 64 bytes and "1" of 8.
std::string Archive(std::string_view pickle) {
  TextFile file;
  lineage::ZipWriter zip(file);
  Require(zip.Add("a/data.pkl", pickle).ok() && zip.Add("a/data/0", std::string(64, 'x')).ok() &&
              zip.Add("a/data/1", std::string(8, 'y')).ok() && zip.Finish().ok(),
          "an archive");
  return file.text;
}

void ReadWhole(const std::string& bytes) {
  lineage::MemoryStorage disk;
  Require(tests::PutFile(disk, "/f", bytes).ok(), "a file");
  auto file = disk.OpenToRead("/f");
  Require(file.ok(), "it opens");
  const auto torch = lineage::TorchFile::Open(*std::move(file), bytes.size(), "");
  if (!torch.ok()) return;
  for (size_t i = 0; i < (*torch)->tensors().size(); ++i) {
    const uint64_t size = SizeOf((*torch)->dtype(i));
    const uint64_t count = (*torch)->tensors()[i].count();
    Require(count * size <= bytes.size(), "no tensor has more bytes than the file");
    std::string out(count * size, '?');
    const uint64_t half = count / 2 * size;
    Require((*torch)->Read(i, 0, half, out.data()).ok(), "it lies inside of the file");
    Require((*torch)->Read(i, half, out.size() - half, out.data() + half).ok(), "all of it");
  }
}

std::string Text(std::string_view text) {
  Encoder out;
  out.U8('X');
  out.String(text);
  return out.Take();
}

void ReadPickle(std::string_view pickle) {
  const auto found = lineage::ReadTensorPickle(pickle, "");
  if (!found.ok()) {
    Require(!found.status().message().empty(), "a refusal says why");
    return;
  }
  for (const lineage::PickledTensor& tensor : found->tensors) {
    const uint64_t has = found->storages.at(tensor.storage).count;
    Require(tensor.count() <= has && tensor.first <= has, "a view has no more than its storage");
  }
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string pickle =
      lineage::PickleOf({{"w", DType::kF32, {2, 8}}, {"n", DType::kI64, {}}});
  const std::string views =
      std::string("\x80\x02}(") + Text("v") + "ctorch._utils\n_rebuild_tensor_v2\nq\1((" +
      Text("storage") + "ctorch\nFloatStorage\n" + Text("0") + Text("cpu") +
      "K\20tQK\1K\3K\2\x86K\2K\5\x86\x89}tR" + Text("n") + "K\7" + Text("l") + "]K\1au.";
  return {std::string("\0", 1) + pickle, std::string("\1") + Archive(pickle), "\2" + pickle,
          "\2" + views, std::string("\0", 1) + views};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = stemma::fuzz::View(data, size);
  switch (stemma::fuzz::TakeChoice(&input, 3)) {
    case 0:
      stemma::fuzz::ReadPickle(input);
      break;
    case 1:
      stemma::fuzz::ReadWhole(std::string(input));
      break;
    default:
      stemma::fuzz::ReadWhole(stemma::fuzz::Archive(input));
  }
  return 0;
}
