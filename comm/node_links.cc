#include "comm/node_links.h"

#include <unistd.h>

#include <utility>

namespace stemma::comm {

namespace {

Result<std::shared_ptr<NodePeers>> Meet(Cohort& node, const CommSettings& settings,
                                        int first_rank) {
  NodeWaiting waiting;
  waiting.spin_us = settings.spin_us;
  waiting.crowded = node.size() > sysconf(_SC_NPROCESSORS_ONLN);
  waiting.first_rank = first_rank;
  return NodePeers::Create(node, waiting);
}

NodeSharedCommunicator::Options DataOptions(const CommSettings& settings) {
  NodeSharedCommunicator::Options options;
  options.deadline = std::chrono::milliseconds(static_cast<int64_t>(settings.deadline_s * 1000));
  options.inline_bytes = settings.node_small_bytes;
  return options;
}

}  // namespace

Result<std::unique_ptr<NodeSharedCommunicator>> NodeLinks::ConnectGroup(
    Cohort& members, const CommSettings& settings, NodeSharedCommunicator::Driver driver,
    int first_rank) {
  STEMMA_ASSIGN_OR_RETURN(const auto peers, Meet(members, settings, first_rank));
  NodeSharedCommunicator::Options options = DataOptions(settings);
  options.driver = driver;
  return NodeSharedCommunicator::Create(members, peers, options);
}

Result<NodeLinks> NodeLinks::Connect(Cohort& node, const CommSettings& settings) {
  STEMMA_ASSIGN_OR_RETURN(const auto peers, Meet(node, settings, 0));
  NodeSharedCommunicator::Options options = DataOptions(settings), words;
  words.deadline = options.deadline;
  words.stage_bytes = 16 << 10;  // short: they fit into their posts
  if (settings.progress == "thread") options.driver = NodeSharedCommunicator::Driver::kThread;

  NodeLinks links;
  STEMMA_ASSIGN_OR_RETURN(links.data, NodeSharedCommunicator::Create(node, peers, options));
  STEMMA_ASSIGN_OR_RETURN(links.agreement, NodeSharedCommunicator::Create(node, peers, words));
  STEMMA_ASSIGN_OR_RETURN(links.words, NodeSharedCommunicator::Create(node, peers, words));
  links.agreement->ServeAlso(*links.data);
  links.words->ServeAlso(*links.data);
  return links;
}

}  // namespace stemma::comm
