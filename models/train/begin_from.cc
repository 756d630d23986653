#include "models/train/begin_from.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/bytes.h"
#include "core/cohort.h"
#include "lineage/storage.h"
#include "models/train/binding.h"

namespace stemma::models {
namespace {

constexpr uint64_t kPieceBytes = 16 << 20;  // sent at once; whole elements of every type

// The positions that rank 0 has, on every rank.
Result<std::vector<size_t>> Shared(const lineage::InitialWeights* weights, Cohort& cohort) {
  Encoder out;
  if (weights != nullptr) {
    for (const size_t span : weights->spans()) out.U64(span);
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, cohort.Broadcast(out.Take(), 0));
  Decoder in(bytes);
  std::vector<size_t> spans(bytes.size() / sizeof(uint64_t));
  for (size_t& span : spans) span = in.U64();
  return spans;
}

// One tensor, piece by piece; `weights` is rank 0's, and the tensor its i-th.
Status Send(lineage::InitialWeights* weights, size_t i, size_t span, Binding* model,
            Cohort& cohort) {
  const auto bytes = static_cast<uint64_t>(model->spans().at(span).bytes());
  Status mine;
  for (uint64_t offset = 0; offset < bytes; offset += kPieceBytes) {
    std::string piece;
    if (weights != nullptr && mine.ok()) {
      piece.resize(std::min(kPieceBytes, bytes - offset));
      mine = weights->Read(i, offset, piece.size(), piece.data());
    }
    STEMMA_RETURN_IF_ERROR(Agree(cohort, mine));
    STEMMA_ASSIGN_OR_RETURN(piece, cohort.Broadcast(std::move(piece), 0));
    mine = model->Write(span, offset, piece);
  }
  return Agree(cohort, mine);
}

}  // namespace

Result<BegunFrom> BeginFrom(const lineage::WeightsSource& source,
                            const std::vector<ops::Parameter>& parameters,
                            const std::vector<ops::Buffer>& buffers, ops::World& world) {
  Cohort& cohort = world.cohort();
  STEMMA_RETURN_IF_ERROR(Agree(cohort, CheckBinding(parameters, buffers)));
  Binding model(parameters, buffers, {});
  const ops::Section section(world.recorder(), "reading of the first weights",
                             model.PatienceSeconds());
  std::unique_ptr<lineage::InitialWeights> weights;
  BegunFrom begun;
  Status mine;
  if (world.rank() == 0) {
    auto opened = lineage::InitialWeights::Open(lineage::PosixStorage(), source, model.spans());
    mine = opened.status();
    if (opened.ok()) {
      weights = *std::move(opened);
      begun = {weights->summary(), weights->attributes()};
    }
  }
  STEMMA_RETURN_IF_ERROR(Agree(cohort, mine));
  STEMMA_ASSIGN_OR_RETURN(const std::vector<size_t> spans, Shared(weights.get(), cohort));
  for (size_t i = 0; i < spans.size(); ++i) {
    STEMMA_RETURN_IF_ERROR(Send(weights.get(), i, spans[i], &model, cohort));
  }
  return begun;
}

}  // namespace stemma::models
