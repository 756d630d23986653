// The machines and constants that ship with the program, as text: `systems/*.toml` and
// `nccl/*.toml` of this folder. embedded.cc is written by tools/gen/scale_data.py; a test compares
// the two.
#pragma once

#include <string>
#include <vector>

namespace stemma::scale {

struct EmbeddedFile {
  const char* name;  // "summit"
  const char* text;
};

const std::vector<EmbeddedFile>& EmbeddedSystems();
const std::vector<EmbeddedFile>& EmbeddedNccl();

}  // namespace stemma::scale
