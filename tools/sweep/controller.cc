#include "tools/sweep/controller.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "tools/cli/fork_run.h"
#include "tools/sweep/plan.h"
#include "tools/sweep/pruning.h"

namespace stemma::sweep {
namespace {

std::string TrialsText(const std::set<TrialId>& trials) {
  return trials.size() == 1 ? "trial " + std::to_string(*trials.begin())
                            : std::to_string(trials.size()) + " trials";
}

std::string NumberText(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string TextOf(const Event& event) {
  if (const auto* proposal = std::get_if<Proposal>(&event)) {
    return std::to_string(proposal->trials.size()) +
           (proposal->trials.size() == 1 ? " trial begins" : " trials begin");
  }
  if (const auto* outcome = std::get_if<Outcome>(&event)) {
    return "trial " + std::to_string(outcome->trial) + " at step " + std::to_string(outcome->step) +
           ": " + NumberText(outcome->metric);
  }
  const auto& decision = std::get<Decision>(event);
  std::string text = "trial " + std::to_string(decision.trial) + ": " + DecisionName(decision.kind);
  if (decision.kind == Decision::Kind::kExploit) {
    text += " trial " + std::to_string(decision.from);
  }
  if (decision.kind != Decision::Kind::kStop) text += ", on to " + std::to_string(decision.until);
  return text + ", of " + std::to_string(decision.saw.size()) + " seen";
}

}  // namespace

Controller::Controller(cli::OpenedStore opened, OpenedSweep sweep, const Method& method,
                       Executor& executor, ControllerOptions options, lineage::GcClock& clock)
    : opened_(std::move(opened)),
      sweep_(std::move(sweep)),
      method_(method),
      executor_(executor),
      options_(std::move(options)),
      clock_(clock),
      writer_(*opened_.store, sweep_.spec.name) {}

Result<Ending> Controller::Run() {
  STEMMA_ASSIGN_OR_RETURN(seat_, Seat::Take(*opened_.store, name(), options_.seat, clock_));
  STEMMA_RETURN_IF_ERROR(Begin());
  STEMMA_ASSIGN_OR_RETURN(const Ending ending, Turns());
  STEMMA_RETURN_IF_ERROR(seat_->Leave());
  return ending;
}

// Whoever sat here before may have written until now, so the journal is read again.
Status Controller::Begin() {
  STEMMA_ASSIGN_OR_RETURN(opened_.graph, opened_.store->Load());
  STEMMA_ASSIGN_OR_RETURN(sweep_.journal, ReadJournal(*opened_.store, opened_.graph, name()));
  if (!sweep_.journal.begun) {
    STEMMA_RETURN_IF_ERROR(writer_.Begin(sweep_.begun, &sweep_.journal));
  } else if (sweep_.journal.begun->own != sweep_.begun.own) {
    return {Code::kInvalidArgument,
            "sweep '" + name() + "' was begun by somebody else just now, from another base"};
  }
  if (sweep_.journal.end.empty() && !IsScopeOpen()) {
    STEMMA_RETURN_IF_ERROR(OpenScope(*opened_.store, name(), std::nullopt));
  }
  return {};
}

Result<Ending> Controller::Turns() {
  for (;;) {
    STEMMA_RETURN_IF_ERROR(seat_->Keep());
    STEMMA_RETURN_IF_ERROR(Look());
    STEMMA_RETURN_IF_ERROR(Judge());
    if (!stopping_ && options_.stop_asked()) {
      stopping_ = true;
      options_.say("asked to stop: " + std::to_string(running_.size()) +
                   " trainings save and stop");
      executor_.Stop();
    }
    if (!stopping_) STEMMA_RETURN_IF_ERROR(Record());
    STEMMA_RETURN_IF_ERROR(Book());  // of new trials' stages too, which others may have trained
    if (!stopping_) {
      if (options_.keeping != Keeping::kAll) {
        STEMMA_RETURN_IF_ERROR(Prune(Live(), "its trials were stopped"));
      }
      STEMMA_RETURN_IF_ERROR(StartReady());
    }
    if (running_.empty()) break;
    STEMMA_RETURN_IF_ERROR(Hear());
  }
  if (stopping_) return Ending::kStopped;
  if (!history().Running().empty()) {
    return Status(Code::kInternal, "nothing of sweep '" + name() + "' can be trained, yet " +
                                       std::to_string(history().Running().size()) +
                                       " trials are not at their end");
  }
  STEMMA_RETURN_IF_ERROR(End());
  return Ending::kOver;
}

Status Controller::Look() {
  STEMMA_ASSIGN_OR_RETURN(opened_.graph, opened_.store->Load());
  STEMMA_ASSIGN_OR_RETURN(standing_,
                          StandingOf(sweep_.spec, sweep_.base, history(), opened_.graph));
  return {};
}

// What ended without reaching its end.
Status Controller::Judge() {
  for (const Ended& ended : ended_) {
    const auto found = running_.find(ended.run);
    if (found == running_.end()) continue;
    const Running was = found->second;
    running_.erase(found);
    lasted_[ended.run] += ended.seconds;
    const Stage* stage = standing_->tree.FindKey(was.key);
    if (stage == nullptr) continue;
    const int64_t reached = standing_->runs[static_cast<size_t>(stage->id)].reached;
    if (!stage->done && ended.how == How::kStopped && reached > was.reached) {
      options_.say(ended.run + " saved and stopped at step " + std::to_string(reached));
      continue;
    }
    if (!stage->done) {
      STEMMA_RETURN_IF_ERROR(Failed(KeyOf(was.key), ended));
      continue;
    }
    options_.say(ended.run + " is at step " + std::to_string(stage->segment.end) + ", " +
                 HumanDuration(ended.seconds));
  }
  ended_.clear();
  return {};
}

Status Controller::Failed(const std::string& key, const Ended& ended) {
  if (stopping_) return {};
  if (ended.how == How::kDiverged || ended.how == How::kRefused) {
    const std::string verdict = ended.how == How::kDiverged ? "diverged: " : "refused: ";
    options_.say(ended.run + " " + verdict + ended.why);
    return writer_.Lose(key, verdict + ended.why, &sweep_.journal);
  }
  const std::string why = ended.why.empty() ? "stopped before its end" : ended.why;
  STEMMA_RETURN_IF_ERROR(writer_.Crash(key, &sweep_.journal));
  const int64_t crashes = sweep_.journal.crashes.at(key);
  options_.say(ended.run + " " + why + (crashes > options_.retries ? "; given up" : "; once more"));
  if (crashes <= options_.retries) return {};
  if (ended.how == How::kDisk) {
    return {Code::kIo, ended.run + " " + why + ". Once the disk takes what is written, the same " +
                           "command goes on: nothing that was finished is trained again"};
  }
  return writer_.Lose(key, "crashed " + std::to_string(crashes) + " times, at last: " + why,
                      &sweep_.journal);
}

// Until nothing more follows from what is known.
Status Controller::Record() {
  for (;;) {
    STEMMA_ASSIGN_OR_RETURN(const bool arrived, RecordOutcomes());
    const auto busy = static_cast<int64_t>(running_.size() + Startable().size());
    const int64_t free_slots = std::max<int64_t>(0, sweep_.spec.slots - busy);
    STEMMA_ASSIGN_OR_RETURN(const std::vector<Event> events,
                            NextEvents(method_, history(), free_slots));
    for (const Event& event : events) STEMMA_RETURN_IF_ERROR(Note(event));
    if (!arrived && events.empty()) return {};
    STEMMA_ASSIGN_OR_RETURN(standing_,
                            StandingOf(sweep_.spec, sweep_.base, history(), opened_.graph));
  }
}

Result<bool> Controller::RecordOutcomes() {
  bool arrived = false;
  for (const TrialId id : history().Running()) {
    STEMMA_ASSIGN_OR_RETURN(const std::optional<Outcome> outcome,
                            OutcomeOf(history().trials().at(id)));
    if (!outcome) continue;
    STEMMA_RETURN_IF_ERROR(Note(*outcome));
    arrived = true;
  }
  return arrived;
}

Result<std::optional<Outcome>> Controller::OutcomeOf(const Trial& trial) const {
  const std::vector<StageId>& path = standing_->tree.Path(trial.id);
  for (const StageId id : path) {
    const std::string& key = standing_->tree.stages()[static_cast<size_t>(id)].key;
    if (sweep_.journal.lost.count(KeyOf(key)) == 0) continue;
    return std::optional<Outcome>(
        Outcome{trial.id, trial.until, std::numeric_limits<double>::quiet_NaN(), ""});
  }
  const StageRun* last =
      path.empty() ? nullptr : &standing_->runs[static_cast<size_t>(path.back())];
  if (last == nullptr || !last->end) return std::optional<Outcome>();
  const lineage::Record& record = opened_.graph.states.at(*last->end);
  const auto metric = record.metrics.find(sweep_.spec.metric);
  if (metric == record.metrics.end()) {
    std::vector<std::string> names;
    std::string all;
    for (const auto& [known, value] : record.metrics) {
      names.push_back(known);
      all += (all.empty() ? "" : ", ") + known;
    }
    const std::string meant = Nearest(sweep_.spec.metric, names);
    return Status(Code::kInvalidArgument,
                  "state " + NameOfState(record) + " has no metric '" + sweep_.spec.metric + "'" +
                      (meant.empty() ? "" : "; did you mean '" + meant + "'?") + " It has: " + all);
  }
  return std::optional<Outcome>(Outcome{trial.id, trial.until, metric->second, Hex(*last->end)});
}

// The fence first: one that was taken for dead records nothing.
Status Controller::Note(const Event& event) {
  STEMMA_RETURN_IF_ERROR(seat_->Keep());
  STEMMA_RETURN_IF_ERROR(writer_.Add(event, &sweep_.journal));
  options_.say(TextOf(event));
  return {};
}

// What each finished stage has cost, and that its last state belongs to the sweep. A stage that
// begins at the base would have cost its start without the sweep too; another one would not.
Status Controller::Book() {
  const bool open = IsScopeOpen();
  for (const Stage& stage : standing_->tree.stages()) {
    const StageRun& run = standing_->runs[static_cast<size_t>(stage.id)];
    if (!run.end) continue;
    if (sweep_.journal.costs.count(KeyOf(stage.key)) == 0) {
      const Work work = executor_.Measure(run.name);
      const auto ranks = static_cast<double>(sweep_.spec.ranks_per_trial);
      const auto lasted = lasted_.find(run.name);
      const double seconds = lasted == lasted_.end() ? work.all : lasted->second;
      const double beside = ranks * std::max(0.0, seconds - work.all);
      const bool first = stage.parent == kBase;
      StageCost cost;
      cost.train = ranks * work.once + (first ? beside : 0);
      cost.restore = first ? 0 : beside;
      cost.again = ranks * std::max(0.0, work.all - work.once);
      STEMMA_RETURN_IF_ERROR(writer_.Cost(KeyOf(stage.key), cost, &sweep_.journal));
    }
    const bool known = MarkOf(opened_.graph, *run.end, lineage::ScopeKey(name())) != nullptr;
    if (!open || known || IsPruned(opened_.graph, *run.end)) continue;
    if (!members_.insert(*run.end).second) continue;
    STEMMA_RETURN_IF_ERROR(AddToScope(*opened_.store, opened_.graph, name(), *run.end));
  }
  return {};
}

std::set<TrialId> Controller::Live() const {
  std::set<TrialId> live;
  for (const auto& [id, trial] : history().trials()) {
    if (!history().Stopped(id)) live.insert(id);
  }
  return live;
}

Status Controller::Prune(const std::set<TrialId>& live, const std::string& why) {
  const std::vector<StageId> stages = standing_->tree.Prunable(live);
  if (stages.size() == pruned_stages_) return {};
  pruned_stages_ = stages.size();
  STEMMA_RETURN_IF_ERROR(seat_->Keep());
  STEMMA_ASSIGN_OR_RETURN(const size_t states, PruneStages(*opened_.store, name(), opened_.graph,
                                                           *standing_, stages, why));
  if (states > 0) {
    options_.say(std::to_string(states) + (states == 1 ? " state" : " states") +
                 " marked pruned: " + why + "; `stemma gc --apply` frees the bytes");
  }
  return {};
}

// Ready, and neither running nor lost.
std::vector<StageId> Controller::Startable() const {
  std::vector<StageId> ids;
  for (const StageId id : standing_->tree.Ready()) {
    const std::string& key = standing_->tree.stages()[static_cast<size_t>(id)].key;
    const bool runs = running_.count(standing_->runs[static_cast<size_t>(id)].name) > 0;
    if (!runs && sweep_.journal.lost.count(KeyOf(key)) == 0) ids.push_back(id);
  }
  return ids;
}

// The most urgent first. Where that leaves a choice, one that begins in somebody's memory; with one
// slot the order does not lengthen the sweep, and that is all that counts.
StageId Controller::Next(const std::vector<StageId>& startable) const {
  const std::set<std::string> held = executor_.InMemory();
  const StageTree& tree = standing_->tree;
  for (const StageId id : startable) {
    const bool waits = tree.Remaining(id) < tree.Remaining(startable.front());
    if (waits && sweep_.spec.slots > 1) break;
    const StageId parent = tree.stages()[static_cast<size_t>(id)].parent;
    if (parent != kBase && held.count(standing_->runs[static_cast<size_t>(parent)].name) > 0) {
      return id;
    }
  }
  return startable.front();
}

Status Controller::StartReady() {
  std::vector<StageId> startable = Startable();
  while (!startable.empty() && static_cast<int64_t>(running_.size()) < sweep_.spec.slots) {
    const StageId id = Next(startable);
    startable.erase(std::find(startable.begin(), startable.end(), id));
    STEMMA_RETURN_IF_ERROR(Start(standing_->tree.stages()[static_cast<size_t>(id)]));
  }
  return {};
}

Status Controller::Start(const Stage& stage) {
  STEMMA_RETURN_IF_ERROR(seat_->Keep());
  const StageRun& run = standing_->runs[static_cast<size_t>(stage.id)];
  const std::vector<std::string> sets = stage.Sets(sweep_.base);
  const std::optional<lineage::StateId> from = BeginsAt(*standing_, sweep_.base, stage);
  Job job{run.name, "", stage.segment.end, sweep_.spec.ranks_per_trial, ""};
  if (stage.parent != kBase) job.after = standing_->runs[static_cast<size_t>(stage.parent)].name;
  if (!from) {
    STEMMA_ASSIGN_OR_RETURN(job.recipe, RecipeOf(sweep_.base, sets));
  } else if (!run.is_there) {
    const auto parent = opened_.graph.states.find(*from);
    if (parent == opened_.graph.states.end()) {
      return {Code::kNotFound, "the state that " + run.name + " begins with is not in this store"};
    }
    STEMMA_RETURN_IF_ERROR(MakeFork(opened_, parent->second, run.name, sets).status());
  }
  STEMMA_RETURN_IF_ERROR(executor_.Start(job));
  running_[run.name] = {stage.key, run.reached};
  options_.say(run.name +
               (run.reached > stage.segment.begin ? " goes on from step " : " from step ") +
               std::to_string(run.reached) + " to " + std::to_string(stage.segment.end) + ", for " +
               TrialsText(stage.references));
  return {};
}

Status Controller::Hear() {
  for (;;) {
    STEMMA_ASSIGN_OR_RETURN(ended_, executor_.Wait(options_.wait_s));
    if (!ended_.empty() || (!stopping_ && options_.stop_asked())) return {};
    STEMMA_RETURN_IF_ERROR(seat_->Keep());
  }
}

// Once: the winner is tagged, so that it stays when the scope, which is closed, lets the others go.
Status Controller::End() {
  if (!sweep_.journal.end.empty()) return {};
  const Outcome* winner = Winner(sweep_.spec.goal, history());
  const bool is_good = winner != nullptr && !winner->state.empty() && std::isfinite(winner->metric);
  if (is_good) {
    STEMMA_RETURN_IF_ERROR(opened_.store->SetTag(name() + "-best", FromHex(winner->state),
                                                 "winner of sweep " + name(), std::nullopt));
    if (options_.keeping == Keeping::kWinner) {
      STEMMA_RETURN_IF_ERROR(Look());
      STEMMA_RETURN_IF_ERROR(Prune({winner->trial}, "its trials did not win"));
    }
  }
  if (IsScopeOpen()) {
    STEMMA_RETURN_IF_ERROR(CloseScope(*opened_.store, opened_.graph, name()));
  }
  return writer_.End(is_good ? "trial " + std::to_string(winner->trial) : "no trial",
                     &sweep_.journal);
}

bool Controller::IsScopeOpen() const {
  const auto scopes = lineage::ScopesIn(opened_.graph.notes);
  const auto scope = scopes.find(name());
  return scope != scopes.end() && scope->second.open;
}

}  // namespace stemma::sweep
