// Galaxy Zoo 1 as AI-DES used it (arXiv:1812.02183): the votes of volunteers on 667,944 galaxies
// of SDSS, made into classes and splits.
//
//   ZooSettings settings;
//   settings.table = "GalaxyZoo1_DR_table2.csv";
//   STEMMA_ASSIGN_OR_RETURN(const ZooSelection zoo, SelectGalaxies(disk, settings));
//   STEMMA_RETURN_IF_ERROR(WriteCatalogues(disk, zoo, "zoo"));   // zoo/train.tsv and so on
//
// A galaxy is certain when its debiased vote is: a spiral from P_CS_DEBIASED = 0.985, an elliptical
// from P_EL_DEBIASED = 0.926 (published: 40,620 of them). Those that DES has seen, too, are the
// test sets, never trained on: all of them, labelled by the greater of the two votes (published:
// 12,596), and the certain ones among them (published: 1,366 left out of the training, 1,066 in the
// test). Of the other certain ones, 1,000 are for validation and the rest is trained on.
//
// Which 1,000 is not published. Here: those with the least XXH3 of the seed and the object's id, so
// that it does not depend on the order of the table or on which images are there.
//
// The table is CSV whose first line names its columns; OBJID, P_EL_DEBIASED and P_CS_DEBIASED are
// read. What DES has seen is a list of OBJID, one a line. Plain values. Failure: kInvalidArgument
// with file and line; what the disk says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

constexpr double kZooSpiralFrom = .985, kZooEllipticalFrom = .926;

struct ZooSettings {
  std::string table;
  std::string des;  // objects that DES has seen; "": none, so no test sets
  // Folder of OBJID.{g,r,i}.fits, an absolute path: galaxies without all three are left out. "":
  // they will lie beside the catalogues.
  std::string images;
  int64_t validation = 1000;
  int64_t seed = 1;
};

struct ZooGalaxy {
  std::string id;  // OBJID
  int label = 0;   // 0 elliptical, 1 spiral
};

// The four sets, each in the order of the ids; `certain_test` is a part of `test`.
struct ZooSelection {
  std::vector<ZooGalaxy> train, validation, test, certain_test;
  std::string images;                    // as in the settings
  int64_t rows = 0;                      // of the table
  int64_t spirals = 0, ellipticals = 0;  // certain, before anything is left out
  int64_t seen_by_des = 0;               // of these
  int64_t unknown = 0;                   // of the list, not in the table
  int64_t without_images = 0;            // left out
};

Result<ZooSelection> SelectGalaxies(lineage::Storage& disk, const ZooSettings& settings);

// One table per set that is not empty, for ReadCatalogue: DIR/train.tsv, validation.tsv, test.tsv,
// certain_test.tsv. Makes the folder, which must not exist.
Status WriteCatalogues(lineage::Storage& disk, const ZooSelection& selection,
                       const std::string& folder);

}  // namespace stemma::models
