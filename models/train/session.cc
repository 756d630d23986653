#include "models/train/session.h"

#include <map>
#include <set>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/record_codec.h"
#include "lineage/repair/quarantine.h"
#include "lineage/reshape/reshape.h"
#include "lineage/verify.h"
#include "models/train/patience.h"
#include "models/train/stored_settings.h"
#include "optim/schedule.h"

namespace stemma::models {
namespace {

using lineage::Graph;
using lineage::Record;

std::string StateName(const Record& record) {
  return record.run_name + "@" + std::to_string(record.step);
}

// Whether the numbers of an evaluation change how the training goes on.
bool LooksAtEvaluations(const RunSettings& settings) {
  const auto& optim = settings.optim;
  return settings.train.stop_patience > 0 ||
         (optim.schedule == "plateau" && optim.plateau_on == "val_loss");
}

// The shared settings that changed and matter. The run's length matters only to a schedule that
// looks at the end of the run; who keeps which part of the optimizer's state changes no bit on
// CPUs; an evaluation changes none that nothing looks at.
std::vector<SettingChange> Matter(std::vector<SettingChange> changes, const SettingsList& list,
                                  const RunSettings& settings) {
  std::vector<SettingChange> matter;
  const bool open_ended = !optim::LooksAtTheEnd(settings.optim.schedule);
  const bool evaluations = LooksAtEvaluations(settings);
  for (auto& change : changes) {
    const Setting* setting = list.Find(change.key);
    if (setting != nullptr && setting->help.kind == Kind::kLocal) continue;
    if (change.key.rfind("validate.", 0) == 0 && !evaluations) continue;
    if (change.key == "train.length" && open_ended) continue;
    if (change.key == "ops.shard" && settings.device.kind == "cpu") continue;
    matter.push_back(std::move(change));
  }
  return matter;
}

std::string ChangeText(const SettingChange& change) {
  return change.key + " " + (change.from.empty() ? "(absent)" : change.from) + " -> " +
         (change.to.empty() ? "(absent)" : change.to);
}

// What the environment of a program says about its build.
std::map<std::string, std::string> IdentityIn(const std::string& environment) {
  const auto json = nlohmann::json::parse(environment, nullptr, false);
  std::map<std::string, std::string> identity;
  if (!json.is_object() || !json.contains("identity")) return identity;
  for (const auto& [key, value] : json["identity"].items()) identity[key] = value.dump();
  return identity;
}

Status RefuseChanges(const Record& head, const std::vector<SettingChange>& changes) {
  std::string text = "the settings are not those of run " + head.run_name + ":";
  std::string sets;
  for (const auto& change : changes) {
    text += "\n  " + ChangeText(change);
    sets += " --set " + change.key + "=" + change.to;
  }
  text += "\nto branch off with them: stemma fork " + StateName(head) + " --name NEWNAME" + sets +
          "\nto go on as before: leave them out, or start another run with --set run.name=NEWNAME";
  return {Code::kInvalidArgument, text};
}

// To go on means the same bits as never having stopped; and from nothing there is nothing to read.
Status RefuseProgressive(const RunSettings& settings, const std::string& start) {
  if (settings.lineage.restore != lineage::kProgressiveName) return {};
  return {Code::kInvalidArgument,
          "lineage.restore = progressive is for the start of a fork, and " + settings.run.name +
              " " + start +
              ": leave it out, or branch off with stemma fork STATE --name NEWNAME and "
              "start that with --set lineage.restore=progressive"};
}

// Decides on rank 0; fills everything but `store`.
class Decision {
 public:
  Decision(const RunSettings& settings, const SettingsList& list, const SessionOptions& options,
           int ranks, Session* session)
      : settings_(settings), list_(list), options_(options), ranks_(ranks), session_(*session) {}

  Status Make() {
    STEMMA_ASSIGN_OR_RETURN(graph_, session_.store->Load());
    const auto run = graph_.runs.find(settings_.run.name);
    if (run == graph_.runs.end()) return StartNew();
    if (!run->second.unreadable.empty()) return RefuseUnreadable(run->second.unreadable);
    if (run->second.states.empty()) {
      STEMMA_RETURN_IF_ERROR(RefuseProgressive(settings_, "starts from nothing"));
      session_.notes.push_back("an earlier incarnation of " + settings_.run.name +
                               " left no state");
      session_.headline = "starting " + settings_.run.name + " at step 0";
      return ClaimNext();
    }
    return GoOn();
  }

 private:
  Status StartNew() {
    STEMMA_RETURN_IF_ERROR(RefuseProgressive(settings_, "starts from nothing"));
    session_.headline = "starting " + settings_.run.name + " at step 0";
    return Claim(session_.store->StartRun(settings_.run.name));
  }

  Status GoOn() {
    std::vector<std::string> skipped;
    STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id,
                            ResumePoint(*session_.store, graph_, settings_.run.name, &skipped));
    for (const auto& damaged : skipped) session_.notes.push_back("skipped " + damaged);
    Quarantine(id);
    const Record& head = graph_.states.at(id);
    if (options_.fresh) {
      return {Code::kInvalidArgument,
              "run " + settings_.run.name + " has states up to " + StateName(head) +
                  " and --fresh forbids to continue it: start another with --set run.name=NEWNAME"};
    }
    STEMMA_RETURN_IF_ERROR(CompareSettings(head));
    session_.from = head;
    if (IsComplete(head)) return {};
    STEMMA_RETURN_IF_ERROR(CompareData(head));
    STEMMA_RETURN_IF_ERROR(Headline(head));
    return ClaimNext();
  }

  // Whether nothing is left to do behind `head`; the session then says so.
  bool IsComplete(const Record& head) {
    const bool early =
        head.reason != lineage::Reason::kFork && head.attributes.count(kEndedEarlyKey) > 0;
    if (!early && head.step < options_.total_steps) return false;
    session_.kind = StartKind::kComplete;
    session_.headline = settings_.run.name + " is complete: " + StateName(head) + " (" +
                        Hex(head.id).substr(0, 8) + ")";
    if (early) {
      session_.headline +=
          ", ended early by train.stop_patience; to go on all the same: stemma "
          "fork " +
          StateName(head) + " --name NEWNAME";
    }
    return true;
  }

  // What was passed over for its bytes is not tried again until they are good. Who cannot write
  // that down goes on all the same.
  void Quarantine(const lineage::StateId& chosen) {
    std::vector<lineage::StateId> passed;
    for (const auto& id : MainLine(graph_, graph_.runs.at(settings_.run.name))) {
      if (id == chosen) break;
      const bool known = IsPruned(graph_, id) || IsQuarantined(graph_, id);
      if (!known && !IsSuspect(graph_.states.at(id))) passed.push_back(id);
    }
    if (passed.empty()) return;
    const auto looked = VerifyStates(*session_.store, graph_, passed, {1, false});
    Status recorded = looked.status();
    if (looked.ok()) recorded = RecordQuarantine(*session_.store, looked->damaged, {}).status();
    if (!recorded.ok()) session_.notes.push_back("no quarantine noted: " + recorded.message());
  }

  Status RefuseUnreadable(const std::string& why) const {
    return {Code::kCorruption,
            "a log of run " + settings_.run.name + " cannot be read, so states may be hidden: " +
                why + "; see `stemma fsck`; to go on from a state that can be seen: stemma fork " +
                settings_.run.name + "@STEP --name NEWNAME"};
  }

  // What the incarnation before acknowledged until it was fenced counts: the claim comes first, and
  // the newest state is looked up again after it. It may be the end of the run by now.
  Status ClaimNext() {
    STEMMA_RETURN_IF_ERROR(Claim(session_.store->NextIncarnation(settings_.run.name)));
    STEMMA_ASSIGN_OR_RETURN(graph_, session_.store->Load());
    if (graph_.runs.at(settings_.run.name).states.empty()) return {};
    std::vector<std::string> skipped;
    STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id,
                            ResumePoint(*session_.store, graph_, settings_.run.name, &skipped));
    if (session_.from && session_.from->id == id) return {};
    session_.from = graph_.states.at(id);
    if (IsComplete(*session_.from)) return std::exchange(session_.writer, nullptr)->Close();
    return Headline(*session_.from);
  }

  Status CompareSettings(const Record& head) {
    if (head.settings.empty()) {
      return {Code::kIncompatible,
              StateName(head) +
                  " was stored without settings, as imported states are: it is tensors alone, "
                  "without an optimizer or a place in the data, so no training can go on from it"};
    }
    STEMMA_ASSIGN_OR_RETURN(const std::string before, session_.store->GetSettings(head.settings));
    STEMMA_ASSIGN_OR_RETURN(auto changes, SettingChanges(before, ResolvedSettings(list_)));
    changes = Matter(std::move(changes), list_, settings_);
    return changes.empty() ? Status() : RefuseChanges(head, changes);
  }

  // A fork may have other data, and its own states say so.
  Status CompareData(const Record& head) {
    const auto found = head.attributes.find(kDataDigestKey);
    const std::string* then =
        found == head.attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
    const std::string& now = options_.data_digest;
    if (then == nullptr || now.empty() || *then == now) return {};
    const std::string both =
        "digest " + now.substr(0, 16) + ", and " + StateName(head) + " has " + then->substr(0, 16);
    if (head.reason == lineage::Reason::kFork) {
      session_.notes.push_back("other training data than before the fork: " + both);
      return {};
    }
    return {Code::kIncompatible,
            "the training data are not those of run " + head.run_name + ": " + both +
                ". Bring those data back to go on with it; to branch off with these: stemma fork " +
                StateName(head) + " --name NEWNAME"};
  }

  Status Headline(const Record& head) {
    session_.kind = head.reason == lineage::Reason::kFork ? StartKind::kFork : StartKind::kContinue;
    if (session_.kind == StartKind::kContinue) {
      STEMMA_RETURN_IF_ERROR(RefuseProgressive(settings_, "goes on from " + StateName(head)));
      session_.headline = "continuing " + settings_.run.name + " from " + StateName(head) + " (" +
                          Hex(head.id).substr(0, 8) + "), ";
      const auto before = static_cast<int>(head.world);
      if (before != ranks_) {
        session_.headline += "reshaped from " + std::to_string(before) + " to " +
                             std::to_string(ranks_) + " ranks: the same samples, other bits";
        return {};
      }
      STEMMA_ASSIGN_OR_RETURN(const bool same, IsSameBuild(head));
      session_.headline += same ? "exact" : "by another build: the same samples, maybe other bits";
      return {};
    }
    const auto parent = graph_.states.find(head.parents.empty() ? "" : head.parents[0].parent);
    const std::string reshape = lineage::ReshapeText(head);
    session_.headline = "starting " + settings_.run.name + " from " +
                        (parent == graph_.states.end() ? "a fork" : StateName(parent->second)) +
                        (reshape.empty() ? ", forked" : ", reshaped (" + reshape + ")");
    if (settings_.lineage.restore == lineage::kProgressiveName) {
      session_.headline +=
          ", progressively: its first gradient is taken at 16 bits of each parameter";
    }
    if (parent == graph_.states.end()) return {};
    STEMMA_ASSIGN_OR_RETURN(const std::string before,
                            session_.store->GetSettings(parent->second.settings));
    STEMMA_ASSIGN_OR_RETURN(const auto changes, SettingChanges(before, ResolvedSettings(list_)));
    std::string text;
    for (const auto& change : changes) {
      if (change.key != "run.name") text += (text.empty() ? ": " : ", ") + ChangeText(change);
    }
    session_.headline += text;
    return {};
  }

  // Whether the program that left the state computes what this one does. Notes say what differs.
  Result<bool> IsSameBuild(const Record& head) {
    STEMMA_ASSIGN_OR_RETURN(const std::string before, session_.store->GetBlob(head.environment));
    auto then = IdentityIn(before), now = IdentityIn(options_.environment);
    std::set<std::string> keys;
    for (const auto& [key, value] : then) keys.insert(key);
    for (const auto& [key, value] : now) keys.insert(key);
    bool same = true;
    for (const std::string& key : keys) {
      if (then[key] == now[key]) continue;
      same = false;
      session_.notes.push_back("another build: " + ChangeText({key, then[key], now[key]}));
    }
    return same;
  }

  Status Claim(Result<std::unique_ptr<lineage::RunWriter>> writer) {
    STEMMA_ASSIGN_OR_RETURN(session_.writer, std::move(writer));
    session_.run = session_.writer->run();
    session_.incarnation = session_.writer->incarnation();
    session_.tmp_dir = session_.writer->tmp_dir();
    return {};
  }

  const RunSettings& settings_;
  const SettingsList& list_;
  const SessionOptions& options_;
  const int ranks_;
  Session& session_;
  Graph graph_;
};

Result<std::string> Pack(Session* session) {
  Encoder out;
  out.U8(static_cast<uint8_t>(session->kind));
  out.String(session->run);
  out.String(session->tmp_dir);
  out.U32(session->incarnation);
  out.String(session->headline);
  std::string id, record;
  if (session->from) {
    id = session->from->id;  // of the bytes on disk, which may hold fields that this program skips
    STEMMA_ASSIGN_OR_RETURN(record, lineage::EncodeRecord(&*session->from));
    session->from->id = id;
  }
  out.String(id);
  out.String(record);
  return out.Take();
}

Status Unpack(std::string_view bytes, Session* session) {
  Decoder in(bytes);
  session->kind = static_cast<StartKind>(in.U8());
  session->run = in.String();
  session->tmp_dir = in.String();
  session->incarnation = in.U32();
  session->headline = in.String();
  const std::string id = in.String(), record = in.String();
  if (!in.ok()) return {Code::kInternal, "the session of rank 0 cannot be read"};
  if (!record.empty()) {
    STEMMA_ASSIGN_OR_RETURN(session->from, lineage::DecodeRecord(record));
    session->from->id = id;
  }
  return {};
}

}  // namespace

Result<Session> OpenSession(const RunSettings& settings, const SettingsList& list,
                            const SessionOptions& options, Cohort& cohort) {
  Session session;
  session.headline = "starting " + settings.run.name + " at step 0; no store, no captures";
  if (settings.lineage.store.empty()) {
    STEMMA_RETURN_IF_ERROR(RefuseProgressive(settings, "has no store"));
    return session;
  }
  Status mine;
  if (cohort.rank() == 0) {
    auto store = lineage::Store::Open(settings.lineage.store, true, *options.storage);
    mine = store.status();
    if (store.ok()) {
      session.store = *std::move(store);
      mine = Decision(settings, list, options, cohort.size(), &session).Make();
    }
  }
  auto pack = mine.ok() ? Pack(&session) : Result<std::string>(mine);
  STEMMA_RETURN_IF_ERROR(Agree(cohort, pack.status()));
  STEMMA_ASSIGN_OR_RETURN(const std::string packed, cohort.Broadcast(*std::move(pack), 0));
  if (cohort.rank() != 0) {
    mine = Unpack(packed, &session);
    auto store = lineage::Store::Open(settings.lineage.store, false, *options.storage);
    if (mine.ok()) mine = store.status();
    if (store.ok()) session.store = *std::move(store);
  }
  STEMMA_RETURN_IF_ERROR(Agree(cohort, mine));
  return session;
}

}  // namespace stemma::models
