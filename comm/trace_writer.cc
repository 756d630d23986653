#include "comm/trace_writer.h"

#include <sys/stat.h>

#include <chrono>

namespace stemma::comm {
namespace {

constexpr std::chrono::milliseconds kPause{100};  // the ring must not go round in between

}  // namespace

TraceWriter::~TraceWriter() {
  std::thread thread;
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    thread.swap(thread_);
  }
  changed_.notify_all();
  if (thread.joinable()) thread.join();
}

void TraceWriter::Wish(bool on, const std::string& path) {
  const MutexLock lock(mutex_);
  if (on == on_) return;
  on_ = on;
  path_ = path;
  if (on) from_ = Trace::Now(memory_);
  ++wishes_;
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  changed_.notify_all();
}

void TraceWriter::End() {
  const MutexLock lock(file_mutex_);
  trace_.Stop();
}

void TraceWriter::Run() {
  uint64_t seen = 0;
  const MutexLock lock(mutex_);
  while (!ending_ || seen != wishes_) {
    const bool on = on_, is_new = seen != wishes_;
    const std::string path = path_;
    const Trace::Begin from = from_;
    seen = wishes_;
    mutex_.unlock();
    {
      const MutexLock file(file_mutex_);
      if (is_new) {
        CarryOut(on, path, from);
      } else {
        trace_.Pump();
      }
    }
    mutex_.lock();
    if (ending_ || seen != wishes_) continue;
    if (on) {
      changed_.wait_for(mutex_, kPause);
    } else {
      changed_.wait(mutex_);
    }
  }
}

void TraceWriter::CarryOut(bool on, const std::string& path, const Trace::Begin& from) {
  trace_.Stop();
  if (!on) return;
  mkdir(path.substr(0, path.rfind('/')).c_str(), 0755);
  trace_.Start(path, from);
}

}  // namespace stemma::comm
