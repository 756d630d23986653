// Predictions and validations as rows of text: the CSV's header and lines, which tables for people
// are made of too. Numbers have four significant digits, so that a stored table compares as text.
//
// Pure functions.
#pragma once

#include <string>
#include <vector>

#include "tools/scale/simulate.h"
#include "tools/scale/validate.h"

namespace stemma::scale {

std::string Number(double value);  // "27.44", "0.0001234", "61360"; "" for none

// ranks,nodes,local_batch,global_batch,step_p10_s,...; efficiency against the first row.
std::string PredictionCsv(const std::vector<Prediction>& predictions);

// set,quantity,unit,ranks,published,predicted,p10,p90,error,kind,plain_error,note
std::string ValidationCsv(const Validation& validation);

// Throughput per rank over the first one's, in percent.
double EfficiencyPercent(const Prediction& first, const Prediction& other);

// "1.2e3 s" is nobody's unit: "27.4 ms", "1.13 h".
std::string Seconds(double seconds);

}  // namespace stemma::scale
