// How a group of processes that has trained a run is told what to train next, and says what came of
// it: files in a folder that both sides see. The group is a `stemma train ... --then=FOLDER`; its
// own command line is number 1, what the folder orders are 2, 3, ...
//
//   the controller                               the group
//   OrderFolder::Make(above)
//   Give(2, {{"--run", "lr-3fa9", ...}, log})    each rank: until Has(2) or IsClosed()
//   AnswerTo(2) -> nullopt                       Take(2), train it
//   AnswerTo(2) -> {75}                          rank 0: Say(2, {75})
//   Close()                                      it ends
//
//   FOLDER/order-2    {"words": [...], "log": "..."}
//   FOLDER/answer-2   {"exit_code": 75, "last": false}
//   FOLDER/closed     no more orders; a folder that is gone says the same
//
// Files, because whoever launches ranks does with their stdin what it likes, and each rank can look
// for a file by itself, asleep between two looks, while most ways to wait for another rank burn its
// core. Each file is written once, whole or not at all.
//
// Owner of the folder: who made it; either side may die at any moment, and nothing that lasts is in
// here. Any thread. Failure: kIo with path and reason; kCorruption for an order that is none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::sweep {

struct Order {
  std::vector<std::string> words;  // of a `stemma train`, without these two
  std::string log;                 // file for what the training prints; "": as before
};

struct Answer {
  int exit_code = 0;  // that the training alone would have had; what went wrong is in its folder
  bool last = false;  // the group ends with it
};

class OrderFolder {
 public:
  explicit OrderFolder(std::string path) : path_(std::move(path)) {}
  // One of a name of its own, below `above`, which is made where it is not there.
  static Result<OrderFolder> Make(const std::string& above);
  const std::string& path() const { return path_; }

  Status Give(int64_t number, const Order& order) const;
  std::optional<Answer> AnswerTo(int64_t number) const;  // nullopt: not yet
  Status Close() const;
  void Remove() const;  // best effort

  bool Has(int64_t number) const;
  bool IsClosed() const;
  Result<std::string> Read(int64_t number) const;  // an order's bytes
  Status Say(int64_t number, const Answer& answer) const;

 private:
  std::string Path(const char* what, int64_t number) const;

  std::string path_;
};

Result<Order> DecodeOrder(const std::string& bytes);

// A file that is there whole or not at all.
Status WriteWhole(const std::string& path, const std::string& text);

}  // namespace stemma::sweep
