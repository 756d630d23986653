#include "ops/handshake.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <set>

#include "core/bytes.h"
#include "core/digest.h"

namespace stemma::ops {
namespace {

constexpr size_t kDifferencesShown = 5;

using Entries = std::vector<std::pair<std::string, std::string>>;

std::string Encode(const Entries& entries) {
  Encoder out;
  out.U64(entries.size());
  for (const auto& [name, value] : entries) {
    out.String(name);
    out.String(value);
  }
  return out.Take();
}

Result<Entries> Decode(std::string_view bytes) {
  Decoder in(bytes);
  Entries entries;
  for (uint64_t n = in.U64(); n > 0 && in.ok(); --n) {
    std::string name = in.String();
    entries.emplace_back(std::move(name), in.String());
  }
  if (!in.ok()) return Status(Code::kInternal, "a model description arrived incomplete");
  return entries;
}

// "ranks {0,2} f32[64], rank {1} f32[32]"; "" when all agree.
std::string Grouped(const std::vector<std::string>& by_rank) {
  const auto differs = std::adjacent_find(by_rank.begin(), by_rank.end(), std::not_equal_to<>());
  return differs == by_rank.end() ? "" : GroupByValue(by_rank);
}

// Every name of any rank, in the order of the lowest rank that has it.
std::vector<std::string> AllNames(const std::vector<Entries>& all) {
  std::set<std::string> seen;
  std::vector<std::string> names;
  for (const Entries& entries : all) {
    for (const auto& entry : entries) {
      if (seen.insert(entry.first).second) names.push_back(entry.first);
    }
  }
  return names;
}

std::string OrderDifference(const std::vector<Entries>& all) {
  size_t count = all[0].size();
  for (const Entries& entries : all) count = std::min(count, entries.size());
  for (size_t i = 0; i < count; ++i) {
    std::vector<std::string> names;
    for (const Entries& entries : all) names.push_back('"' + entries[i].first + '"');
    const std::string text = Grouped(names);
    if (!text.empty()) return "entry " + std::to_string(i) + ": " + text + " (another order)";
  }
  return "";
}

std::string Differences(const std::vector<Entries>& all) {
  std::vector<std::map<std::string, std::string>> by_name;
  for (const Entries& entries : all) by_name.emplace_back(entries.begin(), entries.end());
  std::string text;
  size_t found = 0;
  for (const std::string& name : AllNames(all)) {
    std::vector<std::string> values;
    for (const auto& entries : by_name) {
      const auto entry = entries.find(name);
      values.push_back(entry == entries.end() ? "missing" : entry->second);
    }
    const std::string grouped = Grouped(values);
    if (grouped.empty() || ++found > kDifferencesShown) continue;
    text += (text.empty() ? "\"" : "; \"") + name + "\": " + grouped;
  }
  if (found == 0) return OrderDifference(all);
  if (found > kDifferencesShown) {
    text += "; and " + std::to_string(found - kDifferencesShown) + " more";
  }
  return text;
}

}  // namespace

Status CompareModels(Cohort& cohort, const ModelDescription& mine) {
  const std::string bytes = Encode(mine.entries);
  STEMMA_ASSIGN_OR_RETURN(const auto digests, cohort.AllGather(Sha256(bytes)));
  if (Grouped(digests).empty()) return {};
  STEMMA_ASSIGN_OR_RETURN(const auto descriptions, cohort.AllGather(bytes));
  std::vector<Entries> all;
  for (const std::string& description : descriptions) {
    STEMMA_ASSIGN_OR_RETURN(Entries entries, Decode(description));
    all.push_back(std::move(entries));
  }
  return {Code::kIncompatible,
          "the model or its settings differ between ranks: " + Differences(all) +
              ". Start all ranks with the same program, recipe and settings"};
}

Status CompareDigests(Cohort& cohort, uint64_t mine, const std::string& what) {
  Encoder out;
  out.U64(mine);
  STEMMA_ASSIGN_OR_RETURN(const auto digests, cohort.AllGather(out.Take()));
  std::vector<std::string> values;
  for (const std::string& digest : digests) values.push_back(Hex(digest));
  const std::string grouped = Grouped(values);
  if (grouped.empty()) return {};
  return {Code::kIncompatible, what + " differ: " + grouped};
}

}  // namespace stemma::ops
