// Steps of the tests that read files of tensors from outside.
#pragma once

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lineage/memory_storage.h"
#include "lineage/weights/tensor_file.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {

// What torch wrote.
inline std::string ReadGolden(const std::string& name) {
  std::ifstream file("tests/golden/data/torch/" + name, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void Put(MemoryStorage& disk, const std::string& path, const std::string& bytes) {
  if (disk.Exists(path)) REQUIRE_THAT(disk.Remove(path), tests::IsOk());
  REQUIRE_THAT(WriteDurable(disk, path, bytes), tests::IsOk());
}

inline Result<std::unique_ptr<TensorFile>> OpenBytes(MemoryStorage& disk, const std::string& bytes,
                                                     const std::string& key = "") {
  Put(disk, "/in.pt", bytes);
  return OpenTensorFile(disk, "/in.pt", key);
}

struct Read {
  FileTensor about;
  std::string bytes;
};

// All tensors, each read in pieces of `step` elements.
inline std::map<std::string, Read> ReadAll(TensorFile& file, uint64_t step = 7) {
  std::map<std::string, Read> read;
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    Read one{file.tensors()[i], ""};
    uint64_t count = 1;
    for (const uint64_t dim : one.about.shape) count *= dim;
    const uint64_t size = SizeOf(one.about.dtype);
    one.bytes.resize(count * size);
    for (uint64_t at = 0; at < count; at += step) {
      const uint64_t some = std::min(step, count - at);
      REQUIRE_THAT(file.Read(i, at * size, some * size, one.bytes.data() + at * size),
                   tests::IsOk());
    }
    read[one.about.name] = one;
  }
  return read;
}

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace stemma::lineage
