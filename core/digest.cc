#include "core/digest.h"

// OpenSSL's general interface reads its configuration and loads a provider on first use, 1.3 ms of
// every `stemma fork` and `stemma log`; these functions, which it calls old, do neither.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <xxhash.h>

#include "core/check.h"

namespace stemma {
namespace {
std::string Canonical(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  return std::string(reinterpret_cast<const char*>(bytes.digest), sizeof bytes.digest);
}
}  // namespace

std::string Sha256(std::string_view bytes) {
  Sha256Stream stream;
  stream.Update(bytes);
  return stream.Finish();
}

std::string Xxh128(std::string_view bytes) {
  return Canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

uint64_t Xxh64(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Sha256Stream::State {
  SHA256_CTX context;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  STEMMA_CHECK(SHA256_Init(&state_->context) == 1, "SHA-256");
}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::Update(std::string_view bytes) {
  STEMMA_CHECK(SHA256_Update(&state_->context, bytes.data(), bytes.size()) == 1, "SHA-256");
}

std::string Sha256Stream::Finish() {
  std::string out(kSha256Bytes, '\0');
  auto* raw = reinterpret_cast<unsigned char*>(out.data());
  STEMMA_CHECK(SHA256_Final(raw, &state_->context) == 1, "SHA-256");
  return out;
}

struct Xxh128Stream::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

Xxh128Stream::Xxh128Stream() : state_(std::make_unique<State>()) { Reset(); }
Xxh128Stream::~Xxh128Stream() = default;
Xxh128Stream::Xxh128Stream(Xxh128Stream&&) noexcept = default;
Xxh128Stream& Xxh128Stream::operator=(Xxh128Stream&&) noexcept = default;
void Xxh128Stream::Update(std::string_view bytes) {
  XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size());
}
std::string Xxh128Stream::Finish() const { return Canonical(XXH3_128bits_digest(state_->xxh)); }
void Xxh128Stream::Reset() { XXH3_128bits_reset(state_->xxh); }

}  // namespace stemma
