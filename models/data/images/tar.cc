#include "models/data/images/tar.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "core/check.h"
#include "core/text.h"

namespace stemma::models {
namespace {

constexpr uint64_t kTextMax = 1 << 20;  // of a long name or a pax header
constexpr uint64_t kSizeMax = uint64_t{1} << 62;

struct Place {
  size_t at, length;
};
constexpr Place kName = {0, 100}, kMode = {100, 8}, kOwner = {108, 8}, kGroup = {116, 8},
                kSize = {124, 12}, kTime = {136, 12}, kSum = {148, 8}, kType = {156, 1},
                kMagic = {257, 8}, kPrefix = {345, 155};

std::string_view Field(std::string_view header, Place place) {
  return header.substr(place.at, place.length);
}

std::string TextOf(std::string_view field) {
  return std::string(field.substr(0, field.find('\0')));
}

// Octal digits between blanks and NULs; with the first bit set, the rest is binary.
std::optional<uint64_t> NumberIn(std::string_view field) {
  uint64_t value = 0;
  if (static_cast<uint8_t>(field[0]) & 0x80) {
    value = static_cast<uint8_t>(field[0]) & 0x7F;
    for (const char c : field.substr(1)) {
      if (value > kSizeMax >> 8) return std::nullopt;
      value = value << 8 | static_cast<uint8_t>(c);
    }
    return value <= kSizeMax ? std::optional<uint64_t>(value) : std::nullopt;
  }
  const size_t first = field.find_first_not_of(' ');
  const size_t end = std::min(field.find_first_of(std::string_view(" \0", 2), first), field.size());
  if (first == std::string_view::npos || first == end) return std::nullopt;
  for (const char c : field.substr(first, end - first)) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value << 3 | static_cast<uint64_t>(c - '0');
  }
  return value;  // twelve digits at most
}

// All bytes added up, with blanks where the sum itself stands.
uint64_t SumOf(std::string_view header) {
  uint64_t sum = kSum.length * ' ';
  for (const char c : header) sum += static_cast<uint8_t>(c);
  for (const char c : Field(header, kSum)) sum -= static_cast<uint8_t>(c);
  return sum;
}

bool IsZero(std::string_view block) {
  return block.find_first_not_of('\0') == std::string_view::npos;
}

std::string NameIn(std::string_view header) {
  const std::string name = TextOf(Field(header, kName));
  // GNU's own magic, "ustar  ", puts times where POSIX has the prefix.
  if (Field(header, kMagic).substr(0, 6) != std::string_view("ustar\0", 6)) return name;
  const std::string prefix = TextOf(Field(header, kPrefix));
  return prefix.empty() ? name : prefix + "/" + name;
}

void Put(std::string* header, Place place, std::string_view text) {
  header->replace(place.at, text.size(), text);
}

// As many digits as fit before a NUL; base 256 where octal has too few.
void PutNumber(std::string* header, Place place, uint64_t value) {
  std::string digits(place.length - 1, '0');
  for (size_t i = digits.size(); i-- > 0 && value > 0; value >>= 3) {
    digits[i] = static_cast<char>('0' + (value & 7));
  }
  Put(header, place, digits);
}

std::string Header(const std::string& name, const std::string& prefix, uint64_t size, char type) {
  std::string header(kTarBlock, '\0');
  Put(&header, kName, name);
  PutNumber(&header, kMode, 0644);
  PutNumber(&header, kOwner, 0);
  PutNumber(&header, kGroup, 0);
  if (size < uint64_t{1} << 33) {
    PutNumber(&header, kSize, size);
  } else {
    for (size_t i = kSize.length - 1; i > 0; --i, size >>= 8) {
      header[kSize.at + i] = static_cast<char>(size);
    }
    header[kSize.at] = '\x80';
  }
  PutNumber(&header, kTime, 0);
  header[kType.at] = type;
  Put(&header, kMagic, std::string_view("ustar\00000", 8));
  Put(&header, kPrefix, prefix);
  const uint64_t sum = SumOf(header);
  PutNumber(&header, {kSum.at, kSum.length - 1}, sum);
  header[kSum.at + kSum.length - 1] = ' ';
  return header;
}

}  // namespace

struct TarReader::Long {
  std::optional<std::string> name;
  std::optional<uint64_t> size;
};

Status TarReader::Wrong(const std::string& what) const {
  return {Code::kCorruption, path_ + ", header at byte " + std::to_string(at_) + ": " + what};
}

Result<uint64_t> TarSizeIn(std::string_view header) {
  const auto sum = NumberIn(Field(header, kSum));
  if (!sum || *sum != SumOf(header)) return Status(Code::kCorruption, "its checksum is wrong");
  const auto size = NumberIn(Field(header, kSize));
  if (!size) return Status(Code::kCorruption, "its size is no number");
  return *size;
}

// An entry of `size` bytes lies in the file.
Status TarReader::CheckEnd(uint64_t size) const {
  if (size <= bytes_ - at_ - kTarBlock) return {};
  return Wrong("its file of " + std::to_string(size) +
               " bytes ends behind the archive, which has " + std::to_string(bytes_));
}

Result<std::string> TarReader::Text(uint64_t size) const {
  if (size > kTextMax)
    return Wrong("a long name or pax header of " + std::to_string(size) + " bytes");
  STEMMA_RETURN_IF_ERROR(CheckEnd(size));
  std::string text(size, '\0');
  STEMMA_RETURN_IF_ERROR(file_.Read(at_ + kTarBlock, size, text.data()));
  return text;
}

// Goes behind an entry of `size` bytes.
Status TarReader::Skip(uint64_t size) {
  STEMMA_RETURN_IF_ERROR(CheckEnd(size));
  const uint64_t padded = (size + kTarBlock - 1) / kTarBlock * kTarBlock;
  at_ = std::min(at_ + kTarBlock + padded, bytes_);
  return {};
}

// Records of a pax header: "LENGTH KEY=VALUE\n", the length counts all of it.
Status TarReader::TakeExtension(char type, uint64_t size, Long* said) {
  STEMMA_ASSIGN_OR_RETURN(const std::string text, Text(size));
  if (type == 'L') {
    said->name = TextOf(text);
    return {};
  }
  std::string_view rest = text;
  while (!rest.empty() && !IsZero(rest)) {
    uint64_t length = 0;
    size_t digits = 0;
    while (digits < rest.size() && digits < 8 && rest[digits] >= '0' && rest[digits] <= '9') {
      length = 10 * length + static_cast<uint64_t>(rest[digits++] - '0');
    }
    if (digits == 0 || length <= digits + 1 || length > rest.size() || rest[digits] != ' ' ||
        rest[length - 1] != '\n') {
      return Wrong("a pax header that is not made of records");
    }
    const std::string_view record = rest.substr(digits + 1, length - digits - 2);
    rest.remove_prefix(length);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) return Wrong("a pax record without '='");
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key != "path" && key != "size") continue;
    if (type == 'g') return Wrong("a pax header for all files that names a " + std::string(key));
    if (key == "path") {
      said->name = std::string(value);
      continue;
    }
    uint64_t number = 0;
    for (const char c : value) {
      if (c < '0' || c > '9' || number > kSizeMax / 10)
        return Wrong("a pax size that is no number");
      number = 10 * number + static_cast<uint64_t>(c - '0');
    }
    said->size = number;
  }
  return {};
}

Result<bool> TarReader::Next(TarEntry* entry) {
  Long said;
  for (;;) {
    std::array<char, 2 * kTarBlock> blocks;
    const uint64_t left = bytes_ - std::min(at_, bytes_);
    if (left < kTarBlock) return Wrong("the archive is cut off: no two blocks of zeros end it");
    STEMMA_RETURN_IF_ERROR(file_.Read(at_, std::min<uint64_t>(left, blocks.size()), blocks.data()));
    const std::string_view header(blocks.data(), kTarBlock);
    if (IsZero(header)) {
      if (left >= blocks.size() && IsZero({blocks.data(), blocks.size()})) return false;
      return Wrong("one block of zeros alone, where two end an archive");
    }
    const Result<uint64_t> stated = TarSizeIn(header);
    if (!stated.ok()) return Wrong(stated.status().message());
    const char type = header[kType.at];
    const std::string name = said.name.value_or(NameIn(header));
    if (type == 'L' || type == 'x' || type == 'g') {
      STEMMA_RETURN_IF_ERROR(TakeExtension(type, *stated, &said));
      STEMMA_RETURN_IF_ERROR(Skip(*stated));
      continue;
    }
    const uint64_t size = said.size.value_or(*stated);
    if (type == '5') {  // a folder
      STEMMA_RETURN_IF_ERROR(Skip(size));
      said = {};
      continue;
    }
    if (type != '0' && type != '\0' && type != '7') {
      return Wrong("'" + Printable(name) + "' is no regular file (type '" + Printable({&type, 1}) +
                   "')");
    }
    if (!IsTarName(name)) return Wrong("a file whose name is empty or has control characters");
    *entry = {name, at_ + kTarBlock, size};
    STEMMA_RETURN_IF_ERROR(Skip(size));
    return true;
  }
}

bool IsTarName(const std::string& name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<uint8_t>(c) < ' ' || c == '\x7F';
  });
}

std::string TarHeader(const std::string& name, uint64_t size) {
  STEMMA_CHECK(!name.empty() && name.find('\0') == std::string::npos, "a name for tar");
  if (name.size() <= kName.length) return Header(name, "", size, '0');
  // The last slash that leaves both parts short enough, else a pax header of its own.
  const size_t slash = name.rfind('/', kPrefix.length);
  if (slash != std::string::npos && slash > 0 && name.size() - slash - 1 <= kName.length &&
      slash + 1 < name.size()) {
    return Header(name.substr(slash + 1), name.substr(0, slash), size, '0');
  }
  const std::string tail = " path=" + name + "\n";
  size_t length = tail.size() + 1;
  while (std::to_string(length).size() + tail.size() != length) ++length;
  const std::string record = std::to_string(length) + tail;
  return Header("pax", "", record.size(), 'x') + record + TarPadding(record.size()) +
         Header(name.substr(0, kName.length), "", size, '0');
}

std::string TarPadding(uint64_t size) {
  return std::string((kTarBlock - size % kTarBlock) % kTarBlock, '\0');
}

std::string TarEnd() { return std::string(2 * kTarBlock, '\0'); }

}  // namespace stemma::models
