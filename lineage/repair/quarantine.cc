#include "lineage/repair/quarantine.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/names.h"
#include "lineage/notes.h"

namespace stemma::lineage {
namespace {

constexpr size_t kPlacesNamed = 8;
constexpr size_t kPlaceBytesMax = 2048;  // a chunk may hold thousands of small tensors
constexpr int kVerifyJobs = 4;

bool Names(const Damage& damage, const StateId& state) {
  return std::find(damage.states.begin(), damage.states.end(), state) != damage.states.end();
}

std::string PlaceText(const Damage& damage) {
  if (damage.path.empty()) return damage.what;
  std::string text = "pack " + std::string(BaseOf(damage.path)).substr(0, 16) + ": ";
  if (damage.range.end > 0) {
    return text + damage.range.tensors + ": bytes [" + std::to_string(damage.range.begin) + ", " +
           std::to_string(damage.range.end) + ") do not have their digest";
  }
  const std::string path = damage.path + ": ";
  const bool named = damage.what.compare(0, path.size(), path) == 0;
  return text + damage.what.substr(named ? path.size() : 0);
}

// Damage whose place `text` does not name, as PackReader does: by the file and the range.
std::vector<Damage> Unsaid(std::vector<Damage> damaged, std::string_view text) {
  const auto said = [text](const Damage& damage) {
    const std::string range = "bytes [" + std::to_string(damage.range.begin) + ", " +
                              std::to_string(damage.range.end) + ")";
    return damage.range.end > 0 && text.find(damage.path + ": " + range) != text.npos;
  };
  damaged.erase(std::remove_if(damaged.begin(), damaged.end(), said), damaged.end());
  return damaged;
}

}  // namespace

bool IsEvidence(const Damage& damage) {
  return damage.code == Code::kCorruption || damage.code == Code::kNotFound;
}

std::string DamageText(const std::vector<Damage>& damaged, const StateId& state) {
  std::vector<const Damage*> mine;
  for (const Damage& damage : damaged) {
    if (IsEvidence(damage) && Names(damage, state)) mine.push_back(&damage);
  }
  std::sort(mine.begin(), mine.end(), [](const Damage* a, const Damage* b) {
    return std::tie(a->path, a->range.begin, a->what) < std::tie(b->path, b->range.begin, b->what);
  });
  std::string text;
  for (size_t i = 0; i < mine.size() && i < kPlacesNamed; ++i) {
    std::string place = PlaceText(*mine[i]);
    if (place.size() > kPlaceBytesMax) place = place.substr(0, kPlaceBytesMax) + "...";
    text += (i > 0 ? "; " : "") + place;
  }
  if (mine.size() > kPlacesNamed) {
    text += "; and " + std::to_string(mine.size() - kPlacesNamed) + " more places";
  }
  return text;
}

Result<QuarantineChanges> RecordQuarantine(Store& store, const std::vector<Damage>& damaged,
                                           const std::vector<StateId>& read) {
  std::set<StateId> bad, doubtful;
  for (const Damage& damage : damaged) {
    (IsEvidence(damage) ? bad : doubtful).insert(damage.states.begin(), damage.states.end());
  }
  QuarantineChanges changes;
  if (bad.empty() && read.empty()) return changes;
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  const std::set<StateId> all(read.begin(), read.end());
  for (const StateId& id : bad) {
    if (!graph.states.count(id) || IsPruned(graph, id)) continue;
    const std::string why = DamageText(damaged, id), before = QuarantineOf(graph, id);
    // Of a state that only shares a pack with those that were read, more may be known.
    if (before == why || (!before.empty() && !all.count(id))) continue;
    STEMMA_RETURN_IF_ERROR(store.Mark(id, kQuarantinedKey, why));
    changes.set.push_back(id);
  }
  for (const StateId& id : all) {
    if (bad.count(id) || doubtful.count(id) || !IsQuarantined(graph, id)) continue;
    STEMMA_RETURN_IF_ERROR(store.Mark(id, kQuarantinedKey, std::string()));
    changes.lifted.push_back(id);
  }
  return changes;
}

Result<DamageVerdict> JudgeFailedRestore(Store& store, const StateId& state,
                                         std::string_view said) {
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  STEMMA_ASSIGN_OR_RETURN(const VerifyReport report,
                          VerifyStates(store, graph, {state}, {kVerifyJobs}));
  DamageVerdict verdict;
  if (report.clean()) {
    verdict.text =
        "its bytes are good when they are read again, so it is not quarantined: look at the memory "
        "and the disk of the rank that failed";
    return verdict;
  }
  const std::string damage = DamageText(report.damaged, state);
  if (damage.empty()) {  // no evidence: it could not be looked at
    verdict.text = "not quarantined: " + report.damaged.front().what;
    return verdict;
  }
  STEMMA_RETURN_IF_ERROR(RecordQuarantine(store, report.damaged, {state}).status());
  verdict.quarantined = true;
  STEMMA_ASSIGN_OR_RETURN(const Graph now, store.Load());
  const Record& record = now.states.at(state);
  const std::string name = NameOfState(record);
  const std::string unsaid = DamageText(Unsaid(report.damaged, said), state);
  verdict.text = name + " is quarantined";
  if (!unsaid.empty()) verdict.text += (said.empty() ? ": " : "; also damaged: ") + unsaid;
  verdict.text += ". To mend it: stemma fsck --repair --from OTHER_STORE. ";
  const Result<StateId> before = ResumePoint(store, now, record.run_name, nullptr);
  verdict.restart_helps = before.ok();
  verdict.text += before.ok() ? "To go on from " + NameOfState(now.states.at(*before)) +
                                    ", which was before it: run the same command again"
                              : before.status().message();
  return verdict;
}

std::string QuarantineWords(const Store& store, const Graph& graph, const StateId& state) {
  if (!IsQuarantined(graph, state)) return "";
  return internal::QuarantineText(store.storage(), Paths(store.path()), state);
}

}  // namespace stemma::lineage
