#include "comm/trace.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/error_report.h"

namespace stemma::comm {
namespace {

constexpr char kClose[] = "\n]\n";

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[1024];  // a name of kWhatMax control characters is six times as long in JSON
  const auto size = static_cast<size_t>(std::snprintf(text, sizeof text, format, values...));
  return {text, std::min(size, sizeof text - 1)};
}

}  // namespace

double Trace::Microseconds(int64_t nanoseconds) const {
  return static_cast<double>(nanoseconds + host_.clock_offset_ns) / 1000;
}

Trace::Begin Trace::Now(const void* memory) {
  const auto phases = FlightRecorder::ReadPhases(memory);
  Begin begin{FlightRecorder::ReadHost(memory).last_call,
              phases.empty() ? PhaseRecord{} : phases.back()};
  begin.phase.since_ns = SteadyNanoseconds();
  return begin;
}

void Trace::Start(const std::string& path, const Begin& from) {
  if (on()) return;
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (begun_ ? 0 : O_TRUNC), 0644);
  if (fd_ < 0) return;
  // Without what a write that failed has left there.
  constexpr ssize_t kCloseBytes = sizeof kClose - 1;
  const bool whole = !begun_ || (ftruncate(fd_, end_) == 0 &&
                                 pwrite(fd_, kClose, kCloseBytes, end_) == kCloseBytes);
  if (!whole) return Close();
  host_ = FlightRecorder::ReadHost(memory_);
  last_call_ = from.call;
  phase_ = from.phase;
  last_phase_ = phase_.sequence;
  pending_.clear();
  if (!begun_) {
    Add(Format("{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%d,\"args\":{\"name\":%s}}",
               host_.rank,
               JsonQuoted("rank " + std::to_string(host_.rank) + " on " + host_.host).c_str()));
    Add(
        Format("{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%d,\"tid\":1,\"args\":{\"name\":"
               "\"training\"}}",
               host_.rank));
  }
  Write();
  begun_ = begun_ || on();
}

void Trace::Pump() {
  if (!on()) return;
  host_ = FlightRecorder::ReadHost(memory_);
  AddPhases();
  AddCalls();
  Write();
}

void Trace::Stop() {
  if (!on()) return;
  Pump();
  if (on()) Close();
}

void Trace::Close() {
  close(fd_);
  fd_ = -1;
}

// A phase is written when the next one has begun.
void Trace::AddPhases() {
  for (const PhaseRecord& next : FlightRecorder::ReadPhases(memory_, last_phase_)) {
    if (next.sequence != last_phase_ + 1) AddLost(next.sequence - last_phase_ - 1, "phases");
    last_phase_ = next.sequence;
    if (phase_.phase != Phase::kIdle) {
      Add(Format(
          "{\"ph\":\"X\",\"name\":\"%s\",\"cat\":\"phase\",\"pid\":%d,\"tid\":1,"
          "\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"step\":%lld}}",
          std::string(NameOf(phase_.phase)).c_str(), host_.rank, Microseconds(phase_.since_ns),
          static_cast<double>(next.since_ns - phase_.since_ns) / 1000,
          static_cast<long long>(phase_.step)));
    }
    phase_ = next;
  }
}

void Trace::AddCalls() {
  std::vector<CallRecord> open = std::move(pending_);
  pending_.clear();
  const uint64_t first = open.empty() ? last_call_ : open.front().sequence - 1;
  size_t known = 0;
  for (CallRecord& call : FlightRecorder::ReadCalls(memory_, first)) {
    const std::string name =
        JsonQuoted(call.what.empty() ? std::string(NameOf(call.kind)) : call.what);
    if (call.sequence > last_call_) {
      if (call.sequence != last_call_ + 1) AddLost(call.sequence - last_call_ - 1, "calls");
      last_call_ = call.sequence;
      Add(Format(
          "{\"ph\":\"b\",\"name\":%s,\"cat\":\"call\",\"id\":%llu,\"pid\":%d,\"tid\":2,"
          "\"ts\":%.3f,\"args\":{\"step\":%lld,\"bytes\":%llu,\"kind\":\"%s\"}}",
          name.c_str(), static_cast<unsigned long long>(call.sequence), host_.rank,
          Microseconds(call.enqueued_ns), static_cast<long long>(call.step),
          static_cast<unsigned long long>(call.bytes), std::string(NameOf(call.kind)).c_str()));
    } else {
      while (known < open.size() && open[known].sequence < call.sequence) ++known;
      const bool waiting = known < open.size() && open[known].sequence == call.sequence;
      if (!waiting) continue;  // its end was written before
    }
    if (call.done_ns == 0) {
      pending_.push_back(std::move(call));
      continue;
    }
    Add(
        Format("{\"ph\":\"e\",\"name\":%s,\"cat\":\"call\",\"id\":%llu,\"pid\":%d,\"tid\":2,"
               "\"ts\":%.3f}",
               name.c_str(), static_cast<unsigned long long>(call.sequence), host_.rank,
               Microseconds(call.done_ns)));
  }
}

void Trace::AddLost(uint64_t lost, const char* what) {
  Add(Format(
      "{\"ph\":\"i\",\"s\":\"p\",\"name\":\"%llu %s were not recorded in time\",\"pid\":%d,"
      "\"tid\":1,\"ts\":%.3f}",
      static_cast<unsigned long long>(lost), what, host_.rank, Microseconds(SteadyNanoseconds())));
}

void Trace::Add(const std::string& event) {
  const bool first = end_ == 0 && batch_.empty();
  batch_ += (first ? "[\n" : ",\n") + event;
}

// One write, beginning where the bracket was.
void Trace::Write() {
  if (batch_.empty()) return;
  const auto size = static_cast<int64_t>(batch_.size());
  const std::string whole = std::exchange(batch_, {}) + kClose;
  if (pwrite(fd_, whole.data(), whole.size(), end_) == static_cast<ssize_t>(whole.size())) {
    end_ += size;
    return;
  }
  Close();  // a full disk: the trace is not worth a training
}

}  // namespace stemma::comm
