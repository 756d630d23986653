#include "lineage/query/paths.h"

#include <cstring>
#include <ctime>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "core/text.h"
#include "lineage/selector_impl.h"

namespace stemma::lineage::query {
namespace {

using Getter = std::function<Scalar(Row)>;

Scalar Unsigned(uint64_t value) {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (value <= kMax) return static_cast<int64_t>(value);
  return static_cast<double>(value);
}

const char* NameOf(Reason reason) {
  switch (reason) {
    case Reason::kPeriodic:
      return "periodic";
    case Reason::kRequested:
      return "requested";
    case Reason::kSignal:
      return "signal";
    case Reason::kFinal:
      return "final";
    case Reason::kFork:
      return "fork";
  }
  return "unknown";
}

struct Field {
  const char* name;
  Scalar (*at)(const Index& index, int64_t now_ms, Row row);
};

const Field kFields[] = {
    {"step", [](const Index& i, int64_t, Row r) -> Scalar { return i.step[r]; }},
    {"epoch", [](const Index& i, int64_t, Row r) -> Scalar { return i.epoch[r]; }},
    {"samples", [](const Index& i, int64_t, Row r) { return Unsigned(i.samples[r]); }},
    {"run", [](const Index& i, int64_t, Row r) -> Scalar { return i.runs[i.run[r]].name; }},
    {"reason",
     [](const Index& i, int64_t, Row r) -> Scalar { return std::string(NameOf(i.reason[r])); }},
    {"world", [](const Index& i, int64_t, Row r) { return Unsigned(i.world[r]); }},
    {"incarnation", [](const Index& i, int64_t, Row r) { return Unsigned(i.incarnation[r]); }},
    {"capture", [](const Index& i, int64_t, Row r) { return Unsigned(i.capture[r]); }},
    {"audit",
     [](const Index& i, int64_t, Row r) -> Scalar {
       return std::string((i.flags[r] & kSuspectFlag) != 0 ? "suspect" : "ok");
     }},
    {"bytes.own", [](const Index& i, int64_t, Row r) { return Unsigned(i.own_bytes[r]); }},
    {"bytes.shared", [](const Index& i, int64_t, Row r) { return Unsigned(i.shared_bytes[r]); }},
    {"bytes.logical", [](const Index& i, int64_t, Row r) { return Unsigned(i.logical_bytes[r]); }},
    {"time",
     [](const Index& i, int64_t, Row r) -> Scalar {
       return i.wall_ms[r] > 0 ? Scalar(TimeText(i.wall_ms[r])) : Scalar();
     }},
    {"age",
     [](const Index& i, int64_t now_ms, Row r) -> Scalar {
       if (i.wall_ms[r] <= 0) return {};
       return (static_cast<double>(now_ms) - static_cast<double>(i.wall_ms[r])) / 1000;
     }},
};

Scalar ScalarOf(const Index& index, const Value* value) {
  if (!value) return {};
  double number = 0;
  switch (value->kind) {
    case ValueKind::kBool:
      return value->bits != 0;
    case ValueKind::kInt:
      return static_cast<int64_t>(value->bits);
    case ValueKind::kFloat:
      std::memcpy(&number, &value->bits, sizeof number);
      return number;
    case ValueKind::kText:
      return index.texts[value->bits];
  }
  return {};
}

// A table with the word that its paths begin with.
struct Section {
  const char* word;
  const char* what;
  const Table* table;
  bool by_settings;
};

std::vector<Section> SectionsOf(const Index& index) {
  return {{"metric", "metric", &index.metrics, false},
          {"attr", "attribute", &index.attributes, false},
          {"hp", "setting", &index.hp, true}};
}

Path InSection(const Index& index, const Section& section, std::string_view key) {
  Path path;
  path.name = std::string(section.word) + "." + std::string(key);
  const Values* values = section.table->Find(key);
  if (!values) {
    path.at = [](Row) { return Scalar(); };
  } else if (section.by_settings) {
    path.at = [&index, values](Row row) {
      return ScalarOf(index, values->Find(index.settings[row]));
    };
  } else {
    path.at = [&index, values](Row row) { return ScalarOf(index, values->Find(row)); };
  }
  return path;
}

std::string LastWord(const std::string& key) { return key.substr(key.rfind('.') + 1); }

// What a bare name may have meant, as it would be written, by the name.
std::vector<std::pair<std::string, std::string>> AllNames(const Index& index) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const Field& field : kFields) names.push_back({field.name, field.name});
  for (const Section& section : SectionsOf(index)) {
    for (const std::string& key : section.table->keys) {
      const std::string full = std::string(section.word) + "." + key;
      names.push_back({section.by_settings ? LastWord(key) : key, full});
      names.push_back({full, full});
    }
  }
  return names;
}

Status Unknown(std::string_view word, const Index& index) {
  const auto known = AllNames(index);
  std::vector<std::string> names;
  for (const auto& [name, full] : known) names.push_back(name);
  const std::string nearest = Nearest(word, names);
  std::string text = internal::Quoted(word) + " is no value of a state";
  if (index.FindRun(word)) {
    return Status(Code::kNotFound, text + "; a text stands in quotes: " + internal::Quoted(word));
  }
  if (word.find('-') != std::string_view::npos) text += "; a minus stands between blanks";
  for (const auto& [name, full] : known) {
    if (nearest.empty() || name != nearest) continue;
    return Status(Code::kNotFound, text + "; did you mean " + full + "?");
  }
  text += "; values are metric.NAME, hp.NAME, attr.NAME";
  for (const Field& field : kFields) text += std::string(", ") + field.name;
  return Status(Code::kNotFound, text + "; a text stands in quotes");
}

Result<Path> BindBare(std::string_view word, const Index& index) {
  for (const Section& section : SectionsOf(index)) {
    std::vector<std::string> keys;
    if (!section.by_settings && section.table->Find(word)) keys.push_back(std::string(word));
    for (const std::string& key : section.table->keys) {
      if (section.by_settings && (key == word || LastWord(key) == word)) keys.push_back(key);
    }
    if (keys.size() == 1) return InSection(index, section, keys[0]);
    if (keys.empty()) continue;
    std::string text = internal::Quoted(word) + " may be";
    for (size_t i = 0; i < keys.size() && i < internal::kListedMax; ++i) {
      text += (i ? " or hp." : " hp.") + keys[i];
    }
    return Status(Code::kInvalidArgument, text + "; write which");
  }
  return Unknown(word, index);
}

}  // namespace

Result<Path> BindPath(std::string_view word, const Index& index, int64_t now_ms,
                      bool may_be_absent) {
  for (const Field& field : kFields) {
    if (word != field.name) continue;
    const auto at = field.at;
    return Path{field.name, [&index, now_ms, at](Row row) { return at(index, now_ms, row); }};
  }
  for (const Section& section : SectionsOf(index)) {
    const std::string prefix = std::string(section.word) + ".";
    if (word.substr(0, prefix.size()) != prefix) continue;
    const std::string_view key = word.substr(prefix.size());
    if (may_be_absent || index.size() == 0 || section.table->Find(key)) {
      return InSection(index, section, key);
    }
    const std::string kind = std::string(section.what) + "s";
    return Status(Code::kNotFound, std::string("no state has the ") + section.what + " " +
                                       internal::Quoted(key) +
                                       internal::Hint(key, section.table->keys, kind.c_str()));
  }
  if (index.size() == 0) return Path{std::string(word), [](Row) { return Scalar(); }};
  return BindBare(word, index);
}

std::string TimeText(int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm parts{};
  char text[64] = "";
  if (gmtime_r(&seconds, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

}  // namespace stemma::lineage::query
