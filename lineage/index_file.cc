#include "lineage/index_file.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <type_traits>
#include <unordered_map>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/names.h"

namespace stemma::lineage::internal {
namespace {

constexpr std::string_view kMagic = "STMIDX1\n";
constexpr uint32_t kByteOrder = 0x01020304;
constexpr uint32_t kVersion = 4;
constexpr size_t kPreludeBytes = 64;
constexpr size_t kCovered = kPreludeBytes - kXxh128Bytes;  // by the digest of the prelude
constexpr uint64_t kAlign = 64;

uint64_t AlignUp(uint64_t value) { return (value + kAlign - 1) / kAlign * kAlign; }

Status Corrupt(const std::string& what) { return {Code::kCorruption, "index cache: " + what}; }

// Where a list of bytes will lie, counted from the first section.
class Sections {
 public:
  // The same bytes are written once, however many columns they are.
  uint32_t Add(std::string_view bytes, const std::string& digest) {
    const auto number = static_cast<uint32_t>(parts_.size());
    const auto [known, is_new] = known_.emplace(bytes.data(), number);
    if (!is_new && parts_[known->second].bytes.size() == bytes.size()) return known->second;
    parts_.push_back({bytes, digest.empty() ? Xxh128(bytes) : digest});
    return number;
  }

  const std::vector<Copy>& parts() const { return parts_; }

 private:
  std::vector<Copy> parts_;
  std::unordered_map<const char*, uint32_t> known_;
};

// The two sides of one list of what an index holds: VisitIndex names everything once.
class IndexWriter {
 public:
  IndexWriter(Encoder* out, Sections* sections) : out_(out), sections_(sections) {}
  template <typename T>
  void Array(const Column<T>& column) {
    static_assert(std::is_trivially_copyable_v<T>, "columns are written as they lie in memory");
    const auto* const bytes = reinterpret_cast<const char*>(column.data());
    out_->U32(sections_->Add({bytes, column.size() * sizeof(T)}, ""));
  }
  void Ids(const IdColumn& ids) { Array(ids.bytes()); }
  void Texts(const TextColumn& texts) {
    Array(texts.ends());
    Array(texts.bytes());
  }
  void Text(const std::string& text) { out_->String(text); }
  void Number(uint32_t number) { out_->U32(number); }
  void Long(uint64_t number) { out_->U64(number); }
  template <typename T, typename Each>
  void List(const std::vector<T>& list, const Each& each) {
    out_->U32(static_cast<uint32_t>(list.size()));
    for (const T& one : list) each(one);
  }

 private:
  Encoder* const out_;
  Sections* const sections_;
};

class IndexReader {
 public:
  IndexReader(Decoder* in, const std::vector<Copy>& sections, std::shared_ptr<const void> owner)
      : in_(in), sections_(sections), owner_(std::move(owner)) {}
  template <typename T>
  void Array(Column<T>& column) {
    const uint32_t number = in_->U32();
    if (number >= sections_.size() || sections_[number].bytes.size() % sizeof(T) != 0) {
      ok_ = false;
      return;
    }
    const std::string_view bytes = sections_[number].bytes;
    column = {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T), owner_};
  }
  void Ids(IdColumn& ids) {
    Column<char> bytes;
    Array(bytes);
    ids = IdColumn(std::move(bytes));
  }
  void Texts(TextColumn& texts) {
    Column<uint64_t> ends;
    Column<char> bytes;
    Array(ends);
    Array(bytes);
    texts = TextColumn(std::move(ends), std::move(bytes));
  }
  void Text(std::string& text) { text = in_->String(); }
  void Number(uint32_t& number) { number = in_->U32(); }
  void Long(uint64_t& number) { number = in_->U64(); }
  template <typename T, typename Each>
  void List(std::vector<T>& list, const Each& each) {
    const uint32_t count = in_->U32();
    if (count > in_->remaining()) ok_ = false;
    for (uint32_t i = 0; ok() && i < count; ++i) each(list.emplace_back());
  }
  bool ok() const { return ok_ && in_->ok(); }

 private:
  Decoder* const in_;
  const std::vector<Copy>& sections_;
  const std::shared_ptr<const void> owner_;
  bool ok_ = true;
};

template <typename AnyTable, typename Side>
void VisitTable(AnyTable& table, Side& side) {
  side.List(table.keys, [&](auto& key) { side.Text(key); });
  side.List(table.columns, [&](auto& column) {
    side.Array(column.at);
    side.Array(column.values);
  });
}

// All of an index but its tags.
template <typename AnyIndex, typename Side>
void VisitIndex(AnyIndex& index, Side& side) {
  side.Ids(index.id);
  side.Array(index.run);
  side.Array(index.incarnation);
  side.Array(index.capture);
  side.Array(index.step);
  side.Array(index.samples);
  side.Array(index.epoch);
  side.Array(index.world);
  side.Array(index.reason);
  side.Array(index.wall_ms);
  side.Array(index.logical_bytes);
  side.Array(index.own_bytes);
  side.Array(index.shared_bytes);
  side.Array(index.flags);
  side.Array(index.settings);
  side.Array(index.edge);
  side.Array(index.parent_begin);
  side.Array(index.child_begin);
  side.Array(index.parents);
  side.Array(index.children);
  side.Array(index.by_id);
  VisitTable(index.metrics, side);
  VisitTable(index.attributes, side);
  VisitTable(index.hp, side);
  side.Array(index.suspect.at);
  side.Array(index.suspect.values);
  side.Texts(index.texts);
  side.Long(index.stored_bytes);
  side.List(index.warnings, [&](auto& warning) { side.Text(warning); });
  side.List(index.runs, [&](auto& run) {
    side.Text(run.name);
    side.Text(run.ulid);
    side.Array(run.states);
    side.Number(run.head);
    side.Number(run.newest_incarnation);
  });
  side.List(index.scopes, [&](auto& scope) {
    side.Text(scope.name);
    uint32_t open = scope.open ? 1 : 0;
    side.Number(open);
    if constexpr (!std::is_const_v<AnyIndex>) scope.open = open != 0;
    side.Array(scope.members);
  });
}

template <typename AnySegment, typename Side>
void VisitSegment(AnySegment& file, Side& side) {
  side.Text(file.path);
  side.Long(file.bytes);
  side.Text(file.header);
  uint32_t torn = file.torn ? 1 : 0;
  side.Number(torn);
  if constexpr (!std::is_const_v<AnySegment>) file.torn = torn != 0;
}

template <typename AnyFiles, typename Side>
void VisitFiles(AnyFiles& files, Side& side) {
  side.List(files.notes, [&](auto& file) { VisitSegment(file, side); });
  side.List(files.runs, [&](auto& run) {
    side.Text(run.name);
    side.Text(run.ulid);
    side.List(run.incarnations, [&](auto& incarnation) {
      side.Number(incarnation.number);
      side.List(incarnation.segments, [&](auto& file) { VisitSegment(file, side); });
    });
  });
}

std::string Prelude(const std::string& header, uint64_t file_bytes) {
  Encoder out;
  out.Raw(kMagic);
  std::string order(sizeof kByteOrder, '\0');
  std::memcpy(order.data(), &kByteOrder, sizeof kByteOrder);
  out.Raw(order);
  out.U32(kVersion);
  out.U64(header.size());
  out.U64(file_bytes);
  out.Raw(Xxh128(header));
  return out.bytes() + Xxh128(out.bytes());
}

Status AppendPadded(WritableFile& file, std::string_view bytes, uint64_t* at) {
  STEMMA_RETURN_IF_ERROR(file.Append(bytes));
  const uint64_t end = *at + bytes.size();
  *at = AlignUp(end);
  return *at == end ? Status() : file.Append(std::string(*at - end, '\0'));
}

Status WriteAll(Storage& storage, const std::string& path, const std::string& header,
                const std::vector<Copy>& parts, uint64_t file_bytes) {
  STEMMA_ASSIGN_OR_RETURN(const auto file, storage.Create(path, {}));
  uint64_t at = 0;
  STEMMA_RETURN_IF_ERROR(AppendPadded(*file, Prelude(header, file_bytes), &at));
  STEMMA_RETURN_IF_ERROR(AppendPadded(*file, header, &at));
  for (const Copy& part : parts) STEMMA_RETURN_IF_ERROR(AppendPadded(*file, part.bytes, &at));
  return file->Close();  // not synced: after a power loss its digests tell
}

// The sections that the header lists, as views into the file.
Result<std::vector<Copy>> ReadSections(Decoder& in, std::string_view file, uint64_t at) {
  std::vector<Copy> sections;
  const uint32_t count = in.U32();
  for (uint32_t i = 0; in.ok() && i < count; ++i) {
    const uint64_t bytes = in.U64();
    const std::string_view digest = in.Raw(kXxh128Bytes);
    if (!in.ok() || at > file.size() || bytes > file.size() - at) {
      return Corrupt("a section lies past the end");
    }
    sections.push_back({file.substr(at, bytes), std::string(digest)});
    at = AlignUp(at + bytes);
  }
  if (!in.ok() || at != file.size()) return Corrupt("the sections do not fill it");
  return sections;
}

Status CheckPrelude(std::string_view file) {
  if (file.size() < kPreludeBytes || file.substr(0, kMagic.size()) != kMagic) {
    return Corrupt("it does not begin with STMIDX1");
  }
  if (Xxh128(file.substr(0, kCovered)) != file.substr(kCovered, kXxh128Bytes)) {
    return Corrupt("its first bytes have another digest");
  }
  Decoder in(file.substr(kMagic.size()));
  uint32_t order = 0;
  std::memcpy(&order, in.Raw(sizeof order).data(), sizeof order);
  if (order == kByteOrder && in.U32() == kVersion) return {};
  return {Code::kIncompatible, "index cache: of another machine or version"};
}

// The header, when everything about it is right.
Result<std::string_view> ReadHeader(std::string_view file) {
  STEMMA_RETURN_IF_ERROR(CheckPrelude(file));
  Decoder in(file.substr(kMagic.size() + 2 * sizeof(uint32_t), kCovered));
  const uint64_t header_bytes = in.U64(), file_bytes = in.U64();
  if (file_bytes != file.size() || header_bytes > file.size() - kPreludeBytes) {
    return Corrupt("it has another length");
  }
  const std::string_view header = file.substr(kPreludeBytes, header_bytes);
  if (Xxh128(header) != in.Raw(kXxh128Bytes)) return Corrupt("its header has another digest");
  return header;
}

bool Below(const Column<uint32_t>& numbers, size_t end) {
  return std::all_of(numbers.begin(), numbers.end(), [&](uint32_t n) { return n < end; });
}

bool Begins(const Column<uint32_t>& begin, size_t rows, size_t end) {
  return begin.size() == rows + 1 && begin.front() == 0 && begin.back() == end &&
         std::is_sorted(begin.begin(), begin.end());
}

bool CheckValues(const Values& column, size_t end, const uint32_t** seen) {
  if (column.at.size() != column.values.size()) return false;
  if (column.at.data() == *seen) return true;  // shared with the column before
  *seen = column.at.data();
  return std::is_sorted(column.at.begin(), column.at.end()) && Below(column.at, end);
}

bool CheckTable(const Table& table, size_t end) {
  if (table.keys.size() != table.columns.size()) return false;
  if (!std::is_sorted(table.keys.begin(), table.keys.end())) return false;
  const uint32_t* seen = nullptr;
  return std::all_of(table.columns.begin(), table.columns.end(),
                     [&](const Values& column) { return CheckValues(column, end, &seen); });
}

}  // namespace

Result<std::string> StoreOfIndexFile(Storage& storage, const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const FileBytes file, storage.Map(path));
  STEMMA_RETURN_IF_ERROR(CheckPrelude(file.bytes));
  Decoder in(file.bytes.substr(kPreludeBytes));
  std::string store = in.String();
  if (in.ok() && !store.empty()) return store;
  return Corrupt("it names no store");
}

bool CheckColumn(const Copy& column) { return Xxh128(column.bytes) == column.digest; }

bool CheckRows(const Index& index) {
  const size_t rows = index.size();
  for (const size_t size :
       {index.run.size(), index.incarnation.size(), index.capture.size(), index.step.size(),
        index.samples.size(), index.epoch.size(), index.world.size(), index.reason.size(),
        index.wall_ms.size(), index.logical_bytes.size(), index.own_bytes.size(),
        index.shared_bytes.size(), index.flags.size(), index.settings.size(), index.edge.size(),
        index.by_id.size()}) {
    if (size != rows) return false;
  }
  for (const RunRow& run : index.runs) {
    if (!Below(run.states, rows) || (run.head != kNoRow && run.head >= rows)) return false;
  }
  for (const ScopeRow& scope : index.scopes) {
    if (!Below(scope.members, rows)) return false;
  }
  const uint32_t* seen = nullptr;
  return Begins(index.parent_begin, rows, index.parents.size()) &&
         Begins(index.child_begin, rows, index.children.size()) && Below(index.parents, rows) &&
         Below(index.children, rows) && Below(index.by_id, rows) &&
         Below(index.run, index.runs.size()) && Below(index.settings, rows) &&
         CheckTable(index.metrics, rows) && CheckTable(index.attributes, rows) &&
         CheckTable(index.hp, rows) && CheckValues(index.suspect, rows, &seen);
}

Status WriteIndexFile(Storage& storage, const std::string& path, const std::string& store,
                      const StoreFiles& files, const Index& index, const Copies& copies) {
  Sections sections;
  Encoder body;
  IndexWriter writer(&body, &sections);
  VisitFiles(files, writer);
  VisitIndex(index, writer);
  const auto columns = static_cast<uint32_t>(sections.parts().size());
  body.U32(static_cast<uint32_t>(copies.size()));
  for (const auto& [name, copy] : copies) {
    body.String(name);
    body.U32(sections.Add(copy.bytes, copy.digest));
  }
  Encoder header;
  header.String(store);
  header.U32(columns);
  header.U32(static_cast<uint32_t>(sections.parts().size()));
  for (const Copy& part : sections.parts()) {
    header.U64(part.bytes.size());
    header.Raw(part.digest);
  }
  header.Raw(body.bytes());
  uint64_t file_bytes = AlignUp(kPreludeBytes + header.bytes().size());
  for (const Copy& part : sections.parts()) file_bytes += AlignUp(part.bytes.size());
  const std::string aside = path + "." + std::to_string(getpid()) + "." + NewUlid() + ".tmp";
  Status done = WriteAll(storage, aside, header.bytes(), sections.parts(), file_bytes);
  if (done.ok()) done = storage.Rename(aside, path);
  if (!done.ok()) (void)storage.Remove(aside);
  return done;
}

Result<IndexFile> OpenIndexFile(Storage& storage, const std::string& path,
                                const std::string& store) {
  STEMMA_ASSIGN_OR_RETURN(const FileBytes file, storage.Map(path));
  STEMMA_ASSIGN_OR_RETURN(const std::string_view header, ReadHeader(file.bytes));
  Decoder in(header);
  if (in.String() != store) return Corrupt("it is of another store");
  const uint32_t columns = in.U32();
  STEMMA_ASSIGN_OR_RETURN(std::vector<Copy> sections,
                          ReadSections(in, file.bytes, AlignUp(kPreludeBytes + header.size())));
  IndexFile out;
  IndexReader reader(&in, sections, file.owner);
  VisitFiles(out.files, reader);
  VisitIndex(out.index, reader);
  const uint32_t copies = in.U32();
  for (uint32_t i = 0; in.ok() && i < copies; ++i) {
    std::string name = in.String();
    const uint32_t number = in.U32();
    if (number >= sections.size()) return Corrupt("a copy is in no section");
    out.copies.emplace(std::move(name), sections[number]);
  }
  if (!reader.ok() || in.remaining() != 0 || columns > sections.size()) {
    return Corrupt("its header makes no sense");
  }
  ForEachSegment(&out.files, [&](SegmentFile* segment) {
    if (segment->torn) out.torn.insert(out.copies.extract(segment->path));
  });
  sections.resize(columns);
  out.columns = std::move(sections);
  out.owner = file.owner;
  return out;
}

}  // namespace stemma::lineage::internal
