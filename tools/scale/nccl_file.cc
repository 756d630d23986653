#include <sstream>
#include <utility>

#include "tools/scale/collective.h"
#include "tools/scale/toml_fields.h"

namespace stemma::scale {
namespace {

void Read(TomlFields* fields, const std::string& key, PerProtocol* out) {
  fields->Number(key + ".ll", &(*out)[0]);
  fields->Number(key + ".ll128", &(*out)[1]);
  fields->Number(key + ".simple", &(*out)[2]);
}

void ReadCap(TomlFields* fields, const std::string& key, PerNodes* out) {
  fields->Number(key + ".one", &(*out)[0]);
  fields->Number(key + ".two", &(*out)[1]);
  fields->Number(key + ".more", &(*out)[2]);
}

void Read(TomlFields* fields, const std::string& generation, NcclCaps* caps) {
  ReadCap(fields, generation + ".ring_ll", &caps->ring_ll);
  ReadCap(fields, generation + ".ring_ll128", &caps->ring_ll128);
  ReadCap(fields, generation + ".tree_simple", &caps->tree_simple);
  ReadCap(fields, generation + ".tree_ll128", &caps->tree_ll128);
}

// Numbers with blanks between; empty when one of them is none or outside (0, 1].
std::vector<double> Shares(const std::string& text) {
  std::istringstream in(text);
  std::vector<double> shares;
  for (double share = 0; in >> share;) {
    if (!(share > 0 && share <= 1)) return {};
    shares.push_back(share);
  }
  return in.eof() ? shares : std::vector<double>();
}

}  // namespace

Result<NcclConstants> ReadNccl(std::string_view toml, const std::string& name) {
  STEMMA_ASSIGN_OR_RETURN(TomlFields fields, TomlFields::Parse(toml, name));
  NcclConstants n;
  fields.Text("name", &n.name);
  fields.Text("source", &n.source);
  Read(&fields, "base.ring", &n.base_ring);
  Read(&fields, "base.tree", &n.base_tree);
  Read(&fields, "nvlink.ring", &n.nvlink_ring);
  Read(&fields, "nvlink.tree", &n.nvlink_tree);
  Read(&fields, "pci.ring", &n.pci_ring);
  Read(&fields, "pci.tree", &n.pci_tree);
  Read(&fields, "network.ring", &n.network_ring);
  Read(&fields, "network.tree", &n.network_tree);
  fields.Number("nvls", &n.nvls);
  fields.Number("post_overhead", &n.post_overhead);
  Read(&fields, "volta", &n.volta);
  Read(&fields, "ampere", &n.ampere);
  Read(&fields, "hopper", &n.hopper);
  std::string simple, ll;
  fields.Text("tree_share.simple", &simple);
  fields.Text("tree_share.ll", &ll);
  STEMMA_RETURN_IF_ERROR(fields.Finish());
  n.share_simple = Shares(simple);
  n.share_ll = Shares(ll);
  if (n.share_simple.empty() || n.share_ll.empty()) {
    return Status(Code::kInvalidArgument,
                  name + ": tree_share: expected numbers in (0, 1] with blanks between");
  }
  return n;
}

}  // namespace stemma::scale
