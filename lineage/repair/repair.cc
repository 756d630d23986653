#include "lineage/repair/repair.h"

#include <map>
#include <optional>
#include <set>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/collect.h"
#include "lineage/graph.h"
#include "lineage/layout.h"
#include "lineage/marks.h"
#include "lineage/repair/mend.h"
#include "lineage/retention.h"
#include "lineage/store_impl.h"
#include "lineage/survey.h"

namespace stemma::lineage {
namespace {

constexpr int kVerifyJobs = 4;

std::string ShortId(const ObjectId& id) { return Hex(id).substr(0, 16); }

std::string FromText(const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) text += (text.empty() ? " from " : " and ") + path;
  return text;
}

std::string LostText(const std::vector<std::string>& lost) {
  if (lost.empty()) return "";
  std::string text = ", and lost for good are ";
  for (const std::string& one : lost) text += (&one == &lost.front() ? "" : "; ") + one;
  return text +
         "; prunes of states whose bytes are there still are taken back, since a lost note "
         "may have said so";
}

class Planner {
 public:
  Planner(const Store& store, const FsckReport& report, const RepairOptions& options)
      : store_(store),
        paths_(store.path()),
        report_(report),
        options_(options),
        mender_(store, options.from) {}

  Result<RepairPlan> Plan() {
    STEMMA_ASSIGN_OR_RETURN(graph_, store_.Load());
    auto survey = SurveyStore(store_, GcOptions().grace_s);
    if (survey.ok()) {
      survey_ = *std::move(survey);
    } else {
      plan_.beyond.push_back(survey.status().message());
    }
    if (options_.mend) {
      PlanLogs();
      PlanNotes();
      STEMMA_RETURN_IF_ERROR(PlanMending());
      PlanRestoring();
      for (Leftover& leftover :
           FindLeftovers(store_, Surveyed(), options_.stale_s, damaged_packs_)) {
        RepairItem item;
        item.kind = RepairKind::kSweep;
        item.text = "sweep " + leftover.path + ": " + leftover.what;
        item.leftover = std::move(leftover);
        plan_.items.push_back(std::move(item));
      }
    }
    if (options_.close_intents) STEMMA_RETURN_IF_ERROR(PlanClosing());
    return std::move(plan_);
  }

 private:
  const Survey* Surveyed() const { return survey_ ? &*survey_ : nullptr; }

  // Its writer is fenced, or has appended nothing for long by the disk's own clock. A writer
  // appends to its newest file.
  bool IsOver(const LogPlace& log) {
    Storage& storage = store_.storage();
    const auto newest = internal::NewestIncarnation(storage, paths_, log.run);
    if (newest.ok() && *newest > log.incarnation) return true;
    const std::string dir = paths_.IncarnationDir(log.run, log.incarnation);
    const auto files = storage.List(dir);
    if (!files.ok()) return false;
    AgeProbe probe(storage, paths_);
    for (const std::string& file : *files) {
      const std::optional<double> age = probe.Seconds(dir + "/" + file);
      if (!age || *age < options_.stale_s) return false;
    }
    return true;
  }

  // First of all, since a log that hides entries keeps the rest of the store from being looked at.
  void PlanLogs() {
    for (LogPlace& log : DamagedLogs(store_)) {
      const std::string path = paths_.LogSegment(log.run, log.incarnation, log.segment);
      const Result<LogMend> mend = TryMendLog(store_, options_.from, log);
      if (!mend.ok()) {
        plan_.beyond.push_back("run '" + log.name + "': " + mend.status().message() + Elsewhere());
        continue;
      }
      if (!IsOver(log)) {
        plan_.beyond.push_back("run '" + log.name + "': " + path + " was appended to in the last " +
                               HumanDuration(options_.stale_s) +
                               ": its writer may live; once it has ended: --older-than 0s");
        continue;
      }
      RepairItem item;
      item.kind = RepairKind::kMendLog;
      item.text = "mend " + path + " of run '" + log.name + "', which hides entries," +
                  FromText(mend->from);
      item.log = std::move(log);
      plan_.items.push_back(std::move(item));
    }
  }

  // Before all else for the same reason.
  void PlanNotes() {
    const std::string dir = paths_.NotesDir() + "/";
    AgeProbe probe(store_.storage(), paths_);
    for (std::string& file : HiddenNotes(store_)) {
      const Result<NotesMend> mend = TryMendNotes(store_, options_.from, file);
      if (!mend.ok()) {
        plan_.beyond.push_back(mend.status().message());
        continue;
      }
      const std::optional<double> age = probe.Seconds(dir + file);
      if (!age || *age < options_.stale_s) {
        plan_.beyond.push_back(dir + file + " was appended to in the last " +
                               HumanDuration(options_.stale_s) +
                               ": its writer may live; once it has ended: --older-than 0s");
        continue;
      }
      RepairItem item;
      item.kind = RepairKind::kMendNotes;
      item.text = "mend " + dir + file +
                  ", which hides notes: " + std::to_string(mend->notes.size()) + " are whole" +
                  FromText(mend->from) + LostText(mend->lost);
      item.notes = std::move(file);
      plan_.items.push_back(std::move(item));
    }
  }

  // What fsck has found, and all of every state that is quarantined.
  Status PlanMending() {
    std::vector<StateId> quarantined;
    std::set<StateId> affected;
    std::vector<Damage> damaged = report_.damaged;
    for (const auto& [id, record] : graph_.states) {
      if (IsPruned(graph_, id) || !IsQuarantined(graph_, id)) continue;
      quarantined.push_back(id);
    }
    STEMMA_ASSIGN_OR_RETURN(const VerifyReport read,
                            VerifyStates(store_, graph_, quarantined, {kVerifyJobs}));
    damaged.insert(damaged.end(), read.damaged.begin(), read.damaged.end());
    std::set<std::string> paths;
    for (const Damage& damage : damaged) {
      if (!damage.path.empty()) paths.insert(damage.path);
      for (const StateId& id : damage.states) {
        if (graph_.states.count(id) && !IsPruned(graph_, id)) affected.insert(id);
      }
    }
    for (const StateId& id : affected) MendState(graph_.states.at(id), paths);
    for (const StateId& id : quarantined) {
      if (!affected.insert(id).second) continue;
      RepairItem item;
      item.kind = RepairKind::kLift;
      item.state = id;
      item.text =
          "lift the quarantine of " + NameOfState(graph_.states.at(id)) + ": its bytes are good";
      plan_.items.push_back(std::move(item));
    }
    plan_.affected.assign(affected.begin(), affected.end());
    return {};
  }

  void MendState(const Record& record, const std::set<std::string>& damaged) {
    MendObject(record, ObjectKind::kBlob, "settings", record.settings.blob);
    MendObject(record, ObjectKind::kBlob, "environment", record.environment);
    MendObject(record, ObjectKind::kLayout, "layout", record.layout);
    std::optional<Layout> layout;
    const auto bytes = mender_.Bytes(ObjectKind::kLayout, record.layout);
    if (auto decoded = bytes.ok() ? Layout::Decode(*bytes) : Result<Layout>(bytes.status());
        decoded.ok()) {
      layout = *std::move(decoded);
    }
    for (const PackRef& pack : record.packs) {
      if (!damaged.count(store_.PackPath(pack.pack))) continue;
      if (!damaged_packs_.insert(pack.pack).second || !layout) continue;
      const Result<Mend> mend = mender_.TryPack(pack, *layout);
      if (!mend.ok()) {
        Beyond(record, mend.status());
        continue;
      }
      RepairItem item;
      item.kind = RepairKind::kMendPack;
      item.pack = pack;
      item.layout = record.layout;
      item.text = "mend pack " + ShortId(pack.pack) + " of " + NameOfState(record) + ", " +
                  HumanBytes(mend->bytes) + "," + FromText(mend->from);
      plan_.items.push_back(std::move(item));
    }
  }

  void MendObject(const Record& record, ObjectKind kind, const std::string& what,
                  const ObjectId& id) {
    if (id.empty() || !objects_.insert(id).second) return;
    const auto there = kind == ObjectKind::kLayout ? store_.GetLayout(id) : store_.GetBlob(id);
    if (there.ok()) return;
    const Result<Mend> mend = mender_.TryObject(kind, id);
    if (!mend.ok()) return Beyond(record, Status(mend.status()).Within(what));
    RepairItem item;
    item.kind = RepairKind::kMendObject;
    item.object = kind;
    item.layout = id;
    item.text =
        "mend " + what + " " + ShortId(id) + " of " + NameOfState(record) + FromText(mend->from);
    plan_.items.push_back(std::move(item));
  }

  void Beyond(const Record& record, const Status& why) {
    plan_.beyond.push_back(NameOfState(record) + ": " + why.message() + Elsewhere());
  }

  std::string Elsewhere() const {
    return options_.from.empty() ? "; --from OTHER_STORE names another place that may have it"
                                 : "; no store that was named has it";
  }

  // By pack: who wants it. What only pruned states name is the collector's, unless it is a root.
  std::map<ObjectId, std::string> Wanted() const {
    std::map<ObjectId, std::string> wanted;
    if (survey_) {
      wanted = survey_->facts.held;
      wanted.insert(survey_->elsewhere.begin(), survey_->elsewhere.end());
    }
    std::optional<Roots> roots;
    if (survey_) roots.emplace(survey_->graph, survey_->facts);
    for (const auto& [id, record] : graph_.states) {
      if (IsPruned(graph_, id) && (!roots || roots->Why(id).empty())) continue;
      for (const PackRef& pack : record.packs) wanted.emplace(pack.pack, NameOfState(record));
    }
    return wanted;
  }

  void PlanRestoring() {
    Storage& storage = store_.storage();
    const auto folders = storage.List(paths_.TrashDir());
    if (!folders.ok()) return;  // nothing was ever collected
    const std::map<ObjectId, std::string> wanted = Wanted();
    std::set<ObjectId> seen = damaged_packs_;  // those are mended from it
    for (const std::string& folder : *folders) {
      const auto epoch = ParseEpoch(folder);
      const auto files = storage.List(paths_.TrashDir() + "/" + folder);
      if (!epoch || !files.ok()) continue;
      for (const std::string& file : *files) {
        const auto pack = ParseObject(file);
        const auto why = pack ? wanted.find(*pack) : wanted.end();
        if (why == wanted.end() || storage.Exists(store_.PackPath(*pack))) continue;
        if (!seen.insert(*pack).second) continue;
        RepairItem item;
        item.kind = RepairKind::kRestore;
        item.pack.pack = *pack;
        item.text = "restore pack " + ShortId(*pack) + " from the trash of epoch " +
                    std::to_string(*epoch) + ", wanted by " + why->second;
        plan_.items.push_back(std::move(item));
      }
    }
  }

  Status PlanClosing() {
    std::vector<std::string> unreadable;
    STEMMA_ASSIGN_OR_RETURN(std::vector<OpenIntent> intents, OpenIntents(store_, &unreadable));
    for (const std::string& log : unreadable) {
      plan_.beyond.push_back(log + ": it may hide intents, and more");
    }
    for (OpenIntent& intent : intents) {
      const std::string text =
          "the intent '" + intent.why + "' of process " + std::to_string(intent.pid) + " on " +
          intent.host + ", which keeps " + std::to_string(intent.objects.size()) + " objects";
      if (!intent.age_s || *intent.age_s < options_.stale_s) {
        plan_.beyond.push_back(text + ", is younger than " + HumanDuration(options_.stale_s) +
                               ": its maker may live");
        continue;
      }
      RepairItem item;
      item.kind = RepairKind::kClose;
      item.text = "close " + text;
      item.intent = std::move(intent);
      plan_.items.push_back(std::move(item));
    }
    return {};
  }

  const Store& store_;
  const Paths paths_;
  const FsckReport& report_;
  const RepairOptions& options_;
  const Mender mender_;
  Graph graph_;
  std::optional<Survey> survey_;
  std::set<ObjectId> objects_, damaged_packs_;
  RepairPlan plan_;
};

Status Do(Store& store, const Mender& mender, const RepairOptions& options,
          const RepairItem& item) {
  switch (item.kind) {
    case RepairKind::kMendLog:
      return MendLog(store, options.from, item.log);
    case RepairKind::kMendNotes:
      return MendNotes(store, options.from, item.notes);
    case RepairKind::kMendPack: {
      STEMMA_ASSIGN_OR_RETURN(const std::string bytes,
                              mender.Bytes(ObjectKind::kLayout, item.layout));
      STEMMA_ASSIGN_OR_RETURN(const Layout layout, Layout::Decode(bytes));
      return mender.MendPack(item.pack, layout);
    }
    case RepairKind::kMendObject:
      return mender.MendObject(item.object, item.layout);
    case RepairKind::kRestore:
      if (store.storage().Exists(store.PackPath(item.pack.pack))) return {};
      return internal::Resurrect(store.storage(), Paths(store.path()), item.pack.pack);
    case RepairKind::kLift:
      return {};  // with all others that were read again
    case RepairKind::kSweep:
      return Sweep(store, item.leftover);
    case RepairKind::kClose:
      return CloseIntent(store, item.intent, "closed by stemma fsck --close-intents");
  }
  return {};
}

}  // namespace

Result<RepairPlan> PlanRepair(const Store& store, const FsckReport& report,
                              const RepairOptions& options) {
  return Planner(store, report, options).Plan();
}

Result<RepairReport> CarryOut(Store& store, const RepairPlan& plan, const RepairOptions& options) {
  RepairReport report;
  const Mender mender(store, options.from);
  for (const RepairItem& item : plan.items) {
    const Status done = Do(store, mender, options, item);
    (done.ok() ? report.done : report.failed)
        .push_back(done.ok() ? item.text : item.text + ": " + done.message());
  }
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store.Load());
  STEMMA_ASSIGN_OR_RETURN(VerifyReport read,
                          VerifyStates(store, graph, plan.affected, {kVerifyJobs}));
  STEMMA_ASSIGN_OR_RETURN(report.quarantine, RecordQuarantine(store, read.damaged, plan.affected));
  report.damaged = std::move(read.damaged);
  return report;
}

}  // namespace stemma::lineage
