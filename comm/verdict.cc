#include "comm/verdict.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "core/cohort.h"
#include "core/text.h"

namespace stemma::comm {
namespace {

using Views = std::vector<const RankView*>;

constexpr char kAgain[] = "run the same command again: it continues from the last saved state";
constexpr size_t kLinesMax = 12;

std::string Seconds(int64_t nanoseconds) {
  return std::to_string(std::max<int64_t>(nanoseconds, 0) / 1000000000) + " s";
}

std::string RanksOf(const Views& views) {
  std::vector<int> ranks;
  for (const RankView* view : views) ranks.push_back(view->host.rank);
  return RanksText(ranks);
}

bool IsAlive(const RankView& view) { return view.life == Life::kAlive; }

// Whether the host waits for others: by its phase, in a call of a group, or because nothing but a
// call is under way.
bool Waits(const RankView& view) {
  const Phase phase = view.host.phase;
  if (IsWaiting(phase) || view.host.group_since_ns != 0) return true;
  const bool works = phase == Phase::kData || phase == Phase::kForward ||
                     phase == Phase::kBackward || phase == Phase::kOptimizer;
  return !works && view.pending.sequence != 0;
}

std::string CallText(const CallRecord& call) {
  const std::string what = call.what.empty() ? "" : call.what + ", ";
  return std::string(call.what.empty() ? NameOf(call.kind) : "") + what +
         (call.what.empty() ? ", " : "") + HumanBytes(call.bytes);
}

int64_t WaitsSince(const RankView& view) {
  if (view.host.group_since_ns != 0) return view.read_ns - view.host.group_since_ns;
  const bool in_call = view.pending.sequence != 0 && !IsWaiting(view.host.phase);
  return view.read_ns - (in_call ? view.pending.enqueued_ns : view.host.since_ns);
}

std::string PhaseText(Phase phase) {
  switch (phase) {
    case Phase::kIdle:
      return "outside of any declared phase";
    case Phase::kStart:
      return "starting, before its first step";
    case Phase::kData:
      return "in data.Next()";
    case Phase::kForward:
      return "in forward";
    case Phase::kBackward:
      return "in backward";
    case Phase::kOptimizer:
      return "in the optimizer";
    case Phase::kCapture:
      return "capturing a state";
    case Phase::kEvaluate:
      return "evaluating";
    case Phase::kEnd:
      return "ending, after its last step";
    case Phase::kWait:
    case Phase::kControl:
      return "waits for the control word";
  }
  return "?";
}

// What in a rank is to blame when it works by itself.
std::string Blame(Phase phase) {
  switch (phase) {
    case Phase::kData:
      return "input";
    case Phase::kForward:
      return "forward pass";
    case Phase::kBackward:
      return "backward pass";
    case Phase::kOptimizer:
      return "optimizer";
    case Phase::kCapture:
      return "capture of a state (disk)";
    case Phase::kEvaluate:
      return "evaluation";
    case Phase::kStart:
      return "start-up";
    case Phase::kEnd:
      return "end of the run";
    default:
      return "own code";
  }
}

std::string Where(const RankView& view) {
  return view.host.host + " pid " + std::to_string(view.host.pid);
}

std::string LineOf(const RankView& view) {
  const std::string before = Where(view) + ": last finished step " +
                             std::to_string(std::max<int64_t>(view.host.finished_step, 0));
  const std::string since = " since " + Seconds(view.read_ns - view.host.since_ns);
  switch (view.life) {
    case Life::kGone:
      return before + ", is gone; it was " + Doing(view);
    case Life::kLeft:
      return before + ", has ended";
    case Life::kStopped:
      return before + ", is stopped (SIGSTOP or a debugger), " + Doing(view) + since;
    case Life::kAbsent:
      return "has not come";
    case Life::kAlive:
      break;
  }
  return before + ", " + Doing(view) + since;
}

// Those who wait in the same place share a line.
std::string Screen(const Views& views) {
  std::map<std::pair<std::string, int64_t>, Views> waiting;  // by place and step
  std::set<int64_t> steps;
  std::vector<std::pair<Views, std::string>> lines;
  for (const RankView* view : views) {
    if (!IsAlive(*view) || !Waits(*view)) continue;
    waiting[{Doing(*view), view->host.finished_step}].push_back(view);
    steps.insert(view->host.finished_step);
  }
  for (const auto& [place, group] : waiting) {
    int64_t longest = 0;
    for (const RankView* view : group) longest = std::max(longest, WaitsSince(*view));
    std::string text = place.first;
    if (steps.size() > 1) text += " of step " + std::to_string(place.second + 1);
    if (group.size() > 1) text.replace(0, 5, "wait");  // "waits"
    lines.emplace_back(group, text + " since " + Seconds(longest));
  }
  for (const RankView* view : views) {
    if (!IsAlive(*view) || !Waits(*view)) lines.emplace_back(Views{view}, LineOf(*view));
  }
  size_t width = 0;
  for (const auto& [group, text] : lines) width = std::max(width, RanksOf(group).size());
  std::string screen;
  for (size_t i = 0; i < lines.size() && i < kLinesMax; ++i) {
    std::string name = RanksOf(lines[i].first);
    name.resize(width, ' ');
    screen += "  " + name + "  " + lines[i].second + "\n";
  }
  if (lines.size() > kLinesMax) {
    screen += "  and " + std::to_string(lines.size() - kLinesMax) + " more\n";
  }
  return screen;
}

Views Those(const Views& views, bool (*chosen)(const RankView&)) {
  Views found;
  for (const RankView* view : views) {
    if (chosen(*view)) found.push_back(view);
  }
  return found;
}

std::string Subject(const Views& views) {
  return views.size() == 1 ? "rank " + std::to_string(views[0]->host.rank) : RanksOf(views);
}

Finding Blamed(const Views& views, const std::string& cause, const std::string& remedy) {
  Finding finding;
  finding.culprit = views.empty() ? -1 : views[0]->host.rank;
  finding.cause = cause;
  finding.remedy = remedy;
  return finding;
}

// Rule 1: somebody cannot answer.
bool Missing(const Views& views, Finding* finding) {
  const auto with = [&](Life life) {
    Views found;
    for (const RankView* view : views) {
      if (view->life == life) found.push_back(view);
    }
    return found;
  };
  if (const Views gone = with(Life::kGone); !gone.empty()) {
    *finding = Blamed(gone,
                      Subject(gone) + (gone.size() == 1 ? " is" : " are") + " gone (" +
                          Where(*gone[0]) + "), killed or crashed while " + Doing(*gone[0]),
                      std::string("see what the launcher says about it (137 is SIGKILL, often for "
                                  "lack of memory); ") +
                          kAgain);
    return true;
  }
  if (const Views stopped = with(Life::kStopped); !stopped.empty()) {
    *finding = Blamed(stopped,
                      Subject(stopped) + (stopped.size() == 1 ? " is" : " are") + " stopped (" +
                          Where(*stopped[0]) + "), by SIGSTOP or a debugger",
                      kAgain);
    return true;
  }
  if (const Views absent = with(Life::kAbsent); !absent.empty()) {
    *finding = Blamed(absent, Subject(absent) + " never came", kAgain);
    return true;
  }
  if (const Views left = with(Life::kLeft); !left.empty()) {
    *finding = Blamed(left, Subject(left) + " ended while others go on", kAgain);
    return true;
  }
  return false;
}

std::string BlameText(const Views& views) {
  const Phase phase = views[0]->host.phase;
  return Subject(views) + "'s " + Blame(phase);
}

// Rule 2: the lowest sequence number has not made the call that the others wait in.
bool Behind(const Views& alive, Finding* finding) {
  uint64_t least = alive[0]->host.last_call, most = least;
  for (const RankView* view : alive) {
    least = std::min(least, view->host.last_call);
    most = std::max(most, view->host.last_call);
  }
  if (least == most) return false;
  Views behind;
  for (const RankView* view : alive) {
    if (view->host.last_call == least) behind.push_back(view);
  }
  if (Views working = Those(behind, [](const RankView& v) { return !Waits(v); });
      !working.empty()) {
    behind = std::move(working);
  }
  const std::string call =
      "it has not made call " + std::to_string(least + 1) + ", which the others wait for";
  const std::string who =
      Waits(*behind[0]) ? Subject(behind) + ", which " + Doing(*behind[0]) : BlameText(behind);
  *finding = Blamed(behind, who + "; " + call,
                    "look at what that rank does there (gdb -p, py-spy, its log)");
  return true;
}

// Rule 3: the same place in the sequence, other contents.
bool Mismatched(const Views& alive, Finding* finding) {
  using Print = std::tuple<CallKind, uint64_t, std::string>;
  std::map<Print, Views> groups;
  for (const RankView* view : alive) {
    if (view->pending.sequence == 0) continue;
    if (view->pending.sequence != alive[0]->pending.sequence) return false;
    groups[{view->pending.kind, view->pending.bytes, view->pending.what}].push_back(view);
  }
  if (groups.size() < 2) return false;
  std::string text;
  for (const auto& [print, group] : groups) {
    text += (text.empty() ? "" : "; ") + RanksOf(group) + " " +
            std::string(NameOf(std::get<0>(print))) + " of " + CallText(group[0]->pending);
  }
  *finding = Blamed({}, "the ranks made different calls: " + text,
                    "all ranks must make the same calls in the same order: look for a branch on "
                    "the rank or on local data");
  return true;
}

Finding JudgeAlive(const Views& alive, bool partial) {
  Finding finding;
  if (Behind(alive, &finding) || Mismatched(alive, &finding)) return finding;
  const Views waiting = Those(alive, [](const RankView& v) { return Waits(v); });
  const Views working = Those(alive, [](const RankView& v) { return !Waits(v); });
  const std::string longer =
      "if it is meant to take so long: raise diagnose.abort_s (0: never), or declare a Section";
  if (!waiting.empty() && !working.empty()) {
    return Blamed(working, BlameText(working) + "; the others wait", longer);
  }
  if (working.empty()) {
    finding = Blamed({},
                     std::string(partial ? "the transport, or a rank of another node: every rank "
                                           "of this node"
                                         : "the transport: every rank") +
                         " has come and " + Doing(*waiting[0]) + "; no rank is late",
                     std::string("look at the network (stemma doctor); ") + kAgain);
    finding.all_wait = true;
    return finding;
  }
  return Blamed(alive.size() == 1 ? alive : Views{},
                Subject(working) + " " + Doing(*working[0]) + ": no rank" +
                    (partial ? " of this node" : "") +
                    " waits for another, a long step or a loop without end",
                longer);
}

}  // namespace

std::string Doing(const RankView& view) {
  if (!Waits(view)) return PhaseText(view.host.phase);
  if (view.host.group_since_ns != 0) return "waits in " + view.host.group_call;
  if (view.pending.sequence != 0) return "waits in " + CallText(view.pending);
  return "waits for the control word or the loss of the others";
}

Finding Judge(std::vector<RankView> views, const std::string& headline, bool partial) {
  std::sort(views.begin(), views.end(),
            [](const RankView& a, const RankView& b) { return a.host.rank < b.host.rank; });
  Views all;
  for (const RankView& view : views) all.push_back(&view);
  const Views alive = Those(all, [](const RankView& v) { return IsAlive(v); });
  Finding finding;
  if (!Missing(all, &finding) && !alive.empty()) finding = JudgeAlive(alive, partial);
  int64_t step = 0;
  for (const RankView* view : all) step = std::max(step, view->host.finished_step + 1);
  finding.text = headline + " at step " + std::to_string(step) + "\n" + Screen(all) +
                 "likely cause: " + finding.cause + "\n";
  return finding;
}

}  // namespace stemma::comm
