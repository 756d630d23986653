// One picture as SVG text, written shape by shape: what every chart of this folder is made of.
//
//   Svg svg(720, 400, "Throughput", "Images per second on 2 to 64 GPUs");
//   svg.BeginInk(0);                          // what follows has the palette's first colour
//   svg.Draw({Shape::kDisc, false}, 10, 20, "64 GPUs: 33,080 img/s");
//   svg.End();
//   std::string fragment = std::move(svg).Finish();     // inside an HTML page, or
//   std::string file = SvgFile(fragment);               // a file of its own
//
// Colours are attributes, so that a picture is right without any style sheet and on paper; a class
// beside each lets ThemeCss() replace them for readers with a dark screen. The palette is Okabe and
// Ito's, safe for colour-blind readers, and no colour says anything alone: marks differ in shape,
// lines in dashes. A picture refers to nothing outside of it, has no ids, so that many stand in one
// page, and runs no script: what a pointer over a mark shows is its <title>.
//
// Text from outside is untrusted: it is escaped, and bytes that are no UTF-8 or no character of XML
// become U+FFFD. Coordinates are rounded to a tenth; one that is not finite is written as 0. Equal
// calls give equal bytes. Units are user units: the picture scales with its text. One thread per
// picture.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stemma::report {

constexpr double kTextSize = 13;
constexpr int kColours = 6;
constexpr int kInk = -1;  // the colour of text

enum class Shape { kNone, kDisc, kSquare, kTriangle, kDiamond, kCross };

// Filled: measured here. Open: published. A diamond: simulated. Small: one of hundreds, which would
// hide each other.
struct Mark {
  Shape shape = Shape::kNone;
  bool open = false;
  bool small = false;
};

enum class Anchor { kStart, kMiddle, kEnd };

struct TextStyle {
  Anchor anchor = Anchor::kStart;
  double size = kTextSize;
  bool bold = false;
  bool upright = false;  // read from below, for the label of a vertical axis
};

struct Stroke {
  double width = 1.5;
  const char* dashes = "";  // "6 4"
  double opacity = 1;
};

using Corners = std::vector<std::pair<double, double>>;  // x, y

// For text and for quoted attributes of SVG and HTML.
std::string Escaped(std::string_view text);
// A generous estimate for a sans-serif font: what is placed by it does not overlap.
double TextWidth(std::string_view text, double size = kTextSize);
// The text in lines no wider than `width` where blanks allow it.
std::vector<std::string> Wrapped(std::string_view text, double width, double size = kTextSize);
// The beginning that fits, with an ellipsis if something is missing.
std::string Fitted(std::string_view text, double width, double size = kTextSize);

class Svg {
 public:
  Svg(double width, double height, std::string_view title, std::string_view description);

  void BeginInk(int colour);  // until End(); colours repeat beyond kColours
  void End();

  void Line(double x1, double y1, double x2, double y2, const Stroke& stroke);
  void Grid(double x1, double y1, double x2, double y2);  // faint, and the same in both themes
  void Path(const Corners& corners, const Stroke& stroke);
  void Area(const Corners& corners, double opacity);
  void Box(double x, double y, double width, double height, std::string_view hover);
  void Paper(double x, double y, double width, double height);  // hides what lies below
  void Text(double x, double y, std::string_view text, const TextStyle& style = {});
  void PaperText(double x, double y, std::string_view text, double size);  // within a Box
  void Draw(const Mark& mark, double x, double y, std::string_view hover);

  std::string Finish() &&;

 private:
  std::string body_;
};

// The fragment as a file: with its name space, and with ThemeCss() inside.
std::string SvgFile(const std::string& fragment);
// The colours of a dark screen, for pages that contain pictures.
std::string ThemeCss();

}  // namespace stemma::report
