// Read-only columns of an Index: views of arrays that lie in memory of their own or in a mapped
// file, and keep what they lie in alive. Copies are cheap and share the array.
//
//   Column<int64_t> step = std::vector<int64_t>{100, 200};     // takes the vector
//   for (const int64_t one : step) ...
//   if (index.id[row] == state) ...                            // ids and texts compare with
//   strings const StateId id = index.id[row];                          // and turn into them, as a
//   copy
//
// Plain data that never changes; any thread. REQUIRES for []: an index below size(), as everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/digest.h"

namespace stemma::lineage {

template <typename T>
class Column {
 public:
  Column() = default;
  Column(std::vector<T> values) {  // NOLINT: implicit, so that a vector can be handed over
    auto kept = std::make_shared<const std::vector<T>>(std::move(values));
    data_ = kept->data();
    size_ = kept->size();
    owner_ = std::move(kept);
  }
  Column(std::initializer_list<T> values) : Column(std::vector<T>(values)) {}
  // `owner` keeps the array alive.
  Column(const T* data, size_t size, std::shared_ptr<const void> owner)
      : data_(data), size_(size), owner_(std::move(owner)) {}

  const T& operator[](size_t i) const { return data_[i]; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T* data() const { return data_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  const T& front() const { return data_[0]; }
  const T& back() const { return data_[size_ - 1]; }

 private:
  const T* data_ = nullptr;
  size_t size_ = 0;
  std::shared_ptr<const void> owner_;
};

template <typename T>
bool operator==(const Column<T>& a, const Column<T>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == b[i])) return false;
  }
  return true;
}

// One text or id of a column: a view that turns into a string where one is wanted.
class TextView : public std::string_view {
 public:
  TextView() = default;
  explicit TextView(std::string_view text) : std::string_view(text) {}
  operator std::string() const { return std::string(data(), size()); }  // NOLINT: implicit
};

// Walks a column whose values are made when they are asked for.
template <typename Of>
class Walk {
 public:
  Walk(const Of* of, size_t at) : of_(of), at_(at) {}
  TextView operator*() const { return (*of_)[at_]; }
  Walk& operator++() {
    ++at_;
    return *this;
  }
  bool operator!=(const Walk& other) const { return at_ != other.at_; }

 private:
  const Of* of_;
  size_t at_;
};

// Raw SHA-256 digests, 32 bytes each.
class IdColumn {
 public:
  IdColumn() = default;
  explicit IdColumn(Column<char> bytes) : bytes_(std::move(bytes)) {}
  TextView operator[](size_t i) const {
    return TextView({bytes_.data() + i * kSha256Bytes, kSha256Bytes});
  }
  size_t size() const { return bytes_.size() / kSha256Bytes; }
  bool empty() const { return bytes_.empty(); }
  Walk<IdColumn> begin() const { return {this, 0}; }
  Walk<IdColumn> end() const { return {this, size()}; }
  const Column<char>& bytes() const { return bytes_; }

 private:
  Column<char> bytes_;
};

// Texts of any length. One that a damaged file puts out of bounds is empty.
class TextColumn {
 public:
  TextColumn() = default;
  // Text i ends where `ends[i]` says and begins where the one before ends.
  TextColumn(Column<uint64_t> ends, Column<char> bytes)
      : ends_(std::move(ends)), bytes_(std::move(bytes)) {}
  explicit TextColumn(const std::vector<std::string>& texts);
  TextView operator[](size_t i) const {
    if (i >= ends_.size()) return {};
    const uint64_t from = i == 0 ? 0 : ends_[i - 1];
    if (ends_[i] > bytes_.size() || from > ends_[i]) return {};
    return TextView({bytes_.data() + from, ends_[i] - from});
  }
  size_t size() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  Walk<TextColumn> begin() const { return {this, 0}; }
  Walk<TextColumn> end() const { return {this, size()}; }
  const Column<uint64_t>& ends() const { return ends_; }
  const Column<char>& bytes() const { return bytes_; }

 private:
  Column<uint64_t> ends_;
  Column<char> bytes_;
};

inline TextColumn::TextColumn(const std::vector<std::string>& texts) {
  std::vector<uint64_t> ends;
  std::vector<char> bytes;
  for (const std::string& text : texts) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    ends.push_back(bytes.size());
  }
  ends_ = std::move(ends);
  bytes_ = std::move(bytes);
}

}  // namespace stemma::lineage
