// Which runs answer how far the batch can grow: every optimizer at every batch, as often as there
// are seeds, all with as many samples. Twice the batch is half the steps, so what a large batch
// costs is seen as a higher loss at the end.
//
//   Shape shape;                                             // 64 to 4096, three optimizers
//   shape.samples = 49152;
//   STEMMA_RETURN_IF_ERROR(CheckShape(shape));
//   for (const Trial& trial : TrialsOf(shape, rates)) ...    // 63, in running order
//   WordsOf(shape, trial)                                    // {"optim.name=sgd", ...}
//
//   lamb    by the untuned rule, 0.005 sqrt(B / 512): nothing is tuned for it
//   sgd     momentum 0.9, no decay; a rate for the smallest batch, times B / that batch
//   adam    no decay, eps 1e-8; the same
//
// sgd and adam have their rate at the smallest batch from a list of candidates, each trained once
// there with a seed of its own, 0, and the best is taken; a list of one is taken as it is. All
// three warm up for 0.3125 B / 512 epochs, which is the untuned rule's and the same number of steps
// at every batch. lamb keeps the recipe's decay; schedule and all else are the recipe's for all.
//
// A rank takes at most `micro` samples through the network at once. The order is drawn: all of one
// seed, then all of the next, so that a drift of the machine disturbs all alike.
//
// Pure functions of plain values. Failure: kInvalidArgument says which number does not fit, and
// what would. Source: You et al., ICLR 2020; Goyal et al., arXiv:1706.02677.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::batches {

const std::vector<std::string>& Optimizers();  // lamb, sgd, adam

struct Shape {
  std::string name = "batches";  // begins the name of every run; the scope of all of them
  std::vector<int64_t> batches = {64, 128, 256, 512, 1024, 2048, 4096};  // sorted, none twice
  std::vector<std::string> optimizers = Optimizers();
  std::map<std::string, std::vector<double>> rates = {{"sgd", {0.001, 0.003, 0.01, 0.03, 0.1}},
                                                      {"adam", {0.0003, 0.001, 0.003, 0.01}}};
  int64_t seeds = 3;    // 1, 2, 3: train.seed
  int64_t samples = 0;  // of every run; a multiple of every batch
  int64_t ranks = 1;
  int64_t micro = 256;
  uint64_t order_seed = 1;
};

struct Trial {
  std::string optimizer;
  int64_t batch = 0;
  int64_t seed = 0;  // 0: a search for the rate
  double rate = 0;   // at this batch

  bool search() const { return seed == 0; }
};

// The rate at the smallest batch, by optimizer; lamb has none.
using BaseRates = std::map<std::string, double>;

Status CheckShape(const Shape& shape);

// "sgd=0.01,0.03" into `rates`, in place of the candidates there were.
Status ReadRates(const std::string& text, Shape* shape);

// What must run before the trials, to know BaseRates; none for a list of one rate.
std::vector<Trial> SearchesOf(const Shape& shape);
// REQUIRES: `base` names every optimizer but lamb.
std::vector<Trial> TrialsOf(const Shape& shape, const BaseRates& base);

int64_t StepsOf(const Shape& shape, const Trial& trial);
int64_t MicroBatchesOf(const Shape& shape, const Trial& trial);
// Epochs of warm-up; the rule's.
double WarmupEpochs(int64_t batch);

// "batches-sgd-512-s2", "batches-sgd-64-lr0.03": names a run of the store, so it is the same in
// every invocation.
std::string RunOf(const Shape& shape, const Trial& trial);
// "key=value", on top of the recipe.
std::vector<std::string> WordsOf(const Shape& shape, const Trial& trial);

}  // namespace stemma::batches
