#include "models/data/hdf5/hdf5_table.h"

#include <algorithm>

namespace stemma::models::internal {
namespace {

constexpr int64_t kChunksMax = int64_t{1} << 24;   // more addresses than that are not kept
constexpr size_t kChunkCache = size_t{64} << 20;   // bytes of decompressed chunks, per table
constexpr int64_t kComparedMax = 1024;             // numbers of a row that are read both ways
constexpr hsize_t kNumbersMax = hsize_t{1} << 60;  // of a table
constexpr int64_t kPictureMax = int64_t{1} << 28;  // numbers of a row that is read in one piece

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
  if (dimensions_ < 1) return {Code::kIncompatible, Where() + " is one value, and has no rows"};
  hsize_t numbers = 1;
  for (const hsize_t n : shape) {
    if (n == 0) {
      return {Code::kIncompatible, Where() + " is empty, its shape is " + ShapeText(shape)};
    }
    if (n > kNumbersMax / numbers) {
      return {Code::kCorruption,
              Where() + " has the shape " + ShapeText(shape) + ", which no file holds"};
    }
    numbers *= n;
  }
  shape_.assign(shape.begin(), shape.end());
  columns_ = static_cast<int64_t>(numbers / shape[0]);
  if (dimensions_ > 2 && columns_ > kPictureMax) {
    return {Code::kIncompatible, Where() + " has the shape " + ShapeText(shape) +
                                     ": more than 2^28 numbers of one first index"};
  }
  return {};
}

Status StoredTable::LookAtType(const Library& library) {
  type_ = Handle(H5Dget_type(data_.id()), H5Tclose);
  if (!type_.ok()) return {Code::kCorruption, Where() + ": " + library.Reason()};
  if (const auto known = NumberOf(type_.id())) {
    number_ = *known;
    return {};
  }
  const H5T_class_t kind = H5Tget_class(type_.id());
  const std::string bits = std::to_string(8 * H5Tget_size(type_.id())) + " bits";
  return {Code::kIncompatible,
          Where() + " holds " +
              (kind == H5T_INTEGER ? "integers of " + bits
               : kind == H5T_FLOAT ? "floating point of " + bits + " that is not IEEE's 32 or 64"
                                   : "no numbers") +
              ", expected float32, float64 or integers of 8 to 64 bits; convert it"};
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
    chunk_rows_ = rows();
    chunk_columns_ = columns_;
    chunks_across_ = 1;
    if (at != HADDR_UNDEF) addresses_ = {at};
    return {};
  }
  if (layout != H5D_CHUNKED || H5Pget_nfilters(made.id()) != 0) return {};
  std::vector<hsize_t> chunk(shape_.size());
  if (H5Pget_chunk(made.id(), dimensions_, chunk.data()) != dimensions_) return {};
  chunk_rows_ = static_cast<int64_t>(chunk[0]);
  chunk_columns_ = 1;
  for (size_t d = 1; d < chunk.size(); ++d) {
    // Parts of a picture's lines do not lie one behind the other.
    if (d > 1 && static_cast<int64_t>(chunk[d]) != shape_[d]) return {};
    chunk_columns_ *= static_cast<int64_t>(chunk[d]);
  }
  chunks_across_ = (columns_ + chunk_columns_ - 1) / chunk_columns_;
  if (!FindChunks()) addresses_.clear();
  return {};
}

// False where a chunk was never written (its numbers are the fill value), or there are too many.
bool StoredTable::FindChunks() {
  const int64_t down = (rows() + chunk_rows_ - 1) / chunk_rows_;
  const int64_t line = columns_ / (dimensions_ > 1 ? shape_[1] : 1);  // numbers of an index there
  if (down > kChunksMax / chunks_across_) return false;
  addresses_.reserve(static_cast<size_t>(down * chunks_across_));
  for (int64_t y = 0; y < down; ++y) {
    for (int64_t x = 0; x < chunks_across_; ++x) {
      std::vector<hsize_t> corner(shape_.size());
      corner[0] = static_cast<hsize_t>(y * chunk_rows_);
      if (dimensions_ > 1) corner[1] = static_cast<hsize_t>(x * chunk_columns_ / line);
      unsigned left_out = 0;
      haddr_t at = HADDR_UNDEF;
      hsize_t bytes = 0;
      if (H5Dget_chunk_info_by_coord(data_.id(), corner.data(), &left_out, &at, &bytes) < 0)
        return false;
      if (at == HADDR_UNDEF) return false;
      addresses_.push_back(at);
    }
  }
  return true;
}

// The library's answers about places count from the file's first byte, or from the end of a block
// that a user put in front, depending on call and version. What counts is what is read there.
Status StoredTable::CompareWays() {
  const int64_t count = dimensions_ > 2 ? columns_ : std::min(columns_, kComparedMax);
  std::vector<char> direct(static_cast<size_t>(count) * number_.width), other(direct.size());
  bool same = !addresses_.empty();
  for (const int64_t row : {int64_t{0}, rows() - 1}) {
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
    const uint64_t bytes = static_cast<uint64_t>(end - column) * number_.width;
    STEMMA_RETURN_IF_ERROR(file_->bytes->Read(
        addresses_[static_cast<size_t>(above + chunk)] + inside * number_.width, bytes, out));
    out += bytes;
    column = end;
  }
  return {};
}

Status StoredTable::RawByLibrary(int64_t row, int64_t first, int64_t count, char* out) const {
  const Library library;
  const Handle space(H5Dget_space(data_.id()), H5Sclose);
  std::vector<hsize_t> start(shape_.size(), 0), extent(shape_.begin(), shape_.end());
  start[0] = static_cast<hsize_t>(row);
  extent[0] = 1;
  if (dimensions_ == 2) {
    start[1] = static_cast<hsize_t>(first);
    extent[1] = static_cast<hsize_t>(count);
  }
  const auto numbers = static_cast<hsize_t>(count);
  const Handle memory(H5Screate_simple(1, &numbers, nullptr), H5Sclose);
  if (!space.ok() || !memory.ok() ||
      H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, extent.data(),
                          nullptr) < 0 ||
      H5Dread(data_.id(), type_.id(), memory.id(), space.id(), H5P_DEFAULT, out) < 0) {
    return {Code::kCorruption, Where() + ", row " + std::to_string(row) + ": " + library.Reason()};
  }
  return {};
}

Result<const char*> StoredTable::RowOf(int64_t row) const {
  thread_local std::vector<char> raw;
  raw.resize(static_cast<size_t>(columns_) * number_.width);
  STEMMA_RETURN_IF_ERROR(Raw(row, 0, columns_, raw.data()));
  return static_cast<const char*>(raw.data());
}

Status StoredTable::Read(int64_t row, float* out) const {
  if (number_.kind == NumberKind::kFloat) {
    return Raw(row, 0, columns_, reinterpret_cast<char*>(out));
  }
  STEMMA_ASSIGN_OR_RETURN(const char* const raw, RowOf(row));
  number_.to_float(raw, columns_, out);
  return {};
}

Status StoredTable::Read(int64_t row, double* out) const {
  if (number_.kind == NumberKind::kDouble) {
    return Raw(row, 0, columns_, reinterpret_cast<char*>(out));
  }
  STEMMA_ASSIGN_OR_RETURN(const char* const raw, RowOf(row));
  number_.to_double(raw, columns_, out);
  return {};
}

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
