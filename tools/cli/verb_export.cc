#include <cstdio>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/export.h"
#include "lineage/names.h"
#include "lineage/reader/state_reader.h"
#include "lineage/storage.h"
#include "tools/cli/become_engine.h"
#include "tools/cli/machine.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"
#include "tools/pytorch/loader.h"

namespace stemma::cli {
namespace {

using lineage::ExportOptions;
using lineage::ExportPart;
using lineage::Record;

// Which of the two forms, and what its files are called.
struct Form {
  const char* suffix;
  Result<lineage::ExportReport> (*write)(const lineage::Store& store, const Record& record,
                                         const std::string& path, const ExportOptions& options);
};
constexpr Form kSafetensors = {".safetensors", lineage::ExportSafetensors};
constexpr Form kTorch = {".pt", lineage::ExportTorch};

constexpr char kNotes[] =
    "A name that ends in .safetensors (or .pt) is a file; anything else is a folder, made if need\n"
    "be, that gets model.safetensors (model.pt) and settings.toml. With --optimizer there is an\n"
    "optimizer.safetensors (optimizer.pt) beside. The files hold whole tensors under the model's\n"
    "own names and load anywhere:\n"
    "  safetensors.torch.load_file(\"model.safetensors\")\n"
    "  torch.load(\"model.pt\")          with its default, weights_only=True\n"
    "\n"
    "--with-loader, for ResNet-50, AI-DES and AI-GW, puts load_in_pytorch.py and sample.pt "
    "beside:\n"
    "the network in Python, an input, and what the engine makes of it. It loads strictly, runs, "
    "and\n"
    "compares; or `from load_in_pytorch import load`.\n"
    "\n"
    "Examples\n"
    "  stemma export r50@ --safetensors out/\n"
    "  stemma export tag:best --safetensors best.safetensors --bf16\n"
    "  stemma export tag:best --torch best.pt\n"
    "  stemma export tag:best --torch out/ --with-loader && python3 out/load_in_pytorch.py\n";

// Where everything goes; empty: not wanted.
struct Targets {
  std::string folder;  // to be made
  std::string model, optimizer, settings;
  std::string loader, sample;
};

Targets TargetsOf(std::string to, const std::string& suffix, bool optimizer, bool loader) {
  Targets targets;
  const bool file = to.size() > suffix.size() &&
                    to.compare(to.size() - suffix.size(), suffix.size(), suffix) == 0;
  while (to.size() > 1 && to.back() == '/') to.pop_back();
  std::string folder = to + "/";
  if (file) {
    folder = to.substr(0, to.rfind('/') + 1);
    targets.model = to;
  } else {
    targets.folder = to;
    targets.model = folder + "model" + suffix;
    targets.settings = folder + "settings.toml";
  }
  if (optimizer) targets.optimizer = folder + "optimizer" + suffix;
  if (loader) targets.loader = folder + "load_in_pytorch.py";
  if (loader) targets.sample = folder + "sample.pt";
  return targets;
}

// Before anything is written.
Status CheckTargets(lineage::Storage& storage, const Targets& targets, bool replace) {
  if (targets.model == targets.optimizer) {
    return {Code::kInvalidArgument,
            targets.model + " is where the optimizer goes: give the model another name"};
  }
  if (targets.model == targets.sample) {
    return {Code::kInvalidArgument,
            targets.model + " is where the sample goes: give the model another name"};
  }
  if (replace) return {};
  for (const std::string& path :
       {targets.model, targets.optimizer, targets.settings, targets.loader, targets.sample}) {
    if (!path.empty()) STEMMA_RETURN_IF_ERROR(lineage::CheckFree(storage, path));
  }
  return {};
}

Status MakeFolder(lineage::Storage& storage, const std::string& folder) {
  if (folder.empty()) return {};
  const Status made = storage.MakeDir(folder);
  if (made.code() == Code::kInvalidArgument) return {};  // it is there
  STEMMA_RETURN_IF_ERROR(made);
  return storage.SyncDir(lineage::ParentOf(folder));
}

Status WriteOne(const OpenedStore& opened, const Record& record, const Form& form,
                const std::string& path, const ExportOptions& options, bool json) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::ExportReport report,
                          form.write(*opened.store, record, path, options));
  if (json) {
    Print(JsonLine({{"path", path},
                    {"tensors", report.tensors},
                    {"bytes", report.bytes},
                    {"left_out", report.left_out},
                    {"nans_quieted", report.quieted}}));
    return {};
  }
  Print("wrote " + path + ": " + std::to_string(report.tensors) + " tensors, " +
        HumanBytes(report.bytes) + "\n");
  if (report.quieted > 0) {
    Print("note: " + std::to_string(report.quieted) +
          " NaNs had their payload in the half that bf16 drops; they are quiet NaNs in the file\n");
  }
  return {};
}

Status WriteAll(const OpenedStore& opened, const Record& record, const Form& form,
                const Targets& targets, ExportOptions options, bool json) {
  lineage::Storage& storage = opened.store->storage();
  STEMMA_RETURN_IF_ERROR(CheckTargets(storage, targets, options.replace));
  STEMMA_RETURN_IF_ERROR(MakeFolder(storage, targets.folder));
  STEMMA_RETURN_IF_ERROR(WriteOne(opened, record, form, targets.model, options, json));
  if (!targets.optimizer.empty()) {
    options.part = ExportPart::kOptimizer;
    STEMMA_RETURN_IF_ERROR(WriteOne(opened, record, form, targets.optimizer, options, json));
  }
  if (targets.settings.empty() || record.settings.empty()) return {};
  STEMMA_ASSIGN_OR_RETURN(const std::string settings, opened.store->GetSettings(record.settings));
  STEMMA_RETURN_IF_ERROR(lineage::PutWhole(storage, targets.settings, settings));
  if (!json) Print("wrote " + targets.settings + "\n");
  return {};
}

// Which network the state is, for its loader; before anything is written.
Result<std::string> ModelOf(const OpenedStore& opened, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const auto reader, lineage::StateReader::Open(*opened.store, record));
  std::vector<std::string> names;
  for (const lineage::LayoutSpan& span : reader->layout().spans()) names.push_back(span.span.name);
  const std::string model = pytorch::ModelWithTensors(names);
  if (model.empty()) {
    return Status(Code::kInvalidArgument,
                  "--with-loader knows ResNet-50, AI-DES and AI-GW by the names of their tensors, "
                  "and this state's are none of theirs: leave it out");
  }
  if (!FindEngine().empty()) return model;
  return Status(Code::kIncompatible,
                "--with-loader needs stemma-engine, which computes what the network answers: "
                "build //tools/cli:stemma-engine, or leave it out");
}

// Writes the Python, and leaves this program for the one that computes the sample.
Status WriteLoader(lineage::Storage& storage, const std::string& model, const Targets& targets,
                   bool json) {
  const std::string weights = targets.model.substr(targets.model.rfind('/') + 1);
  STEMMA_RETURN_IF_ERROR(
      lineage::PutWhole(storage, targets.loader, pytorch::LoaderFor(model, weights)));
  if (!json) Print("wrote " + targets.loader + "\n");
  std::fflush(stdout);
  Arguments arguments = {model, targets.sample, "--weights=" + targets.model};
  if (json) arguments.push_back("--quiet");
  return BecomeEngine("sample", arguments);
}

}  // namespace

Result<int> RunExport(const Arguments& arguments) {
  std::string path, state, safetensors, torch;
  ExportOptions options;
  bool optimizer = false, loader = false, json = false;
  Flags flags("export", "A state's tensors as plain files, for other programs.");
  flags.Word("STATE", &state, "which one");
  flags.Text("safetensors", &safetensors, "FILE|DIR", "where to, as safetensors");
  flags.Text("torch", &torch, "FILE|DIR", "where to, as torch.load reads it");
  flags.Switch("optimizer", &optimizer, "the optimizer's state too, in a second file");
  flags.Switch("with-loader", &loader, "with --torch: Python that loads and checks the weights");
  flags.Switch("bf16", &options.bf16, "f32 tensors as bf16, rounded toward zero: half the size");
  flags.Switch("force", &options.replace, "replace files that are there");
  flags.Switch("json", &json, "one JSON object per file");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (safetensors.empty() == torch.empty()) {
    return Status(Code::kInvalidArgument,
                  "say where to: --safetensors=FILE.safetensors or --torch=FILE.pt, or a folder");
  }
  if (loader && (torch.empty() || options.bf16)) {
    return Status(Code::kInvalidArgument,
                  "--with-loader goes with --torch and f32, not with --safetensors or "
                  "--bf16");
  }
  const Form& form = torch.empty() ? kSafetensors : kTorch;
  const Targets targets = TargetsOf(torch + safetensors, form.suffix, optimizer, loader);

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, lineage::Resolve(opened.graph, state));
  const Record& record = opened.graph.states.at(id);
  std::string model;
  if (loader) {
    STEMMA_ASSIGN_OR_RETURN(model, ModelOf(opened, record));
  }
  STEMMA_RETURN_IF_ERROR(WriteAll(opened, record, form, targets, options, json));
  if (loader) {
    STEMMA_RETURN_IF_ERROR(WriteLoader(opened.store->storage(), model, targets, json));
  }
  return 0;
}

}  // namespace stemma::cli
