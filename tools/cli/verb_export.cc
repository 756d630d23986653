#include "core/bytes.h"
#include "core/text.h"
#include "lineage/export.h"
#include "lineage/storage.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::ExportOptions;
using lineage::ExportPart;
using lineage::Record;

constexpr char kSuffix[] = ".safetensors";

constexpr char kNotes[] =
    "A name that ends in .safetensors is a file; anything else is a folder, made if need be, that\n"
    "gets model.safetensors and settings.toml. With --optimizer there is an optimizer.safetensors\n"
    "beside. The files hold whole tensors under the model's own names and load anywhere:\n"
    "  safetensors.torch.load_file(\"model.safetensors\")\n"
    "\n"
    "Examples\n"
    "  stemma export r50@ --safetensors out/\n"
    "  stemma export tag:best --safetensors best.safetensors --bf16\n";

// Where everything goes; empty: not wanted.
struct Targets {
  std::string folder;  // to be made
  std::string model, optimizer, settings;
};

Targets TargetsOf(std::string to, bool optimizer) {
  Targets targets;
  const std::string suffix = kSuffix;
  const bool file = to.size() > suffix.size() &&
                    to.compare(to.size() - suffix.size(), suffix.size(), suffix) == 0;
  while (to.size() > 1 && to.back() == '/') to.pop_back();
  std::string folder = to + "/";
  if (file) {
    folder = to.substr(0, to.rfind('/') + 1);
    targets.model = to;
  } else {
    targets.folder = to;
    targets.model = folder + "model" + kSuffix;
    targets.settings = folder + "settings.toml";
  }
  if (optimizer) targets.optimizer = folder + "optimizer" + kSuffix;
  return targets;
}

// Before anything is written.
Status CheckTargets(lineage::Storage& storage, const Targets& targets) {
  if (targets.model == targets.optimizer) {
    return {Code::kInvalidArgument,
            targets.model + " is where the optimizer goes: give the model another name"};
  }
  for (const std::string& path : {targets.model, targets.optimizer, targets.settings}) {
    if (!path.empty()) STEMMA_RETURN_IF_ERROR(lineage::CheckFree(storage, path));
  }
  return {};
}

Status MakeFolder(lineage::Storage& storage, const std::string& folder) {
  if (folder.empty()) return {};
  const Status made = storage.MakeDir(folder);
  return made.code() == Code::kInvalidArgument ? Status() : made;  // it is there
}

Status WriteOne(const OpenedStore& opened, const Record& record, const std::string& path,
                const ExportOptions& options, bool json) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::ExportReport report,
                          lineage::ExportSafetensors(*opened.store, record, path, options));
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

Status WriteAll(const OpenedStore& opened, const Record& record, const Targets& targets,
                ExportOptions options, bool json) {
  lineage::Storage& storage = opened.store->storage();
  if (!options.replace) STEMMA_RETURN_IF_ERROR(CheckTargets(storage, targets));
  STEMMA_RETURN_IF_ERROR(MakeFolder(storage, targets.folder));
  STEMMA_RETURN_IF_ERROR(WriteOne(opened, record, targets.model, options, json));
  if (!targets.optimizer.empty()) {
    options.part = ExportPart::kOptimizer;
    STEMMA_RETURN_IF_ERROR(WriteOne(opened, record, targets.optimizer, options, json));
  }
  if (targets.settings.empty() || record.settings.empty()) return {};
  STEMMA_ASSIGN_OR_RETURN(const std::string settings, opened.store->GetBlob(record.settings));
  STEMMA_RETURN_IF_ERROR(lineage::PutWhole(storage, targets.settings, settings));
  if (!json) Print("wrote " + targets.settings + "\n");
  return {};
}

}  // namespace

Result<int> RunExport(const Arguments& arguments) {
  std::string path, state, to;
  ExportOptions options;
  bool optimizer = false, json = false;
  Flags flags("export", "A state's tensors as plain safetensors files, for other programs.");
  flags.Word("STATE", &state, "which one");
  flags.Text("safetensors", &to, "FILE|DIR", "where to");
  flags.Switch("optimizer", &optimizer, "the optimizer's state too, in a second file");
  flags.Switch("bf16", &options.bf16, "f32 tensors as bf16, rounded toward zero: half the size");
  flags.Switch("force", &options.replace, "replace files that are there");
  flags.Switch("json", &json, "one JSON object per file");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (to.empty()) {
    return Status(Code::kInvalidArgument,
                  "say where to: --safetensors=FILE.safetensors or a folder");
  }

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, lineage::Resolve(opened.graph, state));
  STEMMA_RETURN_IF_ERROR(
      WriteAll(opened, opened.graph.states.at(id), TargetsOf(to, optimizer), options, json));
  return 0;
}

}  // namespace stemma::cli
