#include "tools/scale/collective.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace stemma::scale {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kMicro = 1e-6, kGiga = 1e9;
constexpr double kTreeShare = 0.92;  // NCCL's: of the bus, in a tree and in LL128
constexpr Algorithm kNamed[] = {Algorithm::kAuto,         Algorithm::kRing,  Algorithm::kTree,
                                Algorithm::kHierarchical, Algorithm::kTorus, Algorithm::kHalving,
                                Algorithm::kNvls};

size_t Index(Protocol protocol) { return static_cast<size_t>(protocol); }

// One level of a machine, as a ring or a tree sees it.
struct Level {
  int ranks = 1, per_node = 1, nodes = 1;
  double bus = 0;  // GB/s
};

const NcclCaps& CapsOf(const Fabric& f) {
  if (f.generation == "hopper") return f.nccl->hopper;
  return f.generation == "ampere" ? f.nccl->ampere : f.nccl->volta;
}

double RingLatency(const Fabric& f, const Level& l, Protocol protocol) {
  const NcclConstants& n = *f.nccl;
  const size_t p = Index(protocol);
  const double all = 2.0 * (l.ranks - 1), between = 2.0 * (l.nodes - 1);
  const double post = l.nodes == 1 ? 0 : n.post_overhead * (protocol == Protocol::kSimple ? 3 : 1);
  const double intra = std::max((f.pci ? n.pci_ring : n.nvlink_ring)[p], post);
  const double net = (l.per_node > 1 ? n.network_ring : n.network_tree)[p];
  return kMicro * (n.base_ring[p] + (all - between) * intra + between * net);
}

double TreeLatency(const Fabric& f, const Level& l, Protocol protocol) {
  const NcclConstants& n = *f.nccl;
  const size_t p = Index(protocol);
  const double intra = (f.pci ? n.pci_tree : n.nvlink_tree)[p];
  const double depth = std::floor(std::log2(l.nodes));
  return kMicro * (n.base_tree[p] + 2 * ((l.per_node - 1) * intra + depth * n.network_tree[p]));
}

// GB/s of the bus that a ring gets.
double RingBus(const Fabric& f, const Level& l, Protocol protocol) {
  if (!f.corrected || protocol == Protocol::kSimple) return l.bus;
  const size_t at = l.nodes <= 2 ? static_cast<size_t>(l.nodes - 1) : 2;
  if (protocol == Protocol::kLl) return std::min(0.5 * l.bus, CapsOf(f).ring_ll[at]);
  return std::min(kTreeShare * l.bus, CapsOf(f).ring_ll128[at] * f.channels);
}

double TreeBus(const Fabric& f, const Level& l, Protocol protocol, double bytes) {
  if (!f.corrected) return kTreeShare * l.bus;
  const size_t at = l.nodes <= 2 ? static_cast<size_t>(l.nodes - 1) : 2;
  const NcclCaps& caps = CapsOf(f);
  double bus = l.bus / 3.8;
  if (protocol == Protocol::kSimple) {
    bus = std::min(kTreeShare * l.bus, caps.tree_simple[at] * f.channels);
  } else if (protocol == Protocol::kLl128) {
    bus = std::min(kTreeShare * l.bus, caps.tree_ll128[at] * f.channels);
    if (l.nodes > 1) bus *= 120.0 / 128.0;
  }
  const std::vector<double>& share =
      protocol == Protocol::kSimple ? f.nccl->share_simple : f.nccl->share_ll;
  const double size = std::max(0.0, std::floor(std::log2(std::max(bytes, 1.0) / 64)));
  // Larger calls than the table has are not corrected, as in NCCL.
  return size < static_cast<double>(share.size()) ? bus * share[static_cast<size_t>(size)] : bus;
}

double Ring(const Fabric& f, const Level& l, Protocol protocol, double bytes) {
  if (l.ranks <= 1) return 0;
  const double rate = RingBus(f, l, protocol) * kGiga * l.ranks / (2.0 * (l.ranks - 1));
  return RingLatency(f, l, protocol) + bytes / rate;
}

double Tree(const Fabric& f, const Level& l, Protocol protocol, double bytes) {
  if (l.ranks <= 1) return 0;
  return TreeLatency(f, l, protocol) + bytes / (0.5 * TreeBus(f, l, protocol, bytes) * kGiga);
}

Level Whole(const Fabric& f, int ranks) {
  const int nodes = NodesOf(f, ranks);
  const int per_node = nodes == 1 ? ranks : f.ranks_per_node;
  return {ranks, per_node, nodes, nodes == 1 ? f.intra_bus : f.network_bus};
}

// `rails` rings or trees of one rank per node at the same time share the node's network.
double BetweenNodes(const Fabric& f, int nodes, int rails, Protocol protocol, double bytes) {
  const Level level{nodes, 1, nodes, f.network_bus / rails};
  return std::min(Ring(f, level, protocol, bytes), Tree(f, level, protocol, bytes));
}

double Hierarchical(const Fabric& f, int ranks, Protocol protocol, double bytes) {
  const Level whole = Whole(f, ranks);
  const int p = whole.per_node;
  if (whole.nodes == 1 || p == 1) return Ring(f, whole, protocol, bytes);
  const double inside = Ring(f, {p, p, 1, f.intra_bus}, protocol, bytes);
  return inside + BetweenNodes(f, whole.nodes, p, protocol, bytes / p);
}

// X is one node or several whole ones, so that its ring lies close together.
double Torus(const Fabric& f, int ranks, Protocol protocol, double bytes) {
  const Level whole = Whole(f, ranks);
  const int p = whole.per_node;
  double best = kNever;
  for (int wide = 1; wide <= whole.nodes; ++wide) {
    if (whole.nodes % wide != 0) continue;
    const int x = p * wide, y = whole.nodes / wide;
    const Level along{x, p, wide, wide == 1 ? f.intra_bus : f.network_bus};
    const Level across{y, 1, y, f.network_bus / p};
    best = std::min(best, Ring(f, along, protocol, bytes) + Ring(f, across, protocol, bytes / x));
  }
  return best;
}

double Halving(const Fabric& f, int ranks, Protocol protocol, double bytes) {
  if ((ranks & (ranks - 1)) != 0) return kNever;
  const Level whole = Whole(f, ranks);
  const double alpha = kMicro * (whole.nodes > 1 ? f.nccl->network_tree
                                                 : (f.pci ? f.nccl->pci_tree
                                                          : f.nccl->nvlink_tree))[Index(protocol)];
  const double moved = (ranks - 1.0) / ranks * bytes;
  return 2 * std::log2(ranks) * alpha + 2 * moved / (whole.bus * kGiga) + moved * f.add_s_per_byte;
}

double Nvls(const Fabric& f, int ranks, double bytes) {
  if (f.nvls_bus <= 0 || NodesOf(f, ranks) > 1) return kNever;
  return kMicro * f.nccl->nvls + bytes / (0.85 * f.nvls_bus * kGiga);
}

}  // namespace

const char* AlgorithmName(Algorithm algorithm) {
  static constexpr const char* kNames[] = {"auto",  "ring",    "tree", "hierarchical",
                                           "torus", "halving", "nvls"};
  return kNames[static_cast<size_t>(algorithm)];
}

const char* ProtocolName(Protocol protocol) {
  static constexpr const char* kNames[] = {"LL", "LL128", "Simple"};
  return kNames[Index(protocol)];
}

std::vector<std::string> AlgorithmNames() {
  std::vector<std::string> names;
  for (const Algorithm algorithm : kNamed) names.emplace_back(AlgorithmName(algorithm));
  return names;
}

Result<Algorithm> ParseAlgorithm(const std::string& name) {
  for (const Algorithm algorithm : kNamed) {
    if (name == AlgorithmName(algorithm)) return algorithm;
  }
  std::string all;
  for (const std::string& known : AlgorithmNames()) all += (all.empty() ? "" : ", ") + known;
  return Status(Code::kInvalidArgument, "no algorithm is called '" + name + "'; there are " + all);
}

int NodesOf(const Fabric& fabric, int ranks) {
  return (ranks + fabric.ranks_per_node - 1) / fabric.ranks_per_node;
}

double CollectiveSeconds(const Fabric& fabric, Algorithm algorithm, Protocol protocol, int ranks,
                         double bytes) {
  if (ranks <= 1) return 0;
  switch (algorithm) {
    case Algorithm::kRing:
      return Ring(fabric, Whole(fabric, ranks), protocol, bytes);
    case Algorithm::kTree:
      return Tree(fabric, Whole(fabric, ranks), protocol, bytes);
    case Algorithm::kHierarchical:
      return Hierarchical(fabric, ranks, protocol, bytes);
    case Algorithm::kTorus:
      return Torus(fabric, ranks, protocol, bytes);
    case Algorithm::kHalving:
      return Halving(fabric, ranks, protocol, bytes);
    case Algorithm::kNvls:
      return Nvls(fabric, ranks, bytes);
    case Algorithm::kAuto:
      break;
  }
  return Cheapest(fabric, Algorithm::kAuto, ranks, bytes).seconds;
}

Choice Cheapest(const Fabric& fabric, Algorithm algorithm, int ranks, double bytes) {
  Choice best{algorithm == Algorithm::kAuto ? Algorithm::kRing : algorithm, Protocol::kSimple,
              kNever};
  if (ranks <= 1) best.seconds = 0;
  for (const Algorithm one : kNamed) {
    const bool asked = algorithm == Algorithm::kAuto
                           ? one != Algorithm::kAuto && one != Algorithm::kHalving
                           : one == algorithm;
    if (!asked || ranks <= 1) continue;
    for (const Protocol protocol : {Protocol::kLl, Protocol::kLl128, Protocol::kSimple}) {
      // Protocols are NCCL's; a PCI or CPU path has no LL128.
      if (protocol == Protocol::kLl128 && fabric.pci) continue;
      const double seconds = CollectiveSeconds(fabric, one, protocol, ranks, bytes);
      if (seconds < best.seconds) best = {one, protocol, seconds};
    }
  }
  return best;
}

}  // namespace stemma::scale
