#include "models/aigw/workload.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstddef>
#include <utility>

#include "models/aigw/targets.h"
#include "models/aigw/waveform_file.h"
#include "models/layers/device.h"

namespace stemma::models {

namespace {}  // namespace

AigwShape ShapeOf(const AigwSettings& settings) { return {settings.last, settings.dropout}; }

Result<std::unique_ptr<Aigw>> Aigw::Make(const AigwSettings& settings, uint64_t seed,
                                         const std::string& device) {
  STEMMA_ASSIGN_OR_RETURN(const at::Device where, DeviceOf(device));
  STEMMA_RETURN_IF_ERROR(Check(settings));
  STEMMA_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> data, AigwTrainData(settings));
  std::shared_ptr<const Dataset> validation;
  if (settings.validation_size > 0) {
    STEMMA_ASSIGN_OR_RETURN(validation, AigwDataset::Make(settings, AigwSplit::kValidation));
  }
  return std::unique_ptr<Aigw>(
      new Aigw(settings, seed, where, std::move(data), std::move(validation)));
}

Aigw::Aigw(const AigwSettings& settings, uint64_t seed, at::Device device,
           std::shared_ptr<const Dataset> data, std::shared_ptr<const Dataset> validation)
    : settings_(settings),
      device_(device),
      network_(ShapeOf(settings), seed),
      data_(std::move(data)),
      validation_(std::move(validation)) {
  if (!device.is_cpu()) network_.To(device);
}

at::Tensor Aigw::Loss(const Batch& batch, LossParts* parts) {
  const at::Tensor x = batch.x.to(device_, /*non_blocking=*/true);
  const AigwLoss loss =
      SumOfLosses(network_.Forward(x), batch.y.to(device_, /*non_blocking=*/true));
  if (parts != nullptr) {
    *parts = {{"mse_q", loss.q.item<double>()}, {"mse_ap", loss.ap.item<double>()}};
  }
  return loss.total;
}

Evaluated Aigw::Evaluate(const Batch& batch) {
  constexpr const char* kErrors[] = {"mae_q", "mae_s1", "mae_s2", "mae_chi", "mae_s_eff"};
  Evaluated sums;
  sums.rows = static_cast<double>(batch.x.size(0));
  AigwValues errors{};
  double q = 0, ap = 0;
  if (batch.x.size(0) > 0) {
    AigwOutput output = network_.Forward(batch.x.to(device_, /*non_blocking=*/true));
    output = {output.q.to(at::kCPU, at::kFloat), output.ap.to(at::kCPU, at::kFloat)};
    const AigwLoss loss = SumOfLosses(output, batch.y);
    q = loss.q.item<double>();
    ap = loss.ap.item<double>();
    const at::Tensor said = at::cat({output.q, output.ap}, 1).contiguous();
    const at::Tensor meant = batch.y.contiguous();
    for (int64_t row = 0; row < said.size(0); ++row) {
      const AigwValues a = ValuesFromTargets(settings_, said.const_data_ptr<float>() + 5 * row);
      const AigwValues b = ValuesFromTargets(settings_, meant.const_data_ptr<float>() + 5 * row);
      for (size_t k = 0; k < errors.size(); ++k) errors[k] += std::abs(a[k] - b[k]);
    }
  }
  sums.sums = {{"loss", q + ap}, {"mse_q", q}, {"mse_ap", ap}};
  for (size_t k = 0; k < errors.size(); ++k) sums.sums.emplace_back(kErrors[k], errors[k]);
  return sums;
}

}  // namespace stemma::models
