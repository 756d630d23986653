#pragma once

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/index.h"
#include "lineage/marks.h"
#include "lineage/memory_storage.h"
#include "lineage/query/query.h"
#include "lineage/store.h"

#include "tests/support/store_steps.h"

namespace stemma::lineage {

// A family by hand. Letters name the states in tests:
//
//   a base@100 -- b base@200 -- c base@300             incarnation 1; c was left behind, suspect
//                  |---- d base@300 -- e base@400      incarnation 2; e is base's head
//                  |---- f b@200 -- g b@250            a fork; g is tagged best
//                                   e, g -- h m@500    a merge of e and g, run m
class Family {
 public:
  Family() : store(OpenStore(storage)) {
    const std::string lamb =
        "[optim]\nname = 'lamb'\nlr = 0.1\n[train]\nseed = 7\n[data]\nseed = 8";
    const std::string lars = "[optim]\nname = 'lars'\nlr = 0.5\n";
    Add('a', "base", 1, 100, "", lamb, {});
    Add('b', "base", 1, 200, "a", lamb, {{"loss", 4.0}, {"acc", 0.1}});
    Add('c', "base", 1, 300, "b", lamb, {{"loss", 3.0}, {"acc", 0.3}});
    Add('d', "base", 2, 300, "b", lamb, {{"loss", NAN}, {"acc", 0.2}});
    Add('e', "base", 2, 400, "d", lamb, {{"loss", 2.0}});
    Add('f', "b", 1, 200, "b", lars, {});
    Add('g', "b", 1, 250, "f", lars, {{"loss", 1.5}, {"acc", 0.9}, {"only_g", 1.0}});
    Add('h', "m", 1, 500, "eg", lars, {{"loss", 1.0}, {"acc", 0.4}});
    graph.states.at(Id('c')).audit = "suspect: rank 1 differs";
    graph.states.at(Id('b')).attributes["good"] = true;
    graph.states.at(Id('c')).attributes["good"] = false;
    graph.states.at(Id('b')).attributes["note"] = std::string("first, try");
    graph.states.at(Id('c')).attributes["mixed"] = std::string("text");
    graph.states.at(Id('d')).attributes["mixed"] = int64_t{3};
    graph.tags["best"] = {"best", 1, Id('g'), "", "", 0};
    graph.tags["lost"] = {"lost", 1, FromHex(std::string(64, '9')), "", "", 0};
    LinkGraph(&graph);
    graph.notes[Id('a')][kPrunedKey] = std::string("small");
    graph.notes[Id('d')][kQuarantinedKey] = std::string("bytes differ");
    graph.notes[ScopeTarget("sweep")] = {{kScopeNameKey, std::string("sweep")},
                                         {kScopeOpenKey, true}};
    for (const char letter : {'c', 'g'}) graph.notes[Id(letter)][ScopeKey("sweep")] = true;
    index = IndexOf(graph, *store);
  }

  static std::string Digits(char letter) {
    return std::string(1, "abcdef0123"[letter - 'a']) + "c000001";
  }
  static StateId Id(char letter) { return FromHex(Digits(letter) + std::string(56, '0')); }
  lineage::Row Row(char letter) const { return index.Find(Id(letter)); }

  void Add(char letter, const std::string& run, uint32_t incarnation, int64_t step,
           const std::string& parents, const std::string& settings,
           std::map<std::string, double> metrics) {
    Record record;
    record.id = Id(letter);
    record.run = record.run_name = run;
    record.incarnation = incarnation;
    record.step = step;
    record.samples = static_cast<uint64_t>(step) * 10;
    record.epoch = static_cast<double>(step) / 100;
    record.world = run == "b" ? 2 : 4;
    record.wall_ms = 1'000'000 * (letter - 'a' + 1);
    record.reason = letter == 'f' ? Reason::kFork : Reason::kPeriodic;
    record.logical_bytes = 1000;
    record.packs = {{0, 1, letter == 'f' ? Id('b') : record.id, 1000}};
    record.settings = *store->PutBlob(settings);
    record.metrics = std::move(metrics);
    for (const char parent : parents) record.parents.push_back({Id(parent), EdgeKind::kTrain});
    RunEntry& entry = graph.runs[run];
    entry.ulid = entry.name = run;
    entry.states.push_back(record.id);
    entry.newest_incarnation = incarnation;
    graph.states[record.id] = record;
  }

  // The letters that a query selects, in its order; or its error.
  std::string Letters(const std::string& text) const {
    const Result<Query> query = ParseQuery(text);
    if (!query.ok()) return query.status().message();
    const Result<Answer> answer = Find(*query, index, kNowMs);
    if (!answer.ok()) return answer.status().message();
    std::string letters;
    for (const lineage::Row row : answer->rows) {
      for (char letter = 'a'; letter <= 'h'; ++letter)
        letters += Row(letter) == row ? std::string(1, letter) : "";
    }
    return letters;
  }

  static constexpr int64_t kNowMs = 9'000'000;

  MemoryStorage storage;
  std::unique_ptr<Store> store;
  Graph graph;
  Index index;
};

}  // namespace stemma::lineage
