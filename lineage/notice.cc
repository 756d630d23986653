#include "lineage/notice.h"

#include "core/digest.h"
#include "lineage/fields.h"

namespace stemma::lineage {
namespace {

constexpr std::string_view kMagic = "STMWRK1\n";
constexpr uint64_t kNoticeMax = uint64_t{256} << 20;  // eight million packs
constexpr size_t kTextMax = 1 << 16;

std::string Fault(const Notice& notice) {
  if (!IsUlid(notice.owner)) return "owner is no ulid";
  for (const ObjectId& id : notice.objects) {
    if (id.size() != kSha256Bytes) return "an object is no id";
  }
  if (notice.who.size() > kTextMax || notice.why.size() > kTextMax) return "a text is too long";
  return "";
}

Status Judge(Code code, const Notice& notice) {
  const std::string fault = Fault(notice);
  return fault.empty() ? Status() : Status(code, "notice: " + fault);
}

}  // namespace

Result<std::string> EncodeNotice(const Notice& notice) {
  STEMMA_RETURN_IF_ERROR(Judge(Code::kInvalidArgument, notice));
  FieldWriter fields;
  fields.Text(1, notice.owner);
  fields.U64(2, notice.counter);
  std::string objects;
  for (const ObjectId& id : notice.objects) objects += id;
  fields.Bytes(3, objects);
  fields.U64(4, notice.bytes);
  fields.Text(5, notice.who);
  fields.Text(6, notice.why);
  fields.I64(7, notice.wall_ms);
  const std::string body = std::string(kMagic) + fields.Take();
  return body + Xxh128(body);
}

Result<Notice> DecodeNotice(std::string_view file) {
  const Status damaged(Code::kCorruption, "notice: its magic or digest is wrong");
  if (file.size() < kMagic.size() + kXxh128Bytes) return damaged;
  const std::string_view body = file.substr(0, file.size() - kXxh128Bytes);
  if (body.substr(0, kMagic.size()) != kMagic) return damaged;
  if (Xxh128(body) != file.substr(body.size())) return damaged;
  FieldReader in(body.substr(kMagic.size()));
  Notice notice;
  notice.owner = in.Text(1);
  notice.counter = in.U64(2);
  const std::string_view objects = in.Bytes(3);
  for (size_t at = 0; at < objects.size(); at += kSha256Bytes) {
    notice.objects.emplace_back(objects.substr(at, kSha256Bytes));
  }
  notice.bytes = in.U64(4);
  notice.who = in.Text(5);
  notice.why = in.Text(6);
  notice.wall_ms = in.I64(7);
  STEMMA_RETURN_IF_ERROR(in.Finish("notice"));
  STEMMA_RETURN_IF_ERROR(Judge(Code::kCorruption, notice));
  return notice;
}

Status PutNotice(Storage& storage, const Paths& paths, const std::string& path,
                 const Notice& notice) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, EncodeNotice(notice));
  const std::string temporary = paths.TmpDir() + "/notice-" + NewUlid();
  STEMMA_ASSIGN_OR_RETURN(const auto file, storage.Create(temporary, {}));
  Status put = file->Append(bytes);
  if (put.ok()) put = file->Close();
  if (put.ok()) put = storage.Rename(temporary, path);
  if (!put.ok()) (void)storage.Remove(temporary);
  return put;
}

Result<Notice> ReadNotice(Storage& storage, const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, storage.ReadBounded(path, kNoticeMax));
  Result<Notice> notice = DecodeNotice(bytes);
  if (notice.ok()) return notice;
  return Status(notice.status()).Within(path);
}

}  // namespace stemma::lineage
