#include "core/toml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace stemma {
namespace {

std::string Place(const std::string& name, const toml::source_position& at) {
  return name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": ";
}

bool Scalar(const toml::node& node, TomlEntry* entry) {
  if (const auto* v = node.as_boolean()) {
    entry->value = v->get();
  } else if (const auto* i = node.as_integer()) {
    entry->value = i->get();
  } else if (const auto* f = node.as_floating_point()) {
    entry->value = f->get();
  } else if (const auto* s = node.as_string()) {
    entry->value = s->get();
  } else {
    return false;
  }
  return true;
}

enum class Lists { kRefused, kTaken };

// One entry for each element of an array.
Status Spread(const toml::array& array, const TomlEntry& whole, const std::string& name,
              std::vector<TomlEntry>* out) {
  for (size_t i = 0; i < array.size(); ++i) {
    TomlEntry entry;
    entry.key = whole.key + "[" + std::to_string(i) + "]";
    entry.line = array[i].source().begin.line;
    entry.column = array[i].source().begin.column;
    if (!Scalar(array[i], &entry)) {
      return {Code::kInvalidArgument, Place(name, array[i].source().begin) + "'" + entry.key +
                                          "' is an array, a table or a date; a list holds true or "
                                          "false, numbers and strings"};
    }
    out->push_back(std::move(entry));
  }
  if (!array.empty()) return {};
  return {Code::kInvalidArgument, name + ":" + std::to_string(whole.line) + ":" +
                                      std::to_string(whole.column) + ": '" + whole.key +
                                      "' is an empty list"};
}

Status Flatten(const toml::table& table, const std::string& prefix, const std::string& name,
               Lists lists, std::vector<TomlEntry>* out) {
  for (auto&& [key, node] : table) {
    TomlEntry entry;
    entry.key = prefix + std::string(key.str());
    if (const toml::table* inner = node.as_table()) {
      STEMMA_RETURN_IF_ERROR(Flatten(*inner, entry.key + ".", name, lists, out));
      continue;
    }
    entry.line = key.source().begin.line;
    entry.column = key.source().begin.column;
    if (const toml::array* array = node.as_array(); array && lists == Lists::kTaken) {
      STEMMA_RETURN_IF_ERROR(Spread(*array, entry, name, out));
      continue;
    }
    if (!Scalar(node, &entry)) {
      return {Code::kInvalidArgument, Place(name, key.source().begin) + "'" + entry.key +
                                          "' is an array or a date; settings are true or false, "
                                          "numbers and strings"};
    }
    out->push_back(std::move(entry));
  }
  return {};
}

std::string Quoted(const std::string& text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += std::string("\\u00") + kDigits[byte >> 4] + kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

Result<std::vector<TomlEntry>> Parse(std::string_view text, const std::string& name, Lists lists) {
  const toml::parse_result parsed = toml::parse(text, std::string_view(name));
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Status(Code::kInvalidArgument,
                  Place(name, error.source().begin) + std::string(error.description()));
  }
  std::vector<TomlEntry> entries;
  STEMMA_RETURN_IF_ERROR(Flatten(parsed.table(), "", name, lists, &entries));
  // toml++ sorts tables by key; errors are best reported from the top of the file.
  std::stable_sort(entries.begin(), entries.end(), [](const TomlEntry& a, const TomlEntry& b) {
    return std::make_pair(a.line, a.column) < std::make_pair(b.line, b.column);
  });
  return entries;
}

}  // namespace

Result<std::vector<TomlEntry>> ParseToml(std::string_view text, const std::string& name) {
  return Parse(text, name, Lists::kRefused);
}

Result<std::vector<TomlEntry>> ParseTomlWithLists(std::string_view text, const std::string& name) {
  return Parse(text, name, Lists::kTaken);
}

std::string DoubleText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value);
  std::string out(text, end.ptr);
  // TOML would read "3" as an integer.
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

std::string TomlText(const std::variant<bool, int64_t, double, std::string>& value) {
  if (const bool* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const int64_t* i = std::get_if<int64_t>(&value)) return std::to_string(*i);
  if (const double* d = std::get_if<double>(&value)) return DoubleText(*d);
  return Quoted(std::get<std::string>(value));
}

}  // namespace stemma
