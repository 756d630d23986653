#include "models/data/images/folder_source.h"

#include <sys/vfs.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/log.h"
#include "models/data/images/reading.h"

namespace stemma::models {
namespace {

constexpr int64_t kManyFiles = 10'000;

bool IsImageName(std::string_view name) {
  const auto ends = [name](std::string_view with) {
    if (name.size() <= with.size()) return false;
    const std::string_view end = name.substr(name.size() - with.size());
    return std::equal(end.begin(), end.end(), with.begin(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  };
  return ends(".jpg") || ends(".jpeg");
}

// Of file systems whose every open asks a server.
const char* NetworkDisk(const std::string& path) {
  struct statfs about {};
  if (::statfs(path.c_str(), &about) != 0) return nullptr;
  switch (static_cast<uint32_t>(about.f_type)) {
    case 0x0BD00BD0:
      return "Lustre";
    case 0x6969:
      return "NFS";
    case 0x47504653:
      return "GPFS";
    case 0x19830326:
      return "BeeGFS";
    default:
      return nullptr;
  }
}

// The images of a class by name, with their sizes, and how many other files lie there.
struct ClassFiles {
  std::vector<std::pair<std::string, uint64_t>> images;
  uint64_t others = 0;
};

Result<ClassFiles> LookAtClass(lineage::Storage& disk, const std::string& path) {
  auto names = disk.List(path);
  if (!names.ok() && names.status().code() == Code::kNotFound) {
    return Status(Code::kNotFound,
                  path + ": neither a file nor a folder, such as a link to nothing; remove it");
  }
  STEMMA_RETURN_IF_ERROR(names.status());
  ClassFiles files;
  for (const std::string& name : *names) {
    if (name[0] == '.') continue;
    const std::string file = path + "/" + name;
    const auto bytes = disk.SizeOf(file);
    if (IsImageName(name)) {
      if (!bytes.ok()) {
        return Status(bytes.status()).Within("what is called like an image has to be one");
      }
      files.images.emplace_back(name, *bytes);
    } else if (bytes.ok() || !disk.List(file).ok()) {
      ++files.others;
    } else {
      return Status(Code::kInvalidArgument,
                    file +
                        ": a folder inside a class; images lie in FOLDER/CLASS itself: move "
                        "what it holds there, or remove it");
    }
  }
  if (!files.images.empty()) return files;
  return Status(Code::kNotFound, path +
                                     " holds no image (.jpg, .jpeg): a class folder has one at "
                                     "least; remove it, or see what it holds");
}

// Lists a folder of classes: per class its name, how many files it has, and their names; then how
// many other files there are, and the digest.
Result<std::string> Look(lineage::Storage& disk, const std::string& folder) {
  STEMMA_ASSIGN_OR_RETURN(const auto entries, disk.List(folder));
  Encoder table, classes;
  Sha256Stream digest;
  digest.Update("stemma class folders 1");
  uint64_t class_count = 0, others = 0;
  for (const std::string& entry : entries) {
    const std::string path = folder + "/" + entry;
    if (entry[0] == '.' || disk.SizeOf(path).ok()) continue;
    STEMMA_ASSIGN_OR_RETURN(const ClassFiles found, LookAtClass(disk, path));
    Encoder files, facts;
    for (const auto& [name, bytes] : found.images) {
      files.String(name);
      facts.String(name);
      facts.U64(bytes);
    }
    others += found.others;
    Encoder head;
    head.String(entry);
    head.U64(found.images.size());
    digest.Update(head.bytes());
    digest.Update(facts.bytes());
    classes.Raw(head.bytes());
    classes.Raw(files.bytes());
    ++class_count;
  }
  if (class_count == 0) {
    const bool shards = std::any_of(entries.begin(), entries.end(), [](const std::string& name) {
      return name.size() > 4 && name.substr(name.size() - 4) == ".tar";
    });
    return Status(Code::kNotFound,
                  folder + " holds no class folders: expected " + folder + "/CLASS/NAME.jpg" +
                      (shards ? "; it holds shards (*.tar), which are read as such" : ""));
  }
  table.U64(class_count);
  table.Raw(classes.bytes());
  table.U64(others);
  table.Raw(digest.Finish());
  return table.Take();
}

}  // namespace

Status FolderSource::Decode(const std::string& table) {
  Decoder in(table);
  for (uint64_t classes = in.U64(); classes > 0 && in.ok(); --classes) {
    classes_.push_back(in.String());
    for (uint64_t files = in.U64(); files > 0 && in.ok(); --files) {
      names_ += in.String();
      name_ends_.push_back(names_.size());
    }
    class_ends_.push_back(Size());
  }
  others_ = in.I64();
  digest_ = std::string(in.Raw(kSha256Bytes));
  if (in.ok() && in.remaining() == 0) return {};
  return {Code::kInternal, folder_ + ": rank 0 sent no table of its files"};
}

Result<std::shared_ptr<const FolderSource>> FolderSource::Open(lineage::Storage& disk,
                                                               const std::string& folder,
                                                               Cohort& cohort) {
  STEMMA_ASSIGN_OR_RETURN(const std::string table,
                          LookOnRankZero(cohort, [&] { return Look(disk, folder); }));
  std::shared_ptr<FolderSource> source(new FolderSource(disk, folder));
  STEMMA_RETURN_IF_ERROR(source->Decode(table));
  const char* network = source->Size() >= kManyFiles ? NetworkDisk(folder) : nullptr;
  if (network != nullptr && cohort.rank() == 0) {
    LogWarning(
        "one file per image on a network file system is slow for everybody there: pack "
        "them with `stemma data pack`",
        {{"folder", folder}, {"files", source->Size()}, {"file system", network}});
  }
  return std::shared_ptr<const FolderSource>(std::move(source));
}

int64_t FolderSource::LabelOf(int64_t id) const {
  const auto at = std::upper_bound(class_ends_.begin(), class_ends_.end(), id);
  return at - class_ends_.begin();
}

std::string FolderSource::FileOf(int64_t id) const {
  const auto i = static_cast<size_t>(id);
  const uint64_t begin = i == 0 ? 0 : name_ends_[i - 1];
  return names_.substr(begin, name_ends_[i] - begin);
}

std::string FolderSource::NameOf(int64_t id) const {
  return folder_ + "/" + classes_[static_cast<size_t>(LabelOf(id))] + "/" + FileOf(id);
}

Status FolderSource::Read(int64_t id, EncodedImage* image) const {
  image->label = LabelOf(id);
  const std::string path = NameOf(id);
  return ReadPatiently([&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(const auto bytes, disk_.SizeOf(path));
    if (bytes > kImageBytesMax) return lineage::TooLong(path, bytes, kImageBytesMax);
    STEMMA_ASSIGN_OR_RETURN(const auto file, disk_.OpenToRead(path));
    image->memory.resize(bytes);
    image->bytes = image->memory;
    return file->Read(0, bytes, image->memory.data());
  });
}

}  // namespace stemma::models
