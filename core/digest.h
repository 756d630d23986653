// The two digests of Stemma. SHA-256 (OpenSSL) names things: a state, a pack, a layout, a blob.
// XXH3-128 (xxHash) checks bytes: frames, chunks, replicas. XXH3 is fast (memory speed) and finds
// faults; it is not made against people who forge data.
//
// Both are raw bytes in a std::string, XXH3 in its canonical (big-endian) form. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace stemma {

constexpr size_t kSha256Bytes = 32;
constexpr size_t kXxh128Bytes = 16;

std::string Sha256(std::string_view bytes);
std::string Xxh128(std::string_view bytes);
uint64_t Xxh64(std::string_view bytes,
               uint64_t seed = 0);  // XXH3, 64 bits, for keys and control words

// A digest of bytes that arrive in pieces. Move-only; one thread at a time.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void Update(std::string_view bytes);
  std::string Finish();  // call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Xxh128Stream {
 public:
  Xxh128Stream();
  ~Xxh128Stream();
  Xxh128Stream(Xxh128Stream&&) noexcept;
  Xxh128Stream& operator=(Xxh128Stream&&) noexcept;
  void Update(std::string_view bytes);
  std::string Finish() const;  // of what was given so far
  void Reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stemma
