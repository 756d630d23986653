// Which Stemma this is. The number is the program's; formats on disk and protocols between ranks
// have versions of their own, beside the code that reads them.
#pragma once

#include <string>

namespace stemma {

constexpr char kProgramVersion[] = "0.1.0";

// "g++ 12.2.0, C++17, new ABI, release": what this translation unit was built with.
inline std::string CompilerText() {
#if defined(__clang__)
  std::string text = "clang " __clang_version__;
#else
  std::string text = "g++ " __VERSION__;
#endif
  text += ", C++" + std::to_string(__cplusplus / 100 % 100);
#if defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
  text += ", new ABI";
#else
  text += ", old ABI";
#endif
#ifdef NDEBUG
  return text + ", release";
#else
  return text + ", with debug checks";
#endif
}

}  // namespace stemma
