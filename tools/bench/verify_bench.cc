// How fast states are verified, exported and imported, one thread, from the page cache; beside it
// the digest alone, over memory:
//   bazel run //tools/bench:verify_bench -- FOLDER [MIB]
// Makes a store in a folder of its own below FOLDER and removes it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "core/digest.h"
#include "core/random.h"
#include "lineage/export.h"
#include "lineage/import.h"
#include "lineage/store.h"
#include "lineage/verify.h"

namespace stemma::lineage {
namespace {

constexpr int kTimes = 7;

// The best of `times`, in GB/s.
double Rate(uint64_t bytes, int times, const std::function<Status()>& work, Status* status) {
  double best = 0;
  for (int i = 0; i < times && status->ok(); ++i) {
    const auto begun = std::chrono::steady_clock::now();
    *status = work();
    const double spent =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    best = std::max(best, static_cast<double>(bytes) / spent / 1e9);
  }
  return best;
}

// One f32 tensor of `bytes` bytes, as a safetensors file.
Status WriteModel(Storage& storage, const std::string& path, uint64_t bytes) {
  std::string json = "{\"w\":{\"dtype\":\"F32\",\"shape\":[" + std::to_string(bytes / 4) +
                     "],\"data_offsets\":[0," + std::to_string(bytes) + "]}}";
  json.append((8 - json.size() % 8) % 8, ' ');
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i)
    file[static_cast<size_t>(i)] = static_cast<char>(json.size() >> 8 * i);
  file += json;
  Random draw(1, "verify_bench");
  const size_t begin = file.size();
  file.resize(begin + bytes);
  for (size_t at = begin; at < file.size(); at += 4) {
    const uint32_t bits = draw.U32();
    std::copy_n(reinterpret_cast<const char*>(&bits), 4, file.data() + at);
  }
  return WriteSynced(storage, path, file);
}

Status Bench(const std::string& folder, uint64_t bytes) {
  Storage& storage = PosixStorage();
  STEMMA_ASSIGN_OR_RETURN(const auto store, Store::Open(folder + "/store", true, storage));
  const std::string model = folder + "/in.safetensors";
  STEMMA_RETURN_IF_ERROR(WriteModel(storage, model, bytes));
  Status status;
  StateId id;
  const double import_rate = Rate(
      bytes, 1,
      [&]() -> Status {
        STEMMA_ASSIGN_OR_RETURN(const Imported imported,
                                ImportTensors(*store, model, {"w", 0}));
        id = imported.id;
        return {};
      },
      &status);
  STEMMA_RETURN_IF_ERROR(std::move(status));
  STEMMA_ASSIGN_OR_RETURN(const Graph graph, store->Load());
  const double verify_rate = Rate(
      bytes, kTimes,
      [&]() -> Status {
        STEMMA_ASSIGN_OR_RETURN(const VerifyReport report, VerifyStates(*store, graph, {id}, {1}));
        return report.clean() ? Status() : Status(Code::kCorruption, report.damaged[0].what);
      },
      &status);
  const std::string memory(64 << 20, 'x');
  std::string digests;
  const double digest_rate = Rate(
      memory.size(), kTimes,
      [&] {
        for (size_t at = 0; at < memory.size(); at += kChunkBytes) {
          digests += Xxh128(std::string_view(memory).substr(at, kChunkBytes));
        }
        return Status();
      },
      &status);
  ExportOptions options;
  options.replace = true;
  const double export_rate = Rate(
      bytes, 2,
      [&] {
        return ExportSafetensors(*store, graph.states.at(id), folder + "/out.safetensors", options)
            .status();
      },
      &status);
  STEMMA_RETURN_IF_ERROR(std::move(status));
  std::printf("verify %.2f GB/s\nxxh3 of memory %.2f GB/s\n", verify_rate, digest_rate);
  std::printf("export %.2f GB/s\nimport %.2f GB/s\n", export_rate, import_rate);
  return {};
}

}  // namespace
}  // namespace stemma::lineage

int main(int argc, char** argv) {
  std::string folder = std::string(argc > 1 ? argv[1] : ".") + "/verify_bench_XXXXXX";
  const uint64_t mib = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 512;
  if (mib == 0 || mkdtemp(folder.data()) == nullptr) {
    std::printf("cannot make a folder in %s, or no size\n", argc > 1 ? argv[1] : ".");
    return 2;
  }
  const stemma::Status status = stemma::lineage::Bench(folder, mib << 20);
  std::error_code ignored;  // what stays is said by the folder's name
  std::filesystem::remove_all(folder, ignored);
  if (!status.ok()) std::printf("%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
