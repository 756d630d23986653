#include "comm/watchdog.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "comm/process_life.h"
#include "comm/time_limit.h"
#include "core/error_report.h"
#include "core/exit_code.h"

namespace stemma::comm {
namespace {

constexpr int64_t kSecond = 1000000000;

std::atomic<uint64_t> verdicts_asked{0};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "a signal handler counts it");

int64_t Nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

std::string WholeSeconds(int64_t nanoseconds) {
  return std::to_string((nanoseconds + kSecond / 2) / kSecond) + " s";
}

void Say(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

// Whether something of this rank is under way, so that its standing still means something.
bool IsActive(const HostRecord& host) {
  return host.presence == Presence::kHere &&
         (host.phase != Phase::kIdle || host.last_call > host.finished_calls ||
          host.group_since_ns != 0);
}

// Whether it still is the process that has arrived, as far as can be seen.
bool IsSame(const ProcessLife& life, const HostRecord& host) {
  const bool known = life.start != 0 && host.process_start != 0;
  return life.alive && (!known || life.start == host.process_start);
}

bool IsReadable(int descriptor) {
  pollfd end = {descriptor, POLLIN, 0};
  return poll(&end, 1, 0) > 0;
}

}  // namespace

struct Watchdog::Peer {
  int slot = 0;
  int end = -1;  // readable when the process has ended; -1: /proc is asked
  bool ended = false;
};

Watchdog::Watchdog(NodeBoard& board, const WatchdogOptions& options)
    : board_(board),
      options_(options),
      own_(board.own()),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      answered_(verdicts_asked),
      moved_ns_(SteadyNanoseconds()),
      looked_ns_(moved_ns_),
      trace_(board.mine()) {
  thread_ = std::thread([this] { Run(); });
}

Watchdog::~Watchdog() {
  ending_ = true;
  const uint64_t one = 1;
  const ssize_t ignored = write(wake_, &one, sizeof one);
  static_cast<void>(ignored);
  thread_.join();
  for (const Peer& peer : peers_) {
    if (peer.end >= 0) close(peer.end);
  }
  close(wake_);
}

void Watchdog::AskForVerdict() { verdicts_asked.fetch_add(1); }

void Watchdog::ReportInto(const std::string& folder) {
  const MutexLock lock(mutex_);
  folder_ = folder;
}

std::string Watchdog::folder() const {
  const MutexLock lock(mutex_);
  return folder_;
}

void Watchdog::SetTrace(bool on) {
  const std::string into = folder();
  if (into.empty()) return;
  trace_.Wish(on, into + "/logs/trace." + std::to_string(options_.rank) + ".json");
}

// A quarter of the shortest limit, at most a second: short limits are for tests.
void Watchdog::Run() {
  double period_s = 1;
  if (options_.warn_s > 0) period_s = std::min(period_s, options_.warn_s / 4);
  if (options_.abort_s > 0) period_s = std::min(period_s, options_.abort_s / 4);
  const int period = std::max(static_cast<int>(period_s * 1000), 20);
  while (!ending_) {
    FindPeers();
    Sleep(period);
    if (ending_) return;
    if (LookForGone()) return EndJob("a rank is gone", "peer lost");
    if (const uint64_t asked = verdicts_asked; asked != answered_) {
      answered_ = asked;
      Say(Verdict("SIGQUIT: where the ranks are").text);
    }
    LookAtProgress(SteadyNanoseconds());
  }
}

// Until a peer ends, somebody wakes us or the time is over.
void Watchdog::Sleep(int milliseconds) {
  std::vector<pollfd> ends = {{wake_, POLLIN, 0}};
  for (const Peer& peer : peers_) {
    if (peer.end >= 0 && !peer.ended) ends.push_back({peer.end, POLLIN, 0});
  }
  poll(ends.data(), ends.size(), milliseconds);
}

void Watchdog::FindPeers() {
  for (int slot = 0; slot < board_.slots(); ++slot) {
    if (slot == own_) continue;
    const HostRecord host = FlightRecorder::ReadHost(board_.slot(slot));
    if (host.presence != Presence::kHere) continue;
    const bool known = std::any_of(peers_.begin(), peers_.end(),
                                   [&](const Peer& peer) { return peer.slot == slot; });
    // The number of a process means nothing outside of its own name space.
    if (known || host.pid_space != board_.pid_space()) continue;
    Peer peer;
    peer.slot = slot;
    peer.end = OpenEndOf(host.pid);
    if (peer.end >= 0 && !IsSame(LookAt(host.pid), host)) {  // ended, and its number taken again
      close(peer.end);
      peer.end = -1;
    }
    peers_.push_back(peer);
  }
}

bool Watchdog::LookForGone() {
  for (Peer& peer : peers_) {
    if (peer.ended) continue;
    const HostRecord before = FlightRecorder::ReadHost(board_.slot(peer.slot));
    peer.ended = peer.end >= 0 ? IsReadable(peer.end) : !IsSame(LookAt(before.pid), before);
    if (!peer.ended) continue;
    // Looked at after its end: it may have left in good order meanwhile.
    const HostRecord host = FlightRecorder::ReadHost(board_.slot(peer.slot));
    if (host.presence == Presence::kHere) peer_gone_ = true;
  }
  return peer_gone_;
}

void Watchdog::LookAtProgress(int64_t now) {
  uint64_t pulse = 0;
  bool active = false, declared = false;
  for (int slot = 0; slot < board_.slots(); ++slot) {
    const HostRecord host = FlightRecorder::ReadHost(board_.slot(slot));
    pulse += host.pulse;
    active = active || IsActive(host);
    declared = declared || host.section_until_ns > now;
  }
  const bool suspended = now - looked_ns_ > 5 * kSecond;  // this thread too stood still
  looked_ns_ = now;
  if (pulse != pulse_ || !active || declared || suspended) {
    pulse_ = pulse;
    moved_ns_ = now;
    warned_ = false;
    return;
  }
  const int64_t quiet = now - moved_ns_;
  if (options_.abort_s > 0 && quiet >= Nanoseconds(options_.abort_s)) return EndForStall(quiet);
  if (options_.warn_s <= 0 || quiet < Nanoseconds(options_.warn_s) || warned_) return;
  warned_ = true;
  if (!IsSpeaker()) return;
  const std::string after = options_.abort_s > 0 ? "the job ends after " +
                                                       WholeSeconds(Nanoseconds(options_.abort_s)) +
                                                       " of this (diagnose.abort_s)\n"
                                                 : "";
  Say("stemma: warning: " + Verdict("no progress for " + WholeSeconds(quiet)).text + after);
}

void Watchdog::EndForStall(int64_t quiet_ns) {
  // The others know more when all here wait for them.
  const std::vector<RankView> views = Views();
  const bool elsewhere = IsPartial(views) && Judge(views, "").all_wait;
  const int64_t begin = Nanoseconds(options_.abort_s) + (elsewhere ? 5 * kSecond : 0);
  if (quiet_ns < begin || (!IsSpeaker() && quiet_ns < begin + 3 * kSecond)) return;
  EndJob("no progress for " + WholeSeconds(quiet_ns), "hang");
}

Life Watchdog::LifeOf(int slot) const {
  const HostRecord host = FlightRecorder::ReadHost(board_.slot(slot));
  if (host.presence == Presence::kAbsent) return Life::kAbsent;
  if (host.presence == Presence::kLeft) return Life::kLeft;
  if (slot == own_ || host.pid_space != board_.pid_space()) return Life::kAlive;
  const bool ended = std::any_of(peers_.begin(), peers_.end(),
                                 [&](const Peer& peer) { return peer.slot == slot && peer.ended; });
  const ProcessLife life = LookAt(host.pid);
  if (ended || !IsSame(life, host)) return Life::kGone;
  return life.stopped ? Life::kStopped : Life::kAlive;
}

bool Watchdog::IsSpeaker() const {
  for (int slot = 0; slot < own_; ++slot) {
    if (LifeOf(slot) == Life::kAlive) return false;
  }
  return true;
}

std::vector<RankView> Watchdog::Views() const {
  std::vector<RankView> views;
  for (int slot = 0; slot < board_.slots(); ++slot) {
    RankView view;
    view.life = LifeOf(slot);
    view.host = FlightRecorder::ReadHost(board_.slot(slot));
    if (view.life == Life::kAbsent) {
      if (!board_.slots_are_ranks()) continue;
      view.host.rank = slot;
    }
    view.pending = FlightRecorder::OldestPending(board_.slot(slot));
    view.read_ns = SteadyNanoseconds();
    views.push_back(std::move(view));
  }
  return views;
}

// Whether the job has ranks of which this board knows nothing: those of other nodes.
bool Watchdog::IsPartial(const std::vector<RankView>& views) const {
  return static_cast<int>(views.size()) < board_.ranks();
}

Finding Watchdog::Verdict(const std::string& headline) const {
  const std::vector<RankView> views = Views();
  return Judge(views, headline, IsPartial(views));
}

void Watchdog::EndJob(const std::string& headline, const char* code) {
  const std::string into = folder();
  const Finding finding = Verdict(headline);
  if (board_.ClaimCause()) {
    const TimeLimit limit(std::chrono::seconds(10), "the reports could not be written within 10 s");
    // Side by side: the launcher may end this process at any moment, and a disk may not answer.
    std::thread reports([&] { WriteReports(finding, code); });
    Say("stemma: " + finding.text +
        (into.empty() ? "" : "dumps: " + into + "/logs/flight.*.json\n") + "the job ends, exit " +
        std::to_string(kExitTryAgain) + ": " + finding.remedy + "\n");
    reports.join();
  } else {
    Sleep(5000);  // whoever said why is ending all of us
  }
  options_.end_job(kExitTryAgain);
}

void Watchdog::WriteReports(const Finding& finding, const char* code) {
  const std::string into = folder();
  if (into.empty()) return;
  ErrorReport report;
  report.code = code;
  report.cause = finding.cause;
  report.remedy = finding.remedy;
  report.rank = finding.culprit;
  for (const RankView& view : Views()) {
    if (view.host.rank != std::max(finding.culprit, 0)) continue;
    report.rank = view.host.rank;
    report.host = view.host.host;
    report.pid = view.host.pid;
    report.step = view.host.finished_step;
    report.phase = std::string(NameOf(view.host.phase));
    report.call = view.pending.what;
  }
  WriteErrorReport(into, report);
  const std::string logs = into + "/logs";
  mkdir(logs.c_str(), 0755);
  for (int slot = 0; slot < board_.slots(); ++slot) {
    const HostRecord host = FlightRecorder::ReadHost(board_.slot(slot));
    if (host.presence == Presence::kAbsent) continue;
    WriteFlight(logs + "/flight." + std::to_string(host.rank) + ".json", board_.slot(slot));
  }
  trace_.End();
}

void WriteFlight(const std::string& path, const void* memory) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return;
  const HostRecord host = FlightRecorder::ReadHost(memory);
  std::fprintf(
      file,
      "{\"rank\": %d, \"host\": %s, \"pid\": %d, \"phase\": \"%s\", \"since_ns\": %lld,\n"
      " \"now_ns\": %lld, \"finished_step\": %lld, \"last_call\": %llu,\n \"calls\": [",
      host.rank, JsonQuoted(host.host).c_str(), host.pid, std::string(NameOf(host.phase)).c_str(),
      static_cast<long long>(host.since_ns), static_cast<long long>(SteadyNanoseconds()),
      static_cast<long long>(host.finished_step), static_cast<unsigned long long>(host.last_call));
  const char* comma = "";
  for (const CallRecord& call : FlightRecorder::ReadCalls(memory)) {
    const char* state = call.done_ns == 0 ? "under way" : call.failed ? "failed" : "done";
    std::fprintf(file,
                 "%s\n  {\"call\": %llu, \"kind\": \"%s\", \"what\": %s, \"state\": \"%s\", "
                 "\"step\": %lld, \"bytes\": %llu, \"enqueued_ns\": %lld, \"done_ns\": %lld}",
                 comma, static_cast<unsigned long long>(call.sequence),
                 std::string(NameOf(call.kind)).c_str(), JsonQuoted(call.what).c_str(), state,
                 static_cast<long long>(call.step), static_cast<unsigned long long>(call.bytes),
                 static_cast<long long>(call.enqueued_ns), static_cast<long long>(call.done_ns));
    comma = ",";
  }
  std::fputs("],\n \"phases\": [", file);
  comma = "";
  for (const PhaseRecord& phase : FlightRecorder::ReadPhases(memory)) {
    std::fprintf(file, "%s\n  {\"phase\": \"%s\", \"step\": %lld, \"since_ns\": %lld}", comma,
                 std::string(NameOf(phase.phase)).c_str(), static_cast<long long>(phase.step),
                 static_cast<long long>(phase.since_ns));
    comma = ",";
  }
  std::fputs("]}\n", file);
  std::fclose(file);
}

}  // namespace stemma::comm
