#include "models/aides/catalogue.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/text.h"
#include "models/aides/galaxy.h"

namespace stemma::models {
namespace {

constexpr std::string_view kBandMark = "{band}";
constexpr char kBandLetters[kBands + 1] = "gri";
constexpr double kPixelMax = 1e9;
constexpr uint64_t kTableMax = uint64_t{1} << 30;  // bytes

const std::vector<std::string> kColumns = {"file", "x", "y", "half", "label"};

// By label, and then what has none; the folders' names.
const std::vector<std::string> kClassFolders = {"elliptical", "spiral", "unlabelled"};

std::vector<std::string_view> Split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(by);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// One line of a table, with where it is for messages.
class Line {
 public:
  Line(std::string where, std::vector<std::string_view> words, const std::vector<size_t>& order)
      : where_(std::move(where)), words_(std::move(words)), order_(order) {}

  Result<CatalogueEntry> Read() const {
    if (words_.size() != order_.size()) {
      return Bad("has " + std::to_string(words_.size()) + " words between tabs, expected " +
                 std::to_string(order_.size()));
    }
    CatalogueEntry entry;
    entry.file = std::string(Word(0));
    if (entry.file.find(kBandMark) == std::string::npos) {
      return Bad("file '" + entry.file + "' has no {band} in it, which stands for g, r and i");
    }
    if (Word(1) != "-" || Word(2) != "-" || Word(3) != "-") {
      STEMMA_ASSIGN_OR_RETURN(const double x, Number(1, -kPixelMax, kPixelMax));
      STEMMA_ASSIGN_OR_RETURN(const double y, Number(2, -kPixelMax, kPixelMax));
      STEMMA_ASSIGN_OR_RETURN(const double half, Number(3, .5, kFitsSideMax / 2));
      entry.square = FitsSquare::Around(x, y, half);
    }
    if (Word(4) == "-") return entry;
    if (Word(4) != "elliptical" && Word(4) != "spiral") {
      return Bad("label '" + std::string(Word(4)) + "' must be elliptical, spiral or -");
    }
    entry.label = Word(4) == "spiral" ? 1 : 0;
    return entry;
  }

 private:
  Status Bad(const std::string& what) const {
    return {Code::kInvalidArgument, where_ + ": " + Printable(what)};
  }
  std::string_view Word(size_t column) const { return words_[order_[column]]; }

  Result<double> Number(size_t column, double least, double most) const {
    const std::string_view word = Word(column);
    double value = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
    if (read.ec == std::errc() && read.ptr == word.data() + word.size() && value >= least &&
        value <= most) {
      return value;
    }
    return Bad(kColumns[column] + " = '" + std::string(word) + "' must be a number of pixels" +
               (column == 3 ? ", 0.5 to " + std::to_string(kFitsSideMax / 2) : ""));
  }

  const std::string where_;
  const std::vector<std::string_view> words_;
  const std::vector<size_t>& order_;
};

// Where each of kColumns stands.
Result<std::vector<size_t>> ReadHead(const std::string& path, std::string_view head) {
  const auto words = Split(head, '\t');
  std::vector<size_t> order;
  for (const std::string& column : kColumns) {
    const auto at = std::find(words.begin(), words.end(), column);
    if (at == words.end()) {
      return Status(Code::kInvalidArgument,
                    path + ":1: no column '" + column +
                        "'; expected a line with file, x, y, half and label, separated by tabs");
    }
    order.push_back(static_cast<size_t>(at - words.begin()));
  }
  if (words.size() != kColumns.size()) {
    return Status(Code::kInvalidArgument, path + ":1: has " + std::to_string(words.size()) +
                                              " columns, expected file, x, y, half and label");
  }
  return order;
}

Result<Catalogue> ReadTable(lineage::Storage& disk, const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const std::string text, disk.ReadBounded(path, kTableMax));
  Catalogue catalogue;
  const size_t slash = path.rfind('/');
  catalogue.folder = slash == std::string::npos ? "." : path.substr(0, slash);
  std::vector<size_t> order;
  size_t number = 0;
  for (std::string_view line : Split(text, '\n')) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (number == 1) {
      STEMMA_ASSIGN_OR_RETURN(order, ReadHead(path, line));
    } else if (!line.empty() && line.front() != '#') {
      const Line words(path + ":" + std::to_string(number), Split(line, '\t'), order);
      STEMMA_ASSIGN_OR_RETURN(CatalogueEntry entry, words.Read());
      catalogue.entries.push_back(std::move(entry));
    }
  }
  if (catalogue.entries.empty()) {
    return Status(Code::kInvalidArgument, path + " lists no galaxy");
  }
  return catalogue;
}

// "NAME.{band}.fits" of every NAME.g.fits.
Status TakeFolder(lineage::Storage& disk, const std::string& name, int label,
                  Catalogue* catalogue) {
  STEMMA_ASSIGN_OR_RETURN(const auto files, disk.List(catalogue->folder + "/" + name));
  for (const std::string& file : files) {
    for (const std::string_view end : {".g.fits", ".g.fits.fz"}) {
      if (file.size() <= end.size() || file.front() == '.') continue;
      const size_t object = file.size() - end.size();
      if (std::string_view(file).substr(object) != end) continue;
      catalogue->entries.push_back({name + "/" + file.substr(0, object) + "." +
                                        std::string(kBandMark) + file.substr(object + 2),
                                    {},
                                    label});
    }
  }
  return {};
}

Result<Catalogue> ReadFolder(lineage::Storage& disk, const std::string& path) {
  Catalogue catalogue;
  catalogue.folder = path;
  for (size_t i = 0; i < kClassFolders.size(); ++i) {
    if (!disk.Exists(path + "/" + kClassFolders[i])) continue;
    const int label = i + 1 == kClassFolders.size() ? kNotLabelled : static_cast<int>(i);
    STEMMA_RETURN_IF_ERROR(TakeFolder(disk, kClassFolders[i], label, &catalogue));
  }
  if (!catalogue.entries.empty()) return catalogue;
  return Status(Code::kNotFound, path +
                                     " holds no galaxy: expected NAME.g.fits, NAME.r.fits and "
                                     "NAME.i.fits in " +
                                     path + "/elliptical, spiral or unlabelled");
}

// Also finds out that every file is there.
Status FindDigest(lineage::Storage& disk, Catalogue* catalogue) {
  Sha256Stream digest;
  digest.Update("aides catalogue 1");
  std::map<std::string, uint64_t> sizes;  // a tile has many galaxies
  for (size_t id = 0; id < catalogue->entries.size(); ++id) {
    const CatalogueEntry& entry = catalogue->entries[id];
    Encoder facts;
    facts.String(entry.file);
    for (const int64_t n : {entry.square.left, entry.square.bottom, entry.square.side,
                            static_cast<int64_t>(entry.label)}) {
      facts.I64(n);
    }
    for (int band = 0; band < kBands; ++band) {
      const std::string path = catalogue->PathOf(id, band);
      auto known = sizes.find(path);
      if (known == sizes.end()) {
        STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, disk.SizeOf(path));
        known = sizes.emplace(path, bytes).first;
      }
      facts.U64(known->second);
    }
    digest.Update(facts.bytes());
  }
  catalogue->digest = digest.Finish();
  return {};
}

}  // namespace

std::string Catalogue::PathOf(size_t id, int band) const {
  std::string file = entries[id].file;
  for (size_t at = 0; (at = file.find(kBandMark, at)) != std::string::npos;) {
    file.replace(at, kBandMark.size(), 1, kBandLetters[band]);
  }
  return file.front() == '/' ? file : folder + "/" + file;
}

Result<Catalogue> ReadCatalogue(lineage::Storage& disk, const std::string& path) {
  const bool folder = disk.Exists(path) && !disk.SizeOf(path).ok();
  STEMMA_ASSIGN_OR_RETURN(Catalogue catalogue,
                          folder ? ReadFolder(disk, path) : ReadTable(disk, path));
  STEMMA_RETURN_IF_ERROR(FindDigest(disk, &catalogue));
  return catalogue;
}

}  // namespace stemma::models
