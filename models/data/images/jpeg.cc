#include "models/data/images/jpeg.h"

#include <cstdio>  // jpeglib.h needs it first

#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "core/check.h"

namespace stemma::models {

// libjpeg's structures, and where its errors jump to. Functions that call setjmp see this and plain
// numbers only: a jump runs no destructor.
struct internal::JpegState {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX] = {};  // the first warning, or the error
  bool created = false;
  int64_t pixels_max = 0;

  ~JpegState() {
    if (created) jpeg_destroy_decompress(&info);
  }
};

namespace {

using internal::JpegState;

constexpr int kScansMax = 100;  // of a progressive image; ten is usual
constexpr JDIMENSION kRowsAtOnce = 8;
// Columns decoded beside the rectangle, so that the chroma of its edge has neighbours.
constexpr int kMargin = 2;

JpegState* Of(j_common_ptr info) { return static_cast<JpegState*>(info->client_data); }

[[noreturn]] void OnError(j_common_ptr info) {
  info->err->format_message(info, Of(info)->message);
  std::longjmp(Of(info)->escape, 1);
}

void OnMessage(j_common_ptr info, int level) {
  if (level >= 0) return;  // a trace
  if (info->err->num_warnings++ == 0) info->err->format_message(info, Of(info)->message);
}

void OnOutput(j_common_ptr) {}  // nothing goes to stderr

void OnProgress(j_common_ptr info) {
  JpegState* state = Of(info);
  if (state->info.input_scan_number <= kScansMax) return;
  std::snprintf(state->message, sizeof state->message, "more than %d scans", kScansMax);
  std::longjmp(state->escape, 1);
}

bool Create(JpegState* state) {
  state->info.err = jpeg_std_error(&state->errors);
  state->errors.error_exit = OnError;
  state->errors.emit_message = OnMessage;
  state->errors.output_message = OnOutput;
  state->info.client_data = state;
  if (setjmp(state->escape)) return false;
  jpeg_create_decompress(&state->info);  // keeps err and client_data
  state->progress.progress_monitor = OnProgress;
  state->info.progress = &state->progress;
  state->created = true;
  return true;
}

bool ReadHeader(JpegState* state, const unsigned char* bytes, unsigned long size) {
  if (setjmp(state->escape)) return false;
  jpeg_abort_decompress(&state->info);
  state->errors.num_warnings = 0;
  jpeg_mem_src(&state->info, bytes, size);
  jpeg_read_header(&state->info, TRUE);
  return true;
}

bool IsInk(J_COLOR_SPACE space) { return space == JCS_CMYK || space == JCS_YCCK; }

// From here on columns are those of the rectangle with what lies beside it.
bool BeginOutput(JpegState* state, int reduction, JDIMENSION* left, JDIMENSION* width,
                 JDIMENSION top) {
  jpeg_decompress_struct* info = &state->info;
  if (setjmp(state->escape)) return false;
  info->scale_num = static_cast<unsigned>(8 / reduction);
  info->scale_denom = 8;
  info->dct_method = JDCT_ISLOW;  // the other ones change pixels
  info->out_color_space = IsInk(info->jpeg_color_space) ? JCS_CMYK : JCS_EXT_RGBX;
  jpeg_start_decompress(info);
  if (*width < info->output_width) jpeg_crop_scanline(info, left, width);
  if (top > 0) jpeg_skip_scanlines(info, top);
  return true;
}

bool ReadRows(JpegState* state, unsigned char* first, size_t stride, JDIMENSION rows) {
  jpeg_decompress_struct* info = &state->info;
  if (setjmp(state->escape)) return false;
  const JDIMENSION end = info->output_scanline + rows, begin = info->output_scanline;
  while (info->output_scanline < end) {
    JSAMPROW at[kRowsAtOnce];
    const JDIMENSION count = std::min(kRowsAtOnce, end - info->output_scanline);
    for (JDIMENSION i = 0; i < count; ++i) {
      at[i] = first + stride * (info->output_scanline - begin + i);
    }
    jpeg_read_scanlines(info, at, count);
  }
  jpeg_abort_decompress(info);
  return true;
}

// Inverted inks over white: what is left of red is what cyan lets through, times what black does.
void InkToColour(uint8_t* pixel, int count) {
  for (; count > 0; --count, pixel += kPixelBytes) {
    for (int i = 0; i < 3; ++i) {
      pixel[i] = static_cast<uint8_t>((pixel[i] * pixel[3] + 127) / 255);
    }
  }
}

Status Broken(const JpegState& state) {
  return {Code::kCorruption, std::string("the JPEG is damaged: ") + state.message};
}

Status CheckHeader(const JpegState& state) {
  if (state.errors.num_warnings > 0) return Broken(state);
  const int64_t width = state.info.image_width, height = state.info.image_height;
  if (width * height > state.pixels_max) {
    return {Code::kIncompatible, "the JPEG has " + std::to_string(width) + " x " +
                                     std::to_string(height) + " pixels, at most " +
                                     std::to_string(state.pixels_max) + " are read"};
  }
  switch (state.info.jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_YCbCr:
    case JCS_RGB:
    case JCS_CMYK:
    case JCS_YCCK:
      return {};
    default:
      return {Code::kIncompatible, "the JPEG has " + std::to_string(state.info.num_components) +
                                       " components of an unknown kind"};
  }
}

}  // namespace

JpegDecoder::JpegDecoder(int64_t pixels_max) : state_(std::make_unique<JpegState>()) {
  state_->pixels_max = pixels_max;
}
JpegDecoder::~JpegDecoder() = default;
JpegDecoder::JpegDecoder(JpegDecoder&&) noexcept = default;
JpegDecoder& JpegDecoder::operator=(JpegDecoder&&) noexcept = default;

Result<JpegSize> JpegDecoder::Start(std::string_view bytes) {
  const std::string format = ImageFormat(bytes);
  if (format.empty()) {
    return Status(Code::kCorruption,
                  bytes.empty() ? "an empty file" : "no image: its first bytes are of no format");
  }
  if (format != "JPEG") {
    return Status(Code::kIncompatible, "a " + format + ", of which only JPEG is read; convert it");
  }
  if (!state_->created && !Create(state_.get())) return Broken(*state_);
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  if (!ReadHeader(state_.get(), data, bytes.size())) return Broken(*state_);
  STEMMA_RETURN_IF_ERROR(CheckHeader(*state_));
  return JpegSize{static_cast<int>(state_->info.image_width),
                  static_cast<int>(state_->info.image_height)};
}

Status JpegDecoder::Decode(int reduction, const PixelRegion& region, Pixels* out) {
  const JpegSize size = ReducedSize(
      {static_cast<int>(state_->info.image_width), static_cast<int>(state_->info.image_height)},
      reduction);
  STEMMA_CHECK(region.width > 0 && region.height > 0 && region.left >= 0 && region.top >= 0 &&
                   region.left + region.width <= size.width &&
                   region.top + region.height <= size.height,
               "a region outside its image");
  const int from = std::max(0, region.left - kMargin);
  const int to = std::min(size.width, region.left + region.width + kMargin);
  auto left = static_cast<JDIMENSION>(from), width = static_cast<JDIMENSION>(to - from);
  if (!BeginOutput(state_.get(), reduction, &left, &width, static_cast<JDIMENSION>(region.top))) {
    return Broken(*state_);
  }
  const bool ink = state_->info.out_color_space == JCS_CMYK;
  out->Shape(static_cast<int>(width), region.height, region.left - static_cast<int>(left));
  unsigned char* first = out->row(0) - size_t{kPixelBytes} * (region.left - left);
  if (!ReadRows(state_.get(), first, out->stride(), static_cast<JDIMENSION>(region.height))) {
    return Broken(*state_);
  }
  if (state_->errors.num_warnings > 0) return Broken(*state_);
  for (int y = 0; ink && y < region.height; ++y) InkToColour(out->row(y), region.width);
  return {};
}

std::string ImageFormat(std::string_view bytes) {
  const auto begins = [bytes](std::string_view with) {
    return bytes.substr(0, with.size()) == with;
  };
  if (begins("\xFF\xD8\xFF")) return "JPEG";
  if (begins("\x89PNG\r\n\x1A\n")) return "PNG";
  if (begins("GIF8")) return "GIF";
  if (begins("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP") return "WebP";
  if (begins("BM")) return "BMP";
  if (begins(std::string_view("II*\0", 4)) || begins(std::string_view("MM\0*", 4))) return "TIFF";
  return "";
}

std::string JpegVersion() {
#define STEMMA_TEXT_(x) #x
#define STEMMA_TEXT(x) STEMMA_TEXT_(x)
  return "libjpeg-turbo " STEMMA_TEXT(LIBJPEG_TURBO_VERSION);
#undef STEMMA_TEXT
#undef STEMMA_TEXT_
}

}  // namespace stemma::models
