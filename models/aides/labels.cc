#include "models/aides/labels.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <set>
#include <tuple>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::models {
namespace {

constexpr std::string_view kOfSimulated = "# stemma aides labels 1",
                           kOfPictures = "# stemma aides labels 2";
constexpr uint64_t kFileMax = uint64_t{64} * kLabelsMax;
constexpr int64_t kIdMax = int64_t{1} << 40;

Status Damaged(size_t line, const std::string& what) {
  return {Code::kCorruption, "line " + std::to_string(line) + " of the labels: " + what};
}

template <typename Number>
bool Parse(std::string_view text, Number* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

// The text up to the separator, which is taken off too.
std::string_view Take(std::string_view* text, char separator) {
  const size_t at = std::min(text->find(separator), text->size());
  const std::string_view taken = text->substr(0, at);
  text->remove_prefix(std::min(at + 1, text->size()));
  return taken;
}

// "# key value" of the lines behind the first.
Result<std::string> Fact(std::string_view* text, size_t line, const std::string& key) {
  const std::string begin = "# " + key + " ";
  const std::string_view found = Take(text, '\n');
  if (found.substr(0, begin.size()) != begin) return Damaged(line, "expected '" + begin + "...'");
  return std::string(found.substr(begin.size()));
}

Status ParseRow(std::string_view row, size_t line, PredictedLabel* label) {
  const bool whole = Parse(Take(&row, '\t'), &label->id) &&
                     Parse(Take(&row, '\t'), &label->label) && Parse(row, &label->confidence);
  if (!whole) return Damaged(line, "expected a number, a label and a probability with tabs");
  if (label->id < 0 || label->id >= kIdMax) return Damaged(line, "no number of a galaxy");
  if (label->label != 0 && label->label != 1) return Damaged(line, "a label is 0 or 1");
  if (!(label->confidence >= 0 && label->confidence <= 1)) {
    return Damaged(line, "a probability lies in [0, 1]");
  }
  return {};
}

}  // namespace

std::vector<PredictedLabel> MostConfident(std::vector<PredictedLabel> labels, size_t per_class) {
  std::sort(labels.begin(), labels.end(), [](const PredictedLabel& a, const PredictedLabel& b) {
    return std::tuple(-a.confidence, a.id) < std::tuple(-b.confidence, b.id);
  });
  std::vector<PredictedLabel> chosen;
  size_t count[2] = {0, 0};
  for (const PredictedLabel& label : labels) {
    if (count[label.label]++ < per_class) chosen.push_back(label);
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const PredictedLabel& a, const PredictedLabel& b) { return a.id < b.id; });
  return chosen;
}

std::string EncodeLabels(const LabelFile& labels) {
  std::string text;
  if (labels.pictures.empty()) {
    text = std::string(kOfSimulated) + ": of the unlabelled split of simulated galaxies\n";
    text += "# survey " + std::string(FactsOf(labels.survey).name) + "\n";
    text += "# data_seed " + std::to_string(labels.data_seed) + "\n";
  } else {
    text = std::string(kOfPictures) + ": of pictures\n";
    text += "# pictures " + labels.pictures + "\n";
  }
  text += "# state " + labels.state + "\n";
  for (const PredictedLabel& label : labels.labels) {
    char row[96];
    std::snprintf(row, sizeof row, "%lld\t%d\t%.9f\n", static_cast<long long>(label.id),
                  label.label, label.confidence);
    text += row;
  }
  return text;
}

Result<LabelFile> DecodeLabels(std::string_view text) {
  LabelFile file;
  const std::string_view first = Take(&text, '\n').substr(0, kOfSimulated.size());
  size_t head = 1;  // lines
  if (first == kOfPictures) {
    STEMMA_ASSIGN_OR_RETURN(file.pictures, Fact(&text, ++head, "pictures"));
    if (file.pictures.empty()) return Damaged(head, "it does not say of which pictures");
  } else if (first == kOfSimulated) {
    STEMMA_ASSIGN_OR_RETURN(const std::string survey, Fact(&text, ++head, "survey"));
    STEMMA_ASSIGN_OR_RETURN(file.survey, SurveyByName(survey));
    STEMMA_ASSIGN_OR_RETURN(const std::string seed, Fact(&text, ++head, "data_seed"));
    if (!Parse(std::string_view(seed), &file.data_seed)) return Damaged(head, "expected a number");
  } else {
    return Damaged(1, "expected '" + std::string(kOfSimulated) + "': it is another kind of file");
  }
  STEMMA_ASSIGN_OR_RETURN(file.state, Fact(&text, ++head, "state"));
  std::set<int64_t> seen;
  for (size_t line = head + 1; !text.empty(); ++line) {
    PredictedLabel label;
    STEMMA_RETURN_IF_ERROR(ParseRow(Take(&text, '\n'), line, &label));
    if (!seen.insert(label.id).second) {
      return Damaged(line, "galaxy " + std::to_string(label.id) + " is there twice");
    }
    file.labels.push_back(label);
    if (file.labels.size() > kLabelsMax) return Damaged(line, "more than 10,000,000 galaxies");
  }
  if (file.labels.empty()) return Damaged(head + 1, "no galaxy has a label");
  return file;
}

std::string LabelDigest(std::string_view text) {
  return Hex(Sha256(text)).substr(0, kLabelDigestDigits);
}

Result<LabelFile> ReadLabels(lineage::Storage& disk, const std::string& named) {
  const size_t at = named.rfind('#');
  if (at == std::string::npos || named.size() - at - 1 != kLabelDigestDigits) {
    return Status(Code::kInvalidArgument, "aides.labels = " + named +
                                              ": expected FILE#DIGEST with 16 hex digits, which "
                                              "`stemma galaxy-label` prints");
  }
  const std::string path = named.substr(0, at), wanted = named.substr(at + 1);
  STEMMA_ASSIGN_OR_RETURN(const std::string text, disk.ReadBounded(path, kFileMax));
  const std::string digest = LabelDigest(text);
  if (digest != wanted) {
    return Status(Code::kCorruption, path + " has the digest " + digest + ", not " + wanted +
                                         ": it is not the file that the settings name");
  }
  auto labels = DecodeLabels(text);
  if (!labels.ok()) return Status(labels.status()).Within(path);
  return labels;
}

}  // namespace stemma::models
