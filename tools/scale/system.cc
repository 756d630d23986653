#include "tools/scale/system.h"

#include <cmath>

#include "core/text.h"
#include "tools/scale/embedded.h"
#include "tools/scale/toml_fields.h"

namespace stemma::scale {
namespace {

const std::vector<std::string>& Models() {
  static const std::vector<std::string> kModels = {"resnet50", "vgg16", "aigw", "aides"};
  return kModels;
}

std::vector<std::pair<std::string, Constant*>> OwnConstants(System* s) {
  return {{"fabric.intra_bus_gb_s", &s->intra_bus_gb_s},
          {"fabric.network_bus_gb_s", &s->network_bus_gb_s},
          {"fabric.nvls_bus_gb_s", &s->nvls_bus_gb_s},
          {"fabric.channels", &s->channels},
          {"fabric.contention", &s->contention},
          {"device.memory_gb_s", &s->memory_gb_s},
          {"device.control_us", &s->control_us},
          {"straggler.jitter_normal", &s->jitter_normal},
          {"straggler.jitter_exponential", &s->jitter_exponential},
          {"straggler.slow_node_share", &s->slow_node_share},
          {"straggler.slow_node_factor", &s->slow_node_factor},
          {"input.client_gb_s", &s->client_gb_s},
          {"input.storage_cap_gb_s", &s->storage_cap_gb_s},
          {"input.storage_half_ranks", &s->storage_half_ranks},
          {"input.wait_us", &s->wait_us},
          {"input.local_gb_s", &s->local_gb_s},
          {"input.decode_gb_s", &s->decode_gb_s},
          {"input.cold_factor", &s->cold_factor},
          {"capture.write_gb_s", &s->write_gb_s},
          {"capture.copy_gb_s", &s->capture_gb_s},
          {"run.start_s", &s->start_s}};
}

std::vector<std::pair<std::string, Constant*>> TimesConstants(ModelTimes* t) {
  return {{t->model + ".fixed_ms", &t->fixed_ms},
          {t->model + ".per_sample_ms", &t->per_sample_ms},
          {t->model + ".validation_s", &t->validation_s},
          {t->model + ".epoch_s", &t->epoch_s}};
}

// What a division or a factor needs.
Status CheckRanges(System* s, const std::string& name) {
  const auto refuse = [&](const std::string& key, const std::string& what) {
    return Status(Code::kInvalidArgument, name + ": " + key + ": " + what);
  };
  for (const auto& [key, constant] : OwnConstants(s)) {
    const bool rate =
        key.find("gb_s") != std::string::npos && key.find("nvls") == std::string::npos;
    if ((rate || key == "fabric.channels" || key == "input.storage_half_ranks") &&
        !(constant->low > 0)) {
      return refuse(key, "must be above 0");
    }
    if ((key == "fabric.contention" || key.find("factor") != std::string::npos) &&
        constant->low < 1) {
      return refuse(key, "must be 1 at least");
    }
  }
  if (s->slow_node_share.high > 1) return refuse("straggler.slow_node_share", "must be 1 at most");
  for (const ModelTimes& t : s->times) {
    if (!(t.fixed_ms.low + t.per_sample_ms.low > 0)) {
      return refuse(t.model, "fixed_ms and per_sample_ms are both 0: a step takes time");
    }
  }
  return {};
}

Result<std::string> Text(const std::vector<EmbeddedFile>& files, const std::string& name,
                         const std::string& what) {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : files) {
    if (name == file.name) return std::string(file.text);
    names.emplace_back(file.name);
  }
  std::string all;
  for (const std::string& one : names) all += (all.empty() ? "" : ", ") + one;
  const std::string meant = Nearest(name, names);
  return Status(Code::kNotFound,
                "no " + what + " is called '" + name + "'; " +
                    (meant.empty() ? "there are " + all : "did you mean '" + meant + "'?"));
}

}  // namespace

const ModelTimes* System::TimesOf(const std::string& model) const {
  for (const ModelTimes& one : times) {
    if (one.model == model) return &one;
  }
  return nullptr;
}

Fabric System::MakeFabric() const {
  Fabric fabric;
  fabric.nccl = nccl.get();
  fabric.generation = generation;
  fabric.ranks_per_node = static_cast<int>(ranks_per_node);
  fabric.intra_bus = intra_bus_gb_s.value;
  fabric.network_bus = network_bus_gb_s.value;
  fabric.pci = link == "pci";
  fabric.nvls_bus = nvls_bus_gb_s.value;
  fabric.channels = static_cast<int>(std::lround(channels.value));
  return fabric;
}

std::vector<std::pair<std::string, Constant*>> System::Constants(const std::string& model) {
  std::vector<std::pair<std::string, Constant*>> all = OwnConstants(this);
  for (ModelTimes& one : times) {
    if (one.model != model) continue;
    for (const auto& pair : TimesConstants(&one)) all.push_back(pair);
  }
  return all;
}

Result<System> ReadSystem(std::string_view toml, const std::string& name) {
  STEMMA_ASSIGN_OR_RETURN(TomlFields fields, TomlFields::Parse(toml, name));
  System s;
  fields.Text("name", &s.name);
  fields.Text("description", &s.description);
  fields.Integer("ranks_per_node", &s.ranks_per_node, 1);
  fields.Integer("validated_ranks", &s.validated_ranks, 1);
  fields.Text("fabric.generation", &s.generation, {"volta", "ampere", "hopper"});
  fields.Text("fabric.link", &s.link, {"nvlink", "pci"});
  fields.Text("fabric.nccl", &s.nccl_name);
  for (const auto& [key, constant] : OwnConstants(&s)) fields.Take(key, constant);
  for (const std::string& model : Models()) {
    if (!fields.Has(model + ".")) continue;
    ModelTimes times;
    times.model = model;
    for (const auto& [key, constant] : TimesConstants(&times)) fields.Take(key, constant);
    s.times.push_back(times);
  }
  STEMMA_RETURN_IF_ERROR(fields.Finish());
  STEMMA_RETURN_IF_ERROR(CheckRanges(&s, name));
  Result<std::string> nccl = Text(EmbeddedNccl(), s.nccl_name, "set of NCCL constants");
  if (!nccl.ok()) return Status(nccl.status()).Within(name + ": fabric.nccl");
  STEMMA_ASSIGN_OR_RETURN(NcclConstants constants, ReadNccl(*nccl, s.nccl_name + ".toml"));
  s.nccl = std::make_shared<const NcclConstants>(std::move(constants));
  return s;
}

Result<std::string> SystemText(const std::string& name) {
  return Text(EmbeddedSystems(), name, "system");
}

Result<System> FindSystem(const std::string& name) {
  STEMMA_ASSIGN_OR_RETURN(const std::string text, SystemText(name));
  return ReadSystem(text, name + ".toml");
}

std::vector<std::string> SystemNames() {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : EmbeddedSystems()) names.emplace_back(file.name);
  return names;
}

}  // namespace stemma::scale
