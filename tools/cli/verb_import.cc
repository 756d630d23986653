#include "core/bytes.h"
#include "core/text.h"
#include "lineage/import.h"
#include "lineage/storage.h"
#include "lineage/store.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

constexpr char kNotes[] =
    "The file's tensors become the first state of a new run: it can be shown, compared, tagged,\n"
    "exported. It has no optimizer and no place in the data, so no training goes on from it. A "
    "store\n"
    "is made where there is none.\n"
    "\n"
    "Examples\n"
    "  stemma import weights.safetensors --name pretrained\n"
    "  stemma diff pretrained@0 r50@\n";

}  // namespace

Result<int> RunImport(const Arguments& arguments) {
  std::string path, file;
  lineage::ImportOptions options;
  bool quiet = false, json = false;
  Flags flags("import", "Tensors of a safetensors file as the first state of a new run.");
  flags.Word("FILE", &file, "a safetensors file");
  flags.Text("name", &options.run, "NAME", "the new run's name");
  flags.Integer("step", &options.step, "N", "what the state is called by: NAME@N");
  flags.Switch("quiet", &quiet, "print the state's id and nothing else");
  flags.Switch("json", &json, "print the state as JSON");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (options.run.empty()) {
    return Status(Code::kInvalidArgument, "the new run needs a name: --name=NAME");
  }

  // May be the first thing that a store is for, so it makes one; but not for a slip in FILE.
  lineage::Storage& storage = lineage::PosixStorage();
  STEMMA_RETURN_IF_ERROR(storage.SizeOf(file).status());
  STEMMA_ASSIGN_OR_RETURN(const auto store, lineage::Store::Open(path, /*create=*/true, storage));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Imported imported,
                          lineage::ImportSafetensors(*store, file, options));
  if (quiet) {
    Print(Hex(imported.id) + "\n");
  } else if (json) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store->Load());
    Print(StateLine(graph, graph.states.at(imported.id)));
  } else {
    Print("imported " + options.run + "@" + std::to_string(options.step) + ": " +
          std::to_string(imported.tensors) + " tensors of " + HumanBytes(imported.bytes) +
          "\nstate  " + Hex(imported.id) + "\nfile   sha256 " + Hex(imported.sha256) + "\n");
  }
  return 0;
}

}  // namespace stemma::cli
