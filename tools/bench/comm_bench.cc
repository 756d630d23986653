#include "tools/bench/comm_bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "tools/bench/collective.h"
#include "tools/bench/statistics.h"

namespace stemma::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kCallsMin = 3, kCallsMax = 2000;
constexpr const char* kSizes = "4,64,256,1KiB,4KiB,16KiB,64KiB,256KiB,1MiB,4MiB,16MiB,64MiB,256MiB";

struct Row {
  std::string op;
  int64_t bytes = 0;
  int64_t calls = 0;           // of a visit
  std::vector<double> call_s;  // slowest rank
  std::vector<double> copy_s;  // memcpy of as many bytes on all ranks at once, slowest rank
  double bus_factor = 0;
};

class CommBench {
 public:
  CommBench(const CommFlags& flags, comm::World& world) : flags_(flags), world_(world) {}
  Status Run();

 private:
  Status MakeRows();
  Status Visit(Row& row);
  Status MeasureCopy(Row& row);
  Status Meet();
  Status Slowest(std::vector<double>* seconds);
  Status Print() const;
  bool speaks() const { return world_.rank() == 0; }

  const CommFlags& flags_;
  comm::World& world_;
  std::vector<Row> rows_;
};

Status CommBench::MakeRows() {
  const std::vector<std::string> ops = flags_.ops.empty() ? CollectiveNames() : Split(flags_.ops);
  STEMMA_ASSIGN_OR_RETURN(const auto sizes,
                          ParseSizes(flags_.sizes.empty() ? kSizes : flags_.sizes));
  for (const std::string& op : ops) {
    for (const int64_t bytes : sizes) {
      if (op == "barrier" && bytes != sizes.front()) break;
      Row row;
      row.op = op;
      row.bytes = op == "barrier" ? 0 : bytes;
      rows_.push_back(std::move(row));
    }
  }
  return {};
}

Status CommBench::Meet() {
  STEMMA_ASSIGN_OR_RETURN(comm::Work work, world_.data().Barrier({}));
  return work.Wait();
}

Status CommBench::Slowest(std::vector<double>* seconds) {
  comm::CallOptions options;
  options.op = comm::Op::kMax;
  const comm::Span span{seconds->data(), static_cast<int64_t>(seconds->size()), DType::kF64};
  STEMMA_ASSIGN_OR_RETURN(comm::Work work, world_.data().AllReduce(span, options));
  return work.Wait();
}

Status CommBench::Visit(Row& row) {
  STEMMA_ASSIGN_OR_RETURN(auto call, MakeCollective(row.op, world_.data(), row.bytes));
  row.bus_factor = call->BusFactor();
  // The first visit finds out how many calls fill the time; all ranks take the slowest's answer.
  const bool first = row.calls == 0;
  const int64_t warm = first ? 3 : 1;
  std::vector<double> seconds;
  for (int64_t k = -warm; k < row.calls || row.calls == 0; ++k) {
    call->Rewrite(k + kCallsMax);
    STEMMA_RETURN_IF_ERROR(Meet());
    const auto begin = Clock::now();
    STEMMA_RETURN_IF_ERROR(call->Run());
    const double spent = std::chrono::duration<double>(Clock::now() - begin).count();
    if (k >= 0) seconds.push_back(spent);
    if (k != -1) continue;
    STEMMA_RETURN_IF_ERROR(call->Check(k + kCallsMax));
    if (!first) continue;
    std::vector<double> slowest = {spent};
    STEMMA_RETURN_IF_ERROR(Slowest(&slowest));
    const double wanted = flags_.round_ms / 1e3 / std::max(slowest[0], 1e-9);
    row.calls = static_cast<int64_t>(std::min(wanted, static_cast<double>(kCallsMax)));
    row.calls = std::max(row.calls, kCallsMin);
  }
  STEMMA_RETURN_IF_ERROR(call->Check(row.calls - 1 + kCallsMax));
  STEMMA_RETURN_IF_ERROR(Slowest(&seconds));
  row.call_s.insert(row.call_s.end(), seconds.begin(), seconds.end());
  return {};
}

Status CommBench::MeasureCopy(Row& row) {
  if (row.bytes == 0) return {};
  const auto bytes = static_cast<size_t>(row.bytes);
  std::vector<char> from(bytes, 1), to(bytes, 2);
  std::vector<double> seconds;
  for (int64_t k = 0; k < std::min<int64_t>(row.calls, 50); ++k) {
    std::memset(from.data(), static_cast<int>(k), bytes);
    STEMMA_RETURN_IF_ERROR(Meet());
    const auto begin = Clock::now();
    std::memcpy(to.data(), from.data(), bytes);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    if (to[bytes - 1] != static_cast<char>(k)) return {Code::kInternal, "memcpy did not copy"};
  }
  STEMMA_RETURN_IF_ERROR(Slowest(&seconds));
  row.copy_s.insert(row.copy_s.end(), seconds.begin(), seconds.end());
  return {};
}

Status CommBench::Print() const {
  std::ofstream csv;
  if (!flags_.csv.empty()) csv.open(flags_.csv);
  const char* columns =
      "op,bytes,calls,median_us,p95_us,best_us,algbw_gbs,busbw_gbs,memcpy_percent";
  csv << columns << "\n";
  std::printf("%s, f32, %lld rounds; a memcpy of as many bytes is 100 %%\n",
              world_.description().c_str(), static_cast<long long>(flags_.rounds));
  std::printf("%-15s %11s %7s %11s %11s %11s %8s %8s %8s\n", "op", "bytes", "calls", "median us",
              "p95 us", "best us", "alg GB/s", "bus GB/s", "memcpy %");
  for (const Row& row : rows_) {
    const double median = Median(row.call_s);
    const double algbw = static_cast<double>(row.bytes) / median / 1e9;
    const double copy = row.bytes > 0 ? 100 * Median(row.copy_s) / median : 0;
    const double p95 = Quantile(row.call_s, 0.95), best = Quantile(row.call_s, 0);
    std::printf("%-15s %11lld %7zu %11.2f %11.2f %11.2f %8.3f %8.3f %8.1f\n", row.op.c_str(),
                static_cast<long long>(row.bytes), row.call_s.size(), 1e6 * median, 1e6 * p95,
                1e6 * best, algbw, row.bus_factor * algbw, copy);
    csv << row.op << ',' << row.bytes << ',' << row.call_s.size() << ',' << 1e6 * median << ','
        << 1e6 * p95 << ',' << 1e6 * best << ',' << algbw << ',' << row.bus_factor * algbw << ','
        << copy << "\n";
  }
  if (!flags_.csv.empty() && !csv.flush()) {
    return {Code::kIo, "--csv " + flags_.csv + ": cannot be written"};
  }
  return {};
}

Status CommBench::Run() {
  STEMMA_RETURN_IF_ERROR(MakeRows());
  for (int64_t round = 0; round < flags_.rounds; ++round) {
    for (Row& row : rows_) {
      STEMMA_RETURN_IF_ERROR(Visit(row));
      STEMMA_RETURN_IF_ERROR(MeasureCopy(row));
    }
  }
  return speaks() ? Print() : Status();
}

}  // namespace

Status RunCommBench(const CommFlags& flags, comm::World& world) {
  return CommBench(flags, world).Run();
}

}  // namespace stemma::bench
