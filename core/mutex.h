// A mutex that clang's thread-safety analysis understands; libstdc++'s own is not annotated.
#pragma once

#include <mutex>

#if defined(__clang__)
#define STEMMA_ATTRIBUTE(x) __attribute__((x))
#else
#define STEMMA_ATTRIBUTE(x)
#endif
#define STEMMA_GUARDED_BY(mutex) STEMMA_ATTRIBUTE(guarded_by(mutex))
#define STEMMA_REQUIRES(...) STEMMA_ATTRIBUTE(requires_capability(__VA_ARGS__))

namespace stemma {

class STEMMA_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() STEMMA_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() STEMMA_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class STEMMA_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) STEMMA_ATTRIBUTE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() STEMMA_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace stemma
