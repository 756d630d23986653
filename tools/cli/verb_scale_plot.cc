#include "tools/cli/verb_scale_plot.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "tools/cli/flags.h"
#include "tools/cli/terminal.h"
#include "tools/report/published_figures.h"
#include "tools/scale/run_table.h"
#include "tools/scale/run_verdict.h"

namespace stemma::cli {
namespace {

constexpr char kNotes[] =
    "Writes fig1.svg to fig5.svg and figures.html, which holds all five with their tables; \n"
    "--format=svg leaves the page out. Published points are open and never joined: of Figs 2 to 5\n"
    "only the ends are known. The page needs nothing but itself.\n"
    "\n"
    "  stemma scale plot --out=figures\n"
    "  stemma scale plot --out=figures --runs=scale.csv --model=resnet50\n";

struct PlotFlags {
  std::string out, runs, model, format = "html";
  int64_t draws = 200, seed = 1, threads = 2;
};

Flags FlagList(PlotFlags* f) {
  Flags flags("scale plot",
              "Figs 1 to 5 of the published work: the points that are known, the simulator's\n"
              "curves with 10 to 90 % of the draws, and runs of your own.");
  flags.Text("out", &f->out, "DIR", "where the files go; it is made if it is not there");
  flags.Text("runs", &f->runs, "FILE", "own runs: the CSV of `stemma scale run`");
  flags.Text("model", &f->model, "NAME", "what own runs trained: resnet50, aigw or aides");
  flags.Choice("format", &f->format, {"html", "svg"}, "the page and the pictures, or only these");
  flags.Integer("draws", &f->draws, "N", "how often every uncertain number is drawn");
  flags.Integer("seed", &f->seed, "N", "equal seeds give equal files");
  flags.Integer("threads", &f->threads, "N", "that simulate; no result depends on it");
  flags.Notes(kNotes);
  return flags;
}

Status CheckFlags(const PlotFlags& f) {
  const auto invalid = [](const std::string& what) { return Status(Code::kInvalidArgument, what); };
  if (f.out.empty()) return invalid("--out=DIR is needed: where the figures go");
  if (f.draws < 2 || f.draws > 100000) return invalid("--draws: 2 to 100000");
  if (f.threads < 1 || f.threads > 1024) return invalid("--threads: 1 to 1024");
  if (f.runs.empty() && !f.model.empty()) {
    return invalid("--model says what own runs trained: add --runs=FILE, or leave it out");
  }
  if (!f.runs.empty() && f.model.empty()) {
    return invalid("--runs " + f.runs +
                   " does not say what was trained: add --model=resnet50, aigw or aides");
  }
  return {};
}

Result<report::OwnRuns> LoadOwnRuns(const PlotFlags& f) {
  report::OwnRuns own;
  if (f.runs.empty()) return own;
  own.model = f.model;
  STEMMA_ASSIGN_OR_RETURN(const std::vector<scale::RunRow> rows, scale::ReadRunTable(f.runs));
  own.runs = scale::SummariesOf(rows);
  return own;
}

Status WriteFile(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) {
    return {Code::kIo,
            path.string() + ": cannot be written; make room or choose another --out=DIR"};
  }
  return {};
}

}  // namespace

Result<int> RunScalePlot(const Arguments& arguments) {
  PlotFlags f;
  Flags flags = FlagList(&f);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(CheckFlags(f));
  STEMMA_ASSIGN_OR_RETURN(const report::OwnRuns own, LoadOwnRuns(f));
  const scale::Sampling sampling{static_cast<uint64_t>(f.seed), static_cast<int>(f.draws),
                                 static_cast<int>(f.threads)};
  STEMMA_ASSIGN_OR_RETURN(const std::vector<report::PublishedFigure> figures,
                          report::PublishedFigures(sampling, own));
  const std::filesystem::path folder = f.out;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Status(Code::kIo, "--out " + f.out + ": cannot be made: " + error.message());
  }
  for (const report::PublishedFigure& figure : figures) {
    const std::filesystem::path path = folder / (figure.file + ".svg");
    STEMMA_RETURN_IF_ERROR(WriteFile(path, report::SvgFile(report::ChartSvg(figure.chart))));
    Print(path.string() + "\n");
  }
  if (f.format == "svg") return 0;
  const std::filesystem::path page = folder / "figures.html";
  STEMMA_RETURN_IF_ERROR(WriteFile(page, report::PublishedFiguresPage(figures)));
  Print(page.string() + "\n");
  return 0;
}

}  // namespace stemma::cli
