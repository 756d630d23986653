#include "comm/layout.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace stemma::comm {
namespace {

// The text between two separators.
std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (true) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

Layout Ordered(Layout layout) {
  for (auto& node : layout.nodes) std::sort(node.begin(), node.end());
  std::sort(layout.nodes.begin(), layout.nodes.end());
  return layout;
}

}  // namespace

int Layout::NodeOf(int rank) const {
  for (size_t k = 0; k < nodes.size(); ++k) {
    if (std::find(nodes[k].begin(), nodes[k].end(), rank) != nodes[k].end()) {
      return static_cast<int>(k);
    }
  }
  return -1;
}

int Layout::PlaceOf(int rank) const {
  for (const auto& node : nodes) {
    const auto at = std::find(node.begin(), node.end(), rank);
    if (at != node.end()) return static_cast<int>(at - node.begin());
  }
  return -1;
}

bool Layout::InRankOrder() const {
  int next = 0;
  for (const auto& node : nodes) {
    for (int rank : node) {
      if (rank != next++) return false;
    }
  }
  return true;
}

int Layout::SmallestNode() const {
  size_t fewest = nodes.front().size();
  for (const auto& node : nodes) fewest = std::min(fewest, node.size());
  return static_cast<int>(fewest);
}

int Layout::LargestNode() const {
  size_t most = 0;
  for (const auto& node : nodes) most = std::max(most, node.size());
  return static_cast<int>(most);
}

std::string Layout::Text() const {
  std::string text;
  for (const auto& node : nodes) {
    if (!text.empty()) text += "|";
    for (size_t k = 0; k < node.size(); ++k) text += (k > 0 ? "," : "") + std::to_string(node[k]);
  }
  return text;
}

Result<Layout> ParseLayout(const std::string& text, int ranks) {
  const auto refuse = [&](const std::string& why) {
    return Status(
        Code::kInvalidArgument,
        "comm.fake_nodes=" + text + ": " + why +
            "; write the ranks of each node with commas, nodes apart with |: \"0,1|2,3\"");
  };
  Layout layout;
  std::vector<bool> named(static_cast<size_t>(ranks), false);
  for (const std::string& node : Split(text, '|')) {
    layout.nodes.emplace_back();
    for (const std::string& number : Split(node, ',')) {
      int rank = 0;
      const char* const end = number.data() + number.size();
      const auto [read, error] = std::from_chars(number.data(), end, rank);
      if (error != std::errc() || read != end) return refuse("'" + number + "' is no rank");
      if (rank < 0 || rank >= ranks) {
        return refuse("rank " + number + " is none of the ranks 0 to " + std::to_string(ranks - 1));
      }
      if (named[rank]) return refuse("rank " + number + " is named twice");
      named[rank] = true;
      layout.nodes.back().push_back(rank);
    }
  }
  const auto missing = std::find(named.begin(), named.end(), false);
  if (missing != named.end()) {
    return refuse("rank " + std::to_string(missing - named.begin()) + " is not named");
  }
  return Ordered(std::move(layout));
}

Layout EqualNodes(int ranks, int ranks_per_node) {
  Layout layout;
  for (int rank = 0; rank < ranks; ++rank) {
    if (rank % ranks_per_node == 0) layout.nodes.emplace_back();
    layout.nodes.back().push_back(rank);
  }
  return layout;
}

Layout LayoutOf(const std::vector<std::string>& key_by_rank) {
  std::map<std::string, std::vector<int>> by_key;
  for (size_t rank = 0; rank < key_by_rank.size(); ++rank) {
    by_key[key_by_rank[rank]].push_back(static_cast<int>(rank));
  }
  Layout layout;
  for (auto& [key, node] : by_key) layout.nodes.push_back(std::move(node));
  return Ordered(std::move(layout));
}

}  // namespace stemma::comm
