#include "comm/flight_recorder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>

#include "comm/process_life.h"

namespace stemma::comm {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;

// Text that one thread writes and any process may read meanwhile: eight bytes at a time, so that a
// reader sees old or new letters, never a race.
template <size_t kBytes>
class SharedText {
 public:
  void Set(std::string_view text) {
    std::array<uint64_t, kBytes / 8> words{};
    std::memcpy(words.data(), text.data(), std::min(text.size(), kBytes));
    for (size_t i = 0; i < words.size(); ++i) words_[i].store(words[i], kRelaxed);
  }
  std::string Get() const {
    std::array<uint64_t, kBytes / 8> words;
    for (size_t i = 0; i < words.size(); ++i) words[i] = words_[i].load(kRelaxed);
    const char* text = reinterpret_cast<const char*>(words.data());
    return {text, strnlen(text, kBytes)};
  }

 private:
  std::array<std::atomic<uint64_t>, kBytes / 8> words_;
};

std::atomic<void (*)(Phase, int64_t)> enter_hook{nullptr};

// Of this thread, so that no communicator needs to know a recorder; 0: no section is open.
thread_local int64_t open_until_ns = 0;

}  // namespace

// A ring's entry is whole while `sequence` is the same before and after reading it; 0 means that it
// is being written.
struct FlightRecorder::Layout {
  struct Call {
    std::atomic<uint64_t> sequence;
    std::atomic<int64_t> step;
    std::atomic<uint64_t> bytes;
    std::atomic<int64_t> enqueued_ns;
    std::atomic<int64_t> done_ns;
    std::atomic<uint32_t> kind;
    std::atomic<uint32_t> failed;
    SharedText<kWhatMax> what;
  };
  struct Entered {
    std::atomic<uint64_t> sequence;
    std::atomic<int64_t> step;
    std::atomic<int64_t> since_ns;
    std::atomic<uint64_t> phase;
  };

  std::atomic<uint32_t> presence, phase;
  std::atomic<int32_t> rank, pid;
  std::atomic<int64_t> process_start, since_ns, steps;  // steps: finished ones
  std::atomic<uint64_t> last_call, finished_calls, last_phase, pulse, pid_space;
  std::atomic<int64_t> section_until_ns, clock_offset_ns, group_since_ns;
  SharedText<64> host, section;
  SharedText<2 * kWhatMax> group_call;
  alignas(64) std::array<Call, kCalls> calls;
  std::array<Entered, kPhases> phases;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free, "or processes cannot share it");
const int64_t FlightRecorder::kBytes = (sizeof(Layout) + 4095) / 4096 * 4096;

std::string_view NameOf(Phase phase) {
  constexpr std::string_view kNames[] = {"idle",     "start",   "data",      "forward",
                                         "backward", "wait",    "optimizer", "capture",
                                         "evaluate", "control", "end"};
  const auto index = static_cast<size_t>(phase);
  return index < std::size(kNames) ? kNames[index] : "?";
}

bool IsWaiting(Phase phase) { return phase == Phase::kWait || phase == Phase::kControl; }

std::string_view NameOf(CallKind kind) {
  constexpr std::string_view kNames[] = {"?",          "all_reduce", "reduce_scatter", "all_gather",
                                         "all_to_all", "broadcast",  "barrier"};
  const auto index = static_cast<size_t>(kind);
  return index < std::size(kNames) ? kNames[index] : "?";
}

FlightRecorder::FlightRecorder(void* memory) : layout_(*static_cast<Layout*>(memory)) {
  static_assert(sizeof(Layout) - sizeof(Layout::calls) - sizeof(Layout::phases) <= 4096,
                "NodeBoard reserves so much of every rank");
}

// One writer at a time per kind, but two kinds may meet here.
void FlightRecorder::Pulse() { layout_.pulse.fetch_add(1, kRelaxed); }

void FlightRecorder::Arrive(int rank) {
  char name[64] = "unknown";
  gethostname(name, sizeof name - 1);
  layout_.host.Set(name);
  layout_.rank.store(rank, kRelaxed);
  layout_.pid.store(getpid(), kRelaxed);
  layout_.process_start.store(LookAt(getpid()).start, kRelaxed);
  layout_.pid_space.store(OwnPidSpace(), kRelaxed);
  layout_.since_ns.store(SteadyNanoseconds(), kRelaxed);
  layout_.presence.store(static_cast<uint32_t>(Presence::kHere), kRelease);
}

void FlightRecorder::Leave() {
  layout_.presence.store(static_cast<uint32_t>(Presence::kLeft), kRelease);
}

void FlightRecorder::SetClockOffset(int64_t nanoseconds) {
  layout_.clock_offset_ns.store(nanoseconds, kRelaxed);
}

void FlightRecorder::Enter(Phase phase) {
  const int64_t now = SteadyNanoseconds();
  const uint64_t sequence = layout_.last_phase.load(kRelaxed) + 1;
  Layout::Entered& entry = layout_.phases[sequence % kPhases];
  entry.sequence.store(0, kRelaxed);
  std::atomic_thread_fence(kRelease);
  entry.step.store(layout_.steps.load(kRelaxed) + 1, kRelaxed);
  entry.since_ns.store(now, kRelaxed);
  entry.phase.store(static_cast<uint64_t>(phase), kRelaxed);
  entry.sequence.store(sequence, kRelease);
  layout_.phase.store(static_cast<uint32_t>(phase), kRelaxed);
  layout_.since_ns.store(now, kRelaxed);
  layout_.last_phase.store(sequence, kRelease);
  Pulse();
  if (auto* const hook = enter_hook.load(kRelaxed)) hook(phase, layout_.steps.load(kRelaxed) + 1);
}

void FlightRecorder::SetEnterHook(void (*hook)(Phase, int64_t)) { enter_hook = hook; }

void FlightRecorder::FinishedStep(int64_t step) {
  layout_.steps.store(step, kRelaxed);
  Pulse();
}

void FlightRecorder::BeginSection(std::string_view name, int64_t nanoseconds) {
  layout_.section.Set(name);
  layout_.section_until_ns.store(SteadyNanoseconds() + nanoseconds, kRelease);
  Pulse();
}

void FlightRecorder::EndSection() {
  layout_.section_until_ns.store(0, kRelease);
  Pulse();
}

Section::Section(FlightRecorder& recorder, std::string_view name, double seconds)
    : recorder_(recorder), outer_until_ns_(open_until_ns) {
  const auto nanoseconds = static_cast<int64_t>(seconds * 1e9);
  open_until_ns = std::max(outer_until_ns_, SteadyNanoseconds() + nanoseconds);
  recorder_.BeginSection(name, nanoseconds);
}

Section::~Section() {
  recorder_.EndSection();
  open_until_ns = outer_until_ns_;
}

std::chrono::milliseconds Section::Lengthen(std::chrono::milliseconds deadline) {
  if (open_until_ns == 0) return deadline;
  const std::chrono::nanoseconds left(std::max<int64_t>(0, open_until_ns - SteadyNanoseconds()));
  return deadline + std::chrono::duration_cast<std::chrono::milliseconds>(left);
}

uint64_t FlightRecorder::Enqueued(CallKind kind, uint64_t bytes, std::string_view what) {
  const uint64_t sequence = layout_.last_call.load(kRelaxed) + 1;
  Layout::Call& entry = layout_.calls[sequence % kCalls];
  entry.sequence.store(0, kRelaxed);
  std::atomic_thread_fence(kRelease);
  entry.step.store(layout_.steps.load(kRelaxed) + 1, kRelaxed);
  entry.bytes.store(bytes, kRelaxed);
  entry.enqueued_ns.store(SteadyNanoseconds(), kRelaxed);
  entry.done_ns.store(0, kRelaxed);
  entry.kind.store(static_cast<uint32_t>(kind), kRelaxed);
  entry.failed.store(0, kRelaxed);
  entry.what.Set(what);
  entry.sequence.store(sequence, kRelease);
  layout_.last_call.store(sequence, kRelease);
  // The ring is larger than a cache: asks for the next entry while there is time.
  const auto* const next = reinterpret_cast<const char*>(&layout_.calls[(sequence + 1) % kCalls]);
  for (size_t at = 0; at < sizeof(Layout::Call); at += 64) __builtin_prefetch(next + at, 1);
  return sequence;
}

void FlightRecorder::Finished(uint64_t call, bool ok, int64_t done_ns) {
  Layout::Call& entry = layout_.calls[call % kCalls];
  if (entry.sequence.load(kRelaxed) == call) {  // otherwise the ring has gone round since
    if (!ok) entry.failed.store(1, kRelaxed);
    entry.done_ns.store(done_ns != 0 ? done_ns : SteadyNanoseconds(), kRelease);
  }
  layout_.finished_calls.fetch_add(1, kRelaxed);
}

void FlightRecorder::BeginGroupCall(std::string_view what) {
  layout_.group_call.Set(what);
  layout_.group_since_ns.store(SteadyNanoseconds(), kRelease);
  Pulse();
}

void FlightRecorder::EndGroupCall() {
  layout_.group_since_ns.store(0, kRelease);
  Pulse();
}

HostRecord FlightRecorder::ReadHost(const void* memory) {
  const Layout& from = *static_cast<const Layout*>(memory);
  HostRecord host;
  host.presence = static_cast<Presence>(from.presence.load(kAcquire));
  host.rank = from.rank.load(kRelaxed);
  host.pid = from.pid.load(kRelaxed);
  host.process_start = from.process_start.load(kRelaxed);
  host.host = from.host.Get();
  host.phase = static_cast<Phase>(from.phase.load(kRelaxed));
  host.since_ns = from.since_ns.load(kRelaxed);
  host.finished_step = from.steps.load(kRelaxed);
  host.last_call = from.last_call.load(kAcquire);
  host.finished_calls = from.finished_calls.load(kRelaxed);
  host.pulse = from.pulse.load(kRelaxed) + host.last_call + host.finished_calls;
  host.pid_space = from.pid_space.load(kRelaxed);
  host.section_until_ns = from.section_until_ns.load(kAcquire);
  if (host.section_until_ns != 0) host.section = from.section.Get();
  host.clock_offset_ns = from.clock_offset_ns.load(kRelaxed);
  host.group_since_ns = from.group_since_ns.load(kAcquire);
  if (host.group_since_ns != 0) host.group_call = from.group_call.Get();
  return host;
}

std::vector<CallRecord> FlightRecorder::ReadCalls(const void* memory, uint64_t after) {
  const Layout& from = *static_cast<const Layout*>(memory);
  const uint64_t last = from.last_call.load(kAcquire);
  if (last > kCalls) after = std::max(after, last - kCalls);
  std::vector<CallRecord> calls;
  for (uint64_t sequence = after + 1; sequence <= last; ++sequence) {
    const Layout::Call& entry = from.calls[sequence % kCalls];
    if (entry.sequence.load(kAcquire) != sequence) continue;
    CallRecord call;
    call.sequence = sequence;
    call.kind = static_cast<CallKind>(entry.kind.load(kRelaxed));
    call.failed = entry.failed.load(kRelaxed) != 0;
    call.step = entry.step.load(kRelaxed);
    call.bytes = entry.bytes.load(kRelaxed);
    call.enqueued_ns = entry.enqueued_ns.load(kRelaxed);
    call.done_ns = entry.done_ns.load(kAcquire);
    call.what = entry.what.Get();
    std::atomic_thread_fence(kAcquire);
    if (entry.sequence.load(kRelaxed) == sequence) calls.push_back(std::move(call));
  }
  return calls;
}

std::vector<PhaseRecord> FlightRecorder::ReadPhases(const void* memory, uint64_t after) {
  const Layout& from = *static_cast<const Layout*>(memory);
  const uint64_t last = from.last_phase.load(kAcquire);
  if (last > kPhases) after = std::max(after, last - kPhases);
  std::vector<PhaseRecord> phases;
  for (uint64_t sequence = after + 1; sequence <= last; ++sequence) {
    const Layout::Entered& entry = from.phases[sequence % kPhases];
    if (entry.sequence.load(kAcquire) != sequence) continue;
    PhaseRecord phase;
    phase.sequence = sequence;
    phase.phase = static_cast<Phase>(entry.phase.load(kRelaxed));
    phase.step = entry.step.load(kRelaxed);
    phase.since_ns = entry.since_ns.load(kRelaxed);
    std::atomic_thread_fence(kAcquire);
    if (entry.sequence.load(kRelaxed) == sequence) phases.push_back(phase);
  }
  return phases;
}

CallRecord FlightRecorder::OldestPending(const void* memory) {
  const uint64_t last = static_cast<const Layout*>(memory)->last_call.load(kAcquire);
  constexpr uint64_t kLooked = 256;
  for (CallRecord& call : ReadCalls(memory, last > kLooked ? last - kLooked : 0)) {
    if (call.done_ns == 0) return std::move(call);
  }
  return {};
}

}  // namespace stemma::comm
