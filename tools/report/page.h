// One HTML file that needs nothing else: pictures inside it, tables, light and dark, no script, no
// network.
//
//   Page page("Scaling of aigw", "3 node counts, 9 runs");
//   page.Heading("Strong scaling");
//   page.Figure(ChartSvg(chart), "Efficiency against 2 ranks.");
//   page.Add({"", {"ranks", "img/s"}, {{"2", "1,582"}, {"4", "3,005"}}});
//   page.Link("the numbers as CSV", "scale.csv");
//   std::string html = std::move(page).Html();
//
// Its policy forbids loading anything from anywhere, so it works offline, in a mail, in print and
// under the strictest rules. All text is escaped: names and messages come from files. A link goes
// to a file beside the page. A table scrolls on a narrow screen instead of widening the page, and
// its columns of numbers are aligned to the right, and a column that is empty in all rows is left
// out. Equal calls give equal bytes. One thread per page.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stemma::report {

struct Table {
  std::string caption;
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;  // may be shorter than the head
};

class Page {
 public:
  Page(std::string_view title, std::string_view subtitle);

  void Heading(std::string_view text);
  void Paragraph(std::string_view text);
  void Verdict(std::string_view text);  // the sentence for which people open the page
  void Figure(const std::string& svg, std::string_view caption);
  void Add(const Table& table);
  void Beside(const std::string& svg, const Table& table);  // below each other where it is narrow
  void Row(const std::vector<std::string>& svgs);  // as many beside each other as there is room for
  void Facts(const std::vector<std::pair<std::string, std::string>>& facts);
  void Commands(const std::vector<std::string>& lines);
  void Link(std::string_view text, std::string_view file);

  std::string Html() &&;

 private:
  std::string title_, body_;
};

}  // namespace stemma::report
