#include "models/data/images/pack.h"

#include <algorithm>
#include <memory>
#include <unordered_set>
#include <utility>

#include "core/cohort.h"
#include "core/digest.h"
#include "core/text.h"
#include "lineage/names.h"
#include "models/data/images/folder_source.h"
#include "models/data/images/jpeg.h"
#include "models/data/images/shard_index.h"
#include "models/data/images/shard_source.h"
#include "models/data/images/tar.h"
#include "models/data/order.h"

namespace stemma::models {
namespace {

constexpr size_t kStrangersMax = 20;
constexpr size_t kBufferBytes = size_t{1} << 22;
constexpr int64_t kProgressEvery = 1000;

// One shard while it is written: the bytes go to the disk in pieces of 4 MiB.
class ShardWriter {
 public:
  static Result<ShardWriter> Create(lineage::Storage& disk, const std::string& path) {
    STEMMA_ASSIGN_OR_RETURN(auto file, disk.Create(path, {}));
    return ShardWriter(std::move(file));
  }

  Status Add(const std::string& name, std::string_view bytes) {
    const std::string header = TarHeader(name, bytes.size());
    STEMMA_RETURN_IF_ERROR(index_.Add(name, bytes_ + header.size(), bytes.size()));
    STEMMA_RETURN_IF_ERROR(Put(header));
    STEMMA_RETURN_IF_ERROR(Put(bytes));
    return Put(TarPadding(bytes.size()));
  }

  Result<ShardIndex> Finish() {
    STEMMA_RETURN_IF_ERROR(Put(TarEnd()));
    STEMMA_RETURN_IF_ERROR(Flush());
    STEMMA_RETURN_IF_ERROR(file_->Sync());
    STEMMA_RETURN_IF_ERROR(file_->Close());
    return index_.Finish(bytes_, digest_.Finish());
  }

  uint64_t bytes() const { return bytes_; }

 private:
  explicit ShardWriter(std::unique_ptr<lineage::WritableFile> file) : file_(std::move(file)) {}

  Status Put(std::string_view bytes) {
    bytes_ += bytes.size();
    buffer_ += bytes;
    return buffer_.size() >= kBufferBytes ? Flush() : Status();
  }
  Status Flush() {
    digest_.Update(buffer_);
    const Status status = file_->Append(buffer_);
    buffer_.clear();
    return status;
  }

  std::unique_ptr<lineage::WritableFile> file_;
  std::string buffer_;
  uint64_t bytes_ = 0;
  Xxh128Stream digest_;
  IndexBuilder index_;
};

uint64_t BytesInTar(const std::string& name, uint64_t bytes) {
  return TarHeader(name, bytes).size() + bytes + TarPadding(bytes).size();
}

class Packer {
 public:
  Packer(lineage::Storage& disk, const PackSettings& settings, std::string folder)
      : disk_(disk), settings_(settings), folder_(std::move(folder)) {}

  Result<PackReport> Run() {
    SoloCohort alone;
    STEMMA_ASSIGN_OR_RETURN(images_, FolderSource::Open(disk_, settings_.folder, alone));
    report_.manifest.classes = images_->Classes();
    report_.others = images_->others();
    STEMMA_RETURN_IF_ERROR(CheckNames());
    const int64_t size = images_->Size();
    const SampleOrder order(settings_.seed, size);
    for (int64_t i = 0; i < size; ++i) {
      STEMMA_RETURN_IF_ERROR(
          AddImage(order.At(0, i))
              .Within("after " + std::to_string(i) + " of " + std::to_string(size) + " images"));
      if (settings_.progress && (i + 1) % kProgressEvery == 0) settings_.progress(i + 1, size);
    }
    STEMMA_RETURN_IF_ERROR(FinishShard());
    STEMMA_RETURN_IF_ERROR(lineage::WriteDurable(disk_, folder_ + "/" + kManifestName,
                                                 EncodeManifest(report_.manifest)));
    return std::move(report_);
  }

 private:
  // Before the first of perhaps a million is packed: a shard with such a name could not be read.
  Status CheckNames() const {
    for (int64_t id = 0; id < images_->Size(); ++id) {
      const std::string path = images_->NameOf(id), name = path.substr(settings_.folder.size());
      if (IsTarName(name)) continue;
      return {Code::kInvalidArgument, settings_.folder + Printable(name) +
                                          ": a control character, here '?', which names in "
                                          "shards cannot have; rename it"};
    }
    return {};
  }

  // CLASS/NAME, which no sample before had and in which the first dot is the field's.
  std::string KeyOf(int64_t id) {
    std::string file = images_->FileOf(id);
    file.resize(file.rfind('.'));
    std::replace(file.begin(), file.end(), '.', '_');
    const std::string key =
        images_->Classes()[static_cast<size_t>(images_->LabelOf(id))] + "/" + file;
    std::string free = key;
    for (int64_t n = 2; !keys_.insert(free).second; ++n) free = key + "-" + std::to_string(n);
    return free;
  }

  Status AddImage(int64_t id) {
    STEMMA_RETURN_IF_ERROR(images_->Read(id, &image_));
    const std::string format = ImageFormat(image_.bytes);
    if (format != "JPEG") {
      ++report_.strange;
      if (report_.strangers.size() < kStrangersMax) {
        report_.strangers.push_back(images_->NameOf(id) + ": " +
                                    (format.empty() ? "no image" : "a " + format));
      }
    }
    const std::string key = KeyOf(id), label = std::to_string(image_.label);
    const uint64_t bytes =
        BytesInTar(key + ".jpg", image_.bytes.size()) + BytesInTar(key + ".cls", label.size());
    if (shard_ && shard_->bytes() + bytes + TarEnd().size() > settings_.shard_bytes) {
      STEMMA_RETURN_IF_ERROR(FinishShard());
    }
    if (!shard_) {
      STEMMA_ASSIGN_OR_RETURN(auto shard, ShardWriter::Create(disk_, folder_ + "/" + ShardName()));
      shard_ = std::make_unique<ShardWriter>(std::move(shard));
    }
    STEMMA_RETURN_IF_ERROR(shard_->Add(key + ".jpg", image_.bytes));
    return shard_->Add(key + ".cls", label);
  }

  std::string ShardName() const {
    std::string number = std::to_string(report_.manifest.shards.size());
    number.insert(0, number.size() < 6 ? 6 - number.size() : 0, '0');
    return settings_.name + "-" + number + ".tar";
  }

  Status FinishShard() {
    const std::string name = ShardName();
    STEMMA_ASSIGN_OR_RETURN(const ShardIndex index, shard_->Finish());
    shard_ = nullptr;
    report_.manifest.shards.push_back({name, index.samples(), index.bytes, index.digest});
    return lineage::WriteSynced(disk_, IndexPathOf(folder_ + "/" + name), EncodeIndex(index));
  }

  lineage::Storage& disk_;
  const PackSettings& settings_;
  const std::string folder_;  // that is written
  std::shared_ptr<const FolderSource> images_;
  std::unique_ptr<ShardWriter> shard_;
  std::unordered_set<std::string> keys_;
  EncodedImage image_;
  PackReport report_;
};

// What an attempt left behind. It cannot do more than try.
void RemoveFolder(lineage::Storage& disk, const std::string& folder) {
  const auto names = disk.List(folder);
  if (!names.ok()) return;
  for (const std::string& name : *names) (void)disk.Remove(folder + "/" + name);
  (void)disk.Remove(folder);
}

Status Check(lineage::Storage& disk, const PackSettings& settings, const std::string& part) {
  if (settings.shard_bytes < 4096) {
    return {Code::kInvalidArgument,
            "shards of " + std::to_string(settings.shard_bytes) + " bytes; at least 4096"};
  }
  if (settings.name.empty() || settings.name.find_first_of("/{}") != std::string::npos ||
      settings.name[0] == '.') {
    return {Code::kInvalidArgument, "'" + settings.name + "' is no name for shards"};
  }
  if (settings.out.rfind(settings.folder + "/", 0) == 0) {
    return {Code::kInvalidArgument, settings.out + " lies among the classes of " + settings.folder +
                                        " and would be one; name a folder outside of it"};
  }
  if (disk.Exists(settings.out)) {
    return {Code::kInvalidArgument, settings.out + " exists; name a folder that does not"};
  }
  if (disk.Exists(part)) {
    return {Code::kInvalidArgument, part + " is there: another pack is at work, or one was " +
                                        "interrupted; in that case remove it"};
  }
  return {};
}

}  // namespace

Result<PackReport> PackFolder(lineage::Storage& disk, const PackSettings& given) {
  PackSettings settings = given;
  for (std::string* path : {&settings.folder, &settings.out}) {
    while (path->size() > 1 && path->back() == '/') path->pop_back();
  }
  const std::string part = settings.out + ".part";
  STEMMA_RETURN_IF_ERROR(Check(disk, settings, part));
  STEMMA_RETURN_IF_ERROR(disk.MakeDir(part));
  Result<PackReport> report = Packer(disk, settings, part).Run();
  Status status = report.status();
  if (status.ok()) status = disk.SyncDir(part);
  if (status.ok()) status = disk.Rename(part, settings.out);
  if (status.ok()) {
    status = disk.SyncDir(lineage::ParentOf(settings.out));
    if (status.ok()) return report;
    return std::move(status).Within(settings.out + " is whole, but may not outlive a crash");
  }
  RemoveFolder(disk, part);
  if (lineage::IsNoSpace(status)) {
    return std::move(status).Within("the disk of " + settings.out +
                                    " is too small for the shards, nothing of them is left");
  }
  return status;
}

Result<ShardFacts> WriteIndex(lineage::Storage& disk, const std::string& shard) {
  STEMMA_ASSIGN_OR_RETURN(const ShardIndex index, BuildIndex(disk, shard));
  STEMMA_RETURN_IF_ERROR(FindImageFields(index, shard).status());
  const std::string path = IndexPathOf(shard), part = path + ".part";
  if (disk.Exists(part)) STEMMA_RETURN_IF_ERROR(disk.Remove(part));
  STEMMA_RETURN_IF_ERROR(lineage::WriteSynced(disk, part, EncodeIndex(index)));
  STEMMA_RETURN_IF_ERROR(disk.Rename(part, path));
  STEMMA_RETURN_IF_ERROR(disk.SyncDir(lineage::ParentOf(path)));
  return ShardFacts{shard, index.samples(), index.bytes, index.digest};
}

}  // namespace stemma::models
