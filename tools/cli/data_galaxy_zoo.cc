#include "tools/cli/data_galaxy_zoo.h"

#include <filesystem>
#include <string>
#include <vector>

#include "lineage/storage.h"
#include "models/aides/galaxy_zoo.h"
#include "tools/cli/flags.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {
namespace {

constexpr char kNotes[] =
    "TABLE is table 2 of Galaxy Zoo 1 as CSV. Kept are spirals from P_CS_DEBIASED = 0.985 and\n"
    "ellipticals from P_EL_DEBIASED = 0.926. What DES has seen, too (--des, one OBJID a line), is\n"
    "for testing and never trained on: certain ones, and all of them by the greater vote. The\n"
    "published choice of 1,000 for validation is not known; here it is by a hash of the OBJID.\n"
    "\n"
    "DIR gets train.tsv, validation.tsv, test.tsv and certain_test.tsv, each a list of images\n"
    "OBJID.{g,r,i}.fits with labels. With --images, galaxies without all three are left out.\n"
    "\n"
    "  stemma data galaxyzoo GalaxyZoo1_DR_table2.csv --des=seen.txt --out=zoo\n";

std::vector<std::string> Row(const std::string& what, int64_t found, const std::string& published) {
  return {what, std::to_string(found), published};
}

void PrintCounts(const models::ZooSelection& zoo) {
  const auto size = [](const auto& set) { return static_cast<int64_t>(set.size()); };
  const std::vector<std::vector<std::string>> rows = {
      {"", "found", "published"},
      Row("galaxies in the table", zoo.rows, "667944"),
      Row("certain", zoo.spirals + zoo.ellipticals, "40620"),
      Row("  spirals", zoo.spirals, "about 20000"),
      Row("  ellipticals", zoo.ellipticals, "about 20000"),
      Row("  seen by DES", zoo.seen_by_des, "1366"),
      Row("train", size(zoo.train), "38254, images of 36620"),
      Row("validation", size(zoo.validation), "1000, images of 963"),
      Row("test", size(zoo.test), "12596"),
      Row("  certain", size(zoo.certain_test), "1066"),
  };
  for (const std::string& line : Columns(rows)) Print(line + "\n");
  if (zoo.unknown > 0) {
    Print(std::to_string(zoo.unknown) + " objects of --des are not in the table\n");
  }
  if (zoo.without_images > 0) {
    Print(std::to_string(zoo.without_images) +
          " galaxies left out: no images of all three bands\n");
  }
}

}  // namespace

Result<int> RunDataGalaxyZoo(const Arguments& arguments) {
  models::ZooSettings settings;
  std::string out;
  Flags flags("data galaxyzoo", "Galaxy Zoo 1 as the classes and splits of AI-DES.");
  flags.Word("TABLE", &settings.table, "CSV with OBJID, P_EL_DEBIASED and P_CS_DEBIASED");
  flags.Text("out", &out, "DIR", "the folder to make; without it only the counts are printed");
  flags.Text("des", &settings.des, "FILE", "objects that DES has seen, one OBJID a line");
  flags.Text("images", &settings.images, "DIR", "holds OBJID.g.fits and so on");
  flags.Integer("validation", &settings.validation, "N", "galaxies for validation");
  flags.Integer("seed", &settings.seed, "N", "which ones");
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  lineage::Storage& disk = lineage::PosixStorage();
  if (!out.empty() && disk.Exists(out)) {
    return Status(Code::kInvalidArgument, "--out=" + out + " exists; choose another name");
  }
  if (!settings.images.empty()) {
    if (!disk.Exists(settings.images)) {
      return Status(Code::kNotFound, "--images=" + settings.images + " is not there");
    }
    settings.images = std::filesystem::absolute(settings.images).string();
  }
  STEMMA_ASSIGN_OR_RETURN(const models::ZooSelection zoo, SelectGalaxies(disk, settings));
  if (!out.empty()) STEMMA_RETURN_IF_ERROR(WriteCatalogues(disk, zoo, out));
  PrintCounts(zoo);
  return 0;
}

}  // namespace stemma::cli
