#include "lineage/survey.h"

#include <algorithm>
#include <optional>

#include "lineage/graph.h"
#include "lineage/log.h"
#include "lineage/marks.h"
#include "lineage/notes.h"
#include "lineage/notice.h"
#include "lineage/record_codec.h"
#include "lineage/run_logs.h"

namespace stemma::lineage {
namespace {

// Of the files and folders that are there, the age of the one that changed last.
std::optional<double> Youngest(AgeProbe* probe, const std::vector<std::string>& paths) {
  std::optional<double> youngest;
  for (const std::string& path : paths) {
    const std::optional<double> age = probe->Seconds(path);
    if (age && (!youngest || *age < *youngest)) youngest = age;
  }
  return youngest;
}

class Surveyor {
 public:
  Surveyor(const Store& store, double grace_s)
      : store_(store), storage_(store.storage()), paths_(store.path()) {
    survey_.probe = std::make_shared<AgeProbe>(storage_, paths_);
    survey_.facts.grace_s = grace_s;
  }

  Result<Survey> Look() {
    STEMMA_RETURN_IF_ERROR(ReadLeases());
    STEMMA_ASSIGN_OR_RETURN(survey_.graph, store_.Load());  // tags, notes, then logs
    STEMMA_RETURN_IF_ERROR(ReadLogs());
    if (!survey_.graph.unreadable.empty()) unreadable_ = survey_.graph.unreadable;
    if (!unreadable_.empty()) {
      return Status(Code::kCorruption, "what cannot be read may name any pack, so none is freed: " +
                                           unreadable_ + "; run fsck");
    }
    TakeStates();
    AddAges();
    return std::move(survey_);
  }

 private:
  // A lease that cannot be read is one being made, or left by a crash: a hint less.
  Status ReadLeases() {
    Result<std::vector<std::string>> ulids = storage_.List(paths_.LeasesDir());
    if (ulids.status().code() == Code::kNotFound) return {};
    STEMMA_RETURN_IF_ERROR(ulids.status());
    for (const std::string& ulid : *ulids) {
      if (!IsUlid(ulid)) continue;
      Result<std::string> beat = storage_.ReadBounded(paths_.LeaseBeat(ulid), 1 << 16);
      survey_.leases[ulid] = beat.ok() ? *beat : "";
      Result<Notice> what = ReadNotice(storage_, paths_.LeaseWhat(ulid));
      if (!what.ok()) continue;
      for (const ObjectId& pack : what->objects) {
        survey_.facts.held.emplace(pack, "lease of " + what->who + ", " + what->why);
      }
    }
    return {};
  }

  Status ReadLogs() {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> runs, storage_.List(paths_.RunsDir()));
    STEMMA_RETURN_IF_ERROR(FindNamed(runs));
    for (const std::string& run : runs) {
      if (!IsUlid(run)) continue;
      STEMMA_ASSIGN_OR_RETURN(const auto files, storage_.List(paths_.RunDir(run)));
      std::vector<uint32_t> numbers;
      for (const std::string& file : files) {
        if (const auto number = ParseIncarnation(file)) numbers.push_back(*number);
      }
      std::sort(numbers.begin(), numbers.end());
      for (size_t i = 0; i < numbers.size(); ++i) {
        IncarnationFacts facts;
        if (i + 1 < numbers.size()) facts.next = paths_.IncarnationDir(run, numbers[i + 1]);
        facts.dead = DeadWhy(run, numbers[i]);
        STEMMA_RETURN_IF_ERROR(ReadIncarnation(run, numbers[i], &facts));
        const std::string key = IncarnationKey(run, numbers[i]);
        if (!facts.closed && facts.next.empty() && facts.dead.empty()) {
          survey_.facts.living.insert(key);
        }
        survey_.incarnations[key] = std::move(facts);
      }
    }
    return {};
  }

  // Runs to which a name leads; all of them where a name cannot be read.
  Status FindNamed(const std::vector<std::string>& runs) {
    for (const auto& [name, run] : survey_.graph.runs) named_.insert(run.ulid);
    STEMMA_ASSIGN_OR_RETURN(const auto names, storage_.List(paths_.NamesDir()));
    for (const std::string& name : names) {
      if (!IsName(name) || survey_.graph.runs.count(name) > 0) continue;
      named_.insert(runs.begin(), runs.end());
    }
    return {};
  }

  std::string DeadWhy(const std::string& run, uint32_t number) const {
    const StateId target = IncarnationTarget(run, number);
    const AttributeValue* why = MarkOf(survey_.graph, target, kDeadKey);
    const std::string* text = why == nullptr ? nullptr : std::get_if<std::string>(why);
    return text == nullptr ? "" : *text;
  }

  // An intent counts until the state that it announced, or the end, stands behind it in its log.
  // It never expires by time.
  Status ReadIncarnation(const std::string& run, uint32_t number, IncarnationFacts* facts) {
    const std::string dir = paths_.IncarnationDir(run, number);
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, storage_.List(dir));
    std::vector<uint32_t> segments;
    for (const std::string& file : files) {
      if (const auto segment = ParseLogSegment(file)) segments.push_back(*segment);
    }
    std::sort(segments.begin(), segments.end());
    std::vector<IntentEntry> open;
    std::vector<std::string> warnings;
    for (const uint32_t segment : segments) {
      internal::ReadFrames(
          storage_, paths_.LogSegment(run, number, segment), SegmentKind::kLog,
          [&](const FrameView& frame) { return TakeFrame(frame, &open, facts); }, &unreadable_,
          &warnings, named_.count(run) > 0 ? internal::Torn::kAtItsEnd : internal::Torn::kAnywhere);
    }
    for (const IntentEntry& intent : open) {
      for (const ObjectId& id : intent.objects) {
        survey_.facts.held.emplace(id, "intent: " + intent.why);
      }
    }
    return {};
  }

  Status TakeFrame(const FrameView& frame, std::vector<IntentEntry>* open,
                   IncarnationFacts* facts) {
    switch (frame.type) {
      case FrameType::kIntent: {
        STEMMA_ASSIGN_OR_RETURN(IntentEntry intent, DecodeIntent(frame.payload));
        open->push_back(std::move(intent));
        return {};
      }
      case FrameType::kState: {
        open->clear();
        STEMMA_ASSIGN_OR_RETURN(Record record, DecodeRecord(frame.payload));
        logged_.push_back(std::move(record));
        return {};
      }
      case FrameType::kWithdrawn: {
        open->clear();
        STEMMA_ASSIGN_OR_RETURN(const WithdrawnEntry entry, DecodeWithdrawn(frame.payload));
        withdrawn_.insert(entry.state);
        return {};
      }
      case FrameType::kClose:
        open->clear();
        facts->closed = true;
        return {};
      default:
        return {};
    }
  }

  // A state that the graph does not hold has no marks that could be known: it wants its packs.
  void TakeStates() {
    for (const Record& record : logged_) {
      if (survey_.graph.states.count(record.id) || withdrawn_.count(record.id)) continue;
      for (const PackRef& pack : record.packs) {
        survey_.elsewhere.emplace(pack.pack, NameOfState(record) + ", to which no name leads");
      }
    }
  }

  // By the scope's target, the segment with its last opening.
  using Openings = std::map<StateId, std::string>;

  void AddAges() {
    const std::shared_ptr<AgeProbe> probe = survey_.probe;
    survey_.facts.age_s = [probe, &storage = storage_, paths = paths_](const Record& record) {
      std::vector<std::string> own = WhereOwnPacksAre(storage, paths, record);
      if (own.empty()) own = LogsOf(storage, paths, record);
      return Youngest(probe.get(), own);
    };
    // The notes are read when the first scope is asked for, and once for all of them.
    const auto openings = std::make_shared<std::optional<Openings>>();
    survey_.facts.scope_age_s = [probe, openings, &storage = storage_, paths = paths_](
                                    const std::string& scope) -> std::optional<double> {
      if (!*openings) *openings = OpeningsIn(storage, paths);
      const auto opening = (*openings)->find(ScopeTarget(scope));
      return opening == (*openings)->end() ? std::nullopt : probe->Seconds(opening->second);
    };
  }

  static Openings OpeningsIn(Storage& storage, const Paths& paths) {
    Openings openings;
    const Result<internal::AllNotes> all = internal::ReadAllNotes(storage, paths);
    if (!all.ok()) return openings;
    for (const internal::FiledNote& filed : all->notes) {
      if (filed.note.key == kScopeOpenKey) openings[filed.note.target] = filed.path;
    }
    return openings;
  }

  // Packs that the state's own incarnation wrote are its own; a fork has none. One may lie in the
  // trash, where it is as old as before.
  static std::vector<std::string> WhereOwnPacksAre(Storage& storage, const Paths& paths,
                                                   const Record& record) {
    std::vector<std::string> found;
    if (record.reason == Reason::kFork) return found;
    Result<std::vector<std::string>> folders = storage.List(paths.TrashDir());
    for (const PackRef& pack : record.packs) {
      const std::string path = paths.Object(ObjectKind::kPack, pack.pack);
      if (storage.Exists(path)) found.push_back(path);
      if (!folders.ok()) continue;
      for (const std::string& folder : *folders) {
        const std::optional<uint32_t> epoch = ParseEpoch(folder);
        if (!epoch || !storage.Exists(paths.Trashed(*epoch, pack.pack))) continue;
        found.push_back(paths.Trashed(*epoch, pack.pack));
      }
    }
    return found;
  }

  static std::vector<std::string> LogsOf(Storage& storage, const Paths& paths,
                                         const Record& record) {
    const std::string dir = paths.IncarnationDir(record.run, record.incarnation);
    std::vector<std::string> logs;
    Result<std::vector<std::string>> files = storage.List(dir);
    if (!files.ok()) return logs;
    for (const std::string& file : *files) {
      if (ParseLogSegment(file)) logs.push_back(dir + "/" + file);
    }
    return logs;
  }

  const Store& store_;
  Storage& storage_;
  const Paths paths_;
  Survey survey_;
  std::vector<Record> logged_;
  std::set<StateId> withdrawn_;
  std::set<std::string> named_;  // ulids
  std::string unreadable_;
};

}  // namespace

std::optional<double> AgeProbe::Seconds(const std::string& path) {
  if (!now_ms_) {
    const std::string probe = paths_.TmpDir() + "/probe-" + NewUlid();
    const Result<std::unique_ptr<WritableFile>> file = storage_.Create(probe, {});
    if (!file.ok()) return std::nullopt;
    const Result<int64_t> now = storage_.ModifiedMs(probe);
    (void)storage_.Remove(probe);
    if (!now.ok()) return std::nullopt;
    now_ms_ = *now;
  }
  const Result<int64_t> then = storage_.ModifiedMs(path);
  if (!then.ok()) return std::nullopt;
  return static_cast<double>(*now_ms_ - *then) / 1000;
}

Result<Survey> SurveyStore(const Store& store, double grace_s) {
  return Surveyor(store, grace_s).Look();
}

}  // namespace stemma::lineage
