#include "lineage/keep/keeper.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/retention.h"

namespace stemma::lineage {
namespace {

constexpr double kGraceS = 0;  // being young delays gc, not the mark
constexpr int kRestFactor = 50;
constexpr size_t kNamesShown = 3;

std::string Counted(size_t count) {
  return std::to_string(count) + (count == 1 ? " state" : " states");
}

// Of all pruned states of the store; freed when the collector comes.
std::set<StateId> Pruned(const Graph& graph) {
  std::set<StateId> pruned;
  for (const auto& [id, record] : graph.states) {
    if (IsPruned(graph, id)) pruned.insert(id);
  }
  return pruned;
}

// "r@100, r@200, ...", by step.
std::string Names(const Graph& graph, const std::map<StateId, std::string>& going) {
  std::vector<const Record*> records;
  for (const auto& [id, why] : going) records.push_back(&graph.states.at(id));
  std::sort(records.begin(), records.end(),
            [](const Record* a, const Record* b) { return a->step < b->step; });
  std::string names;
  for (size_t i = 0; i < std::min(kNamesShown, records.size()); ++i) {
    names += (i ? ", " : "") + NameOfState(*records[i]);
  }
  return names + (records.size() > kNamesShown ? ", ..." : "");
}

}  // namespace

Keeper::Keeper(Store& store, std::string run, KeepRules rules)
    : store_(store), run_(std::move(run)), rules_(std::move(rules)) {}

void Keeper::StateDurable() {
  if (!rules_.MayPrune()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (waiting_ || Clock::now() < rest_until_) return;
    waiting_ = true;
  }
  worker_.Post([this] { Look(); });
}

void Keeper::DiskFull() {
  worker_.Post([this] { LookForRoom(); });
}

std::vector<std::string> Keeper::TakeNews() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(news_, {});
}

size_t Keeper::marked() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return marked_;
}

void Keeper::Finish() {
  if (rules_.MayPrune()) worker_.Post([this] { Look(); });
  std::mutex done_mutex;
  std::condition_variable done_news;
  bool done = false;
  worker_.Post([&] {
    const std::lock_guard<std::mutex> lock(done_mutex);
    done = true;
    done_news.notify_one();
  });
  std::unique_lock<std::mutex> lock(done_mutex);
  done_news.wait(lock, [&] { return done; });
}

void Keeper::Look() {
  const Clock::time_point begun = Clock::now();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_ = false;
  }
  const Status status = Mark();
  if (!status.ok() && status.message() != last_trouble_) {
    last_trouble_ = status.message();
    Tell("states that lineage.keep lets go of could not be marked: " + last_trouble_);
  }
  const Clock::time_point now = Clock::now();
  const std::lock_guard<std::mutex> lock(mutex_);
  rest_until_ = now + kRestFactor * (now - begun);
}

Result<Survey> Keeper::LookAround(std::set<StateId>* own) {
  STEMMA_ASSIGN_OR_RETURN(Survey survey, SurveyStore(store_, kGraceS));
  const auto run = survey.graph.runs.find(run_);
  if (run != survey.graph.runs.end()) {
    own->insert(run->second.states.begin(), run->second.states.end());
  }
  return survey;
}

Status Keeper::Mark() {
  std::set<StateId> own;
  STEMMA_ASSIGN_OR_RETURN(const Survey survey, LookAround(&own));
  for (const auto& [id, why] : LetGo(survey.graph, survey.facts, rules_.policy, own)) {
    STEMMA_RETURN_IF_ERROR(store_.Mark(id, kPrunedKey, why));
    const std::lock_guard<std::mutex> lock(mutex_);
    ++marked_;
  }
  return {};
}

void Keeper::LookForRoom() {
  std::set<StateId> own;
  const Result<Survey> survey = LookAround(&own);
  if (!survey.ok()) return Tell("what could make room is not known: " + survey.status().message());
  const Graph& graph = survey->graph;
  const auto going = LetGo(graph, survey->facts, *ParsePolicy("last 2"), own);
  std::set<StateId> all = Pruned(graph);
  const uint64_t waiting = PlanPrune(graph, survey->facts, all).freed_bytes;
  for (const auto& [id, why] : going) all.insert(id);
  const uint64_t together = PlanPrune(graph, survey->facts, all).freed_bytes;
  std::string text = "to make room: ";
  if (waiting > 0) {
    text += "`stemma gc --apply` frees " + HumanBytes(waiting) + " of states that are pruned; ";
  }
  if (going.empty()) {
    return Tell(text + "no further state of " + run_ +
                " can go: each is pruned, one of the two newest, or held by a tag, a scope, a "
                "mark or its time to live; `stemma du` shows the rest of the store");
  }
  Tell(text + Counted(going.size()) + " of " + run_ + " (" + Names(graph, going) + ") can go, " +
       HumanBytes(together - waiting) + ": `stemma prune " + run_ +
       " --keep 'last 2' --apply`, then `stemma gc --apply`");
}

void Keeper::Tell(const std::string& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  news_.push_back(line);
}

}  // namespace stemma::lineage
