#include "models/data/images/shard_index.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "models/data/images/tar.h"

namespace stemma::models {
namespace {

constexpr std::string_view kFirstLine = "stemma-index 1\n";
constexpr uint64_t kReadAtOnce = uint64_t{1} << 22;
constexpr size_t kFieldsMax = 64;

Result<std::string> DigestOf(lineage::ReadableFile& file, uint64_t bytes) {
  Xxh128Stream digest;
  std::string part;
  for (uint64_t at = 0; at < bytes; at += part.size()) {
    part.resize(std::min(kReadAtOnce, bytes - at));
    STEMMA_RETURN_IF_ERROR(file.Read(at, part.size(), part.data()));
    digest.Update(part);
  }
  return digest.Finish();
}

// Takes text apart: lines, and the words of a line between single blanks.
class Lines {
 public:
  Lines(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

  Status Wrong(const std::string& what) const {
    return {Code::kCorruption, path_ + ", line " + std::to_string(line_) + ": " + what +
                                   "; `stemma data index` makes it anew"};
  }
  // False at the end of the text, or where a line has no end.
  bool Next() {
    ++line_;
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return false;
    words_ = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  std::string_view Word() {
    const size_t end = std::min(words_.find(' '), words_.size());
    const std::string_view word = words_.substr(0, end);
    words_.remove_prefix(std::min(end + 1, words_.size()));
    return word;
  }
  std::optional<uint64_t> Number() {
    const std::string_view word = Word();
    uint64_t value = 0;
    if (word.empty() || word.size() > 18) return std::nullopt;
    for (const char c : word) {
      if (c < '0' || c > '9') return std::nullopt;
      value = 10 * value + static_cast<uint64_t>(c - '0');
    }
    return value;
  }
  std::string_view words() const { return words_; }  // what is left of the line
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_, words_;
  const std::string& path_;
  int64_t line_ = 0;
};

// "OFFSET SIZE" or "- -".
bool ReadPlace(Lines* lines, uint64_t bytes, FieldPlace* place) {
  Lines before = *lines;
  if (before.Word() == "-" && before.Word() == "-") {
    lines->Word();
    lines->Word();
    *place = {};
    return true;
  }
  const auto offset = lines->Number(), size = lines->Number();
  if (!offset || !size || *offset < kTarBlock || *offset > bytes || *size > bytes - *offset) {
    return false;
  }
  *place = {*offset, *size};
  return true;
}

Status ReadHead(Lines* lines, ShardIndex* index, uint64_t* samples) {
  if (!lines->Next() || std::string(lines->words()) + "\n" != kFirstLine) {
    return lines->Wrong("no index of this version");
  }
  if (!lines->Next() || lines->Word() != "shard") return lines->Wrong("expected the shard");
  const auto bytes = lines->Number();
  index->digest = FromHex(lines->Word());
  if (!bytes || index->digest.size() != kXxh128Bytes || !lines->words().empty()) {
    return lines->Wrong("expected the shard's size and digest");
  }
  index->bytes = *bytes;
  if (!lines->Next() || lines->Word() != "fields") return lines->Wrong("expected the fields");
  while (!lines->words().empty()) {
    index->fields.emplace_back(lines->Word());
    if (!IsTarName(index->fields.back())) return lines->Wrong("a field that is no name");
  }
  if (index->fields.size() > kFieldsMax) return lines->Wrong("too many fields");
  if (!lines->Next() || lines->Word() != "samples") return lines->Wrong("expected the samples");
  const auto count = lines->Number();
  if (!count || !lines->words().empty()) return lines->Wrong("expected a number of samples");
  *samples = *count;
  return {};
}

}  // namespace

std::string_view ShardIndex::key(int64_t sample) const {
  const auto i = static_cast<size_t>(sample);
  const uint64_t begin = i == 0 ? 0 : key_ends[i - 1];
  return std::string_view(keys).substr(begin, key_ends[i] - begin);
}

SampleName SplitName(std::string_view name) {
  const size_t slash = name.rfind('/');
  const size_t dot = name.find('.', slash == std::string_view::npos ? 0 : slash + 1);
  if (dot == std::string_view::npos) return {name, {}};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

std::string IndexPathOf(const std::string& shard) {
  constexpr std::string_view kEnd = ".tar";
  const size_t length = shard.size() - std::min(shard.size(), kEnd.size());
  return (shard.substr(length) == kEnd ? shard.substr(0, length) : shard) + ".idx";
}

Status IndexBuilder::Add(const std::string& name, uint64_t offset, uint64_t size) {
  const SampleName split = SplitName(name);
  if (split.field.empty() || split.field.find(' ') != std::string_view::npos) {
    return {Code::kCorruption, "'" + name + "' has no field: a sample's file is KEY.FIELD"};
  }
  if (split.key.empty()) {
    return {Code::kCorruption, "'" + name + "' has no key: a sample's file is KEY.FIELD"};
  }
  if (samples_.empty() || samples_.back().key != split.key) {
    if (!keys_.insert(std::string(split.key)).second) {
      return {Code::kCorruption, "'" + name + "': sample '" + std::string(split.key) +
                                     "' began before; its files must be neighbours"};
    }
    samples_.push_back({std::string(split.key), {}});
  }
  const auto at = std::find(fields_.begin(), fields_.end(), split.field);
  const auto field = static_cast<size_t>(at - fields_.begin());
  if (at == fields_.end()) {
    if (fields_.size() == kFieldsMax) {
      return {Code::kCorruption, "'" + name + "': more than 64 kinds of fields"};
    }
    fields_.emplace_back(split.field);
  }
  std::vector<FieldPlace>& places = samples_.back().places;
  if (places.size() <= field) places.resize(field + 1);
  if (places[field].offset != 0) return {Code::kCorruption, "'" + name + "' is there twice"};
  places[field] = {offset, size};
  return {};
}

ShardIndex IndexBuilder::Finish(uint64_t bytes, std::string digest) {
  ShardIndex index;
  index.bytes = bytes;
  index.digest = std::move(digest);
  index.fields = std::move(fields_);
  for (Sample& sample : samples_) {
    sample.places.resize(index.fields.size());
    index.places.insert(index.places.end(), sample.places.begin(), sample.places.end());
    index.keys += sample.key;
    index.key_ends.push_back(index.keys.size());
  }
  *this = {};
  return index;
}

Result<ShardIndex> BuildIndex(lineage::Storage& disk, const std::string& shard) {
  STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, disk.SizeOf(shard));
  STEMMA_ASSIGN_OR_RETURN(const auto file, disk.OpenToRead(shard));
  TarReader tar(*file, bytes, shard);
  IndexBuilder builder;
  TarEntry entry;
  for (;;) {
    STEMMA_ASSIGN_OR_RETURN(const bool more, tar.Next(&entry));
    if (!more) break;
    STEMMA_RETURN_IF_ERROR(builder.Add(entry.name, entry.offset, entry.size)
                               .Within(shard + ", file at byte " + std::to_string(entry.offset)));
  }
  STEMMA_ASSIGN_OR_RETURN(std::string digest, DigestOf(*file, bytes));
  return builder.Finish(bytes, std::move(digest));
}

std::string EncodeIndex(const ShardIndex& index) {
  std::string text(kFirstLine);
  text += "shard " + std::to_string(index.bytes) + " " + Hex(index.digest) + "\nfields";
  for (const std::string& field : index.fields) text += " " + field;
  text += "\nsamples " + std::to_string(index.samples()) + "\n";
  for (int64_t i = 0; i < index.samples(); ++i) {
    for (size_t field = 0; field < index.fields.size(); ++field) {
      const FieldPlace& place = index.place(i, field);
      text += place.offset == 0
                  ? "- - "
                  : std::to_string(place.offset) + " " + std::to_string(place.size) + " ";
    }
    text.append(index.key(i)).append("\n");
  }
  return text + "end " + Hex(Xxh128(text)) + "\n";
}

Result<ShardIndex> DecodeIndex(std::string_view text, const std::string& path) {
  Lines lines(text, path);
  ShardIndex index;
  uint64_t samples = 0;
  STEMMA_RETURN_IF_ERROR(ReadHead(&lines, &index, &samples));
  for (uint64_t i = 0; i < samples; ++i) {
    if (!lines.Next()) return lines.Wrong("the index is cut off");
    for (size_t field = 0; field < index.fields.size(); ++field) {
      FieldPlace place;
      if (!ReadPlace(&lines, index.bytes, &place)) {
        return lines.Wrong("expected offset and size of '" + index.fields[field] +
                           "' inside the shard");
      }
      index.places.push_back(place);
    }
    if (!IsTarName(std::string(lines.words()))) {
      return lines.Wrong("a sample without a key, or with a control character in it");
    }
    index.keys += lines.words();
    index.key_ends.push_back(index.keys.size());
  }
  const size_t end = text.rfind("end ");
  if (!lines.Next() || lines.Word() != "end" ||
      FromHex(lines.words()) != Xxh128(text.substr(0, end)) || !lines.done()) {
    return lines.Wrong("the digest of the lines above does not fit");
  }
  return index;
}

}  // namespace stemma::models
