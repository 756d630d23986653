#include "lineage/weights/name_map.h"

#include <algorithm>
#include <optional>
#include <sstream>

namespace stemma::lineage {
namespace {

constexpr char kLeaveOut[] = "-";

// What the `*` in `pattern` stands for in `name`; "" where there is no `*`. nullopt: no fit.
std::optional<std::string> Fit(const std::string& pattern, const std::string& name) {
  const size_t star = pattern.find('*');
  if (star == std::string::npos) {
    return pattern == name ? std::optional<std::string>("") : std::nullopt;
  }
  const size_t after = pattern.size() - star - 1;
  if (name.size() < star + after || name.compare(0, star, pattern, 0, star) != 0 ||
      name.compare(name.size() - after, after, pattern, star + 1, after) != 0) {
    return std::nullopt;
  }
  return name.substr(star, name.size() - star - after);
}

Status CheckStars(const std::string& from, const std::string& to) {
  const auto stars = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '*');
  };
  if (stars(from) <= 1 && stars(to) <= stars(from)) return {};
  return {Code::kInvalidArgument, "one * on the left at most, and on the right no more than there"};
}

}  // namespace

Status NameMap::ReadAxes(const std::string& order, Rule* rule) {
  const auto axes = ParseAxes(order);
  if (!axes || rule->to == kLeaveOut) {
    return {Code::kInvalidArgument,
            "'" + order +
                "' must be the order of the axes of a tensor that is taken, such as "
                "3,2,0,1"};
  }
  rule->axes = *axes;
  return CheckStars(rule->from, rule->to);
}

Result<NameMap> NameMap::Parse(std::string_view text) {
  NameMap map;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    Rule rule;
    std::string order, more;
    if (!(words >> rule.from)) continue;
    Status good = CheckStars(rule.from, words >> rule.to ? rule.to : "");
    if (words >> order) good = ReadAxes(order, &rule);
    if (rule.to.empty() || words >> more) {
      good = {Code::kInvalidArgument,
              "a rule is two names, and an order of axes if need be: FROM TO 3,2,0,1, or FROM - to "
              "leave it out"};
    }
    if (!good.ok()) return std::move(good).Within("line " + std::to_string(number));
    map.rules_.push_back(rule);
  }
  if (map.rules_.empty()) return Status(Code::kInvalidArgument, "it has no rule");
  return map;
}

std::string NameMap::Apply(const std::string& name, Axes* axes) {
  if (axes != nullptr) axes->clear();
  for (Rule& rule : rules_) {
    const auto stands_for = Fit(rule.from, name);
    if (!stands_for) continue;
    ++rule.used;
    if (rule.to == kLeaveOut) return "";
    if (axes != nullptr) *axes = rule.axes;
    std::string to = rule.to;
    const size_t star = to.find('*');
    return star == std::string::npos ? to : to.replace(star, 1, *stands_for);
  }
  return name;
}

std::vector<std::string> NameMap::Unused() const {
  std::vector<std::string> unused;
  for (const Rule& rule : rules_) {
    if (rule.used == 0) unused.push_back(rule.from + " " + rule.to);
  }
  return unused;
}

}  // namespace stemma::lineage
