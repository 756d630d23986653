#include "tools/scale/toml_fields.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/text.h"

namespace stemma::scale {

Result<TomlFields> TomlFields::Parse(std::string_view text, const std::string& name) {
  STEMMA_ASSIGN_OR_RETURN(std::vector<TomlEntry> entries, ParseToml(text, name));
  TomlFields fields;
  fields.name_ = name;
  for (TomlEntry& entry : entries) {
    const std::string key = entry.key;
    fields.entries_.emplace(key, std::move(entry));
  }
  return fields;
}

bool TomlFields::Has(const std::string& prefix) const {
  const auto at = entries_.lower_bound(prefix);
  return at != entries_.end() && at->first.compare(0, prefix.size(), prefix) == 0;
}

void TomlFields::Complain(const TomlEntry& entry, const std::string& what) {
  if (!first_.ok()) return;
  const std::string place = name_ + ":" + std::to_string(entry.line) + ":" +
                            std::to_string(entry.column) + ": " + entry.key + ": ";
  first_ = {Code::kInvalidArgument, place + what};
}

const TomlEntry* TomlFields::Find(const std::string& key, bool needed) {
  asked_.push_back(key);
  const auto at = entries_.find(key);
  if (at != entries_.end()) return &at->second;
  if (needed && first_.ok()) {
    first_ = {Code::kInvalidArgument, name_ + ": '" + key + "' is missing"};
  }
  return nullptr;
}

bool TomlFields::Real(const TomlEntry& entry, double* value) {
  if (const auto* real = std::get_if<double>(&entry.value)) {
    *value = *real;
  } else if (const auto* whole = std::get_if<int64_t>(&entry.value)) {
    *value = static_cast<double>(*whole);
  } else {
    Complain(entry, "expected a number");
    return false;
  }
  if (std::isfinite(*value) && *value >= 0) return true;
  Complain(entry, "expected a finite number that is not negative");
  return false;
}

void TomlFields::Number(const std::string& key, double* value) {
  if (const TomlEntry* entry = Find(key)) Real(*entry, value);
}

void TomlFields::Integer(const std::string& key, int64_t* value, int64_t least) {
  const TomlEntry* entry = Find(key);
  if (entry == nullptr) return;
  const auto* whole = std::get_if<int64_t>(&entry->value);
  if (whole == nullptr || *whole < least || *whole > 1000000) {
    return Complain(*entry,
                    "expected a whole number from " + std::to_string(least) + " to 1000000");
  }
  *value = *whole;
}

void TomlFields::Text(const std::string& key, std::string* value,
                      const std::vector<std::string>& choices) {
  const TomlEntry* entry = Find(key);
  if (entry == nullptr) return;
  const auto* text = std::get_if<std::string>(&entry->value);
  if (text == nullptr || text->empty()) return Complain(*entry, "expected text");
  if (!choices.empty() && std::find(choices.begin(), choices.end(), *text) == choices.end()) {
    std::string all;
    for (const std::string& choice : choices) all += (all.empty() ? "" : ", ") + choice;
    return Complain(*entry, "'" + *text + "' is none of: " + all);
  }
  *value = *text;
}

void TomlFields::Take(const std::string& key, Constant* constant) {
  Number(key + ".value", &constant->value);
  constant->low = constant->high = constant->value;
  const TomlEntry* low = Find(key + ".low", false);
  const TomlEntry* high = Find(key + ".high", false);
  if (low != nullptr) Real(*low, &constant->low);
  if (high != nullptr) Real(*high, &constant->high);
  if (low != nullptr && constant->low > constant->value) Complain(*low, "above the value");
  if (high != nullptr && constant->high < constant->value) Complain(*high, "below the value");
  std::string provenance;
  Text(key + ".provenance", &provenance, {"measured", "published", "fitted", "assumed"});
  for (const Provenance one :
       {Provenance::kMeasured, Provenance::kPublished, Provenance::kFitted, Provenance::kAssumed}) {
    if (provenance == ProvenanceName(one)) constant->provenance = one;
  }
  Text(key + ".source", &constant->source);
}

Status TomlFields::Finish() {
  for (const auto& [key, entry] : entries_) {
    if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
    const std::string meant = Nearest(key, asked_);
    Complain(entry, meant.empty() ? "unknown" : "unknown; did you mean '" + meant + "'?");
  }
  return first_;
}

}  // namespace stemma::scale
