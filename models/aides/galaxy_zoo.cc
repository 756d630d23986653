#include "models/aides/galaxy_zoo.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>
#include <unordered_set>

#include "core/digest.h"
#include "core/text.h"

namespace stemma::models {
namespace {

constexpr uint64_t kTableMax = uint64_t{1} << 32;  // bytes

// Takes the text up to `by` off the front of `rest`.
std::string_view Next(std::string_view* rest, char by) {
  const size_t end = rest->find(by);
  const std::string_view word = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return word;
}

std::string_view NextLine(std::string_view* rest) {
  std::string_view line = Next(rest, '\n');
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view Trimmed(std::string_view word) {
  const auto blank = [](char c) { return c == ' ' || c == '"'; };
  while (!word.empty() && blank(word.front())) word.remove_prefix(1);
  while (!word.empty() && blank(word.back())) word.remove_suffix(1);
  return word;
}

// What is read of a line, by the names in the table's head.
enum Column { kId, kElliptical, kSpiral, kColumns };
constexpr const char* kNames[kColumns] = {"OBJID", "P_EL_DEBIASED", "P_CS_DEBIASED"};

struct Votes {
  std::string_view id;
  double elliptical = 0, spiral = 0;

  bool IsSpiral() const { return spiral >= kZooSpiralFrom; }
  bool IsElliptical() const { return elliptical >= kZooEllipticalFrom; }
  bool IsCertain() const { return IsSpiral() || IsElliptical(); }
};

class Table {
 public:
  Table(const std::string& path, std::string_view text) : path_(path), rest_(text) {}

  Status ReadHead() {
    std::fill_n(place_, static_cast<size_t>(kColumns), SIZE_MAX);
    std::string_view head = NextLine(&rest_);
    line_ = 1;
    for (size_t at = 0; !head.empty(); ++at) {
      const std::string_view name = Trimmed(Next(&head, ','));
      for (int column = 0; column < kColumns; ++column) {
        if (name == kNames[column]) place_[column] = at;
      }
    }
    for (int column = 0; column < kColumns; ++column) {
      if (place_[column] != SIZE_MAX) continue;
      return Bad(std::string("no column ") + kNames[column] +
                 "; expected table 2 of Galaxy Zoo 1 as CSV, whose first line names the columns");
    }
    return {};
  }

  // False at the end.
  Result<bool> Read(Votes* votes) {
    while (!rest_.empty()) {
      std::string_view line = NextLine(&rest_);
      ++line_;
      if (line.empty()) continue;
      std::string_view words[kColumns];
      for (size_t at = 0; !line.empty(); ++at) {
        const std::string_view word = Trimmed(Next(&line, ','));
        for (int column = 0; column < kColumns; ++column) {
          if (place_[column] == at) words[column] = word;
        }
      }
      votes->id = words[kId];
      if (votes->id.empty()) return Bad("no OBJID");
      STEMMA_RETURN_IF_ERROR(ReadShare(words[kElliptical], kElliptical, &votes->elliptical));
      STEMMA_RETURN_IF_ERROR(ReadShare(words[kSpiral], kSpiral, &votes->spiral));
      if (!votes->IsSpiral() || !votes->IsElliptical()) return true;
      return Bad("votes for both classes are above their thresholds");
    }
    return false;
  }

  Status Twice(const Votes& votes) const {
    return Bad("OBJID " + Printable(votes.id) + " is there a second time");
  }

 private:
  Status Bad(const std::string& what) const {
    return {Code::kInvalidArgument, path_ + ":" + std::to_string(line_) + ": " + what};
  }

  Status ReadShare(std::string_view word, Column column, double* share) const {
    const auto read = std::from_chars(word.data(), word.data() + word.size(), *share);
    const bool number = read.ec == std::errc() && read.ptr == word.data() + word.size();
    if (number && *share >= 0 && *share <= 1) return {};
    return Bad(std::string(kNames[column]) + " = '" + Printable(word) + "' must be 0 to 1");
  }

  const std::string& path_;
  std::string_view rest_;
  int64_t line_ = 0;
  size_t place_[kColumns];
};

std::unordered_set<std::string_view> IdsIn(std::string_view text) {
  std::unordered_set<std::string_view> ids;
  while (!text.empty()) {
    const std::string_view word = Trimmed(NextLine(&text));
    if (!word.empty() && word.front() != '#') ids.insert(word);
  }
  return ids;
}

// The first `count` by hash go from `train` to `validation`.
void SplitOff(int64_t count, int64_t seed, ZooSelection* zoo) {
  const auto rank = [seed](const ZooGalaxy& g) {
    return std::make_pair(Xxh64(g.id, static_cast<uint64_t>(seed)), std::string_view(g.id));
  };
  std::sort(zoo->train.begin(), zoo->train.end(),
            [&](const ZooGalaxy& a, const ZooGalaxy& b) { return rank(a) < rank(b); });
  const auto end = zoo->train.begin() + count;
  std::move(zoo->train.begin(), end, std::back_inserter(zoo->validation));
  zoo->train.erase(zoo->train.begin(), end);
}

bool HasImages(lineage::Storage& disk, const std::string& folder, const std::string& id) {
  for (const char* band : {"g", "r", "i"}) {
    if (!disk.Exists(folder + "/" + id + "." + band + ".fits")) return false;
  }
  return true;
}

void LeaveOutWithoutImages(lineage::Storage& disk, ZooSelection* zoo) {
  for (auto* set : {&zoo->train, &zoo->validation, &zoo->test, &zoo->certain_test}) {
    const auto gone = std::remove_if(set->begin(), set->end(), [&](const ZooGalaxy& g) {
      return !HasImages(disk, zoo->images, g.id);
    });
    if (set != &zoo->certain_test) zoo->without_images += set->end() - gone;  // a part of test
    set->erase(gone, set->end());
  }
}

}  // namespace

Result<ZooSelection> SelectGalaxies(lineage::Storage& disk, const ZooSettings& settings) {
  STEMMA_ASSIGN_OR_RETURN(const std::string text, disk.ReadBounded(settings.table, kTableMax));
  std::string list;
  if (!settings.des.empty()) {
    STEMMA_ASSIGN_OR_RETURN(list, disk.ReadBounded(settings.des, kTableMax));
  }
  const auto seen = IdsIn(list);
  ZooSelection zoo;
  zoo.images = settings.images;
  Table table(settings.table, text);
  STEMMA_RETURN_IF_ERROR(table.ReadHead());
  Votes votes;
  std::unordered_set<std::string_view> ids;
  int64_t found = 0;
  for (;;) {
    STEMMA_ASSIGN_OR_RETURN(const bool more, table.Read(&votes));
    if (!more) break;
    ++zoo.rows;
    if (!ids.insert(votes.id).second) return table.Twice(votes);
    zoo.spirals += votes.IsSpiral();
    zoo.ellipticals += votes.IsElliptical();
    const bool in_des = seen.count(votes.id) > 0;
    found += in_des;
    zoo.seen_by_des += in_des && votes.IsCertain();
    const ZooGalaxy galaxy{std::string(votes.id), votes.spiral > votes.elliptical ? 1 : 0};
    if (in_des) zoo.test.push_back(galaxy);
    if (in_des && votes.IsCertain()) zoo.certain_test.push_back(galaxy);
    if (!in_des && votes.IsCertain()) zoo.train.push_back(galaxy);
  }
  zoo.unknown = static_cast<int64_t>(seen.size()) - found;
  const auto certain = static_cast<int64_t>(zoo.train.size());
  if (settings.validation < 0 || settings.validation >= certain) {
    return Status(Code::kInvalidArgument, std::to_string(settings.validation) +
                                              " galaxies for validation, but the table has " +
                                              std::to_string(certain) +
                                              " that are certain and not seen by DES");
  }
  SplitOff(settings.validation, settings.seed, &zoo);
  if (!zoo.images.empty()) LeaveOutWithoutImages(disk, &zoo);
  for (auto* set : {&zoo.train, &zoo.validation, &zoo.test, &zoo.certain_test}) {
    std::sort(set->begin(), set->end(),
              [](const ZooGalaxy& a, const ZooGalaxy& b) { return a.id < b.id; });
  }
  return zoo;
}

Status WriteCatalogues(lineage::Storage& disk, const ZooSelection& zoo, const std::string& folder) {
  STEMMA_RETURN_IF_ERROR(disk.MakeDir(folder));
  const std::string images = zoo.images.empty() ? "" : zoo.images + "/";
  struct Set {
    const char* name;
    const std::vector<ZooGalaxy>& galaxies;
  };
  for (const Set& set : {Set{"train", zoo.train}, Set{"validation", zoo.validation},
                         Set{"test", zoo.test}, Set{"certain_test", zoo.certain_test}}) {
    if (set.galaxies.empty()) continue;
    std::string text = "file\tx\ty\thalf\tlabel\n";
    for (const ZooGalaxy& g : set.galaxies) {
      text +=
          images + g.id + ".{band}.fits\t-\t-\t-\t" + (g.label == 1 ? "spiral\n" : "elliptical\n");
    }
    STEMMA_RETURN_IF_ERROR(lineage::WriteDurable(disk, folder + "/" + set.name + ".tsv", text));
  }
  return {};
}

}  // namespace stemma::models
