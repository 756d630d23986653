#include "models/train/start_table.h"

#include <ATen/Parallel.h>

#include "core/text.h"
#include "ops/reducer.h"
#include "optim/optimizer.h"

namespace stemma::models {
namespace {

// What the engine and the optimizer keep on each rank; the model's activations are not theirs.
std::string MemoryText(const ops::Reducer& reducer, optim::Optimizer& optimizer) {
  uint64_t flat = 0, state = 0;
  for (const ops::FlatSpace& space : reducer.spaces()) {
    flat += space.parameters.nbytes() + space.gradients.nbytes();
  }
  for (const optim::NamedState& slot : optimizer.State()) state += slot.tensor.nbytes();
  const int parts = reducer.shard().ranks;
  return HumanBytes(flat) + " of parameters and gradients, " + HumanBytes(state) +
         " of optimizer state per rank" +
         (parts > 1 ? ", sharded: 1 of " + std::to_string(parts) + " parts" : ", replicated");
}

std::string ModelText(const std::string& name, const ops::Reducer& reducer) {
  int64_t elements = 0;
  for (const auto& parameter : reducer.parameters()) elements += parameter.tensor.numel();
  const size_t buckets = reducer.plan().buckets.size();
  return name + ", " + std::to_string(elements) + " parameters in " +
         std::to_string(reducer.parameters().size()) + " tensors, gradients in " +
         std::to_string(buckets) + (buckets == 1 ? " bucket" : " buckets");
}

}  // namespace

std::string WhenCaptured(const lineage::LineageSettings& settings) {
  std::string text = settings.every == 0 ? std::string("at the end and on request")
                                         : "every " + std::to_string(settings.every) + " steps";
  if (!settings.budget.empty()) {
    text += " to " + std::to_string(settings.every_max) + ", by " + settings.budget +
            " of the run time,";
  }
  return settings.keep == "all" ? text : text + " (kept: " + settings.keep + ")";
}

std::vector<std::string> LinesOf(const StartTable& table, const ops::Reducer& reducer,
                                 optim::Optimizer& optimizer) {
  std::vector<std::string> lines = {table.headline};
  for (const std::string& note : table.notes) lines.push_back("note: " + note);
  lines.push_back("  world      " + table.world + ", " + std::to_string(at::get_num_threads()) +
                  " LibTorch threads each");
  lines.push_back("  model      " + ModelText(table.model, reducer));
  lines.push_back("  optimizer  " + optimizer.Describe());
  if (!table.recipe.empty()) lines.push_back("  recipe     " + table.recipe);
  lines.push_back("  memory     " + MemoryText(reducer, optimizer));
  lines.push_back("  data       " + std::to_string(table.dataset_size) + " samples, global batch " +
                  std::to_string(table.global_batch) + ", " + std::to_string(table.total_steps) +
                  " steps");
  if (!table.evaluation.empty()) lines.push_back("  held out   " + table.evaluation);
  lines.push_back(table.store.empty()
                      ? std::string("  states     none: lineage.store is \"\"")
                      : "  states     " + HumanBytes(static_cast<uint64_t>(table.state_bytes)) +
                            " " + table.when + " into " + table.store);
  lines.push_back("  files      " + table.folder);
  return lines;
}

}  // namespace stemma::models
