#include "lineage/safetensors.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace stemma::lineage {
namespace {

using Json = nlohmann::json;

constexpr size_t kEntriesMax = 4 << 20;
constexpr size_t kKeyMax = 1024;
constexpr uint64_t kDimsAllowed = 32;

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr TypeName kTypes[] = {
    {"BOOL", DType::kBool}, {"U8", DType::kU8},     {"I8", DType::kI8},   {"I16", DType::kI16},
    {"F16", DType::kF16},   {"BF16", DType::kBF16}, {"I32", DType::kI32}, {"F32", DType::kF32},
    {"I64", DType::kI64},   {"F64", DType::kF64},
};

// Receives the parser's events, so that nothing is built before it is known to be harmless. The
// state says which key or value may come next; anything else is refused.
class HeaderReader {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  SafetensorsHeader header;
  std::string error;

  bool start_object(size_t) {
    switch (at_) {
      case At::kStart:
        return Go(At::kNames);
      case At::kMetadataValue:
        return Go(At::kMetadataKey);
      case At::kEntryValue:
        return Go(At::kFieldKey);
      default:
        return Refuse("an object where none belongs");
    }
  }

  bool end_object() {
    switch (at_) {
      case At::kNames:
        return Go(At::kEnd);
      case At::kMetadataKey:
        return Go(At::kNames);
      case At::kFieldKey:
        return EndEntry();
      default:
        return Refuse("an object ends where none can");
    }
  }

  bool key(string_t& text) {
    if (text.size() > kKeyMax) return Refuse("a key of more than 1024 bytes");
    switch (at_) {
      case At::kNames:
        return Name(text);
      case At::kMetadataKey:
        metadata_key_ = text;
        if (header.metadata.count(text) != 0) return Refuse("__metadata__ has " + text + " twice");
        return Go(At::kMetadataText);
      case At::kFieldKey:
        return Field(text);
      default:
        return Refuse("a key where none belongs");
    }
  }

  bool string(string_t& text) {
    if (at_ == At::kMetadataText) {
      header.metadata.emplace(metadata_key_, text);
      return Go(At::kMetadataKey);
    }
    if (at_ != At::kDtype) return Refuse("a text where none belongs");
    for (const TypeName& type : kTypes) {
      if (type.name != text) continue;
      entry_.dtype = type.dtype;
      return Go(At::kFieldKey);
    }
    return Refuse("its dtype '" + text.substr(0, 32) + "' is none that Stemma knows");
  }

  bool start_array(size_t) {
    if (at_ == At::kShape) return Go(At::kDims);
    if (at_ == At::kOffsets) return Go(At::kOffsetValues);
    return Refuse("a list where none belongs");
  }

  bool end_array() {
    if (at_ == At::kOffsetValues && offsets_ != 2) return Refuse("data_offsets are two numbers");
    if (at_ != At::kDims && at_ != At::kOffsetValues) return Refuse("a list ends where none can");
    return Go(At::kFieldKey);
  }

  bool number_unsigned(number_unsigned_t value) {
    if (at_ == At::kDims && entry_.shape.size() < kDimsAllowed) {
      entry_.shape.push_back(value);
      return true;
    }
    if (at_ == At::kOffsetValues && offsets_ < 2) {
      (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
      return true;
    }
    return Refuse("a number where none belongs");
  }

  bool number_integer(number_integer_t) { return Refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) { return Refuse("a fraction"); }
  bool boolean(bool) { return Refuse("a boolean"); }
  bool null() { return Refuse("null"); }
  bool binary(binary_t&) { return Refuse("binary"); }
  bool parse_error(size_t byte, const std::string&, const Json::exception&) {
    return Refuse("not JSON at byte " + std::to_string(byte));
  }

 private:
  enum class At {
    kStart,
    kNames,
    kMetadataValue,
    kMetadataKey,
    kMetadataText,
    kEntryValue,
    kFieldKey,
    kDtype,
    kShape,
    kDims,
    kOffsets,
    kOffsetValues,
    kEnd,
  };

  bool Go(At next) {
    at_ = next;
    return true;
  }
  bool Refuse(std::string what) {
    if (!error.empty()) return false;
    error = entry_.name.empty() ? "" : "entry '" + Printable(entry_.name) + "': ";
    error += Printable(what);
    return false;
  }

  bool Name(const std::string& text) {
    if (!names_.insert(text).second) return Refuse("the key '" + text + "' comes twice");
    if (text == "__metadata__") return Go(At::kMetadataValue);
    if (header.entries.size() >= kEntriesMax) return Refuse("too many entries");
    entry_ = {};
    entry_.name = text;
    fields_ = 0;
    offsets_ = 0;
    return Go(At::kEntryValue);
  }

  bool Field(const std::string& text) {
    const std::pair<std::string_view, At> known[] = {
        {"dtype", At::kDtype}, {"shape", At::kShape}, {"data_offsets", At::kOffsets}};
    for (unsigned i = 0; i < 3; ++i) {
      if (known[i].first != text) continue;
      if ((fields_ & 1u << i) != 0) return Refuse("the key '" + text + "' comes twice");
      fields_ |= 1u << i;
      return Go(known[i].second);
    }
    return Refuse("unknown key '" + text + "'");
  }

  bool EndEntry() {
    if (fields_ != 7) return Refuse("dtype, shape or data_offsets is missing");
    uint64_t bytes = SizeOf(entry_.dtype);
    for (const uint64_t dim : entry_.shape) {
      if (__builtin_mul_overflow(bytes, dim, &bytes)) return Refuse("its shape overflows");
    }
    if (entry_.end < entry_.begin || entry_.end - entry_.begin != bytes) {
      return Refuse("shape and data_offsets disagree");
    }
    header.entries.push_back(std::move(entry_));
    entry_ = {};
    return Go(At::kNames);
  }

  At at_ = At::kStart;
  std::set<std::string> names_;
  std::string metadata_key_;
  SafetensorsEntry entry_;
  unsigned fields_ = 0;
  int offsets_ = 0;
};

Status Corrupt(const std::string& what) {
  return Status(Code::kCorruption, "safetensors header: " + what);
}

Status CheckCoverage(const std::vector<SafetensorsEntry>& entries, uint64_t data_bytes) {
  uint64_t covered = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != covered) {
      return Corrupt("entry '" + Printable(entry.name) + "' leaves a hole or overlaps at byte " +
                     std::to_string(covered));
    }
    covered = entry.end;
  }
  if (covered == data_bytes) return {};
  return Corrupt("its entries cover " + std::to_string(covered) + " bytes, the file has " +
                 std::to_string(data_bytes));
}

}  // namespace

Result<SafetensorsHeader> ParseSafetensors(std::string_view json, uint64_t data_bytes) {
  if (json.size() > kSafetensorsHeaderMax) return Corrupt("too long");
  HeaderReader reader;
  const bool good = Json::sax_parse(json.begin(), json.end(), &reader);
  if (!good || !reader.error.empty()) return Corrupt(reader.error);
  std::vector<SafetensorsEntry>& entries = reader.header.entries;
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  STEMMA_RETURN_IF_ERROR(CheckCoverage(entries, data_bytes));
  return std::move(reader.header);
}

std::string_view SafetensorsName(DType dtype) {
  for (const TypeName& type : kTypes) {
    if (type.dtype == dtype) return type.name;
  }
  return "?";
}

std::string SafetensorsJson(const SafetensorsEntry& entry) {
  std::string shape;
  for (const uint64_t dim : entry.shape) {
    if (!shape.empty()) shape += ",";
    shape += std::to_string(dim);
  }
  return "\"" + entry.name + "\":{\"dtype\":\"" + std::string(SafetensorsName(entry.dtype)) +
         "\",\"shape\":[" + shape + "],\"data_offsets\":[" + std::to_string(entry.begin) + "," +
         std::to_string(entry.end) + "]}";
}

}  // namespace stemma::lineage
