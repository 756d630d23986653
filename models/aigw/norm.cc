#include "models/aigw/norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstddef>
#include <vector>

namespace stemma::models {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kEpsilon = 1e-3;
constexpr double kMomentum = 0.01;  // the share of the new batch

class RowNorm final : public torch::autograd::Function<RowNorm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& running_mean,
                            const at::Tensor& running_var, int64_t activation) {
    const int64_t channels = x.size(1), n = x.size(2);
    const at::Tensor y = at::empty_like(x);
    const at::Tensor moments = at::empty({channels, 2}, x.options());
    const float* const in = x.const_data_ptr<float>();
    const float* const scale = weight.const_data_ptr<float>();
    const float* const shift = bias.const_data_ptr<float>();
    float* const out = y.mutable_data_ptr<float>();
    float* const keep = moments.mutable_data_ptr<float>();
    float* const mean = running_mean.mutable_data_ptr<float>();
    float* const variance = running_var.mutable_data_ptr<float>();
    const double unbiased = static_cast<double>(n) / static_cast<double>(n - 1);
    at::parallel_for(0, channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        const RowMoments m = NormRow(in + c * n, n, {scale[c], shift[c]}, kEpsilon,
                                     static_cast<Activation>(activation), out + c * n);
        keep[2 * c] = m.mean;
        keep[2 * c + 1] = m.inverse;
        mean[c] = static_cast<float>((1 - kMomentum) * mean[c] + kMomentum * m.mean);
        variance[c] =
            static_cast<float>((1 - kMomentum) * variance[c] + kMomentum * m.variance * unbiased);
      }
    });
    context->save_for_backward({x, y, weight, moments});
    context->saved_data["activation"] = activation;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &weight = saved[2], &moments = saved[3];
    const at::Tensor dy = gradients[0].contiguous();
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    const int64_t channels = x.size(1), n = x.size(2);
    const at::Tensor dx = at::empty_like(x);
    const at::Tensor dweight = at::empty_like(weight), dbias = at::empty_like(weight);
    const float* const in = x.const_data_ptr<float>();
    const float* const out = y.const_data_ptr<float>();
    const float* const above = dy.const_data_ptr<float>();
    const float* const scale = weight.const_data_ptr<float>();
    const float* const kept = moments.const_data_ptr<float>();
    float* const below = dx.mutable_data_ptr<float>();
    float* const by_scale = dweight.mutable_data_ptr<float>();
    float* const by_shift = dbias.mutable_data_ptr<float>();
    at::parallel_for(0, channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        const RowMoments m = {kept[2 * c], kept[2 * c + 1], 0};
        const RowScale by = NormRowBackward(in + c * n, out + c * n, above + c * n, n, m, scale[c],
                                            activation, below + c * n);
        by_scale[c] = by.scale;
        by_shift[c] = by.shift;
      }
    });
    return {dx, dweight, dbias, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

bool InOnePass(const at::Tensor& x, const NormTensors& norm) {
  const auto fits = [](const at::Tensor& t) {
    return t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous();
  };
  return fits(x) && x.size(2) > 1 && fits(norm.weight) && fits(norm.bias) &&
         fits(norm.running_mean) && fits(norm.running_var);
}

}  // namespace

at::Tensor NormThen(Activation activation, const at::Tensor& x, const NormTensors& norm,
                    bool training) {
  if (training && InOnePass(x, norm)) {
    return RowNorm::apply(x, norm.weight, norm.bias, norm.running_mean, norm.running_var,
                          static_cast<int64_t>(activation));
  }
  const at::Tensor y =
      at::batch_norm(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, training,
                     kMomentum, kEpsilon, at::globalContext().userEnabledCuDNN());
  switch (activation) {
    case Activation::kRelu:
      return y.relu_();
    case Activation::kTanh:
      return y.tanh_();
    case Activation::kLogistic:
      return y.sigmoid_();
    default:
      return y;
  }
}

}  // namespace stemma::models
