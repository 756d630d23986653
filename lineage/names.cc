#include "lineage/names.h"

#include <errno.h>
#include <sys/random.h>

#include <chrono>
#include <cstdio>

#include "core/bytes.h"
#include "core/check.h"
#include "core/digest.h"

namespace stemma::lineage {
namespace {

constexpr std::string_view kAside = "mend-";

constexpr char kBase32[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlnum(char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

int Base32Value(char c) {
  const size_t at = std::string_view(kBase32).find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  size_t got = 0;
  while (got < count) {
    const ssize_t n = getrandom(bytes.data() + got, count - got, 0);
    STEMMA_CHECK(n > 0 || errno == EINTR, "getrandom");
    if (n > 0) got += static_cast<size_t>(n);
  }
  return bytes;
}

std::string Padded(uint32_t number, int width) {
  char text[16];
  std::snprintf(text, sizeof text, "%0*u", width, number);
  return text;
}

// The number between `prefix` and `suffix`, if it is spelled as Padded spells it.
std::optional<uint32_t> Between(std::string_view file, std::string_view prefix,
                                std::string_view suffix, int width) {
  if (file.size() <= prefix.size() + suffix.size()) return std::nullopt;
  if (file.substr(0, prefix.size()) != prefix) return std::nullopt;
  if (file.substr(file.size() - suffix.size()) != suffix) return std::nullopt;
  const std::string_view digits =
      file.substr(prefix.size(), file.size() - prefix.size() - suffix.size());
  if (digits.size() > 10) return std::nullopt;
  uint64_t number = 0;
  for (const char c : digits) {
    if (!IsDigit(c)) return std::nullopt;
    number = 10 * number + static_cast<uint64_t>(c - '0');
  }
  if (number > 0xffffffff || Padded(static_cast<uint32_t>(number), width) != digits) {
    return std::nullopt;
  }
  return static_cast<uint32_t>(number);
}

std::string_view FolderOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kPack:
      return "/objects/pack";
    case ObjectKind::kLayout:
      return "/objects/layout";
    case ObjectKind::kBlob:
      return "/objects/blob";
  }
  return "";
}

std::string Join(std::string_view folder, std::string_view file) {
  return std::string(folder) + "/" + std::string(file);
}

}  // namespace

bool IsName(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax || !IsAlnum(text[0])) return false;
  for (const char c : text) {
    if (!IsAlnum(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

Status CheckName(std::string_view what, std::string_view name) {
  if (IsName(name)) return {};
  return Status(Code::kInvalidArgument,
                "'" + std::string(name.substr(0, 2 * kNameBytesMax)) + "' cannot name a " +
                    std::string(what) + ": use letters, digits, '.', '_' and '-', at most " +
                    std::to_string(kNameBytesMax) + ", the first a letter or a digit");
}

std::string UlidFromBytes(std::string_view bytes) {
  STEMMA_CHECK(bytes.size() == kUlidBytes, "not 16 bytes");
  std::string text(kUlidText, '0');
  uint32_t bits = 0, held = 2;  // 130 bits of text for 128: two zero bits lead
  size_t at = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    held += 8;
    while (held >= 5) {
      held -= 5;
      text[at++] = kBase32[bits >> held & 31];
    }
    bits &= (1u << held) - 1;
  }
  return text;
}

std::string UlidToBytes(std::string_view text) {
  if (text.size() != kUlidText || text[0] > '7') return {};
  std::string bytes;
  uint32_t bits = 0;
  int held = -2;
  for (const char c : text) {
    const int value = Base32Value(c);
    if (value < 0) return {};
    bits = (bits << 5 | static_cast<uint32_t>(value)) & 0xffff;
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>(bits >> held));
    }
  }
  return bytes;
}

bool IsUlid(std::string_view text) { return UlidToBytes(text).size() == kUlidBytes; }

std::string NewUlid() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  std::string bytes;
  for (int shift = 40; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(ms >> shift));
  return UlidFromBytes(bytes + RandomBytes(kUlidBytes - bytes.size()));
}

std::string Paths::Format() const { return root_ + "/format"; }

std::string Paths::ObjectDir(ObjectKind kind, const ObjectId& id) const {
  STEMMA_CHECK(id.size() == kSha256Bytes, "an object id has 32 bytes");
  return root_ + std::string(FolderOf(kind)) + "/" + Hex(id.substr(0, 1));
}
std::string Paths::Object(ObjectKind kind, const ObjectId& id) const {
  return Join(ObjectDir(kind, id), Hex(id));
}
std::vector<std::string> Paths::ObjectDirs(ObjectKind kind) const {
  std::vector<std::string> dirs;
  for (int i = 0; i < 256; ++i) {
    const std::string byte(1, static_cast<char>(i));
    dirs.push_back(root_ + std::string(FolderOf(kind)) + "/" + Hex(byte));
  }
  return dirs;
}

std::string Paths::RunsDir() const { return root_ + "/runs"; }
std::string Paths::RunDir(std::string_view run) const { return Join(RunsDir(), run); }
std::string Paths::RunNameFile(std::string_view run) const { return RunDir(run) + "/name"; }
std::string Paths::IncarnationDir(std::string_view run, uint32_t incarnation) const {
  return RunDir(run) + "/inc-" + Padded(incarnation, 4);
}
std::string Paths::LogSegment(std::string_view run, uint32_t incarnation, uint32_t segment) const {
  return IncarnationDir(run, incarnation) + "/log." + Padded(segment, 6) + ".seg";
}

std::string Paths::NamesDir() const { return root_ + "/names"; }
std::string Paths::NameDir(std::string_view run_name) const { return Join(NamesDir(), run_name); }
std::string Paths::NameRunFile(std::string_view run_name) const {
  return NameDir(run_name) + "/run";
}

std::string Paths::NotesDir() const { return root_ + "/notes"; }
std::string Paths::NotesSegment(std::string_view writer, uint32_t segment) const {
  return Join(NotesDir(), writer) + "." + Padded(segment, 6) + ".seg";
}
std::string Paths::DamagedNotes(std::string_view writer, uint32_t segment) const {
  return Join(NotesDir(), writer) + "." + Padded(segment, 6) + ".damaged";
}

std::string Paths::TagsDir() const { return root_ + "/tags"; }
std::string Paths::TagDir(std::string_view tag) const { return Join(TagsDir(), tag); }
std::string Paths::TagVersionDir(std::string_view tag, uint32_t version) const {
  return TagDir(tag) + "/v" + Padded(version, 6);
}
std::string Paths::TagTarget(std::string_view tag, uint32_t version) const {
  return TagVersionDir(tag, version) + "/target";
}

std::string Paths::TmpDir() const { return root_ + "/tmp"; }
std::string Paths::TmpOf(std::string_view run, uint32_t incarnation) const {
  return Join(TmpDir(), run) + "-" + Padded(incarnation, 4);
}

std::string Paths::Aside(const ObjectId& pack, std::string_view ulid) const {
  return TmpDir() + "/" + std::string(kAside) + Hex(pack) + "-" + std::string(ulid);
}

std::string Paths::LeasesDir() const { return root_ + "/leases"; }
std::string Paths::LeaseDir(std::string_view lease) const { return Join(LeasesDir(), lease); }
std::string Paths::LeaseWhat(std::string_view lease) const { return LeaseDir(lease) + "/what"; }
std::string Paths::LeaseBeat(std::string_view lease) const { return LeaseDir(lease) + "/beat"; }

std::string Paths::GcDir() const { return root_ + "/gc"; }
std::string Paths::EpochDir(uint32_t epoch) const { return GcDir() + "/epoch-" + Padded(epoch, 6); }
std::string Paths::EpochPlan(uint32_t epoch) const { return EpochDir(epoch) + "/plan"; }
std::string Paths::EpochBeat(uint32_t epoch) const { return EpochDir(epoch) + "/beat"; }
std::string Paths::EpochDone(uint32_t epoch) const { return EpochDir(epoch) + "/done"; }
std::string Paths::TrashDir() const { return root_ + "/trash"; }
std::string Paths::TrashOf(uint32_t epoch) const {
  return TrashDir() + "/epoch-" + Padded(epoch, 6);
}
std::string Paths::Trashed(uint32_t epoch, const ObjectId& pack) const {
  return Join(TrashOf(epoch), Hex(pack));
}

std::vector<std::string> Paths::AllDirs() const {
  std::vector<std::string> dirs = {root_ + "/objects"};
  for (const ObjectKind kind : {ObjectKind::kPack, ObjectKind::kLayout, ObjectKind::kBlob}) {
    dirs.push_back(root_ + std::string(FolderOf(kind)));
    for (std::string& dir : ObjectDirs(kind)) dirs.push_back(std::move(dir));
  }
  for (const std::string& dir : {RunsDir(), NamesDir(), NotesDir(), TagsDir(), TmpDir()}) {
    dirs.push_back(dir);
  }
  return dirs;
}

std::optional<uint32_t> ParseIncarnation(std::string_view file) {
  return Between(file, "inc-", "", 4);
}
std::optional<uint32_t> ParseLogSegment(std::string_view file) {
  return Between(file, "log.", ".seg", 6);
}
std::optional<uint32_t> ParseTagVersion(std::string_view file) { return Between(file, "v", "", 6); }

std::optional<uint32_t> ParseEpoch(std::string_view file) { return Between(file, "epoch-", "", 6); }

std::optional<ObjectId> ParseObject(std::string_view file) {
  if (file.size() != 2 * kSha256Bytes) return std::nullopt;
  const ObjectId id = FromHex(file);
  if (Hex(id) != file) return std::nullopt;  // no digit, or upper case
  return id;
}

namespace {

std::optional<NotesFile> ParseNotes(std::string_view file, std::string_view end) {
  const std::string_view writer = file.substr(0, kUlidText);
  const auto segment = Between(file.substr(writer.size()), ".", end, 6);
  if (!IsUlid(writer) || !segment) return std::nullopt;
  return NotesFile{std::string(writer), *segment};
}

}  // namespace

std::optional<NotesFile> ParseNotesSegment(std::string_view file) {
  return ParseNotes(file, ".seg");
}
std::optional<NotesFile> ParseDamagedNotes(std::string_view file) {
  return ParseNotes(file, ".damaged");
}

std::optional<TmpFolder> ParseTmp(std::string_view file) {
  const std::string_view run = file.substr(0, kUlidText);
  const auto incarnation = Between(file.substr(run.size()), "-", "", 4);
  if (!IsUlid(run) || !incarnation) return std::nullopt;
  return TmpFolder{std::string(run), *incarnation};
}

std::optional<ObjectId> ParseAside(std::string_view file) {
  constexpr size_t kDigits = 2 * kSha256Bytes;
  if (file.size() != kAside.size() + kDigits + 1 + kUlidText) return std::nullopt;
  if (file.substr(0, kAside.size()) != kAside || file[kAside.size() + kDigits] != '-') {
    return std::nullopt;
  }
  if (!IsUlid(file.substr(kAside.size() + kDigits + 1))) return std::nullopt;
  return ParseObject(file.substr(kAside.size(), kDigits));
}

std::string ParentOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string BaseOf(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

}  // namespace stemma::lineage
