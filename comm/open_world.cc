#include "comm/open_world.h"

#include <atomic>

#include "comm/flight_recorder.h"
#include "comm/watchdog.h"
#include "comm/world.h"
#include "core/mutex.h"

namespace stemma::comm {
namespace {

Mutex mutex;
std::string world STEMMA_GUARDED_BY(mutex);
std::atomic<NodeBoard*> open_board{nullptr};

}  // namespace

Status ClaimOpenWorld() {
  MutexLock lock(mutex);
  if (world.empty()) {
    world = "a World that is being opened";
    return {};
  }
  return {Code::kInvalidArgument,
          "this process has a World already: " + world + "; open one and pass it around"};
}

void SetOpenWorld(const std::string& description) {
  MutexLock lock(mutex);
  world = description;
}

void SetOpenBoard(NodeBoard* board) { open_board = board; }

void AskForVerdict() { Watchdog::AskForVerdict(); }

void LeaveNow() {
  NodeBoard* const board = open_board;
  if (board == nullptr) return;
  board->ClaimCause();
  FlightRecorder(board->mine()).Leave();
}

}  // namespace stemma::comm
