#include "tools/bench/made_images.h"

#include <cstdio>  // jpeglib.h needs it first

#include <jpeglib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/random.h"

namespace stemma::bench {
namespace {

// Adds smooth noise of one scale: random values `cell` pixels apart, blended between.
void AddOctave(int width, int height, int cell, double amplitude, Random* draw,
               std::vector<float>* plane) {
  const int columns = width / cell + 2, rows = height / cell + 2;
  std::vector<float> lattice(static_cast<size_t>(columns * rows));
  for (float& value : lattice) value = static_cast<float>(amplitude * (2 * draw->Uniform() - 1));
  const auto blend = [](float t) { return t * t * (3 - 2 * t); };
  for (int y = 0; y < height; ++y) {
    const float down = blend(static_cast<float>(y % cell) / static_cast<float>(cell));
    const float* above = lattice.data() + (y / cell) * columns;
    const float* below = above + columns;
    for (int x = 0; x < width; ++x) {
      const float right = blend(static_cast<float>(x % cell) / static_cast<float>(cell));
      const int at = x / cell;
      const float top = above[at] + right * (above[at + 1] - above[at]);
      const float bottom = below[at] + right * (below[at + 1] - below[at]);
      (*plane)[static_cast<size_t>(y * width + x)] += top + down * (bottom - top);
    }
  }
}

std::vector<float> Noise(int width, int height, double amplitude, double roughness, Random* draw) {
  std::vector<float> plane(static_cast<size_t>(width * height), 0.f);
  for (int cell = 128; cell >= 1; cell /= 2, amplitude *= roughness) {
    AddOctave(width, height, cell, amplitude, draw, &plane);
  }
  return plane;
}

uint8_t Level(float v) { return static_cast<uint8_t>(std::clamp(v + .5f, 0.f, 255.f)); }

}  // namespace

std::vector<uint8_t> MadePixels(int width, int height, uint64_t seed, double roughness) {
  Random draw(Key({seed}), "made image");
  const std::vector<float> luma = Noise(width, height, 90, roughness, &draw);
  const std::vector<float> warm = Noise(width, height, 40, roughness, &draw);
  const std::vector<float> cool = Noise(width, height, 40, roughness, &draw);
  std::vector<uint8_t> rgb;
  rgb.reserve(3 * luma.size());
  for (size_t i = 0; i < luma.size(); ++i) {
    rgb.push_back(Level(125 + luma[i] + warm[i]));
    rgb.push_back(Level(118 + luma[i]));
    rgb.push_back(Level(110 + luma[i] + cool[i]));
  }
  return rgb;
}

std::string MadeJpeg(const std::vector<uint8_t>& rgb, int width, int height, JpegKind kind,
                     int quality) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);  // what goes wrong here ends the process
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  const bool ink = kind == JpegKind::kCmyk, grey = kind == JpegKind::kGrey;
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = ink ? 4 : grey ? 1 : 3;
  info.in_color_space = ink ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  if (kind == JpegKind::k444) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (kind == JpegKind::kProgressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<uint8_t> row;
  while (info.next_scanline < info.image_height) {
    const uint8_t* pixel = rgb.data() + size_t{3} * info.next_scanline * info.image_width;
    row.clear();
    for (int x = 0; x < width; ++x, pixel += 3) {
      if (grey) {
        row.push_back(pixel[1]);
        continue;
      }
      row.insert(row.end(), pixel, pixel + 3);
      if (ink) row.push_back(255);
    }
    JSAMPROW at = row.data();
    jpeg_write_scanlines(&info, &at, 1);
  }
  jpeg_finish_compress(&info);
  std::string made(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return made;
}

}  // namespace stemma::bench
