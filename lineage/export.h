// A state as a plain file, safetensors or what Python's torch.load reads, for everybody who is not
// Stemma: the model's own tensor names, whole tensors, f32 put together from its planes. Nothing of
// packs, planes, writers or ranks is left in it.
//
//   STEMMA_ASSIGN_OR_RETURN(const ExportReport report,
//                           ExportSafetensors(store, record, "out/model.safetensors", {}));
//   STEMMA_ASSIGN_OR_RETURN(report, ExportTorch(store, record, "out/model.pt", {}));
//
// The model is the sections "params" and "buffers"; the optimizer is those that begin "optim/", and
// its tensors are called as in the state, "optim/m/fc.weight". Neither has what every rank has one
// of, nor the loop's own section ("small"): only Stemma can go on from those, and it has the state.
//
// The safetensors file: entries by width of their elements, else in the order of the network, so
// that each tensor is aligned to its elements; a header of a multiple of 8 bytes; `__metadata__`
// with "format" "pt" and where the tensors came from ("stemma.state", "stemma.parent",
// "stemma.run", "stemma.step", "stemma.settings", ids in hexadecimal). The file for torch.load
// holds an OrderedDict in the order of the network (weights/torch_writer.h) and the same text
// beside it; it needs no more trust than torch.load's default, weights_only=True.
//
// bf16 takes the upper half of every f32, as the pack's high plane has it: rounded toward zero. A
// NaN whose payload lies in the lower half only would turn into an infinity; it gets the quiet bit
// instead, and is counted. Other types stay as they are.
//
// Memory: some MiB whatever the state's size, and one header a pack. Every byte is verified on its
// way. The file is written beside its final name, synced, renamed and its folder synced, so it is
// there whole or not at all. Failure: kInvalidArgument "exists" for a file that is there (unless
// `replace`), kNotFound for a state without such tensors, kCorruption for a damaged one; the
// storage's own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/span.h"
#include "lineage/storage.h"
#include "lineage/store.h"

namespace stemma::lineage {

enum class ExportPart { kModel, kOptimizer };

struct ExportOptions {
  ExportPart part = ExportPart::kModel;
  bool bf16 = false;     // f32 tensors as bf16
  bool replace = false;  // a file of that name
};

struct ExportReport {
  uint64_t tensors = 0;
  uint64_t bytes = 0;     // of the file
  uint64_t quieted = 0;   // NaNs that bf16 would have turned into infinities
  uint64_t left_out = 0;  // tensors of the state that are in neither part
};

// Whether `span` belongs into that part's file.
bool IsInPart(const Span& span, ExportPart part);

// Writes to the store's own storage; `path` need not lie in the store.
Result<ExportReport> ExportSafetensors(const Store& store, const Record& record,
                                       const std::string& path, const ExportOptions& options);
Result<ExportReport> ExportTorch(const Store& store, const Record& record, const std::string& path,
                                 const ExportOptions& options);

// kInvalidArgument "exists ..." that says how to replace it; what export asks before it begins.
Status CheckFree(Storage& storage, const std::string& path);

// Puts `bytes` under `path`, in place of what has the name, whole or not at all, and durable.
Status PutWhole(Storage& storage, const std::string& path, std::string_view bytes);

// Creates a file beside `path`, lets `write` fill it, and gives it the name: whole or not at all,
// and durable.
Status WritePublished(Storage& storage, const std::string& path, uint64_t reserve, bool replace,
                      const std::function<Status(WritableFile&)>& write);

}  // namespace stemma::lineage
