#include "lineage/run_rows.h"

#include <unordered_map>
#include <utility>

#include "lineage/index_draft.h"
#include "lineage/log.h"
#include "lineage/run_logs.h"
#include "lineage/side_by_side.h"

namespace stemma::lineage::internal {
namespace {

constexpr size_t kRunsPerThread = 16;

uint32_t Size32(size_t size) { return static_cast<uint32_t>(size); }

// Numbers of keys. A state's keys are nearly always those of the state before it, in its order, so
// most are found by one comparison.
class KeyNumbers {
 public:
  explicit KeyNumbers(PairList* list) : list_(list) {}

  void BeginState() { place_ = 0; }

  void Add(std::string_view key, const Value& value) {
    list_->key.push_back(NumberOf(key));
    list_->value.push_back(value);
    ++place_;
  }

 private:
  uint32_t NumberOf(std::string_view key) {
    if (place_ < before_.size() && list_->keys[before_[place_]] == key) return before_[place_];
    const auto [known, is_new] = numbers_.emplace(key, Size32(list_->keys.size()));
    if (is_new) list_->keys.push_back(key);
    if (place_ >= before_.size()) before_.resize(place_ + 1);
    return before_[place_] = known->second;
  }

  PairList* const list_;
  std::unordered_map<std::string_view, uint32_t> numbers_;
  std::vector<uint32_t> before_;  // by place in the state: the key that was there last
  size_t place_ = 0;
};

class RunReader {
 public:
  RunReader(FileCopies* copies, RunRows* rows) : copies_(copies), rows_(rows) {}

  void Read(RunFiles* run) {
    rows_->files = run;
    if (!run->fault.empty()) {
      rows_->warnings.push_back("run '" + run->name + "': " + run->fault);
      return;
    }
    for (IncarnationFiles& incarnation : run->incarnations) {
      if (!incarnation.fault.empty()) rows_->warnings.push_back(incarnation.fault);
      for (SegmentFile& file : incarnation.segments) ReadSegment(*run, incarnation.number, &file);
    }
  }

 private:
  void ReadSegment(const RunFiles& run, uint32_t incarnation, SegmentFile* file) {
    const Result<std::string_view> bytes = copies_->Segment(file);
    if (!bytes.ok()) {
      rows_->warnings.push_back(file->path + ": " + bytes.status().message());
      return;
    }
    const auto take = [&](const FrameView& frame) { return Take(run.ulid, incarnation, frame); };
    std::string damage;  // said in the warnings as well
    file->torn =
        !VisitFrames(*bytes, file->path, SegmentKind::kLog, take, &damage, &rows_->warnings);
  }

  Status Take(std::string_view run, uint32_t incarnation, const FrameView& frame) {
    if (frame.type == FrameType::kWithdrawn) {
      STEMMA_ASSIGN_OR_RETURN(WithdrawnEntry entry, DecodeWithdrawn(frame.payload));
      rows_->withdrawn.push_back(std::move(entry.state));
    }
    if (frame.type != FrameType::kState) return {};
    STEMMA_RETURN_IF_ERROR(ViewRecord(frame.payload, &record_));
    STEMMA_RETURN_IF_ERROR(
        CheckPlace(record_.id, record_.run, record_.incarnation, run, incarnation));
    Add(record_);
    return {};
  }

  void Add(const RecordView& record) {
    StateRow state;
    state.id = record.id;
    state.settings = record.settings;
    state.audit = record.audit;
    state.run_name = record.run_name;
    state.incarnation = record.incarnation;
    state.world = record.world;
    state.capture = record.capture;
    state.samples = record.samples;
    state.logical_bytes = record.logical_bytes;
    state.step = record.step;
    state.wall_ms = record.wall_ms;
    state.epoch = record.epoch;
    state.reason = record.reason;
    state.parents.begin = Size32(rows_->parents.size());
    rows_->parents.insert(rows_->parents.end(), record.parents.begin(), record.parents.end());
    state.parents.end = Size32(rows_->parents.size());
    state.packs.begin = Size32(rows_->packs.size());
    rows_->packs.insert(rows_->packs.end(), record.packs.begin(), record.packs.end());
    state.packs.end = Size32(rows_->packs.size());
    state.metrics.begin = Size32(rows_->metrics.key.size());
    metrics_.BeginState();
    for (const auto& [key, value] : record.metrics) metrics_.Add(key, FloatValue(value));
    state.metrics.end = Size32(rows_->metrics.key.size());
    state.attributes.begin = Size32(rows_->attributes.key.size());
    attributes_.BeginState();
    for (const auto& [key, value] : record.attributes) attributes_.Add(key, ValueOf(value));
    state.attributes.end = Size32(rows_->attributes.key.size());
    rows_->states.push_back(state);
  }

  Value ValueOf(const ValueView& value) {
    const auto* const text = std::get_if<std::string_view>(&value);
    if (text == nullptr) return NumberValue(value);
    const auto [known, is_new] = texts_.emplace(*text, rows_->texts.size());
    if (is_new) rows_->texts.push_back(*text);
    return {ValueKind::kText, known->second};
  }

  FileCopies* const copies_;
  RunRows* const rows_;
  RecordView record_;
  KeyNumbers metrics_{&rows_->metrics}, attributes_{&rows_->attributes};
  std::unordered_map<std::string_view, uint64_t> texts_;
};

}  // namespace

std::vector<RunRows> ReadRows(FileCopies* copies, StoreFiles* files) {
  std::vector<RunRows> runs(files->runs.size());
  SideBySide(runs.size(), kRunsPerThread,
             [&](size_t i) { RunReader(copies, &runs[i]).Read(&files->runs[i]); });
  return runs;
}

}  // namespace stemma::lineage::internal
