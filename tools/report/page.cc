#include "tools/report/page.h"

#include <cctype>

#include "tools/report/svg.h"

namespace stemma::report {
namespace {

constexpr char kStyle[] = R"(
:root { color-scheme: light dark }
body { margin: 0 auto; max-width: 1320px; padding: 1rem 1.25rem 3rem;
  background: #fff; color: #1b1b1b; font: 15px/1.5 sans-serif }
h1 { font-size: 1.6rem; margin: .5rem 0 0 } h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem }
.sub { color: #555; margin: 0 0 1rem }
.verdict { border-left: 4px solid #0072b2; padding: .5rem 1rem; background: #80808018;
  font-size: 1.05rem }
.beside { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start }
.beside > figure { flex: 1 1 480px; margin: 0 }
.beside > .table { flex: 0 1 auto; max-width: 100% }
@media (min-width: 1000px) { .beside > .table { max-width: 58% } }
.row { display: flex; flex-wrap: wrap; gap: 1rem } .row > figure { flex: 0 1 auto; margin: 0 }
figure { margin: 1rem 0 } figcaption { color: #555; font-size: .9rem }
svg { max-width: 100%; height: auto }
.table { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
caption { text-align: left; color: #555; padding-bottom: .3rem }
th, td { padding: .2rem .45rem; border-bottom: 1px solid #80808050; text-align: left;
  vertical-align: top }
th { border-bottom: 2px solid #808080a0 } .n { text-align: right } td.n { white-space: nowrap }
pre { overflow-x: auto; background: #80808018; padding: .6rem .8rem; font-size: .85rem }
@media print { body { max-width: none; font-size: 11px } h2 { break-after: avoid }
  figure, .beside, tr { break-inside: avoid } }
@media screen and (prefers-color-scheme: dark) {
  body { background: #16181c; color: #e6e6e6 } .sub, figcaption, caption { color: #a8a8a8 }
  a { color: #6cb8f0 } .verdict { border-color: #6cb8f0 } }
)";

// What belongs at the right: numbers with signs, units and marks, or nothing at all.
bool IsNumber(const std::string& cell) {
  if (cell == "–") return true;
  const size_t first = cell.find_first_not_of("+-~ ");
  if (first == std::string::npos) return true;
  return std::isdigit(static_cast<unsigned char>(cell[first])) != 0;
}

// How a column is written: nothing in it, numbers, or words.
enum class Column { kEmpty, kNumbers, kWords };

std::vector<Column> ColumnsOf(const Table& table) {
  std::vector<Column> columns(table.head.size(),
                              table.rows.empty() ? Column::kWords : Column::kEmpty);
  for (const std::vector<std::string>& row : table.rows) {
    for (size_t i = 0; i < row.size() && i < columns.size(); ++i) {
      if (row[i].empty() || columns[i] == Column::kWords) continue;
      columns[i] = IsNumber(row[i]) ? Column::kNumbers : Column::kWords;
    }
  }
  return columns;
}

// A file's name as a relative address: no scheme, and no sign that an address gives a meaning.
std::string Address(std::string_view file) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = file.substr(0, 1) == "/" ? "." : "";
  for (const char c : file) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '.' || c == '-' || c == '_' || c == '/') {
      out += c;
    } else {
      out += std::string("%") + kHex[byte >> 4] + kHex[byte & 15];
    }
  }
  return out;
}

std::string TableHtml(const Table& table) {
  const std::vector<Column> columns = ColumnsOf(table);
  const auto line = [&](const std::string& tag, const std::vector<std::string>& cells) {
    std::string html = "<tr>";
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i] == Column::kEmpty) continue;
      html += "<" + tag + (columns[i] == Column::kNumbers ? " class=\"n\">" : ">");
      html += (i < cells.size() ? Escaped(cells[i]) : "") + "</" + tag + ">";
    }
    return html + "</tr>";
  };
  std::string html = "<div class=\"table\"><table>\n";
  if (!table.caption.empty()) html += "<caption>" + Escaped(table.caption) + "</caption>\n";
  html += "<thead>" + line("th", table.head) + "</thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : table.rows) html += line("td", row) + "\n";
  return html + "</tbody></table></div>\n";
}

std::string FigureHtml(const std::string& svg, std::string_view caption) {
  const std::string below =
      caption.empty() ? "" : "<figcaption>" + Escaped(caption) + "</figcaption>\n";
  return "<figure>\n" + svg + below + "</figure>\n";
}

}  // namespace

Page::Page(std::string_view title, std::string_view subtitle) : title_(Escaped(title)) {
  body_ = "<h1>" + title_ + "</h1>\n";
  if (!subtitle.empty()) body_ += "<p class=\"sub\">" + Escaped(subtitle) + "</p>\n";
}

void Page::Heading(std::string_view text) { body_ += "<h2>" + Escaped(text) + "</h2>\n"; }

void Page::Paragraph(std::string_view text) { body_ += "<p>" + Escaped(text) + "</p>\n"; }

void Page::Verdict(std::string_view text) {
  body_ += "<p class=\"verdict\">" + Escaped(text) + "</p>\n";
}

void Page::Figure(const std::string& svg, std::string_view caption) {
  body_ += FigureHtml(svg, caption);
}

void Page::Add(const Table& table) { body_ += TableHtml(table); }

void Page::Beside(const std::string& svg, const Table& table) {
  body_ += "<div class=\"beside\">\n" + FigureHtml(svg, "") + TableHtml(table) + "</div>\n";
}

void Page::Row(const std::vector<std::string>& svgs) {
  body_ += "<div class=\"row\">\n";
  for (const std::string& svg : svgs) body_ += FigureHtml(svg, "");
  body_ += "</div>\n";
}

void Page::Facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  body_ += "<div class=\"table\"><table>\n";
  for (const auto& [name, value] : facts) {
    body_ += "<tr><th>" + Escaped(name) + "</th><td>" + Escaped(value) + "</td></tr>\n";
  }
  body_ += "</table></div>\n";
}

void Page::Commands(const std::vector<std::string>& lines) {
  body_ += "<pre>";
  for (const std::string& line : lines) body_ += Escaped(line) + "\n";
  body_ += "</pre>\n";
}

void Page::Link(std::string_view text, std::string_view file) {
  body_ += "<p><a href=\"" + Address(file) + "\">" + Escaped(text) + "</a></p>\n";
}

std::string Page::Html() && {
  return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
         "'unsafe-inline'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         title_ + "</title>\n<style>" + kStyle + ThemeCss() + "</style>\n</head>\n<body>\n" +
         body_ + "</body>\n</html>\n";
}

}  // namespace stemma::report
