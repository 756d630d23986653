// A list of galaxies in real images: which files, which part of them, which class. From a table of
// words separated by tabs, or from class folders.
//
//   file                              x        y        half   label
//   tiles/DES0001_{band}.fits.fz      1201.3   88.0     40     spiral
//   m31_{band}.fits                   -        -        -      -
//
// The first line names the columns, in any order; lines that begin with # are passed over. {band}
// stands for g, r and i. x and y are counted from 0, half is half a side, all in pixels: AI-DES cut
// DES out at XWIN_IMAGE and YWIN_IMAGE with half = 12 KRON_RADIUS, SDSS with half = 2 Petrosian
// radii. Three dashes are the whole image, which is a square then. label is elliptical, spiral or -
// for one that nobody has labelled. Paths begin at the table's folder.
//
// A folder holds elliptical/, spiral/ and unlabelled/, at least one of them, and in these
// NAME.g.fits, NAME.r.fits and NAME.i.fits (or .fits.fz), each a whole image; in the order of the
// folders' and the files' names.
//
//   STEMMA_ASSIGN_OR_RETURN(const Catalogue catalogue, ReadCatalogue(disk, "des.tsv"));
//   disk path of band r: catalogue.PathOf(17, kBandR)
//
// Plain values. Failure: kNotFound for what is not there, each galaxy's three files among it;
// kInvalidArgument with file, line and what was expected.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"
#include "models/aides/galaxy.h"
#include "models/data/fits/fits_images.h"

namespace stemma::models {

struct CatalogueEntry {
  std::string file;   // below the catalogue's folder, with {band}
  FitsSquare square;  // side 0: all of the image
  int label = kNotLabelled;
};

struct Catalogue {
  std::string folder;
  std::vector<CatalogueEntry> entries;
  std::string digest;  // raw SHA-256 of all entries and of their files' sizes

  // REQUIRES: id < entries.size(), 0 <= band < kBands
  std::string PathOf(size_t id, int band) const;
};

// `path` is a table or a folder.
Result<Catalogue> ReadCatalogue(lineage::Storage& disk, const std::string& path);

}  // namespace stemma::models
