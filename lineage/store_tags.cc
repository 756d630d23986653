#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/bytes.h"
#include "lineage/marks.h"
#include "lineage/record_codec.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

constexpr int kNotesTries = 3;

Status NoTag(const std::string& name) {
  return {Code::kNotFound, "no tag is called '" + name + "'"};
}

// A version without a target says that the tag was taken away.
bool IsThere(const TagVersions& versions) {
  return !versions.valid.empty() && !versions.valid.back().target.empty();
}

Status CheckExpected(const std::string& name, const std::optional<StateId>& expect,
                     const TagVersions& versions) {
  if (!expect) return {};
  if (!IsThere(versions)) {
    return {Code::kInvalidArgument,
            "tag '" + name + "' does not exist, so it cannot name " + Hex(*expect).substr(0, 16)};
  }
  const StateId& now = versions.valid.back().target;
  if (now == *expect) return {};
  return {Code::kInvalidArgument, "tag '" + name + "' names " + Hex(now).substr(0, 16) +
                                      " and not " + Hex(*expect).substr(0, 16) +
                                      ": somebody moved it; look again"};
}

}  // namespace

std::string WhoAmI() {
  const char* user = std::getenv("USER");
  return std::string(user && *user ? user : "uid" + std::to_string(getuid())) + "@" + HostName();
}

Result<TagVersions> ReadTag(Storage& storage, const Paths& paths, const std::string& name,
                            bool newest_only) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, storage.List(paths.TagDir(name)));
  std::vector<uint32_t> numbers;
  for (const std::string& file : files) {
    if (const std::optional<uint32_t> number = ParseTagVersion(file)) numbers.push_back(*number);
  }
  std::sort(numbers.rbegin(), numbers.rend());
  TagVersions versions;
  versions.highest = numbers.empty() ? 0 : numbers.front();
  for (const uint32_t number : numbers) {
    Result<std::string> file = storage.ReadBounded(paths.TagTarget(name, number), kSmallFileMax);
    if (file.status().code() == Code::kNotFound) continue;  // its writer died
    Result<TagTarget> target = file.ok() ? DecodeTagTarget(*file) : file.status();
    if (!target.ok()) {
      versions.unreadable = paths.TagTarget(name, number) + ": " + target.status().message();
      continue;
    }
    versions.valid.push_back(
        {name, number, target->target, target->who, target->why, target->wall_ms});
    if (newest_only) break;
  }
  std::reverse(versions.valid.begin(), versions.valid.end());
  return versions;
}

// A version is published whole, so two movers cannot both believe that they were first. A number
// that is taken and not listed is one that a network file system does not show yet: it is passed
// over, but what it names is not known, so nothing can be expected of it.
Status StoreImpl::PutTagVersion(const std::string& name, const StateId& target,
                                const std::string& why, const std::optional<StateId>& expect) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes,
                          EncodeTagTarget({target, WhoAmI(), why, WallMs()}));
  uint32_t taken = 0;
  for (int i = 0; i < kClaimsMax; ++i) {
    STEMMA_ASSIGN_OR_RETURN(const TagVersions versions, ReadTag(storage_, paths_, name, true));
    if (target.empty() && !IsThere(versions)) return NoTag(name);
    STEMMA_RETURN_IF_ERROR(CheckExpected(name, expect, versions));
    if (expect && taken > versions.highest) {
      return {Code::kInvalidArgument,
              "tag '" + name +
                  "' was moved by somebody just now, and this "
                  "machine does not see where to yet: look again in a minute"};
    }
    const uint32_t next = std::max(versions.highest, taken) + 1;
    Status claimed = ClaimFolder(storage_, paths_, paths_.TagVersionDir(name, next),
                                 BaseOf(paths_.TagTarget(name, next)), bytes);
    if (claimed.code() != Code::kInvalidArgument) return claimed;
    taken = next;
  }
  return {Code::kIo, "tag '" + name + "': others were faster " + std::to_string(kClaimsMax) +
                         " times in a row"};
}

Status StoreImpl::SetTag(const std::string& name, const StateId& target, const std::string& why,
                         const std::optional<StateId>& expect) {
  STEMMA_RETURN_IF_ERROR(CheckName("tag", name));
  if (target.empty()) return {Code::kInvalidArgument, "a tag names a state; this one is empty"};
  STEMMA_RETURN_IF_ERROR(MakeDirIfMissing(storage_, paths_.TagDir(name)));
  STEMMA_RETURN_IF_ERROR(storage_.SyncDir(paths_.TagsDir()));
  return PutTagVersion(name, target, why, expect);
}

Status StoreImpl::RemoveTag(const std::string& name, const std::string& why,
                            const std::optional<StateId>& expect) {
  STEMMA_RETURN_IF_ERROR(CheckName("tag", name));
  if (!storage_.Exists(paths_.TagDir(name))) return NoTag(name);
  return PutTagVersion(name, {}, why, expect);
}

Result<std::vector<TagEntry>> StoreImpl::TagHistory(const std::string& name) const {
  STEMMA_RETURN_IF_ERROR(CheckName("tag", name));
  if (!storage_.Exists(paths_.TagDir(name))) return NoTag(name);
  STEMMA_ASSIGN_OR_RETURN(TagVersions versions, ReadTag(storage_, paths_, name, false));
  return std::move(versions.valid);
}

Status StoreImpl::Annotate(const StateId& target, const std::string& key,
                           const AttributeValue& value) {
  if (key.empty()) return {Code::kInvalidArgument, "a note needs a key, as in 'verdict=good'"};
  if (key.rfind(kReservedPrefix, 0) == 0) {
    return {Code::kInvalidArgument,
            "'" + key +
                "': keys that begin with 'stemma.' decide on bytes and are set by `stemma "
                "prune`, `stemma gc` and `stemma scope`"};
  }
  return Mark(target, key, value);
}

Status StoreImpl::Mark(const StateId& target, const std::string& key, const AttributeValue& value) {
  MutexLock lock(mutex_);
  clock_ = std::max(static_cast<uint64_t>(WallMs()), clock_ + 1);
  std::string payload;  // the same in each segment: it is one note
  for (int tried = 0; tried < kNotesTries; ++tried) {
    if (!notes_) {
      notes_writer_ = NewUlid();
      auto path_of = [this, writer = notes_writer_](uint32_t segment) {
        return paths_.NotesSegment(writer, segment);
      };
      STEMMA_ASSIGN_OR_RETURN(notes_, LogWriter::Create(storage_, SegmentKind::kNotes, path_of));
    }
    if (payload.empty()) {
      STEMMA_ASSIGN_OR_RETURN(payload,
                              EncodeNote({target, key, value, clock_, notes_writer_, WhoAmI()}));
    }
    STEMMA_RETURN_IF_ERROR(notes_->Append(FrameType::kNote, payload));
    // Not when a repair has set it aside for damage (repair/mend_notes.h): nobody reads it then.
    if (storage_.Exists(paths_.NotesSegment(notes_writer_, notes_->segment()))) return {};
    notes_.reset();
  }
  return {Code::kIo, paths_.NotesDir() + ": a note was written " + std::to_string(kNotesTries) +
                         " times, and each time its file was gone at once; run fsck"};
}

}  // namespace stemma::lineage::internal
