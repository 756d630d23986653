#include "tools/cli/fork_rules.h"

namespace stemma::cli {

std::string WhyNotAtFork(std::string_view key) {
  constexpr struct {
    const char* prefix;
    const char* why;
  } kFixed[] = {
      {"run.name", "is what --name says"},
      {"run.", "says what is trained; start a new run for another one"},
      {"train.seed",
       "fixes the order of the data and the dropout masks, which the state is in the "
       "middle of; `stemma shuffle` changes it, or start a new run for another seed"},
      {"train.global_batch",
       "is what steps, epochs and the position in the data are counted in; "
       "start a new run for another batch"},
      {"train.last_batch",
       "decides where an epoch ends, which the position in the data counts on; start a new run for "
       "another value"},
      {"train.order",
       "is the order of the data, which the state is in the middle of; start a new run for "
       "another"},
      {"train.order_window",
       "is the order of the data, which the state is in the middle of; start a new run for "
       "another"},
      {"optim.name",
       "decides which state the optimizer keeps, and the parent holds that of its "
       "own kind; start a new run for another optimizer"},
      {"optim.preset",
       "fills options that nobody has set, and all of a state's are; set what it stands for, which "
       "`stemma train RECIPE --set optim.preset=NAME --dry-run` prints"},
      {"optim.recipe",
       "gives a rate to a run that has none yet; set optim.lr and optim.warmup_steps instead"},
      {"aigw.",
       "describes the network and its data, and the parent's parameters belong to them; "
       "start a new run for another model"},
      {"resnet50.classes",
       "is the size of the head, and the parent's parameters have that of its own; `stemma train "
       "--help` says how a training begins with the other layers of another one"},
      {"vgg16.classes",
       "is the size of the head, and the parent's parameters have that of its own; `stemma train "
       "--help` says how a training begins with the other layers of another one"},
      {"resnet50.zero_gamma",
       "says how a network begins, and the parent is past that; start a new run"},
  };
  for (const auto& rule : kFixed) {
    const std::string_view prefix = rule.prefix;
    const bool section = prefix.back() == '.';
    if (section ? key.substr(0, prefix.size()) == prefix : key == prefix) return rule.why;
  }
  return "";
}

std::string WhyNotThatState(const optim::OptimSettings& parent, const optim::OptimSettings& fork) {
  const auto toggled = [](const std::string& key, const std::string& what) {
    return key +
           " cannot go from 0 to another value at a fork, nor back: it decides whether there " +
           what + ", which the parent's bytes have or have not; start a new run";
  };
  if ((parent.ema_decay == 0) != (fork.ema_decay == 0)) {
    return toggled("optim.ema_decay", "is an average of the parameters");
  }
  const bool has_momentum = fork.name == "sgd" || fork.name == "lars";
  if (has_momentum && (parent.momentum == 0) != (fork.momentum == 0)) {
    return toggled("optim.momentum", "is a momentum");
  }
  return "";
}

}  // namespace stemma::cli
