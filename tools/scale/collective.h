// What an all-reduce costs: NCCL's own model of ring and tree with its protocols, and formulas for
// the algorithms it does not have. Latency and bandwidth only; what stragglers add is simulate.h's.
//
//   STEMMA_ASSIGN_OR_RETURN(NcclConstants nccl, ReadNccl(text, "nccl-2.29.toml"));
//   Fabric fabric{&nccl, "volta", 6, 60, 21};
//   double ms = 1e3 * CollectiveSeconds(fabric, Algorithm::kRing, Protocol::kSimple,
//   6144, 41.18e6); Choice choice = Cheapest(fabric, Algorithm::kAuto, 6144, 41.18e6);   // as NCCL
//   chooses: by size
//
// `ranks` above one node is rounded up to full nodes where a formula counts nodes. Bandwidths are
// bus bandwidths in GB/s: what a ring carries inside a node, and what it carries between nodes, all
// network cards of a node together.
//
//   ring          base + hops, S over bus * N / (2(N-1))                             NCCL
//   tree          base + 2[(p-1) intra + log2(nodes) net], half the bus              NCCL
//   halving       2 log2(N) alpha + 2(N-1)/N S/B + (N-1)/N S gamma; N a power of two MPI
//   hierarchical  reduce-scatter and all-gather in the node, p rails between nodes
//   torus         X x Y: rings along X, then along Y with S/X; the best X of whole nodes
//   nvls          base + S over 0.85 of the switch, inside one node
//
// Source: NCCL src/graph/tuning.cc (the constants' file names the commit); Mikami et al.,
// arXiv:1811.05233 for the torus; Thakur et al. 2005 for halving and doubling. Plain values.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace stemma::scale {

enum class Algorithm { kAuto, kRing, kTree, kHierarchical, kTorus, kHalving, kNvls };
enum class Protocol { kLl, kLl128, kSimple };

const char* AlgorithmName(Algorithm algorithm);
const char* ProtocolName(Protocol protocol);
std::vector<std::string> AlgorithmNames();  // as ParseAlgorithm takes them
Result<Algorithm> ParseAlgorithm(const std::string& name);

// By protocol: LL, LL128, Simple. Microseconds.
using PerProtocol = std::array<double, 3>;
// For 1, 2 and more nodes. GB/s.
using PerNodes = std::array<double, 3>;

struct NcclCaps {
  PerNodes ring_ll{}, ring_ll128{}, tree_simple{}, tree_ll128{};  // the last three: per channel
};

struct NcclConstants {
  std::string name, source;
  PerProtocol base_ring{}, base_tree{};
  PerProtocol nvlink_ring{}, nvlink_tree{}, pci_ring{}, pci_tree{}, network_ring{}, network_tree{};
  double nvls = 0, post_overhead = 0;
  NcclCaps volta, ampere, hopper;
  std::vector<double> share_simple, share_ll;  // the tree's share of bandwidth at 64 * 2^i bytes
};

// kInvalidArgument names file, line and key: an unknown, missing or wrongly typed number.
Result<NcclConstants> ReadNccl(std::string_view toml, const std::string& name);

struct Fabric {
  const NcclConstants* nccl = nullptr;
  std::string generation = "volta";  // volta | ampere | hopper: whose caps
  int ranks_per_node = 1;
  double intra_bus = 0, network_bus = 0;  // GB/s
  bool pci = false;                       // inside a node: PCI instead of NVLink
  double nvls_bus = 0;                    // GB/s of the switch; 0: there is none
  int channels = 2;
  double add_s_per_byte = 0;  // halving: seconds to add a byte, on a CPU
  // False: the plain latency and bandwidth of the formulas above, without caps and corrections.
  bool corrected = true;
};

// Nodes that `ranks` ranks fill.
int NodesOf(const Fabric& fabric, int ranks);

// Seconds of one all-reduce of `bytes` over `ranks`; 0 for one rank. Halving on a number of ranks
// that is no power of two, and nvls beyond a node or without a switch: infinity.
double CollectiveSeconds(const Fabric& fabric, Algorithm algorithm, Protocol protocol, int ranks,
                         double bytes);

// What NCCL would choose: the cheapest protocol, for kAuto of the cheapest algorithm. kAuto does
// not look at halving, which is MPI's.
struct Choice {
  Algorithm algorithm = Algorithm::kRing;
  Protocol protocol = Protocol::kSimple;
  double seconds = 0;
};
Choice Cheapest(const Fabric& fabric, Algorithm algorithm, int ranks, double bytes);

}  // namespace stemma::scale
