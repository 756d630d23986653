#include "tools/cli/evaluate_options.h"

#include "tools/cli/open_store.h"

namespace stemma::cli {

Flags EvaluateFlagList(EvaluateFlags* v) {
  Flags flags("evaluate",
              "Evaluates a state on the held-out samples of its workload, each once, on any number "
              "of ranks.\nThe model, the data and the precision are those of the settings stored "
              "with the state.");
  flags.Word("STATE", &v->state, "which one");
  AddStoreFlag(&flags, &v->store);
  flags.List("set", &v->set, "KEY=VALUE",
             "change one setting, such as validate.batch or device.kind; repeatable");
  flags.Switch("json", &v->json, "one JSON object");
  flags.Switch("note", &v->note,
               "note what was found on the state (val_loss, ...), for `stemma find`");
  flags.Notes(
      "Examples\n"
      "  stemma evaluate r50@12000\n"
      "  mpirun -n 2 stemma evaluate 'best(loss)' --set validate.batch=64 --json\n"
      "  stemma evaluate r50@ --note && stemma find 'val_loss < 0.3'\n"
      "  stemma evaluate r50@ --set validate.weights=average   (trained with optim.ema_decay)\n");
  return flags;
}

}  // namespace stemma::cli
