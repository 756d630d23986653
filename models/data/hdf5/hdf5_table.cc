#include "models/data/hdf5/hdf5_table.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace stemma::models::internal {
namespace {

constexpr int64_t kChunksMax = int64_t{1} << 24;   // more addresses than that are not kept
constexpr size_t kChunkCache = size_t{64} << 20;   // bytes of decompressed chunks, per table
constexpr int64_t kComparedMax = 1024;             // numbers of a row that are read both ways
constexpr hsize_t kNumbersMax = hsize_t{1} << 60;  // of a table

struct NumberType {
  hid_t type;
  size_t width;
  bool swap;
};

template <typename Stored, typename Value>
void Convert(const char* raw, bool swap, int64_t count, Value* out) {
  for (int64_t i = 0; i < count; ++i) {
    char bytes[sizeof(Stored)];
    std::memcpy(bytes, raw + static_cast<size_t>(i) * sizeof bytes, sizeof bytes);
    if (swap) std::reverse(bytes, bytes + sizeof bytes);
    Stored value;
    std::memcpy(&value, bytes, sizeof value);
    out[i] = static_cast<Value>(value);
  }
}

std::string ShapeText(const std::vector<hsize_t>& shape) {
  std::string text;
  for (const hsize_t n : shape) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "(" + text + ")";
}

}  // namespace

Result<std::shared_ptr<const Hdf5Table>> StoredTable::Open(std::shared_ptr<const OpenFile> file,
                                                           const std::string& name) {
  std::shared_ptr<StoredTable> table(new StoredTable(std::move(file), name));
  {
    const Library library;
    const Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
    H5Pset_chunk_cache(access.id(), 12421, kChunkCache, H5D_CHUNK_CACHE_W0_DEFAULT);
    table->data_ = Handle(H5Dopen2(table->file_->handle.id(), name.c_str(), access.id()), H5Dclose);
    if (!table->data_.ok()) {
      return Status(Code::kIncompatible, table->Where() + ": " + library.Reason());
    }
    STEMMA_RETURN_IF_ERROR(table->LookAtShape(library));
    STEMMA_RETURN_IF_ERROR(table->LookAtType(library));
    STEMMA_RETURN_IF_ERROR(table->FindRows(library));
  }
  STEMMA_RETURN_IF_ERROR(table->CompareWays());
  return std::shared_ptr<const Hdf5Table>(std::move(table));
}

StoredTable::~StoredTable() {
  const Library library;
  data_.Reset();
  type_.Reset();
}

Status StoredTable::LookAtShape(const Library& library) {
  const Handle space(H5Dget_space(data_.id()), H5Sclose);
  dimensions_ = space.ok() ? H5Sget_simple_extent_ndims(space.id()) : -1;
  if (dimensions_ < 0) return {Code::kCorruption, Where() + ": " + library.Reason()};
  std::vector<hsize_t> shape(static_cast<size_t>(dimensions_));
  if (dimensions_ > 0) H5Sget_simple_extent_dims(space.id(), shape.data(), nullptr);
  if (dimensions_ < 1 || dimensions_ > 2) {
    return {Code::kIncompatible,
            Where() + " has the shape " + ShapeText(shape) + ", expected (rows, columns)"};
  }
  const hsize_t across = dimensions_ == 2 ? shape[1] : 1;
  if (shape[0] == 0 || across == 0) {
    return {Code::kIncompatible, Where() + " is empty, its shape is " + ShapeText(shape)};
  }
  if (shape[0] > kNumbersMax / across) {
    return {Code::kCorruption,
            Where() + " has the shape " + ShapeText(shape) + ", which no file holds"};
  }
  rows_ = static_cast<int64_t>(shape[0]);
  columns_ = static_cast<int64_t>(across);
  return {};
}

Status StoredTable::LookAtType(const Library& library) {
  type_ = Handle(H5Dget_type(data_.id()), H5Tclose);
  if (!type_.ok()) return {Code::kCorruption, Where() + ": " + library.Reason()};
  for (const NumberType& known :
       {NumberType{H5T_IEEE_F32LE, 4, false}, NumberType{H5T_IEEE_F64LE, 8, false},
        NumberType{H5T_IEEE_F32BE, 4, true}, NumberType{H5T_IEEE_F64BE, 8, true}}) {
    if (H5Tequal(type_.id(), known.type) <= 0) continue;
    width_ = known.width;
    swap_ = known.swap;
    return {};
  }
  const H5T_class_t kind = H5Tget_class(type_.id());
  const std::string bits = std::to_string(8 * H5Tget_size(type_.id())) + " bits";
  return {Code::kIncompatible,
          Where() + " holds " +
              (kind == H5T_INTEGER ? "integers of " + bits
               : kind == H5T_FLOAT ? "floating point of " + bits + " that is not IEEE's 32 or 64"
                                   : "no numbers") +
              ", expected float32 or float64; convert it"};
}

Status StoredTable::FindRows(const Library& library) {
  const Handle made(H5Dget_create_plist(data_.id()), H5Pclose);
  if (!made.ok()) return {Code::kCorruption, Where() + ": " + library.Reason()};
  const H5D_layout_t layout = H5Pget_layout(made.id());
  if (H5Pget_external_count(made.id()) > 0 || layout == H5D_VIRTUAL) {
    return {Code::kIncompatible,
            Where() + " keeps its numbers in other files; pack them into this one (h5repack)"};
  }
  if (layout == H5D_CONTIGUOUS) {
    const haddr_t at = H5Dget_offset(data_.id());
    chunk_rows_ = rows_;
    chunk_columns_ = columns_;
    chunks_across_ = 1;
    if (at != HADDR_UNDEF) addresses_ = {at};
    return {};
  }
  if (layout != H5D_CHUNKED || H5Pget_nfilters(made.id()) != 0) return {};
  hsize_t chunk[2] = {1, 1};
  if (H5Pget_chunk(made.id(), 2, chunk) != dimensions_) return {};
  chunk_rows_ = static_cast<int64_t>(chunk[0]);
  chunk_columns_ = static_cast<int64_t>(chunk[1]);
  chunks_across_ = (columns_ + chunk_columns_ - 1) / chunk_columns_;
  if (!FindChunks()) addresses_.clear();
  return {};
}

// False where a chunk was never written (its numbers are the fill value), or there are too many.
bool StoredTable::FindChunks() {
  const int64_t down = (rows_ + chunk_rows_ - 1) / chunk_rows_;
  if (down > kChunksMax / chunks_across_) return false;
  addresses_.reserve(static_cast<size_t>(down * chunks_across_));
  for (int64_t y = 0; y < down; ++y) {
    for (int64_t x = 0; x < chunks_across_; ++x) {
      const hsize_t corner[2] = {static_cast<hsize_t>(y * chunk_rows_),
                                 static_cast<hsize_t>(x * chunk_columns_)};
      unsigned left_out = 0;
      haddr_t at = HADDR_UNDEF;
      hsize_t bytes = 0;
      if (H5Dget_chunk_info_by_coord(data_.id(), corner, &left_out, &at, &bytes) < 0) return false;
      if (at == HADDR_UNDEF) return false;
      addresses_.push_back(at);
    }
  }
  return true;
}

// The library's answers about places count from the file's first byte, or from the end of a block
// that a user put in front, depending on call and version. What counts is what is read there.
Status StoredTable::CompareWays() {
  const int64_t count = std::min(columns_, kComparedMax);
  std::vector<char> direct(static_cast<size_t>(count) * width_), other(direct.size());
  bool same = !addresses_.empty();
  for (const int64_t row : {int64_t{0}, rows_ - 1}) {
    const int64_t first = row == 0 ? 0 : columns_ - count;
    STEMMA_RETURN_IF_ERROR(RawByLibrary(row, first, count, other.data()));
    if (!same) continue;
    same = RawDirect(row, first, count, direct.data()).ok() && direct == other;
  }
  direct_ = same;
  return {};
}

Status StoredTable::Raw(int64_t row, int64_t first, int64_t count, char* out) const {
  return direct_ ? RawDirect(row, first, count, out) : RawByLibrary(row, first, count, out);
}

Status StoredTable::RawDirect(int64_t row, int64_t first, int64_t count, char* out) const {
  const int64_t above = row / chunk_rows_ * chunks_across_;
  for (int64_t column = first; column < first + count;) {
    const int64_t chunk = column / chunk_columns_;
    const int64_t end = std::min((chunk + 1) * chunk_columns_, first + count);
    const uint64_t inside =
        static_cast<uint64_t>(row % chunk_rows_ * chunk_columns_ + column % chunk_columns_);
    const uint64_t bytes = static_cast<uint64_t>(end - column) * width_;
    STEMMA_RETURN_IF_ERROR(file_->bytes->Read(
        addresses_[static_cast<size_t>(above + chunk)] + inside * width_, bytes, out));
    out += bytes;
    column = end;
  }
  return {};
}

Status StoredTable::RawByLibrary(int64_t row, int64_t first, int64_t count, char* out) const {
  const Library library;
  const Handle space(H5Dget_space(data_.id()), H5Sclose);
  const hsize_t start[2] = {static_cast<hsize_t>(row), static_cast<hsize_t>(first)};
  const hsize_t extent[2] = {1, static_cast<hsize_t>(count)};
  const Handle memory(H5Screate_simple(1, &extent[1], nullptr), H5Sclose);
  if (!space.ok() || !memory.ok() ||
      H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start, nullptr, extent, nullptr) < 0 ||
      H5Dread(data_.id(), type_.id(), memory.id(), space.id(), H5P_DEFAULT, out) < 0) {
    return {Code::kCorruption, Where() + ", row " + std::to_string(row) + ": " + library.Reason()};
  }
  return {};
}

template <typename Value>
Status StoredTable::ReadAs(int64_t row, Value* out) const {
  if (width_ == sizeof(Value) && !swap_) {
    return Raw(row, 0, columns_, reinterpret_cast<char*>(out));
  }
  thread_local std::vector<char> raw;
  raw.resize(static_cast<size_t>(columns_) * width_);
  STEMMA_RETURN_IF_ERROR(Raw(row, 0, columns_, raw.data()));
  if (width_ == 4) {
    Convert<float>(raw.data(), swap_, columns_, out);
  } else {
    Convert<double>(raw.data(), swap_, columns_, out);
  }
  return {};
}

Status StoredTable::Read(int64_t row, float* out) const { return ReadAs(row, out); }
Status StoredTable::Read(int64_t row, double* out) const { return ReadAs(row, out); }

Result<std::optional<double>> StoredTable::Attribute(const std::string& key) const {
  const Library library;
  if (H5Aexists(data_.id(), key.c_str()) <= 0) return std::optional<double>();
  const Handle attribute(H5Aopen(data_.id(), key.c_str(), H5P_DEFAULT), H5Aclose);
  const Handle space(attribute.ok() ? H5Aget_space(attribute.id()) : -1, H5Sclose);
  double value = 0;
  if (!space.ok() || H5Sget_simple_extent_npoints(space.id()) != 1 ||
      H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, &value) < 0) {
    return Status(Code::kIncompatible, Where() + ": its attribute '" + key + "' is no number");
  }
  return std::optional<double>(value);
}

}  // namespace stemma::models::internal
