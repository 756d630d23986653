// A folder of its own for one test, gone with everything in it at the end of the scope.
//
//   const TempFolder folder;
//   PutFile(folder / "a.h5");
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include <catch2/catch.hpp>

namespace stemma::tests {

class TempFolder {
 public:
  TempFolder() : path_((std::filesystem::temp_directory_path() / "stemma-test-XXXXXX").string()) {
    REQUIRE(mkdtemp(path_.data()) != nullptr);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace stemma::tests
