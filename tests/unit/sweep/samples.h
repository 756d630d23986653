// A sweep's spec, base and method as tests want them: short, and REQUIREd to be good.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "tools/sweep/method.h"

#include <catch2/catch.hpp>

namespace stemma::sweep {

inline SweepSpec SpecOf(const std::string& method, const std::string& parameters,
                        const std::string& knobs =
                            "optim.lr = { low = 1e-4, high = 1.0, log = true }\n"
                            "optim.weight_decay = { low = 0.0, high = 0.1 }\n") {
  Result<SweepSpec> spec = ParseSpec("recipe = 'r.toml'\n[sweep]\nname = 's'\nmethod = '" + method +
                                         "'\n[method]\n" + parameters + "\n[knobs]\n" + knobs,
                                     "s.toml");
  INFO(spec.status().message());
  REQUIRE(spec.ok());
  return *spec;
}

inline Base BaseTo(int64_t end) {
  Base base;
  base.root = "recipe";
  base.build = "test";
  base.end = end;
  base.assignments = {"train.length=" + std::to_string(end) + "step"};
  return base;
}

inline std::unique_ptr<Method> MethodOf(const SweepSpec& spec, const Base& base) {
  Result<std::unique_ptr<Method>> method = MakeMethod(spec, base);
  INFO(method.status().message());
  REQUIRE(method.ok());
  return std::move(*method);
}

}  // namespace stemma::sweep
