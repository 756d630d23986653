#include "tools/report/svg.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace stemma::report {
namespace {

// Okabe and Ito, "Color Universal Design"; the dark ones are lighter so that they stand out as
// much.
struct Colour {
  const char* light;
  const char* dark;
};
constexpr Colour kPalette[kColours] = {{"#0072b2", "#6cb8f0"}, {"#d55e00", "#ff9a52"},
                                       {"#00805f", "#3fd0a4"}, {"#a8477f", "#ee9fca"},
                                       {"#8a6d00", "#f0c64a"}, {"#666666", "#b0b0b0"}};
constexpr char kInkColour[] = "#1b1b1b";
constexpr char kReplacement[] = "\xEF\xBF\xBD";

// Length of the UTF-8 character at the front that XML may hold; 0 when there is none.
size_t CharacterLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r';
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  uint32_t code = first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  const bool good =
      code >= kLeast[length] && code <= 0x10FFFF && !surrogate && (code & 0xFFFE) != 0xFFFE;
  return good ? length : 0;
}

std::string Coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  char text[48];
  std::snprintf(text, sizeof(text), "%.1f", value);
  std::string out = text;
  if (out.compare(out.size() - 2, 2, ".0") == 0) out.resize(out.size() - 2);
  return out == "-0" ? "0" : out;
}

std::string Attribute(const char* name, double value) {
  return std::string(" ") + name + "=\"" + Coordinate(value) + "\"";
}

std::string StrokeAttributes(const Stroke& stroke) {
  std::string text = " stroke=\"currentColor\"" + Attribute("stroke-width", stroke.width);
  if (*stroke.dashes != 0) text += std::string(" stroke-dasharray=\"") + stroke.dashes + "\"";
  if (stroke.opacity < 1) text += Attribute("stroke-opacity", stroke.opacity);
  return text;
}

std::string Path2d(const Corners& corners) {
  std::string text;
  for (const auto& [x, y] : corners) {
    text += (text.empty() ? "M" : "L") + Coordinate(x) + " " + Coordinate(y);
  }
  return text;
}

// Of a letter, as a share of the font's size: DejaVu Sans, rounded up.
double LetterWidth(char c) {
  constexpr std::string_view kNarrow = "iljtfr.,:;'|!()[]/ ";
  constexpr std::string_view kWide = "mwMW@%";
  if (kNarrow.find(c) != std::string_view::npos) return 0.39;
  if (kWide.find(c) != std::string_view::npos) return 0.98;
  return c >= 'A' && c <= 'Z' ? 0.71 : 0.63;
}

bool Continues(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// An open mark is larger, so that it is seen around a filled one at the same place.
constexpr double kRadius = 4, kOpenRadius = 6, kSmall = 0.4;

std::string MarkPath(Shape shape, double x, double y, double r) {
  switch (shape) {
    case Shape::kSquare:
      return Path2d({{x - r, y - r}, {x + r, y - r}, {x + r, y + r}, {x - r, y + r}}) + "Z";
    case Shape::kTriangle:
      return Path2d({{x, y - 1.2 * r}, {x + 1.2 * r, y + r}, {x - 1.2 * r, y + r}}) + "Z";
    case Shape::kDiamond:
      return Path2d({{x, y - 1.2 * r}, {x + 1.2 * r, y}, {x, y + 1.2 * r}, {x - 1.2 * r, y}}) + "Z";
    case Shape::kCross:
      return Path2d({{x - r, y - r}, {x + r, y + r}}) + Path2d({{x - r, y + r}, {x + r, y - r}});
    default:
      return "";
  }
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    switch (length == 0 ? 0 : text[0]) {
      case 0:
        out += kReplacement;
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

double TextWidth(std::string_view text, double size) {
  double width = 0;
  for (const char c : text) {
    if (!Continues(c)) width += LetterWidth(c);
  }
  return width * size;
}

std::vector<std::string> Wrapped(std::string_view text, double width, double size) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::string word(text.substr(0, text.find(' ')));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    std::string& line = lines.back();
    if (line.empty() || TextWidth(line + " " + word, size) <= width) {
      line += (line.empty() ? "" : " ") + word;
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

std::string Fitted(std::string_view text, double width, double size) {
  if (TextWidth(text, size) <= width) return std::string(text);
  constexpr char kEllipsis[] = "\xE2\x80\xA6";
  size_t end = text.size();
  while (end > 0 && (TextWidth(text.substr(0, end), size) + size > width ||
                     (end < text.size() && Continues(text[end])))) {
    --end;
  }
  return std::string(text.substr(0, end)) + kEllipsis;
}

Svg::Svg(double width, double height, std::string_view title, std::string_view description) {
  body_ = "<svg" + Attribute("width", width) + Attribute("height", height) + " viewBox=\"0 0 " +
          Coordinate(width) + " " + Coordinate(height) + "\" role=\"img\" class=\"ink\" color=\"" +
          kInkColour + "\" font-family=\"sans-serif\">\n<title>" + Escaped(title) +
          "</title>\n<desc>" + Escaped(description) + "</desc>\n";
  Paper(0, 0, width, height);
}

void Svg::BeginInk(int colour) {
  if (colour < 0) {
    body_ += std::string("<g class=\"ink\" color=\"") + kInkColour + "\">\n";
    return;
  }
  body_ += "<g class=\"c" + std::to_string(colour % kColours) + "\" color=\"" +
           kPalette[colour % kColours].light + "\">\n";
}

void Svg::End() { body_ += "</g>\n"; }

void Svg::Line(double x1, double y1, double x2, double y2, const Stroke& stroke) {
  Path({{x1, y1}, {x2, y2}}, stroke);
}

void Svg::Grid(double x1, double y1, double x2, double y2) {
  body_ += "<path d=\"" + Path2d({{x1, y1}, {x2, y2}}) +
           "\" stroke=\"#808080\" stroke-opacity=\"0.25\"/>\n";
}

void Svg::Path(const Corners& corners, const Stroke& stroke) {
  body_ += "<path d=\"" + Path2d(corners) + "\" fill=\"none\"" + StrokeAttributes(stroke) + "/>\n";
}

void Svg::Area(const Corners& corners, double opacity) {
  char share[16];
  std::snprintf(share, sizeof(share), "%.2f", opacity);
  body_ += "<path d=\"" + Path2d(corners) + "Z\" fill=\"currentColor\" fill-opacity=\"" + share +
           "\"/>\n";
}

void Svg::Box(double x, double y, double width, double height, std::string_view hover) {
  body_ += "<rect" + Attribute("x", x) + Attribute("y", y) + Attribute("width", width) +
           Attribute("height", height) + " fill=\"currentColor\"><title>" + Escaped(hover) +
           "</title></rect>\n";
}

void Svg::Paper(double x, double y, double width, double height) {
  body_ += "<rect" + Attribute("x", x) + Attribute("y", y) + Attribute("width", width) +
           Attribute("height", height) + " class=\"paper\" fill=\"#fff\"/>\n";
}

void Svg::Text(double x, double y, std::string_view text, const TextStyle& style) {
  constexpr const char* kAnchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
  body_ += "<text" + Attribute("x", x) + Attribute("y", y) + Attribute("font-size", style.size) +
           kAnchors[static_cast<int>(style.anchor)];
  if (style.bold) body_ += " font-weight=\"bold\"";
  if (style.upright) {
    body_ += " transform=\"rotate(-90 " + Coordinate(x) + " " + Coordinate(y) + ")\"";
  }
  body_ += " fill=\"currentColor\">" + Escaped(text) + "</text>\n";
}

void Svg::PaperText(double x, double y, std::string_view text, double size) {
  body_ += "<text" + Attribute("x", x) + Attribute("y", y) + Attribute("font-size", size) +
           " text-anchor=\"middle\" class=\"paper\" fill=\"#fff\">" + Escaped(text) + "</text>\n";
}

void Svg::Draw(const Mark& mark, double x, double y, std::string_view hover) {
  if (mark.shape == Shape::kNone) return;
  const bool disc = mark.shape == Shape::kDisc;
  const double scale = mark.small ? kSmall : 1, r = scale * (mark.open ? kOpenRadius : kRadius);
  body_ += disc ? "<circle" + Attribute("cx", x) + Attribute("cy", y) + Attribute("r", r)
                : "<path d=\"" + MarkPath(mark.shape, x, y, r) + "\"";
  // What is transparent still has a hover text, unlike no filling at all.
  body_ += mark.open ? " fill=\"#fff\" fill-opacity=\"0\"" : " fill=\"currentColor\"";
  body_ += StrokeAttributes({scale * (mark.shape == Shape::kCross ? 2.5 : 1.8), "", 1});
  const char* name = disc ? "circle" : "path";
  body_ += hover.empty() ? "/>\n"
                         : "><title>" + Escaped(hover) + "</title></" + std::string(name) + ">\n";
}

std::string Svg::Finish() && { return std::move(body_) + "</svg>\n"; }

std::string ThemeCss() {
  // Paper stays white: only screens are dark.
  std::string css =
      "@media screen and (prefers-color-scheme: dark) {\n"
      "  .ink { color: #e6e6e6 }\n  .paper { fill: #16181c }\n";
  for (int i = 0; i < kColours; ++i) {
    css += "  .c" + std::to_string(i) + " { color: " + kPalette[i].dark + " }\n";
  }
  return css + "}\n";
}

std::string SvgFile(const std::string& fragment) {
  const size_t head = fragment.find(">\n");
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"" +
         fragment.substr(4, head - 4) + ">\n<style>\n" + ThemeCss() + "</style>" +
         fragment.substr(head + 1);
}

}  // namespace stemma::report
