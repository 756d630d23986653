#include <algorithm>
#include <string>
#include <vector>

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
    "exported. It has no optimizer and no place in the data, so no training goes on from it "
    "alone:\n"
    "`stemma train RECIPE --init-from FILE` begins one with a file's weights. A store is made "
    "where\n"
    "there is none.\n"
    "\n"
    "Of a torch.save file, plain dicts of tensors are read (a state_dict, or a checkpoint with "
    "one\n"
    "in it); nothing in it is ever run, and one that names any other class is refused.\n"
    "\n"
    "--map FILE has a rule a line, FROM TO: `*` in FROM stands for any text, in TO for the same;\n"
    "TO `-` leaves the tensor out. A third word orders the axes: 3,2,0,1 makes a kernel of Keras\n"
    "one of torch. --like compares as load_state_dict does: names, types, shapes.\n"
    "\n"
    "Examples\n"
    "  stemma import weights.safetensors --name pretrained\n"
    "  stemma import checkpoint.pt --key ema --name pretrained --map timm.map --like r50@\n"
    "  stemma diff pretrained@0 r50@\n";

constexpr uint64_t kMapMax = 16 << 20;  // bytes of a map of names

// What the words after --map and --like name.
struct Named {
  std::string map, like;
};

// Reads what they name. `path` is the store's.
Status ReadNamed(const Named& named, const std::string& path, lineage::Storage& storage,
                 lineage::ImportOptions* options) {
  if (!named.map.empty()) {
    STEMMA_ASSIGN_OR_RETURN(options->map, storage.ReadBounded(named.map, kMapMax));
  }
  if (named.like.empty()) return {};
  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, OneState(opened, named.like));
  options->like = opened.graph.states.at(id);
  return {};
}

void PrintNames(const char* what, const std::vector<std::string>& names) {
  constexpr size_t kShown = 20;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    Print(std::string(i == 0 ? what : "          ") + "  " + names[i] + "\n");
  }
  if (names.size() > kShown) {
    Print("            and " + std::to_string(names.size() - kShown) + " more\n");
  }
}

void PrintImported(const lineage::Imported& imported, const lineage::ImportOptions& options) {
  Print("imported " + options.run + "@" + std::to_string(options.step) + ": " +
        std::to_string(imported.tensors) + " tensors of " + HumanBytes(imported.bytes) +
        "\nstate  " + Hex(imported.id) + "\nfile   sha256 " + Hex(imported.sha256) + "\n");
  if (imported.others > 0) {
    Print("left out " + std::to_string(imported.others) + " values that are no tensors\n");
  }
  if (options.map) {
    Print("map    " + std::to_string(imported.renamed) + " renamed, " +
          std::to_string(imported.dropped) + " left out\n");
  }
  PrintNames("no use of ", imported.unused);
  PrintNames("missing   ", imported.missing);
  PrintNames("unexpected", imported.unexpected);
  PrintNames("mismatched", imported.mismatched);
}

}  // namespace

Result<int> RunImport(const Arguments& arguments) {
  std::string path, file;
  lineage::ImportOptions options;
  Named named;
  bool quiet = false, json = false;
  Flags flags("import", "Tensors of a file as the first state of a new run.");
  flags.Word("FILE", &file, "of safetensors or torch.save");
  flags.Text("name", &options.run, "NAME", "the new run's name");
  flags.Integer("step", &options.step, "N", "what the state is called by: NAME@N");
  flags.Text("key", &options.key, "KEY", "which dict of a torch.save file holds the tensors");
  flags.Text("map", &named.map, "FILE", "rules that rename tensors or leave them out");
  flags.Text("like", &named.like, "STATE", "refuse tensors that are not just this state's");
  flags.Switch("partial", &options.partial, "with --like: take the tensors that fit");
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
  STEMMA_RETURN_IF_ERROR(ReadNamed(named, path, storage, &options));
  STEMMA_ASSIGN_OR_RETURN(const auto store, lineage::Store::Open(path, /*create=*/true, storage));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Imported imported,
                          lineage::ImportTensors(*store, file, options));
  if (quiet) {
    Print(Hex(imported.id) + "\n");
  } else if (json) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store->Load());
    Print(StateLine(graph, graph.states.at(imported.id)));
  } else {
    PrintImported(imported, options);
  }
  return 0;
}

}  // namespace stemma::cli
