// The numbers of a TOML file by name, each asked for once; what nobody asked for is an error, and
// so is what is missing. For files in which every number matters and none has a default.
//
//   STEMMA_ASSIGN_OR_RETURN(TomlFields fields, TomlFields::Parse(text, "summit.toml"));
//   fields.Number("nvls", &constants.nvls);
//   fields.Take("fabric.intra_bus_gb_s", &system.intra_bus);      // value, range, where from
//   STEMMA_RETURN_IF_ERROR(fields.Finish());                      // the first complaint, if any
//
// A Constant is a table { value, low, high, provenance, source }; low and high may be left out when
// the value is exactly known. Failure: kInvalidArgument "file:line:column: key: what". One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "core/toml.h"
#include "tools/scale/constant.h"

namespace stemma::scale {

class TomlFields {
 public:
  static Result<TomlFields> Parse(std::string_view text, const std::string& name);

  bool Has(const std::string& prefix) const;  // is there a key that begins so
  void Number(const std::string& key, double* value);
  void Integer(const std::string& key, int64_t* value, int64_t least);
  // `choices` empty: any text.
  void Text(const std::string& key, std::string* value,
            const std::vector<std::string>& choices = {});
  void Take(const std::string& key, Constant* constant);  // not negative

  Status Finish();

 private:
  const TomlEntry* Find(const std::string& key, bool needed = true);
  bool Real(const TomlEntry& entry, double* value);
  void Complain(const TomlEntry& entry, const std::string& what);

  std::string name_;
  std::map<std::string, TomlEntry> entries_;
  std::vector<std::string> asked_;
  Status first_;
};

}  // namespace stemma::scale
