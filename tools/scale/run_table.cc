#include "tools/scale/run_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "tools/scale/statistics.h"

namespace stemma::scale {
namespace {

using Maybe = std::optional<double>;
using Words = std::vector<std::string>;

Status Refuse(const std::string& place, const std::string& what) {
  return {Code::kInvalidArgument, place + ": " + what};
}

// One list of the columns, in the order of the file: `visit(name, field)`.
template <typename Row, typename Visit>
void VisitColumns(Row& row, Visit&& visit) {
  visit("mode", row.mode);
  visit("system", row.system);
  visit("nodes", row.nodes);
  visit("ranks", row.ranks);
  visit("local_batch", row.local_batch);
  visit("global_batch", row.global_batch);
  visit("repeat", row.repeat);
  visit("steps", row.steps);
  visit("step_p10_s", row.step_p10_s);
  visit("step_p50_s", row.step_p50_s);
  visit("step_p90_s", row.step_p90_s);
  visit("samples_per_s", row.samples_per_s);
  visit("epoch_s", row.epoch_s);
  visit("train_s", row.train_s);
  visit("exposed_comm_s", row.exposed_comm_s);
  visit("input_wait_s", row.input_wait_s);
  visit("straggler_s", row.straggler_s);
  visit("efficiency_throughput", row.efficiency_throughput);
  visit("efficiency_time", row.efficiency_time);
  visit("base_ranks", row.base_ranks);
  visit("flags", row.flags);
  visit("plan_digest", row.plan_digest);
  visit("state_id", row.state_id);
}

std::string Quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string TextOf(const std::string& value) { return Quoted(value); }
std::string TextOf(int value) { return std::to_string(value); }
std::string TextOf(int64_t value) { return std::to_string(value); }
std::string TextOf(const Maybe& value) {
  if (!value || !std::isfinite(*value)) return "";
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", *value);
  return text;
}
std::string TextOf(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ";") + word;
  return Quoted(text);
}

template <typename T>
bool Whole(const std::string& text, T* value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

bool Take(const std::string& text, std::string* value) { return *value = text, true; }
bool Take(const std::string& text, int* value) {
  return (text.empty() && (*value = 0, true)) || (Whole(text, value) && *value >= 0);
}
bool Take(const std::string& text, int64_t* value) {
  return (text.empty() && (*value = 0, true)) || (Whole(text, value) && *value >= 0);
}
bool Take(const std::string& text, Maybe* value) {
  double number = 0;
  if (text.empty()) return value->reset(), true;
  if (!Whole(text, &number) || !std::isfinite(number) || number < 0) return false;
  *value = number;
  return true;
}
bool Take(const std::string& text, Words* words) {
  words->clear();
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(';', begin), text.size());
    if (end > begin) words->push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return true;
}

// The fields of one line, of which a quoted one may hold line breaks; `at` goes behind it. Empty
// when the line has no end: it is torn.
Words NextLine(const std::string& text, size_t* at) {
  Words fields = {""};
  bool quoted = false;
  for (size_t i = *at; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      fields.emplace_back();
    } else if (!quoted && c == '\n') {
      *at = i + 1;
      return fields;
    } else if (quoted || c != '\r') {
      fields.back() += c;
    }
  }
  *at = text.size();
  return {};
}

std::map<std::string, size_t> PlacesOf(const Words& header) {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < header.size(); ++i) places.emplace(header[i], i);
  return places;
}

Status ReadRow(const Words& fields, const std::map<std::string, size_t>& places,
               const std::string& place, RunRow* row) {
  if (fields.size() != places.size()) {
    return Refuse(place, std::to_string(fields.size()) + " fields, but the header has " +
                             std::to_string(places.size()));
  }
  Status status;
  VisitColumns(*row, [&](const char* name, auto& value) {
    const std::string& text = fields[places.at(name)];
    if (status.ok() && !Take(text, &value)) {
      status = Refuse(place, std::string(name) + ": '" + text + "' is no number from 0 on");
    }
  });
  STEMMA_RETURN_IF_ERROR(status);
  const Words& modes = RunModes();
  if (std::find(modes.begin(), modes.end(), row->mode) == modes.end()) {
    return Refuse(place, "mode: '" + row->mode + "' is none of strong, weak and data");
  }
  if (row->ranks < 1) return Refuse(place, "ranks: at least 1");
  return {};
}

// Rows that are compared: own runs, published points and predictions each among themselves.
std::string OriginOf(const RunRow& row) {
  return row.Has("published") ? "published" : row.Has("simulated") ? "simulated" : "";
}
using SeriesKey = std::tuple<std::string, std::string, std::string>;
SeriesKey KeyOf(const RunRow& row) { return {row.mode, row.system, OriginOf(row)}; }

Maybe MedianOf(const std::vector<const RunRow*>& rows, Maybe RunRow::*of) {
  std::vector<double> values;
  for (const RunRow* row : rows) {
    if (row->*of) values.push_back(*(row->*of));
  }
  if (values.empty()) return {};
  return QuantilesOf(values).p50;
}

Maybe Ratio(const Maybe& over, const Maybe& under, double factor) {
  if (!over || !under || !(*under > 0) || !(*over > 0)) return {};
  return factor * *over / *under;
}

}  // namespace

bool RunRow::Has(const std::string& flag) const {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

const std::vector<std::string>& RunModes() {
  static const Words kModes = {"strong", "weak", "data"};
  return kModes;
}

std::string RunTableHeader() {
  std::string line;
  RunRow row;
  VisitColumns(
      row, [&](const char* name, auto&) { line += (line.empty() ? "" : ",") + std::string(name); });
  return line + "\n";
}

std::string RunTableLine(const RunRow& row) {
  Words fields;
  VisitColumns(row, [&](const char*, const auto& value) { fields.push_back(TextOf(value)); });
  std::string line = fields.front();
  for (size_t i = 1; i < fields.size(); ++i) line += "," + fields[i];
  return line + "\n";
}

std::string RunTableText(const std::vector<RunRow>& rows) {
  std::string text = RunTableHeader();
  for (const RunRow& row : rows) text += RunTableLine(row);
  return text;
}

Result<std::vector<RunRow>> ParseRunTable(const std::string& text, const std::string& name) {
  std::vector<RunRow> rows;
  size_t at = 0;
  const Words header = NextLine(text, &at);
  if (header.empty()) return Refuse(name, "empty; its first line names the columns");
  const std::map<std::string, size_t> places = PlacesOf(header);
  Status status;
  size_t known = 0;
  RunRow any;
  VisitColumns(any, [&](const char* column, auto&) {
    if (places.count(column) == 0 && status.ok()) {
      status = Refuse(name + ":1", std::string("no column is called ") + column +
                                       "; a scaling table has " + RunTableHeader());
    }
    ++known;
  });
  STEMMA_RETURN_IF_ERROR(status);
  if (header.size() != known) {
    return Refuse(name + ":1", std::to_string(header.size()) + " columns instead of " +
                                   std::to_string(known) + ": " + RunTableHeader());
  }
  for (int line = 2; at < text.size(); ++line) {
    const Words fields = NextLine(text, &at);
    if (fields.empty()) break;
    if (fields.size() == 1 && fields[0].empty()) continue;
    RunRow row;
    STEMMA_RETURN_IF_ERROR(ReadRow(fields, places, name + ":" + std::to_string(line), &row));
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<RunRow>> ReadRunTable(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status(Code::kNotFound, path + ": cannot be read; `stemma scale run` writes one");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return Status(Code::kIo, path + ": cannot be read to its end");
  return ParseRunTable(text, path);
}

Status CheckSameInput(const std::vector<RunRow>& rows) {
  std::map<SeriesKey, const RunRow*> first, planned;
  for (const RunRow& row : rows) {
    const RunRow& base = *first.emplace(KeyOf(row), &row).first->second;
    const auto differ = [&](const RunRow& other, const std::string& what, const std::string& a,
                            const std::string& b) {
      return Status(Code::kInvalidArgument,
                    "inputs differ between the counts of mode " + row.mode + " on " + row.system +
                        ": " + what + " is " + a + " on " + std::to_string(other.ranks) +
                        " ranks and " + b + " on " + std::to_string(row.ranks) +
                        ", so no efficiency says anything; measure them with one input");
    };
    const bool strong = row.mode == "strong";
    const int64_t RunRow::*batch = strong ? &RunRow::global_batch : &RunRow::local_batch;
    if (row.*batch != base.*batch) {
      return differ(base, strong ? "the global batch" : "the local batch",
                    std::to_string(base.*batch), std::to_string(row.*batch));
    }
    if (row.plan_digest.empty()) continue;
    const RunRow& plan = *planned.emplace(KeyOf(row), &row).first->second;
    if (row.plan_digest != plan.plan_digest) {
      return differ(plan, "the plan", plan.plan_digest, row.plan_digest);
    }
  }
  return {};
}

void FillEfficiencies(std::vector<RunRow>* rows) {
  std::map<SeriesKey, std::vector<const RunRow*>> bases;  // of the smallest count
  for (const RunRow& row : *rows) {
    auto& base = bases[KeyOf(row)];
    if (!base.empty() && row.ranks < base.front()->ranks) base.clear();
    if (base.empty() || row.ranks == base.front()->ranks) base.push_back(&row);
  }
  std::map<SeriesKey, std::tuple<int, Maybe, Maybe>> medians;
  for (const auto& [key, base] : bases) {
    medians[key] = {base.front()->ranks, MedianOf(base, &RunRow::samples_per_s),
                    MedianOf(base, &RunRow::train_s)};
  }
  for (RunRow& row : *rows) {
    const auto& [ranks, rate, time] = medians.at(KeyOf(row));
    const double share = static_cast<double>(ranks) / row.ranks;
    row.efficiency_throughput = Ratio(row.samples_per_s, rate, share);
    row.efficiency_time = Ratio(time, row.train_s, row.mode == "weak" ? 1 : share);
    row.base_ranks = row.efficiency_throughput || row.efficiency_time ? ranks : 0;
  }
}

}  // namespace stemma::scale
