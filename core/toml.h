// TOML text as a flat list of entries, with the place of each: the only file that knows toml++.
//
//   optim.lr = 0.1          ->  {"optim.lr", 0.1, line 1}
//   [optim]
//   name = "lamb"           ->  {"optim.name", "lamb", line 3}
//
// Plain values. Failure: kInvalidArgument "name:line:column: what" for text that is not TOML, for a
// key given twice and for values that no setting has (arrays, dates).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/status.h"

namespace stemma {

struct TomlEntry {
  std::string key;  // dotted, sections included
  std::variant<bool, int64_t, double, std::string> value;
  uint32_t line = 0, column = 0;  // of the key's last word; from 1
};

// In the order of the text. `name` is the file's, for messages.
Result<std::vector<TomlEntry>> ParseToml(std::string_view text, const std::string& name);

// The same of files that have lists: an array of plain values becomes the entries "key[0]",
// "key[1]", ..., each with its own place. Empty arrays and arrays of arrays are refused.
Result<std::vector<TomlEntry>> ParseTomlWithLists(std::string_view text, const std::string& name);

// A double that reads back to the same bits: "0.1", "1e-06", "3.0", "inf".
std::string DoubleText(double value);

// A value as TOML text: quoted and escaped strings, round-trip doubles.
std::string TomlText(const std::variant<bool, int64_t, double, std::string>& value);

}  // namespace stemma
