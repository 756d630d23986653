#include "lineage/index_build.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/bytes.h"
#include "core/toml.h"
#include "lineage/graph.h"
#include "lineage/index_draft.h"
#include "lineage/log.h"
#include "lineage/marks.h"
#include "lineage/run_logs.h"
#include "lineage/run_rows.h"
#include "lineage/settings_text.h"
#include "lineage/settle.h"
#include "lineage/side_by_side.h"

namespace stemma::lineage::internal {
namespace {

constexpr size_t kBlobsPerThread = 32;

using Notes = std::map<StateId, std::map<std::string, AttributeValue>>;

Notes ReadNotes(FileCopies* copies, StoreFiles* files, std::vector<std::string>* warnings) {
  std::vector<NoteEntry> notes;
  for (SegmentFile& file : files->notes) {
    const Result<std::string_view> bytes = copies->Segment(&file);
    if (!bytes.ok()) {
      warnings->push_back(file.path + ": " + bytes.status().message());
      continue;
    }
    const auto take = [&](const FrameView& frame) -> Status {
      if (frame.type != FrameType::kNote) return {};
      STEMMA_ASSIGN_OR_RETURN(NoteEntry note, DecodeNote(frame.payload));
      notes.push_back(std::move(note));
      return {};
    };
    std::string damage;  // hides notes, not states: the warning is enough
    file.torn = !VisitFrames(*bytes, file.path, SegmentKind::kNotes, take, &damage, warnings);
  }
  return MergedNotes(std::move(notes));
}

bool IsSuspectAudit(std::string_view audit) { return audit.rfind("suspect", 0) == 0; }

// Fills the columns of one table from the pairs of all states, in two passes: how many each key
// has, then the values to their places. One hash per key and run, none per value.
class TableFill {
 public:
  using ListOf = PairList RunRows::*;
  using SpanOf = Span32 StateRow::*;

  TableFill(ListOf list, SpanOf span, IndexDraft* draft, TableDraft* table)
      : list_(list), span_(span), draft_(draft), table_(table) {}

  // What a note says of a state goes before what its record says.
  void Run(const std::vector<RunRows>& runs, const Settled& settled, const Notes& notes) {
    MapKeys(runs);
    for (Row row = 0; row < settled.rows.size(); ++row) {
      const Place place = settled.rows[row];
      const RunRows& run = runs[place.run];
      const StateRow& state = run.states[place.state];
      const auto noted = notes.empty() ? notes.end() : notes.find(StateId(state.id));
      const PairList& list = run.*list_;
      for (uint32_t i = (state.*span_).begin; i < (state.*span_).end; ++i) {
        if (noted != notes.end() && noted->second.count(std::string(list.keys[list.key[i]]))) {
          continue;
        }
        columns_[place.run][list.key[i]]->Add(row, Placed(place.run, run, list.value[i]));
      }
      if (noted == notes.end()) continue;
      for (const auto& [key, value] : noted->second) {
        (*table_)[key].Add(row, draft_->ValueOf(value));
      }
    }
    for (auto it = table_->begin(); it != table_->end();) {  // keys of states that do not count
      it = it->second.at.empty() ? table_->erase(it) : std::next(it);
    }
  }

 private:
  void MapKeys(const std::vector<RunRows>& runs) {
    std::unordered_map<ColumnDraft*, size_t> sizes;
    texts_.resize(runs.size());
    for (const RunRows& run : runs) {
      columns_.emplace_back();
      for (const std::string_view key : (run.*list_).keys) {
        columns_.back().push_back(&(*table_)[std::string(key)]);
      }
      std::vector<size_t> counts((run.*list_).keys.size());
      for (const uint32_t key : (run.*list_).key) ++counts[key];
      for (size_t key = 0; key < counts.size(); ++key) sizes[columns_.back()[key]] += counts[key];
    }
    for (const auto& [column, size] : sizes) {
      column->at.reserve(size);
      column->values.reserve(size);
    }
  }

  // A text's number in its run becomes its number in the index.
  Value Placed(size_t at, const RunRows& run, const Value& value) {
    if (value.kind != ValueKind::kText) return value;
    std::vector<Value>& texts = texts_[at];
    if (texts.empty()) texts.resize(run.texts.size(), Value{ValueKind::kInt, 0});
    Value& text = texts[value.bits];
    if (text.kind != ValueKind::kText) text = draft_->TextValue(run.texts[value.bits]);
    return text;
  }

  const ListOf list_;
  const SpanOf span_;
  IndexDraft* const draft_;
  TableDraft* const table_;
  std::vector<std::vector<ColumnDraft*>> columns_;  // by run and its key
  std::vector<std::vector<Value>> texts_;           // by run and its text
};

class Builder {
 public:
  Builder(const Paths& paths, FileCopies* copies) : paths_(paths), copies_(copies) {}

  Index Build(StoreFiles* files) {
    const Notes notes = ReadNotes(copies_, files, &draft_.warnings);
    for (const auto& [name, scope] : ScopesIn(notes)) draft_.scopes[name] = scope.open;
    runs_ = ReadRows(copies_, files);
    settled_ = Settle(runs_);
    for (size_t run = 0; run < runs_.size(); ++run) AddRun(run);
    for (const Place place : settled_.rows) {
      AddState(place);
      if (!IsPrunedIn(notes, StateOf(place).id)) AddStored(place);
    }
    AddSettings();
    const Notes none;
    TableFill(&RunRows::metrics, &StateRow::metrics, &draft_, &draft_.metrics)
        .Run(runs_, settled_, none);
    TableFill(&RunRows::attributes, &StateRow::attributes, &draft_, &draft_.attributes)
        .Run(runs_, settled_, notes);
    for (Row row = 0; row < settled_.rows.size(); ++row) {
      const StateRow& state = StateOf(settled_.rows[row]);
      if (IsSuspectAudit(state.audit)) draft_.suspect.Add(row, draft_.TextValue(state.audit));
    }
    return draft_.Finish();
  }

 private:
  const StateRow& StateOf(Place place) const { return runs_[place.run].states[place.state]; }

  void AddRun(size_t number) {
    const RunRows& run = runs_[number];
    draft_.warnings.insert(draft_.warnings.end(), run.warnings.begin(), run.warnings.end());
    if (!run.files->fault.empty()) return;
    run_of_[run.files->ulid] = static_cast<uint32_t>(draft_.runs.size());
    RunRow row{run.files->name, run.files->ulid, {}, kNoRow, 0};
    if (!run.files->incarnations.empty()) {
      row.newest_incarnation = run.files->incarnations.back().number;
    }
    // The newest state of the newest incarnation that has one; a suspect one never counts.
    uint32_t incarnation = 0;
    for (const Row state : settled_.rows_of_runs[number]) {
      const StateRow& facts = StateOf(settled_.rows[state]);
      if (IsSuspectAudit(facts.audit) || facts.incarnation < incarnation) continue;
      row.head = state;
      incarnation = facts.incarnation;
    }
    row.states = settled_.rows_of_runs[number];
    draft_.runs.push_back(std::move(row));
  }

  void AddState(Place place) {
    const RunRows& run = runs_[place.run];
    const StateRow& state = StateOf(place);
    draft_.id.insert(draft_.id.end(), state.id.begin(), state.id.end());
    draft_.run.push_back(run_of_.at(run.files->ulid));
    draft_.incarnation.push_back(state.incarnation);
    draft_.capture.push_back(state.capture);
    draft_.step.push_back(state.step);
    draft_.samples.push_back(state.samples);
    draft_.epoch.push_back(state.epoch);
    draft_.world.push_back(state.world);
    draft_.reason.push_back(state.reason);
    draft_.wall_ms.push_back(state.wall_ms);
    draft_.flags.push_back(IsSuspectAudit(state.audit) ? kSuspectFlag : 0);
    draft_.parent_begin.push_back(static_cast<uint32_t>(draft_.parents.size()));
    std::vector<std::string_view> of_parents;
    for (uint32_t i = state.parents.begin; i < state.parents.end; ++i) {
      const auto parent = settled_.row_of.find(run.parents[i].parent);
      if (parent == settled_.row_of.end()) continue;
      draft_.parents.push_back(parent->second);
      const Place at = settled_.rows[parent->second];
      const Span32 packs = StateOf(at).packs;
      for (uint32_t k = packs.begin; k < packs.end; ++k) {
        of_parents.push_back(runs_[at.run].packs[k].pack);
      }
    }
    const bool root = state.parents.begin == state.parents.end;
    draft_.edge.push_back(root ? EdgeOfRoot(run, state) : run.parents[state.parents.begin].kind);
    AddBytes(run, state, std::move(of_parents));
  }

  // As HowMade.
  static EdgeKind EdgeOfRoot(const RunRows& run, const StateRow& state) {
    const PairList& list = run.attributes;
    for (uint32_t i = state.attributes.begin; i < state.attributes.end; ++i) {
      if (list.keys[list.key[i]] == kImportFile) return EdgeKind::kImport;
    }
    return EdgeKind::kTrain;
  }

  void AddBytes(const RunRows& run, const StateRow& state,
                std::vector<std::string_view> of_parents) {
    std::sort(of_parents.begin(), of_parents.end());
    uint64_t own = 0, shared = 0;
    for (uint32_t i = state.packs.begin; i < state.packs.end; ++i) {
      const PackView& pack = run.packs[i];
      const bool known = std::binary_search(of_parents.begin(), of_parents.end(), pack.pack);
      (known ? shared : own) += pack.bytes;
    }
    draft_.logical_bytes.push_back(state.logical_bytes);
    draft_.own_bytes.push_back(own);
    draft_.shared_bytes.push_back(shared);
  }

  // By a note only, as IsPruned.
  static bool IsPrunedIn(const Notes& notes, std::string_view state) {
    if (notes.empty()) return false;
    const auto noted = notes.find(StateId(state));
    if (noted == notes.end()) return false;
    const auto note = noted->second.find(kPrunedKey);
    if (note == noted->second.end()) return false;
    const auto* const why = std::get_if<std::string>(&note->second);
    return why != nullptr && !why->empty();
  }

  void AddStored(Place place) {
    const Span32 packs = StateOf(place).packs;
    for (uint32_t i = packs.begin; i < packs.end; ++i) {
      const PackView& pack = runs_[place.run].packs[i];
      if (stored_.insert(pack.pack).second) draft_.stored_bytes += pack.bytes;
    }
  }

  // Settings are read side by side: a sweep has one blob per run.
  void AddSettings() {
    struct Blob {
      const StateRow* first = nullptr;  // the state that names it first
      Result<std::vector<TomlEntry>> entries{std::vector<TomlEntry>()};
    };
    std::vector<Blob> blobs;
    std::map<std::pair<std::string_view, std::string_view>, uint32_t> number_of;
    for (const Place place : settled_.rows) {
      const StateRow& state = StateOf(place);
      const auto number = static_cast<uint32_t>(blobs.size());
      const auto [known, is_new] =
          number_of.emplace(std::make_pair(state.settings.blob, state.settings.changes), number);
      if (is_new) blobs.push_back({&state});
      draft_.settings.push_back(known->second);
    }
    const auto name = [](const Blob& blob) {
      return "settings of " + std::string(blob.first->run_name) + "@" +
             std::to_string(blob.first->step);
    };
    SideBySide(blobs.size(), kBlobsPerThread, [&](size_t i) {
      const SettingsView& settings = blobs[i].first->settings;
      const ObjectId id(settings.blob);
      if (id.empty()) return;
      const auto blob = copies_->Blob(id, paths_.Object(ObjectKind::kBlob, id));
      const auto text = blob.ok() ? WithSettingChanges(*blob, settings.changes) : blob.status();
      blobs[i].entries = text.ok() ? ParseToml(*text, name(blobs[i])) : text.status();
    });
    for (uint32_t number = 0; number < blobs.size(); ++number) {
      const auto& entries = blobs[number].entries;
      if (!entries.ok()) {
        draft_.warnings.push_back(name(blobs[number]) + ": " + entries.status().message());
        continue;
      }
      for (const TomlEntry& entry : *entries) {
        draft_.hp[entry.key].Add(number, draft_.ValueOf(entry.value));
      }
    }
  }

  const Paths& paths_;
  FileCopies* const copies_;
  std::vector<RunRows> runs_;
  Settled settled_;
  std::unordered_map<std::string, uint32_t> run_of_;  // by ulid
  std::unordered_set<std::string_view, IdHash> stored_;
  IndexDraft draft_;
};

}  // namespace

Index BuildIndex(const Paths& paths, FileCopies* copies, StoreFiles* files) {
  return Builder(paths, copies).Build(files);
}

}  // namespace stemma::lineage::internal
