#include "tools/batches/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "core/random.h"
#include "core/text.h"
#include "optim/recipe.h"

namespace stemma::batches {
namespace {

constexpr int64_t kMostBatch = int64_t{1} << 24;
constexpr int64_t kMostSamples = int64_t{1} << 40;

Status Refuse(const std::string& what) { return {Code::kInvalidArgument, what}; }

std::string Text(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

Status CheckBatches(const Shape& shape) {
  if (shape.batches.size() < 2) return Refuse("--batches: at least two, to compare them");
  for (const int64_t batch : shape.batches) {
    if (batch < 1 || batch > kMostBatch) return Refuse("--batches: from 1 to 16777216");
    if (batch % shape.ranks != 0) {
      return Refuse("a batch of " + std::to_string(batch) + " does not divide among " +
                    std::to_string(shape.ranks) + " ranks");
    }
    if (shape.samples % batch != 0) {
      const int64_t largest = shape.batches.back();
      const int64_t fits = std::max(shape.samples / largest, int64_t{1}) * largest;
      return Refuse("--samples=" + std::to_string(shape.samples) +
                    " is no multiple of a batch of " + std::to_string(batch) +
                    ", so runs would see unequal numbers of samples; " + std::to_string(fits) +
                    " is one of the largest batch");
    }
  }
  return {};
}

}  // namespace

const std::vector<std::string>& Optimizers() {
  static const std::vector<std::string> names = {"lamb", "sgd", "adam"};
  return names;
}

Status CheckShape(const Shape& shape) {
  if (shape.seeds < 1 || shape.seeds > 1000) return Refuse("--seeds: 1 to 1000");
  if (shape.ranks < 1 || shape.ranks > 1000000) return Refuse("--ranks: 1 to 1000000");
  if (shape.micro < 1) return Refuse("--micro: at least 1");
  if (shape.samples < 1 || shape.samples > kMostSamples) {
    return Refuse("--samples: how many each run trains on, a multiple of the largest batch");
  }
  if (shape.optimizers.empty()) return Refuse("--optimizers: at least one of lamb, sgd, adam");
  std::set<std::string> seen;
  for (const std::string& name : shape.optimizers) {
    const auto& known = Optimizers();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string near = Nearest(name, known);
      return Refuse("--optimizers: '" + name + "' is none of lamb, sgd, adam" +
                    (near.empty() ? "" : "; did you mean '" + near + "'?"));
    }
    if (!seen.insert(name).second) return Refuse("--optimizers: " + name + " stands there twice");
    if (name == "lamb") continue;
    const auto rates = shape.rates.find(name);
    if (rates == shape.rates.end() || rates->second.empty()) {
      return Refuse("--lr: " + name + " has no rate to begin with, as in --lr=" + name + "=0.01");
    }
  }
  return CheckBatches(shape);
}

Status ReadRates(const std::string& text, Shape* shape) {
  const size_t sign = text.find('=');
  const std::string name = text.substr(0, sign);
  if (sign == std::string::npos || (name != "sgd" && name != "adam")) {
    return Refuse("--lr=" + text + ": write sgd=0.01,0.03 or adam=0.001" +
                  (name == "lamb" ? "; lamb has its rate by the untuned rule" : ""));
  }
  std::vector<double> rates;
  for (size_t begin = sign + 1; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    char* rest = nullptr;
    const double rate = std::strtod(word.c_str(), &rest);
    if (word.empty() || *rest != 0 || !std::isfinite(rate) || rate <= 0) {
      return Refuse("--lr=" + text + ": '" + word + "' is no rate above 0");
    }
    if (std::find(rates.begin(), rates.end(), rate) != rates.end()) {
      return Refuse("--lr=" + text + ": " + word + " stands there twice");
    }
    rates.push_back(rate);
    begin = end + 1;
  }
  std::sort(rates.begin(), rates.end());
  shape->rates[name] = rates;
  return {};
}

std::vector<Trial> SearchesOf(const Shape& shape) {
  std::vector<Trial> searches;
  for (const std::string& name : shape.optimizers) {
    const auto rates = shape.rates.find(name);
    if (name == "lamb" || rates == shape.rates.end() || rates->second.size() < 2) continue;
    for (const double rate : rates->second) {
      searches.push_back({name, shape.batches.front(), 0, rate});
    }
  }
  return searches;
}

std::vector<Trial> TrialsOf(const Shape& shape, const BaseRates& base) {
  std::vector<Trial> one_seed;
  for (const std::string& name : shape.optimizers) {
    for (const int64_t batch : shape.batches) {
      const double times = static_cast<double>(batch) / static_cast<double>(shape.batches.front());
      const double rate =
          name == "lamb" ? optim::UntunedRate(batch) : base.find(name)->second * times;
      one_seed.push_back({name, batch, 0, rate});
    }
  }
  std::vector<Trial> all;
  for (int64_t seed = 1; seed <= shape.seeds; ++seed) {
    Random draw(Key({shape.order_seed, static_cast<uint64_t>(seed)}), "order of batches");
    std::vector<Trial> order = one_seed;
    for (size_t left = order.size(); left > 1; --left) {
      std::swap(order[left - 1], order[draw.Below(left)]);
    }
    for (Trial& trial : order) {
      trial.seed = seed;
      all.push_back(trial);
    }
  }
  return all;
}

int64_t StepsOf(const Shape& shape, const Trial& trial) { return shape.samples / trial.batch; }

// The fewest that keep a pass at `micro` samples and divide the rank's share evenly.
int64_t MicroBatchesOf(const Shape& shape, const Trial& trial) {
  const int64_t share = trial.batch / shape.ranks;
  int64_t count = (share + shape.micro - 1) / shape.micro;
  while (share % count != 0) ++count;
  return count;
}

double WarmupEpochs(int64_t batch) { return 0.3125 * static_cast<double>(batch) / 512; }

std::string RunOf(const Shape& shape, const Trial& trial) {
  const std::string start =
      shape.name + "-" + trial.optimizer + "-" + std::to_string(trial.batch) + "-";
  return trial.search() ? start + "lr" + Text(trial.rate, 6)
                        : start + "s" + std::to_string(trial.seed);
}

std::vector<std::string> WordsOf(const Shape& shape, const Trial& trial) {
  std::vector<std::string> words = {
      "optim.name=" + trial.optimizer,
      "optim.recipe=none",
      "optim.lr=" + Text(trial.rate, 17),
      "optim.lr_scaling=none",
      "optim.warmup_steps=0",
      "optim.warmup=" + Text(WarmupEpochs(trial.batch), 17) + "ep",
      "train.global_batch=" + std::to_string(trial.batch),
      "train.micro_batches=" + std::to_string(MicroBatchesOf(shape, trial)),
      "train.length=" + std::to_string(StepsOf(shape, trial)) + "step",
      "train.last_batch=drop",
      "train.seed=" + std::to_string(trial.seed),
      "run.name=" + RunOf(shape, trial),
      "lineage.scope=" + shape.name,
  };
  if (trial.optimizer == "lamb") words.emplace_back("optim.preset=paper");
  if (trial.optimizer != "lamb") words.emplace_back("optim.weight_decay=0");
  if (trial.optimizer == "sgd") words.emplace_back("optim.momentum=0.9");
  if (trial.optimizer == "adam") words.emplace_back("optim.eps=1e-8");
  return words;
}

}  // namespace stemma::batches
