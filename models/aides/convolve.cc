#include "models/aides/convolve.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/check.h"
#include "models/numeric/elementary.h"

namespace stemma::models {

namespace {

// `side` rows of `lanes` complex numbers each: one transform down every column.
struct Field {
  explicit Field(size_t size) : re(size), im(size) {}
  std::vector<double> re, im;
};

struct Twiddle {
  double re, im;
};

// e^(-2 pi i k / n)
Twiddle Turn(size_t k, size_t n) {
  const double t = static_cast<double>(k) / static_cast<double>(n);
  return {internal::CosTurns(t), -internal::CosTurns(t - .25)};
}

// Before a loop: what it writes is nothing that it reads. Clang knows only its own spelling.
#ifdef __clang__
#define STEMMA_LINES_APART _Pragma("clang loop vectorize(assume_safety)")
#else
#define STEMMA_LINES_APART _Pragma("GCC ivdep")
#endif

// One pass of Stockham's transform: runs of `run` values, P of them `jump` apart make P others.
// Input and output never overlap.
struct Pass {
  const double *in_re, *in_im;
  double *out_re, *out_im;
  size_t run, jump;
};

void Radix2(const Pass& p, Twiddle w) {
  const double *ar = p.in_re, *ai = p.in_im;
  const double *br = ar + p.jump, *bi = ai + p.jump;
  double *yr = p.out_re, *yi = p.out_im;
  double *zr = yr + p.run, *zi = yi + p.run;
  STEMMA_LINES_APART
  for (size_t t = 0; t < p.run; ++t) {
    const double dr = ar[t] - br[t], di = ai[t] - bi[t];
    yr[t] = ar[t] + br[t];
    yi[t] = ai[t] + bi[t];
    zr[t] = dr * w.re - di * w.im;
    zi[t] = dr * w.im + di * w.re;
  }
}

void Radix3(const Pass& p, Twiddle w, Twiddle w2) {
  constexpr double kSine = 0.8660254037844386;
  const double *xr = p.in_re, *xi = p.in_im;
  double *yr = p.out_re, *yi = p.out_im;
  const size_t run = p.run, jump = p.jump;
  STEMMA_LINES_APART
  for (size_t t = 0; t < run; ++t) {
    const double ar = xr[t], ai = xi[t];
    const double sr = xr[t + jump] + xr[t + 2 * jump], si = xi[t + jump] + xi[t + 2 * jump];
    const double dr = kSine * (xr[t + jump] - xr[t + 2 * jump]);
    const double di = kSine * (xi[t + jump] - xi[t + 2 * jump]);
    const double hr = ar - .5 * sr, hi = ai - .5 * si;
    const double br = hr + di, bi = hi - dr, cr = hr - di, ci = hi + dr;
    yr[t] = ar + sr;
    yi[t] = ai + si;
    yr[t + run] = br * w.re - bi * w.im;
    yi[t + run] = br * w.im + bi * w.re;
    yr[t + 2 * run] = cr * w2.re - ci * w2.im;
    yi[t + 2 * run] = cr * w2.im + ci * w2.re;
  }
}

void Radix4(const Pass& p, Twiddle w, Twiddle w2, Twiddle w3) {
  const double *xr = p.in_re, *xi = p.in_im;
  double *yr = p.out_re, *yi = p.out_im;
  const size_t run = p.run, jump = p.jump;
  STEMMA_LINES_APART
  for (size_t t = 0; t < run; ++t) {
    const double ar = xr[t] + xr[t + 2 * jump], ai = xi[t] + xi[t + 2 * jump];
    const double br = xr[t] - xr[t + 2 * jump], bi = xi[t] - xi[t + 2 * jump];
    const double cr = xr[t + jump] + xr[t + 3 * jump], ci = xi[t + jump] + xi[t + 3 * jump];
    const double dr = xr[t + jump] - xr[t + 3 * jump], di = xi[t + jump] - xi[t + 3 * jump];
    const double er = br + di, ei = bi - dr, fr = ar - cr, fi = ai - ci;
    const double gr = br - di, gi = bi + dr;
    yr[t] = ar + cr;
    yi[t] = ai + ci;
    yr[t + run] = er * w.re - ei * w.im;
    yi[t + run] = er * w.im + ei * w.re;
    yr[t + 2 * run] = fr * w2.re - fi * w2.im;
    yi[t + 2 * run] = fr * w2.im + fi * w2.re;
    yr[t + 3 * run] = gr * w3.re - gi * w3.im;
    yi[t + 3 * run] = gr * w3.im + gi * w3.re;
  }
}

void Swap(Field* a, Field* b) {
  a->re.swap(b->re);
  a->im.swap(b->im);
}

// The forward transform of length n down each of `lanes` columns; `other` is room.
void Transform(size_t n, size_t lanes, Field* field, Field* other) {
  size_t stride = 1;
  for (size_t left = n; left > 1;) {
    const size_t radix = left % 4 == 0 ? 4 : left % 3 == 0 ? 3 : 2, rest = left / radix;
    for (size_t k = 0; k < rest; ++k) {
      const size_t in = stride * lanes * k, out = in * radix;
      const Pass pass = {&field->re[in],  &field->im[in], &other->re[out],
                         &other->im[out], stride * lanes, stride * lanes * rest};
      const Twiddle w = Turn(k, left);
      if (radix == 2) Radix2(pass, w);
      if (radix == 3) Radix3(pass, w, Turn(2 * k, left));
      if (radix == 4) Radix4(pass, w, Turn(2 * k, left), Turn(3 * k, left));
    }
    Swap(field, other);
    stride *= radix;
    left = rest;
  }
}

// With both parts swapped before and after, the forward transform is the inverse one times n.
void Inverse(size_t n, size_t lanes, Field* field, Field* other) {
  field->re.swap(field->im);
  Transform(n, lanes, field, other);
  field->re.swap(field->im);
}

// The image's transform as [kx][ky] with ky <= n / 2. Columns l and l + n/2 are real and imaginary
// part of one transform down y; its even and odd parts are theirs.
void Forward(size_t n, const std::vector<double>& image, Field* out) {
  const size_t half = n / 2, kept = half + 1;
  Field z(n * half), room(n * half);
  for (size_t y = 0; y < n; ++y) {
    std::copy_n(&image[y * n], half, &z.re[y * half]);
    std::copy_n(&image[y * n + half], half, &z.im[y * half]);
  }
  Transform(n, half, &z, &room);
  for (size_t l = 0; l < half; ++l) {
    double *left_re = &out->re[l * kept], *left_im = &out->im[l * kept];
    double *right_re = &out->re[(l + half) * kept], *right_im = &out->im[(l + half) * kept];
    for (size_t k = 0; k < kept; ++k) {
      const size_t a = k * half + l, b = (n - k) % n * half + l;
      left_re[k] = .5 * (z.re[a] + z.re[b]);
      left_im[k] = .5 * (z.im[a] - z.im[b]);
      right_re[k] = .5 * (z.im[a] + z.im[b]);
      right_im[k] = .5 * (z.re[b] - z.re[a]);
    }
  }
  Field more(n * kept);
  Transform(n, kept, out, &more);
}

void Backward(size_t n, Field* in, std::vector<double>* image) {
  const size_t half = n / 2, kept = half + 1;
  Field more(n * kept), z(n * half), room(n * half);
  Inverse(n, kept, in, &more);
  for (size_t l = 0; l < half; ++l) {
    const double *left_re = &in->re[l * kept], *left_im = &in->im[l * kept];
    const double *right_re = &in->re[(l + half) * kept], *right_im = &in->im[(l + half) * kept];
    for (size_t k = 0; k < kept; ++k) {
      const size_t a = k * half + l, b = (n - k) % n * half + l;
      z.re[b] = left_re[k] + right_im[k];
      z.im[b] = right_re[k] - left_im[k];
      z.re[a] = left_re[k] - right_im[k];
      z.im[a] = left_im[k] + right_re[k];
    }
  }
  Inverse(n, half, &z, &room);
  for (size_t y = 0; y < n; ++y) {
    std::copy_n(&z.re[y * half], half, &(*image)[y * n]);
    std::copy_n(&z.im[y * half], half, &(*image)[y * n + half]);
  }
}

}  // namespace

size_t GoodSide(size_t least) {
  STEMMA_CHECK(least <= 1024, "a side of " + std::to_string(least));
  size_t best = 1024;
  for (size_t threes : {1, 3, 9, 27}) {
    size_t side = 8 * threes;
    while (side < least) side *= 2;
    best = std::min(best, side);
  }
  return best;
}

WrappedConvolution::WrappedConvolution(size_t side, const std::vector<double>& kernel)
    : side_(side) {
  STEMMA_CHECK(side == GoodSide(side) && kernel.size() == side * side,
               "a kernel of " + std::to_string(kernel.size()) + " for " + std::to_string(side));
  Field field(side * (side / 2 + 1));
  Forward(side, kernel, &field);
  filter_ = std::move(field.re);  // the imaginary part of a symmetric kernel's is 0
  for (double& value : filter_) value /= static_cast<double>(side * side);
}

void WrappedConvolution::Apply(std::vector<double>* image) const {
  STEMMA_CHECK(image->size() == side_ * side_, "an image of " + std::to_string(image->size()));
  Field field(filter_.size());
  Forward(side_, *image, &field);
  for (size_t i = 0; i < filter_.size(); ++i) {
    field.re[i] *= filter_[i];
    field.im[i] *= filter_[i];
  }
  Backward(side_, &field, image);
}

}  // namespace stemma::models
