#include "lineage/weights/torch_file.h"

#include <algorithm>
#include <cstring>

#include "core/text.h"
#include "lineage/weights/zip.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kClaimMax = 16;  // times the file's length
constexpr char kPickleName[] = "data.pkl";

Status Corrupt(const std::string& what) { return {Code::kCorruption, "torch file: " + what}; }

Status CheckStored(const std::string& name, const ZipMember& member) {
  if (!member.compressed) return {};
  return {Code::kInvalidArgument,
          "its member '" + Printable(name) +
              "' is compressed, which torch.save never does: unpack it and pack it again with "
              "`zip -0 -r`, or load it in Python and torch.save it again"};
}

// The folder that all members lie in, with its slash: that of the one data.pkl.
Result<std::string> FolderOf(const ZipDirectory& zip) {
  std::string folder;
  bool found = false;
  const std::string suffix = std::string("/") + kPickleName;
  for (const auto& [name, member] : zip) {
    if (name.size() <= suffix.size() ||
        name.compare(name.size() - suffix.size(), suffix.size(), suffix) != 0) {
      continue;
    }
    if (found) return Corrupt("it has two members data.pkl");
    found = true;
    folder = name.substr(0, name.size() - suffix.size() + 1);
  }
  if (!found) return Corrupt("the archive has no member data.pkl: it is none that torch.save made");
  if (zip.count(folder + "constants.pkl") > 0) {
    return Status(Code::kInvalidArgument,
                  "it is a TorchScript archive, which holds code: in Python, "
                  "torch.save(torch.jit.load(FILE).state_dict(), OTHER)");
  }
  return folder;
}

// A member of the archive that has it by this name.
Result<std::string> ReadMember(ReadableFile& file, const ZipDirectory& zip, const std::string& name,
                               uint64_t max, const char* what) {
  const ZipMember& member = zip.at(name);
  STEMMA_RETURN_IF_ERROR(CheckStored(name, member));
  if (member.bytes > max) return Corrupt(std::string(what) + " is too long");
  std::string bytes(member.bytes, '\0');
  STEMMA_RETURN_IF_ERROR(file.Read(member.begin, member.bytes, bytes.data()));
  return bytes;
}

Status CheckByteOrder(ReadableFile& file, const ZipDirectory& zip, const std::string& folder) {
  const std::string name = folder + "byteorder";
  if (zip.count(name) == 0) return {};  // before torch 2.1: little
  STEMMA_ASSIGN_OR_RETURN(const std::string text,
                          ReadMember(file, zip, name, 16, "its byte order"));
  if (text == "little") return {};
  return {Code::kInvalidArgument,
          "it was written on a big-endian machine: load and save it in Python on this one"};
}

// What the tensors add up to, against the file that holds them: storages may be shared. Each
// tensor has no more elements than its storage, which lies in the file.
Status CheckClaim(const PickledTensors& found, uint64_t file_bytes) {
  uint64_t claimed = 0;
  for (const PickledTensor& tensor : found.tensors) {
    claimed += tensor.count() * SizeOf(found.storages[tensor.storage].dtype);
    if (claimed / kClaimMax > file_bytes) {
      return {Code::kInvalidArgument,
              "its tensors share storages so that they have more than sixteen times its bytes: "
              "save clones of them"};
    }
  }
  return {};
}

}  // namespace

bool IsOldTorchFile(std::string_view first_bytes) {
  // A pickle of protocol 2 that holds torch's magic number alone.
  constexpr std::string_view kMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  return first_bytes.substr(0, kMagic.size()) == kMagic;
}

Result<std::unique_ptr<TorchFile>> TorchFile::Open(std::unique_ptr<ReadableFile> file,
                                                   uint64_t file_bytes, const std::string& key) {
  STEMMA_ASSIGN_OR_RETURN(const ZipDirectory zip, ReadZip(*file, file_bytes));
  STEMMA_ASSIGN_OR_RETURN(const std::string folder, FolderOf(zip));
  STEMMA_RETURN_IF_ERROR(CheckByteOrder(*file, zip, folder));
  STEMMA_ASSIGN_OR_RETURN(const std::string pickle,
                          ReadMember(*file, zip, folder + kPickleName, kPickleMax, "its pickle"));
  std::unique_ptr<TorchFile> torch(new TorchFile(std::move(file)));
  STEMMA_ASSIGN_OR_RETURN(torch->found_, ReadTensorPickle(pickle, key));
  for (const PickledStorage& storage : torch->found_.storages) {
    const auto member = zip.find(folder + "data/" + storage.key);
    if (member == zip.end()) return Corrupt("storage '" + storage.key + "' is not in it");
    STEMMA_RETURN_IF_ERROR(CheckStored(member->first, member->second));
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(storage.count, SizeOf(storage.dtype), &bytes) ||
        bytes != member->second.bytes) {
      return Corrupt("storage '" + storage.key + "' has another length than its pickle says");
    }
    torch->begins_.push_back(member->second.begin);
  }
  STEMMA_RETURN_IF_ERROR(CheckClaim(torch->found_, file_bytes));
  return torch;
}

// The part of its storage from its first element to its last.
Status TorchFile::Gather(size_t tensor) {
  if (gathered_ == tensor) return {};
  gathered_ = ~size_t{0};
  const PickledTensor& view = found_.tensors[tensor];
  uint64_t extent = 1;
  for (size_t i = 0; i < view.shape.size(); ++i) extent += (view.shape[i] - 1) * view.strides[i];
  const uint64_t element = SizeOf(dtype(tensor));
  memory_.resize(extent * element);
  STEMMA_RETURN_IF_ERROR(
      file_->Read(begins_[view.storage] + view.first * element, memory_.size(), memory_.data()));
  gathered_ = tensor;
  return {};
}

Status TorchFile::Read(size_t tensor, uint64_t offset, uint64_t bytes, char* out) {
  const PickledTensor& view = found_.tensors[tensor];
  const uint64_t element = SizeOf(dtype(tensor));
  if (bytes == 0) return {};
  if (view.IsContiguous()) {
    return file_->Read(begins_[view.storage] + view.first * element + offset, bytes, out);
  }
  STEMMA_RETURN_IF_ERROR(Gather(tensor));
  // The place of the first element, then a walk like an odometer's.
  const size_t dims = view.shape.size();
  std::vector<uint64_t> at(dims);
  uint64_t rest = offset / element, from = 0;
  for (size_t i = dims; i-- > 0; rest /= view.shape[i]) {
    at[i] = rest % view.shape[i];
    from += at[i] * view.strides[i];
  }
  for (uint64_t done = 0; done < bytes; done += element) {
    std::memcpy(out + done, memory_.data() + from * element, element);
    for (size_t i = dims; i-- > 0;) {
      from += view.strides[i];
      if (++at[i] < view.shape[i]) break;
      from -= at[i] * view.strides[i];
      at[i] = 0;
    }
  }
  return {};
}

}  // namespace stemma::lineage
