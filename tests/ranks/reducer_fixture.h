// A small network, data that every rank can compute, and expectations that return a Status.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/random.h"
#include "core/status.h"
#include "ops/reducer.h"

namespace stemma::tests {

inline Status Expect(bool condition, const std::string& text) {
  return condition ? Status() : Status(Code::kInternal, "expected: " + text);
}

inline Status ExpectEqual(const at::Tensor& a, const at::Tensor& b, const std::string& what) {
  if (a.equal(b)) return {};
  std::ostringstream text;
  text << what << " is " << a.flatten().slice(0, 0, 8) << " not " << b.flatten().slice(0, 0, 8);
  return {Code::kInternal, text.str()};
}

inline Status ExpectError(const Status& s, Code code, const std::string& text) {
  return Expect(s.code() == code && s.message().find(text) != std::string::npos,
                "an error with '" + text + "', got '" + s.message() + "'");
}

inline at::Tensor Drawn(uint64_t key, at::IntArrayRef sizes, at::ScalarType type = at::kDouble) {
  Random draw(Key({key}), "reducer_test");
  at::Tensor tensor = at::empty(sizes, at::kDouble);
  for (int64_t i = 0; i < tensor.numel(); ++i) tensor.data_ptr<double>()[i] = draw.Normal();
  return tensor.to(type);
}

inline at::Tensor Trainable(const at::Tensor& values) {
  return values.clone().requires_grad_(true);
}

// tanh(x w1 + b1) w2 + b2, four inputs, one output.
struct Net {
  explicit Net(uint64_t key, at::ScalarType type = at::kDouble, int64_t hidden = 5)
      : w1(Trainable(Drawn(key, {4, hidden}, type))),
        b1(Trainable(Drawn(key + 1, {hidden}, type))),
        w2(Trainable(Drawn(key + 2, {hidden, 1}, type))),
        b2(Trainable(Drawn(key + 3, {1}, type))) {}
  at::Tensor Loss(const at::Tensor& x) const {
    const at::Tensor y = at::matmul(at::tanh(at::matmul(x, w1) + b1), w2) + b2;
    return (y - 1).square().sum();
  }
  std::vector<ops::Parameter> Parameters() const {
    using ops::ParameterRole;
    return {{"l1.weight", ParameterRole::kWeight, w1},
            {"l1.bias", ParameterRole::kBias, b1},
            {"l2.weight", ParameterRole::kWeight, w2},
            {"l2.bias", ParameterRole::kBias, b2}};
  }
  at::Tensor w1, b1, w2, b2;
};

// Each parameter in a bucket of its own.
inline ops::OpsSettings TinyBuckets() {
  ops::OpsSettings settings;
  settings.first_mb = settings.bucket_mb = settings.last_mb = 1e-6;
  return settings;
}

// One step with one backward of `loss`; no loss (undefined) is a rank without data.
inline Status OneStep(ops::Reducer& reducer, double divisor, const at::Tensor& loss) {
  ops::StepShape shape;
  shape.divisor = divisor;
  STEMMA_RETURN_IF_ERROR(reducer.BeginStep(shape));
  if (loss.defined()) loss.backward();
  STEMMA_RETURN_IF_ERROR(reducer.Finish());
  return reducer.Wait();
}

inline void SgdStep(const std::vector<ops::Parameter>& parameters, double rate) {
  const at::NoGradGuard no_grad;
  for (const ops::Parameter& p : parameters) at::Tensor(p.tensor).sub_(p.tensor.grad(), rate);
}

// What backward() throws, as text; "" when it does not throw.
inline std::string ThrownBy(const at::Tensor& loss) {
  try {
    loss.backward();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace stemma::tests
