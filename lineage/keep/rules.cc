#include "lineage/keep/rules.h"

#include <map>
#include <sstream>
#include <vector>

#include "core/text.h"
#include "lineage/marks.h"

namespace stemma::lineage {
namespace {

const std::map<std::string, Reason>& CaptureReasons() {
  static const auto* const reasons =
      new std::map<std::string, Reason>{{"periodic", Reason::kPeriodic},
                                        {"requested", Reason::kRequested},
                                        {"signal", Reason::kSignal},
                                        {"final", Reason::kFinal}};
  return *reasons;
}

Result<std::set<Reason>> ParseReasons(const std::string& text) {
  std::set<Reason> reasons;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) {
    word.erase(0, word.find_first_not_of(' '));
    word.erase(word.find_last_not_of(' ') + 1);
    const auto found = CaptureReasons().find(word);
    if (found == CaptureReasons().end()) {
      return Status(Code::kInvalidArgument,
                    "lineage.critical = \"" + text + "\": '" + word +
                        "' is no reason of a capture; any of periodic, requested, signal, final, "
                        "with commas between them");
    }
    reasons.insert(found->second);
  }
  return reasons;
}

}  // namespace

Result<KeepRules> ParseKeep(const LineageSettings& settings) {
  KeepRules rules;
  rules.ttl_s = settings.ttl_s;
  rules.scope = settings.scope;
  STEMMA_ASSIGN_OR_RETURN(rules.critical, ParseReasons(settings.critical));
  if (settings.keep == "all") return rules;
  Result<Policy> policy = ParsePolicy(settings.keep);
  if (!policy.ok()) {
    return Status(policy.status())
        .Within(
            "lineage.keep is 'all', or rules as of `stemma prune "
            "--keep`");
  }
  rules.policy = *std::move(policy);
  return rules;
}

void AddHints(const KeepRules& rules, Record* record) {
  if (rules.critical.count(record->reason)) record->attributes[kCriticalKey] = true;
  if (rules.ttl_s > 0 && record->reason == Reason::kPeriodic) {
    record->attributes[kTtlKey] = rules.ttl_s;
  }
  if (!rules.scope.empty()) record->attributes[ScopeKey(rules.scope)] = true;
}

Status CheckScope(const Store& store, const KeepRules& rules) {
  if (rules.scope.empty()) return {};
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  const std::map<std::string, Scope> scopes = ScopesOf(graph);
  const auto found = scopes.find(rules.scope);
  if (found != scopes.end() && found->second.open) return {};
  std::vector<std::string> names;
  for (const auto& [name, scope] : scopes) names.push_back(name);
  const std::string meant = found == scopes.end() ? Nearest(rules.scope, names) : "";
  return {Code::kNotFound, "lineage.scope = \"" + rules.scope + "\": no such scope is open" +
                               (meant.empty() ? "; `stemma scope open " + rules.scope + "` opens it"
                                              : "; did you mean '" + meant + "'?")};
}

}  // namespace stemma::lineage
