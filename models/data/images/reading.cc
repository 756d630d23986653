#include "models/data/images/reading.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace stemma::models {
namespace {

bool MayPass(const Status& status) {
  if (status.code() != Code::kIo) return false;
  for (const int error : {EIO, ESTALE}) {
    if (status.message().find(std::strerror(error)) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Result<std::string> LookOnRankZero(Cohort& cohort,
                                   const std::function<Result<std::string>()>& look) {
  if (cohort.size() == 1) return look();  // without "rank 0" in its message
  Result<std::string> found = std::string();
  if (cohort.rank() == 0) found = look();
  STEMMA_RETURN_IF_ERROR(Agree(cohort, found.status()));
  return cohort.Broadcast(*std::move(found), 0);
}

Status ReadPatiently(const std::function<Status()>& read) {
  for (const int pause_ms : {50, 500}) {
    Status status = read();
    if (!MayPass(status)) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  Status last = read();
  return MayPass(last) ? std::move(last).Within("three times") : last;
}

}  // namespace stemma::models
