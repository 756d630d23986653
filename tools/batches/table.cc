#include "tools/batches/table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "tools/batches/plan.h"

namespace stemma::batches {
namespace {

constexpr char kHeader[] = "optimizer,batch,seed,lr,steps,loss,first_loss,seconds,outcome,run";
constexpr size_t kColumns = 10;

std::string Text(double value, int digits = 9) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

std::string Text(const std::optional<double>& value) { return value ? Text(*value) : ""; }

std::vector<std::string> Split(const std::string& line) {
  std::vector<std::string> fields;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(',', begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return fields;
}

bool Read(const std::string& text, int64_t* value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end && *value >= 0;
}

bool Read(const std::string& text, double* value) {
  char* rest = nullptr;
  *value = std::strtod(text.c_str(), &rest);
  return !text.empty() && *rest == 0 && std::isfinite(*value);
}

bool Read(const std::string& text, std::optional<double>* value) {
  double number = 0;
  if (text.empty()) return value->reset(), true;
  if (!Read(text, &number)) return false;
  *value = number;
  return true;
}

// The name of the column that cannot be read; "": all can.
std::string ReadRow(const std::vector<std::string>& f, Row* row) {
  if (f[0].empty()) return "optimizer";
  if (!Read(f[1], &row->batch) || row->batch < 1) return "batch";
  if (!Read(f[2], &row->seed)) return "seed";
  if (!Read(f[3], &row->lr)) return "lr";
  if (!Read(f[4], &row->steps)) return "steps";
  if (!Read(f[5], &row->loss)) return "loss";
  if (!Read(f[6], &row->first_loss)) return "first_loss";
  if (!Read(f[7], &row->seconds)) return "seconds";
  if (f[8] != "done" && f[8] != "diverged") return "outcome";
  if (f[8] == "done" && !row->loss) return "loss";
  if (f[9].empty()) return "run";
  row->optimizer = f[0];
  row->diverged = f[8] == "diverged";
  row->run = f[9];
  return "";
}

std::string BatchWords(const Reach& reach, const std::string& metric) {
  const std::string base = std::to_string(reach.base);
  if (!reach.loss) {
    return reach.optimizer + " diverged at batch " + base + ", so nothing can be compared with it.";
  }
  const std::string own = "its own " + metric + " at " + base + " (" + Text(*reach.loss, 4) + ")";
  if (reach.batch == reach.base) {
    return reach.optimizer + " is not within 10 % of " + own + " at any larger batch.";
  }
  return reach.optimizer + " is within 10 % of " + own + " up to batch " +
         std::to_string(reach.batch) + (reach.all ? ", the largest here." : ".");
}

}  // namespace

std::string TableText(const std::vector<Row>& rows) {
  std::string text = std::string(kHeader) + "\n";
  for (const Row& row : rows) {
    text += row.optimizer + "," + std::to_string(row.batch) + "," + std::to_string(row.seed) + "," +
            Text(row.lr, 17) + "," + std::to_string(row.steps) + "," + Text(row.loss) + "," +
            Text(row.first_loss) + "," + Text(row.seconds, 6) + "," +
            (row.diverged ? "diverged" : "done") + "," + row.run + "\n";
  }
  return text;
}

Result<std::vector<Row>> ParseTable(const std::string& text, const std::string& name) {
  const auto refuse = [&](size_t line, const std::string& what) {
    return Status(Code::kInvalidArgument, name + ":" + std::to_string(line) + ": " + what);
  };
  std::vector<Row> rows;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // torn
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (++number == 1) {
      if (line == kHeader) continue;
      return refuse(1, "not a table of batches, whose first line is " + std::string(kHeader));
    }
    const std::vector<std::string> fields = Split(line);
    if (fields.size() != kColumns) {
      return refuse(number, std::to_string(fields.size()) + " columns instead of 10");
    }
    Row row;
    const std::string bad = ReadRow(fields, &row);
    if (!bad.empty()) return refuse(number, "column " + bad + " cannot be read");
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Group> GroupsOf(const std::vector<Row>& rows) {
  std::vector<Group> groups;
  for (const Row& row : rows) {
    if (row.seed == 0) continue;
    auto at = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      return group.optimizer == row.optimizer && group.batch == row.batch;
    });
    if (at == groups.end()) {
      groups.push_back({row.optimizer, row.batch, row.lr, row.steps, 0, 0, {}, {}, {}, 0});
      at = groups.end() - 1;
    }
    ++at->runs;
    at->seconds += row.seconds;
    if (row.diverged || !row.loss) {
      ++at->diverged;
      continue;
    }
    at->mean = at->mean.value_or(0) + *row.loss;
    at->least = std::min(at->least.value_or(*row.loss), *row.loss);
    at->most = std::max(at->most.value_or(*row.loss), *row.loss);
  }
  for (Group& group : groups) {
    group.seconds /= group.runs;
    if (group.mean) *group.mean /= group.runs - group.diverged;
  }
  const std::vector<std::string>& order = Optimizers();
  const auto place = [&order](const Group& group) {
    return std::make_tuple(std::find(order.begin(), order.end(), group.optimizer), group.batch);
  };
  std::sort(groups.begin(), groups.end(),
            [&place](const Group& a, const Group& b) { return place(a) < place(b); });
  return groups;
}

std::vector<Reach> ReachesOf(const std::vector<Group>& groups) {
  std::vector<Reach> reaches;
  bool over = false;
  for (const Group& group : groups) {
    const bool clean = group.diverged == 0 && group.mean.has_value();
    if (reaches.empty() || reaches.back().optimizer != group.optimizer) {
      reaches.push_back({group.optimizer, group.batch, {}, 0, false});
      if (clean) reaches.back().loss = group.mean;
      over = !clean;
    }
    Reach& reach = reaches.back();
    over = over || !clean || *group.mean > kWithin * *reach.loss;
    if (!over) reach.batch = group.batch;
    reach.all = !over;
  }
  return reaches;
}

std::string VerdictText(const std::vector<Reach>& reaches, const std::string& metric) {
  std::string text;
  for (const Reach& reach : reaches) text += (text.empty() ? "" : " ") + BatchWords(reach, metric);
  return text;
}

std::optional<BestRate> BestRateOf(const std::vector<Row>& rows, const std::string& optimizer) {
  const Row* best = nullptr;
  double least = 0, most = 0;
  for (const Row& row : rows) {
    if (row.optimizer != optimizer || row.seed != 0) continue;
    least = least == 0 ? row.lr : std::min(least, row.lr);
    most = std::max(most, row.lr);
    if (row.diverged || !row.loss) continue;
    if (best == nullptr || *row.loss < *best->loss) best = &row;
  }
  if (best == nullptr) return std::nullopt;
  return BestRate{best->lr, best->lr == least || best->lr == most};
}

}  // namespace stemma::batches
