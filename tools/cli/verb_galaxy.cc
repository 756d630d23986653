#include <algorithm>
#include <cstdio>
#include <fstream>

#include "models/aides/galaxy.h"
#include "models/aides/picture.h"
#include "models/aides/survey.h"
#include "tools/cli/flags.h"
#include "tools/cli/image_file.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

namespace {

using models::Galaxy;
using models::GalaxyClass;

constexpr char kNotes[] =
    "Every galaxy is simulated: a pure function of --seed and --object, the same on every\n"
    "machine. Objects 0, 1, 2, ... are spirals or ellipticals by a coin, and each belongs to one\n"
    "of train, validation, test and unlabelled. --survey is the telescope: sdss has coarser\n"
    "pixels, worse seeing and more noise than des; both see the same galaxy.\n"
    "\n"
    "What is printed: magnitude and colours of all light; half-light radius of the elliptical or\n"
    "of the disc, in arcseconds; axis ratio as seen; the inclination (90 is edge-on, and hides\n"
    "the arms); then what this telescope made of it: cut-out, Petrosian radius, signal to noise.\n"
    "\n"
    "The picture is the network's input: cut out, resized to 200 x 200, each band rescaled,\n"
    "Lupton's colours, nearest neighbour to 224 x 224. --clean leaves the noise out. --sheet=8x8\n"
    "is 8 columns and 8 rows of neighbours, a line of facts for each.\n"
    "\n"
    "  stemma galaxy --object=17 --out=17.png\n"
    "  stemma galaxy --object=17 --survey=des --clean --out=17-des.png\n"
    "  stemma galaxy --class=spiral --sheet=8x8 --out=spirals.png\n";

constexpr int64_t kSheetMax = 16, kSideMin = 71, kSideMax = 1024;

struct Request {
  int64_t seed = 1, object = 0, side = 224;
  std::string survey = "sdss", kind = "any", rescale = "all_pixels", sheet, out;
  bool clean = false;
  size_t columns = 1, rows = 1;  // of the sheet
};

Status Outside(const char* flag, int64_t value, const std::string& range) {
  return {Code::kInvalidArgument, flag + (" = " + std::to_string(value)) + " must be " + range};
}

Status ReadSheet(Request* request) {
  if (request->sheet.empty()) return {};
  int columns = 0, rows = 0, end = 0;
  const int found = std::sscanf(request->sheet.c_str(), "%4dx%4d%n", &columns, &rows, &end);
  const bool whole = found == 2 && static_cast<size_t>(end) == request->sheet.size();
  if (!whole || columns < 1 || rows < 1 || columns > kSheetMax || rows > kSheetMax) {
    return {Code::kInvalidArgument,
            "--sheet = '" + request->sheet + "' must be COLUMNSxROWS, each 1 to 16, such as 8x8"};
  }
  request->columns = static_cast<size_t>(columns);
  request->rows = static_cast<size_t>(rows);
  return {};
}

Status Check(Request* request) {
  if (request->seed < 0) return Outside("--seed", request->seed, "0 or more");
  if (request->object < 0 || request->object > int64_t{1} << 40) {
    return Outside("--object", request->object, "0 to 2^40");
  }
  if (request->side < kSideMin || request->side > kSideMax) {
    return Outside("--side", request->side, "71 to 1024");
  }
  STEMMA_RETURN_IF_ERROR(ReadSheet(request));
  if (request->out.empty()) return {};
  return EncodeImage(request->out, {1, 1, {0, 0, 0}}).status();  // a bad name, before the work
}

// The first object of the wanted class at or after `object`.
uint64_t Find(const Request& request, uint64_t object) {
  if (request.kind == "any") return object;
  const auto seed = static_cast<uint64_t>(request.seed);
  const auto wanted = request.kind == "spiral" ? GalaxyClass::kSpiral : GalaxyClass::kElliptical;
  while (models::ClassOf(seed, object) != wanted) ++object;
  return object;
}

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[200];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string SplitText(const Request& request, uint64_t object) {
  return std::string(models::NameOf(models::SplitOf(static_cast<uint64_t>(request.seed), object)));
}

std::string FormText(const Galaxy& g) {
  std::string text = Format("radius        %.2f arcsec, axis ratio %.2f\n", g.radius, g.axis_ratio);
  if (g.kind == GalaxyClass::kElliptical) {
    return text + Format("profile       Sersic, n = %.2f\n", g.sersic_n);
  }
  text += Format("inclination   %.0f degrees\n", 360 * g.inclination);
  text += Format("arms          %d, pitch %.0f degrees, strength %.1f, sharpness %.1f\n", g.arms,
                 360 * g.pitch, g.arm_strength, g.arm_sharpness);
  text += Format("bulge         %.0f %% of the red light, n = %.2f, radius %.2f arcsec\n",
                 100 * g.bulge_share, g.sersic_n, g.bulge_radius);
  text += g.bar_share > 0 ? Format("bar           %.0f %%, half-length %.2f arcsec\n",
                                   100 * g.bar_share, g.bar_radius)
                          : "bar           none\n";
  return text + Format("knots         %zu, %.1f %%\n", g.knots.size(), 100 * g.knot_share);
}

std::string ExposureText(const Request& request, const models::Exposure& e) {
  return Format("%-14s%zu x %zu pixels, Petrosian radius %.1f arcsec, S/N %.0f\n",
                request.survey.c_str(), e.side, e.side, e.petrosian, e.signal_to_noise);
}

std::string Describe(const Request& request, uint64_t object, const Galaxy& g,
                     const models::Exposure& e) {
  return Format("object        %llu of seed %lld: simulated, %s, %s set\n",
                static_cast<unsigned long long>(object), static_cast<long long>(request.seed),
                models::NameOf(g.kind), SplitText(request, object).c_str()) +
         Format("light         r = %.2f, g-r = %.2f, r-i = %.2f\n", g.magnitude_r, g.g_r, g.r_i) +
         FormText(g) + ExposureText(request, e);
}

std::vector<std::string> SheetRow(const Request& request, uint64_t object, const Galaxy& g,
                                  const models::Exposure& e) {
  const bool spiral = g.kind == GalaxyClass::kSpiral;
  return {std::to_string(object),
          models::NameOf(g.kind),
          SplitText(request, object),
          Format("%.2f", g.magnitude_r),
          Format("%.2f", g.radius),
          Format("%.2f", g.axis_ratio),
          spiral ? Format("%.0f", 360 * g.inclination) : "-",
          spiral ? std::to_string(g.arms) : "-",
          Format("%.0f", e.signal_to_noise)};
}

void Place(const models::Picture& picture, size_t column, size_t row, Pixels* sheet) {
  for (size_t y = 0; y < picture.side; ++y) {
    const size_t to = (row * picture.side + y) * sheet->width + column * picture.side;
    std::copy_n(&picture.rgb[3 * y * picture.side], 3 * picture.side, &sheet->rgb[3 * to]);
  }
}

Status Write(const std::string& path, const Pixels& pixels) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, EncodeImage(path, pixels));
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << bytes;
  file.close();
  if (!file) return {Code::kIo, "cannot write " + path + ": is its folder there and writable?"};
  Print(path + ": " + std::to_string(pixels.width) + " x " + std::to_string(pixels.height) +
        " pixels\n");
  return {};
}

Status Show(const Request& request) {
  STEMMA_ASSIGN_OR_RETURN(const models::SurveyKind kind, models::SurveyByName(request.survey));
  const models::Survey survey(kind);
  const auto rule = models::RescaleByName(request.rescale);
  const auto side = static_cast<size_t>(request.side), count = request.columns * request.rows;
  Pixels pixels = {side * request.columns, side * request.rows, {}};
  pixels.rgb.resize(3 * pixels.width * pixels.height);
  std::vector<std::vector<std::string>> table = {
      {"object", "class", "set", "r", "radius", "axes", "incl", "arms", "S/N"}};
  const auto seed = static_cast<uint64_t>(request.seed);
  uint64_t object = static_cast<uint64_t>(request.object);
  for (size_t i = 0; i < count; ++i, ++object) {
    object = Find(request, object);
    const Galaxy galaxy = models::DrawGalaxy(seed, object);
    const models::Exposure exposure = survey.Expose(galaxy, {seed, object}, !request.clean);
    const models::Picture picture = models::MakePicture(exposure, rule);
    Place(models::ResizeNearest(picture, side), i % request.columns, i / request.columns, &pixels);
    if (request.sheet.empty()) Print(Describe(request, object, galaxy, exposure));
    table.push_back(SheetRow(request, object, galaxy, exposure));
  }
  if (!request.sheet.empty()) {
    for (const std::string& line : Columns(table)) Print(line + "\n");
  }
  return request.out.empty() ? Status() : Write(request.out, pixels);
}

}  // namespace

Result<int> RunGalaxy(const Arguments& arguments) {
  Request request;
  Flags flags("galaxy", "A simulated galaxy as aides's network sees it, and its facts.");
  flags.Integer("seed", &request.seed, "N", "of the data set");
  flags.Integer("object", &request.object, "N", "which galaxy, or the sheet's first");
  flags.Choice("survey", &request.survey, {"sdss", "des"}, "the telescope");
  flags.Choice("class", &request.kind, {"any", "spiral", "elliptical"},
               "only this class: the next such objects, --object included");
  flags.Text("sheet", &request.sheet, "CxR", "columns and rows of galaxies instead of one");
  flags.Choice("rescale", &request.rescale, {"all_pixels", "faint_half"},
               "what the brightness scale is taken from");
  flags.Switch("clean", &request.clean, "without noise");
  flags.Integer("side", &request.side, "N", "pixels of a picture's side, 71 to 1024");
  flags.Text("out", &request.out, "FILE", "the picture, .png or .ppm; without it only the facts");
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(Check(&request));
  STEMMA_RETURN_IF_ERROR(Show(request));
  return 0;
}

}  // namespace stemma::cli
