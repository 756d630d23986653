// What settings of [optim] make sense, and a digest of them. No LibTorch.
//
//   STEMMA_RETURN_IF_ERROR(CheckOptions(settings));   // "optim.beta2 is 1: expected [0, 1)"
//
// Plain functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "optim/settings.h"

namespace stemma::optim {

// kInvalidArgument names the key, its value and what was expected. The schedule is not looked at:
// CheckSchedule does that, which also needs the number of steps.
Status CheckOptions(const OptimSettings& settings);

// "optim.lr is -1: expected [0, inf)".
Status OutOfRange(const std::string& key, double value, const std::string& expected);
// "optim.name is 'lamd': expected lamb | lars | sgd | adamw | adam (did you mean lamb?)".
Status NotOneOf(const std::string& key, const std::string& value,
                const std::vector<std::string>& expected);

// The words of "a, b,c"; empty ones are left out.
std::vector<std::string> Words(const std::string& list);

// Of everything that decides what a step does, by its value. Two runs whose digests agree treat the
// same gradients alike.
uint64_t DigestOfOptions(const OptimSettings& settings);

}  // namespace stemma::optim
