#include "tools/sweep/journal.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <variant>

#include <nlohmann/json.hpp>

#include "core/bytes.h"
#include "lineage/marks.h"

namespace stemma::sweep {
namespace {

using nlohmann::json;

constexpr size_t kKeyDigits = 12;
constexpr size_t kInlineBytes = 32 << 10;  // of a note; a longer text is a blob
constexpr char kBegin[] = "sweep.begin", kEnd[] = "sweep.end", kEvent[] = "sweep.event.",
               kCost[] = "sweep.cost.", kCrashes[] = "sweep.crashes.", kLost[] = "sweep.lost.",
               kBlob[] = "blob:";

std::string EventKey(size_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%06zu", number);
  return kEvent + std::string(digits);
}

bool HasPrefix(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

json ToJson(const Base& base) {
  return {{"root", base.root},   {"is_state", base.is_state},       {"begin", base.begin},
          {"end", base.end},     {"own_ends", base.own_ends},       {"epoch", base.epoch},
          {"build", base.build}, {"assignments", base.assignments}, {"settings", base.settings}};
}

// Throws where the note is not what ToJson wrote.
Base BaseIn(const json& from) {
  Base base;
  base.root = from.at("root");
  base.is_state = from.at("is_state");
  base.begin = from.at("begin");
  base.end = from.at("end");
  base.own_ends = from.at("own_ends");
  base.epoch = from.value("epoch", int64_t{0});  // sweeps of old had computed data
  base.build = from.at("build");
  base.assignments = from.at("assignments").get<std::vector<std::string>>();
  base.settings = from.at("settings").get<std::vector<std::string>>();
  return base;
}

Begun BegunIn(const json& from) {
  Begun begun;
  begun.file = from.at("file");
  begun.text = from.at("text");
  begun.added = from.at("added").get<std::vector<std::string>>();
  begun.own = from.at("own");
  begun.base = BaseIn(from.at("base"));
  return begun;
}

StageCost CostIn(const json& from) {
  return {from.at("train"), from.at("restore"), from.at("capture"), from.at("again")};
}

// One note, but events.
void Take(const std::string& key, const std::string& text, Journal* journal) {
  const auto stage = [&key](const char* prefix) { return key.substr(std::string(prefix).size()); };
  if (key == kBegin) journal->begun = BegunIn(json::parse(text));
  if (key == kEnd) journal->end = text;
  if (HasPrefix(key, kCost)) journal->costs[stage(kCost)] = CostIn(json::parse(text));
  if (HasPrefix(key, kCrashes)) {
    journal->crashes[stage(kCrashes)] = std::strtoll(text.c_str(), nullptr, 10);
  }
  if (HasPrefix(key, kLost)) journal->lost[stage(kLost)] = text;
}

Result<std::string> TextOf(const lineage::Store& store, const lineage::AttributeValue& value) {
  const std::string* text = std::get_if<std::string>(&value);
  if (text == nullptr) return Status(Code::kCorruption, "it is no text");
  if (!HasPrefix(*text, kBlob)) return *text;
  return store.GetBlob(FromHex(text->substr(sizeof kBlob - 1)));
}

}  // namespace

std::string KeyOf(const std::string& stage_key) { return stage_key.substr(0, kKeyDigits); }

Result<Journal> ReadJournal(const lineage::Store& store, const lineage::Graph& graph,
                            const std::string& sweep) {
  Journal journal;
  const auto notes = graph.notes.find(lineage::ScopeTarget(sweep));
  if (notes == graph.notes.end()) return journal;
  for (const auto& [key, value] : notes->second) {  // events come in the order of their numbers
    if (!HasPrefix(key, "sweep.")) continue;
    const std::string where = "note " + key + " of sweep '" + sweep + "'";
    Result<std::string> text = TextOf(store, value);
    if (!text.ok()) return Status(text.status()).Within(where);
    if (HasPrefix(key, kEvent)) {
      const std::string due = EventKey(journal.history.events().size());
      if (key != due) {
        return Status(Code::kCorruption,
                      where + ": there is no " + due + " before it; see `stemma fsck`");
      }
      Result<Event> event = DecodeEvent(*text);
      if (!event.ok()) return Status(event.status()).Within(where);
      STEMMA_RETURN_IF_ERROR(journal.history.Add(*std::move(event)).Within(where));
      continue;
    }
    try {
      Take(key, *text, &journal);
    } catch (const std::exception& error) {
      return Status(Code::kCorruption, where + ": " + error.what());
    }
  }
  return journal;
}

std::vector<std::string> SweepsIn(const lineage::Graph& graph) {
  std::vector<std::string> names;
  for (const auto& [name, scope] : lineage::ScopesIn(graph.notes)) {
    if (graph.notes.at(lineage::ScopeTarget(name)).count(kBegin) > 0) names.push_back(name);
  }
  return names;
}

Status JournalWriter::Put(const std::string& key, const std::string& text) {
  std::string value = text;
  if (text.size() > kInlineBytes || HasPrefix(text, kBlob)) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::ObjectId blob, store_.PutBlob(text));
    value = kBlob + Hex(blob);
  }
  return store_.Annotate(lineage::ScopeTarget(sweep_), key, value);
}

Status JournalWriter::Begin(const Begun& begun, Journal* journal) {
  const json text = {{"file", begun.file},
                     {"text", begun.text},
                     {"added", begun.added},
                     {"own", begun.own},
                     {"base", ToJson(begun.base)}};
  STEMMA_RETURN_IF_ERROR(Put(kBegin, text.dump(-1, ' ', true, json::error_handler_t::replace)));
  journal->begun = begun;
  return {};
}

// First in memory: an event that contradicts the history is never written.
Status JournalWriter::Add(const Event& event, Journal* journal) {
  const size_t number = journal->history.events().size();
  STEMMA_RETURN_IF_ERROR(journal->history.Add(event));
  return Put(EventKey(number), EncodeEvent(event));
}

Status JournalWriter::Cost(const std::string& key, const StageCost& cost, Journal* journal) {
  const json text = {{"train", cost.train},
                     {"restore", cost.restore},
                     {"capture", cost.capture},
                     {"again", cost.again}};
  STEMMA_RETURN_IF_ERROR(Put(kCost + key, text.dump()));
  journal->costs[key] = cost;
  return {};
}

Status JournalWriter::Crash(const std::string& key, Journal* journal) {
  const int64_t count = journal->crashes[key] + 1;
  STEMMA_RETURN_IF_ERROR(Put(kCrashes + key, std::to_string(count)));
  journal->crashes[key] = count;
  return {};
}

Status JournalWriter::Lose(const std::string& key, const std::string& why, Journal* journal) {
  STEMMA_RETURN_IF_ERROR(Put(kLost + key, why));
  journal->lost[key] = why;
  return {};
}

Status JournalWriter::End(const std::string& winner, Journal* journal) {
  STEMMA_RETURN_IF_ERROR(Put(kEnd, winner));
  journal->end = winner;
  return {};
}

}  // namespace stemma::sweep
