// What the runs came to: a row each, the mean and spread over seeds, and how far each optimizer's
// batch can grow before its loss does.
//
//   optimizer,batch,seed,lr,steps,loss,first_loss,seconds,outcome,run
//
//   STEMMA_ASSIGN_OR_RETURN(std::vector<Row> rows, ParseTable(text, "batches.csv"));
//   for (const Group& group : GroupsOf(rows)) ...
//   VerdictText(ReachesOf(rows), "loss")
//
// A run has diverged when a loss or gradient was not finite, or when it ended with more than twice
// the loss of its first step. An optimizer reaches the largest batch up to which at every batch no
// seed diverged and the mean loss is at most 10 % above its own at the smallest batch. Searches
// for a rate, seed 0, are rows, but take no part in groups.
//
// Pure functions. Failure: kInvalidArgument names file, line and column.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::batches {

struct Row {
  std::string optimizer;
  int64_t batch = 0, seed = 0;
  double lr = 0;
  int64_t steps = 0;
  std::optional<double> loss;        // empty: nothing finite was reached
  std::optional<double> first_loss;  // of the first step
  double seconds = 0;                // of all its steps
  bool diverged = false;
  std::string run;
};

std::string TableText(const std::vector<Row>& rows);  // CSV, header and lines
// `name` is for messages. A torn last line, without its newline, is left out.
Result<std::vector<Row>> ParseTable(const std::string& text, const std::string& name);

// Runs of one optimizer and batch; over those that did not diverge.
struct Group {
  std::string optimizer;
  int64_t batch = 0;
  double lr = 0;
  int64_t steps = 0;
  int runs = 0, diverged = 0;
  std::optional<double> mean, least, most;  // of the loss
  double seconds = 0;                       // mean of a run
};

// In the order of Optimizers() (plan.h), batches ascending.
std::vector<Group> GroupsOf(const std::vector<Row>& rows);

constexpr double kWithin = 1.1;  // of the own loss at the smallest batch
constexpr double kBlownUp = 2;   // times the first step's loss: diverged

struct Reach {
  std::string optimizer;
  int64_t base = 0;            // the smallest batch
  std::optional<double> loss;  // its mean there; empty: it diverged there
  int64_t batch = 0;           // reached
  bool all = false;            // that is the largest one there is
};

std::vector<Reach> ReachesOf(const std::vector<Group>& groups);
// One sentence per optimizer. `metric` in words.
std::string VerdictText(const std::vector<Reach>& reaches, const std::string& metric);

// Of the searches: the rate with the least loss; nullopt where all diverged. `edge`: it is the
// least or the largest that was tried.
struct BestRate {
  double rate = 0;
  bool edge = false;
};
std::optional<BestRate> BestRateOf(const std::vector<Row>& rows, const std::string& optimizer);

}  // namespace stemma::batches
