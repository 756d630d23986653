#include "comm/node_links.h"

#include <unistd.h>

#include <utility>

namespace stemma::comm {

Result<NodeLinks> NodeLinks::Connect(Cohort& node, const CommSettings& settings) {
  NodeWaiting waiting;
  waiting.spin_us = settings.spin_us;
  waiting.crowded = node.size() > sysconf(_SC_NPROCESSORS_ONLN);
  STEMMA_ASSIGN_OR_RETURN(const auto peers, NodePeers::Create(node, waiting));

  NodeSharedCommunicator::Options options;
  options.deadline = std::chrono::milliseconds(static_cast<int64_t>(settings.deadline_s * 1000));
  NodeSharedCommunicator::Options words = options;  // short: they fit into their posts
  words.stage_bytes = 16 << 10;
  options.inline_bytes = settings.node_small_bytes;
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
