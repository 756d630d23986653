#include "tools/cli/condition.h"

#include <cmath>
#include <cstdlib>

namespace stemma::cli {
namespace {

struct Sign {
  std::string_view text;
  Comparison comparison;
};
// Longer ones first, since "<" begins "<=".
constexpr Sign kSigns[] = {
    {"<=", Comparison::kLessEqual}, {">=", Comparison::kGreaterEqual}, {"==", Comparison::kEqual},
    {"!=", Comparison::kNotEqual},  {"<", Comparison::kLess},          {">", Comparison::kGreater},
};

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<double> NumberOf(const lineage::AttributeValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? 1 : 0;
  return std::nullopt;
}

std::optional<double> ValueOf(const std::string& name, const lineage::Graph& graph,
                              const lineage::Record& record) {
  if (name == "step") return static_cast<double>(record.step);
  if (name == "samples") return static_cast<double>(record.samples);
  if (name == "epoch") return record.epoch;
  const auto metric = record.metrics.find(name);
  if (metric != record.metrics.end()) return metric->second;
  const auto notes = graph.notes.find(record.id);
  if (notes != graph.notes.end()) {  // what was added later wins
    const auto note = notes->second.find(name);
    if (note != notes->second.end()) return NumberOf(note->second);
  }
  const auto attribute = record.attributes.find(name);
  if (attribute != record.attributes.end()) return NumberOf(attribute->second);
  return std::nullopt;
}

}  // namespace

Result<Condition> ParseCondition(std::string_view text) {
  const Status wrong(Code::kInvalidArgument,
                     "'" + std::string(text) +
                         "' is no condition: expected NAME OP NUMBER with OP one of < <= > >= == "
                         "!=, as in 'loss > 2.5'");
  const size_t at = text.find_first_of("<>=!");
  if (at == std::string_view::npos) return wrong;
  for (const Sign& sign : kSigns) {
    if (text.substr(at, sign.text.size()) != sign.text) continue;
    Condition condition;
    condition.name = Trimmed(text.substr(0, at));
    condition.comparison = sign.comparison;
    const std::string number(Trimmed(text.substr(at + sign.text.size())));
    char* end = nullptr;
    condition.number = std::strtod(number.c_str(), &end);
    const bool whole = !number.empty() && end == number.c_str() + number.size();
    if (condition.name.empty() || !whole || std::isnan(condition.number)) return wrong;
    return condition;
  }
  return wrong;
}

std::optional<bool> Holds(const Condition& condition, const lineage::Graph& graph,
                          const lineage::Record& record) {
  const std::optional<double> value = ValueOf(condition.name, graph, record);
  if (!value) return std::nullopt;
  if (std::isnan(*value)) return true;
  switch (condition.comparison) {
    case Comparison::kLess:
      return *value < condition.number;
    case Comparison::kLessEqual:
      return *value <= condition.number;
    case Comparison::kGreater:
      return *value > condition.number;
    case Comparison::kGreaterEqual:
      return *value >= condition.number;
    case Comparison::kEqual:
      return *value == condition.number;
    case Comparison::kNotEqual:
      return *value != condition.number;
  }
  return std::nullopt;
}

}  // namespace stemma::cli
