#include "core/cohort.h"

#include <algorithm>
#include <map>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma {
namespace {

std::string Encode(const Facts& facts) {
  Encoder out;
  out.U32(static_cast<uint32_t>(facts.size()));
  for (const auto& [key, value] : facts) {
    out.String(key);
    out.String(value);
  }
  return out.Take();
}

Result<Facts> Decode(const std::string& bytes) {
  Decoder in(bytes);
  Facts facts;
  for (uint32_t left = in.U32(); left > 0 && in.ok(); --left) {
    std::string key = in.String();
    facts.emplace_back(std::move(key), in.String());
  }
  if (!in.ok()) return Status(Code::kCorruption, "another rank's facts cannot be read");
  return facts;
}

// The value of `key` on each rank.
std::vector<std::string> ValuesOf(const std::string& key, const std::vector<Facts>& by_rank) {
  std::vector<std::string> values;
  for (const Facts& facts : by_rank) {
    const auto at = std::find_if(facts.begin(), facts.end(),
                                 [&](const auto& fact) { return fact.first == key; });
    values.push_back(at == facts.end() ? "(absent)" : at->second);
  }
  return values;
}

// Every key that any rank has, in the order in which the lowest ranks give them.
std::vector<std::string> KeysOf(const std::vector<Facts>& by_rank) {
  std::vector<std::string> keys;
  for (const Facts& facts : by_rank) {
    for (const auto& fact : facts) {
      if (std::find(keys.begin(), keys.end(), fact.first) == keys.end()) keys.push_back(fact.first);
    }
  }
  return keys;
}

Status Differences(const std::vector<Facts>& by_rank) {
  std::string text;
  int differing = 0;
  for (const std::string& key : KeysOf(by_rank)) {
    const std::vector<std::string> values = ValuesOf(key, by_rank);
    if (std::count(values.begin(), values.end(), values[0]) == std::ptrdiff_t(values.size())) {
      continue;
    }
    if (++differing > kKeysNamedMax) continue;
    text += (text.empty() ? "" : "; ") + key + " differs: " + GroupByValue(values);
  }
  if (differing > kKeysNamedMax) {
    text += "; and " + std::to_string(differing - kKeysNamedMax) + " more keys differ";
  }
  if (text.empty()) text = "the ranks list the same facts in another order";
  return {Code::kIncompatible, text};
}

}  // namespace

std::string GroupByValue(const std::vector<std::string>& by_rank) {
  std::vector<std::string> order;  // values by their lowest rank
  std::map<std::string, std::vector<int>> groups;
  for (size_t rank = 0; rank < by_rank.size(); ++rank) {
    std::vector<int>& ranks = groups[by_rank[rank]];
    if (ranks.empty()) order.push_back(by_rank[rank]);
    ranks.push_back(static_cast<int>(rank));
  }
  std::string text;
  for (const std::string& value : order) {
    text += (text.empty() ? "" : ", ") + RanksText(groups[value]) + " " + value;
  }
  return text;
}

std::string RanksText(const std::vector<int>& ranks) {
  std::string text;
  for (size_t first = 0, last; first < ranks.size(); first = last + 1) {
    last = first;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
    if (last - first < 3) last = first;  // shorter to read one by one
    text += (text.empty() ? "" : ",") + std::to_string(ranks[first]);
    if (last > first) text += "-" + std::to_string(ranks[last]);
  }
  return (ranks.size() == 1 ? "rank {" : "ranks {") + text + "}";
}

Status AgreeOn(Cohort& cohort, const Facts& facts) {
  const std::string mine = Encode(facts);
  STEMMA_ASSIGN_OR_RETURN(const auto digests, cohort.AllGather(Xxh128(mine)));
  const auto equal = std::count(digests.begin(), digests.end(), digests.at(0));
  if (equal == static_cast<std::ptrdiff_t>(digests.size())) return {};

  STEMMA_ASSIGN_OR_RETURN(const auto texts, cohort.AllGather(mine));
  std::vector<Facts> by_rank;
  for (const std::string& text : texts) {
    STEMMA_ASSIGN_OR_RETURN(Facts theirs, Decode(text));
    by_rank.push_back(std::move(theirs));
  }
  return Differences(by_rank);
}

std::string RankName(int rank, const std::string& host) {
  return "rank " + std::to_string(rank) + (host.empty() ? "" : " on " + host);
}

Status Agree(Cohort& cohort, const Status& mine) {
  const int all_well = cohort.size();
  STEMMA_ASSIGN_OR_RETURN(const int speaker, cohort.Min(mine.ok() ? all_well : cohort.rank()));
  if (speaker == all_well) return {};

  std::string report(1, static_cast<char>(mine.code()));  // one byte of code, then the text
  report += RankName(cohort.rank(), cohort.host()) + ": " + mine.message();
  STEMMA_ASSIGN_OR_RETURN(report, cohort.Broadcast(std::move(report), speaker));
  return {static_cast<Code>(report.at(0)), report.substr(1)};
}

}  // namespace stemma
