// What the tests of the programs share: running one, and a store with one run whose every byte is
// known, made through lineage/'s API.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/capturer.h"
#include "lineage/storage.h"
#include "lineage/store.h"
#include "models/train/settings.h"

namespace stemma::tests {
namespace fs = std::filesystem;

struct Done {
  int code = -1;
  std::string text;  // stdout, then stderr as it came
  bool Says(const std::string& words) const { return text.find(words) != std::string::npos; }
};

inline Done Shell(const std::string& command) {
  Done done;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    done.text.append(buffer, got);
  }
  const int status = pclose(pipe);
  done.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return done;
}

inline std::string Program() { return fs::absolute(std::getenv("STEMMA_PROGRAM")).string(); }

// Two tensors whose every element is the same number, so that changes are known in closed form.
class ConstantModel final : public lineage::Source {
 public:
  ConstantModel() {
    lineage::Span w;
    w.name = "net.fc.weight";
    w.section = "params";
    w.shape = {30, 30};
    spans.push_back(w);
    w.name = "net.head.weight";
    w.shape = {100};
    spans.push_back(w);
    w.name = "optim.m/net.fc.weight";
    w.section = "optim/m";
    w.shape = {30, 30};
    spans.push_back(w);
  }
  Status Read(size_t span, uint64_t offset, uint64_t bytes, char* out) override {
    const std::vector<float> all(static_cast<size_t>(spans[span].count()), values[span]);
    std::memcpy(out, reinterpret_cast<const char*>(all.data()) + offset, bytes);
    return {};
  }
  std::vector<lineage::Span> spans;
  std::vector<float> values = {0, 0, 0};
};

inline std::string SettingsText(const std::string& run) {
  models::RunSettings settings;
  settings.run.name = run;
  return models::FieldsOf(settings).ToToml();
}

// A folder with a store of one run "r": states at steps 100, 200, 300, in which the first tensor is
// 1, 2, 3 and the second always 7.
struct Box {
  fs::path dir;
  std::string store;
  std::vector<lineage::StateId> ids;

  explicit Box(const std::string& name) : dir(fs::path(std::getenv("TEST_TMPDIR")) / name) {
    fs::create_directories(dir);
    store = (dir / "store").string();
  }
  ~Box() { fs::remove_all(dir); }

  Status Fill() {
    STEMMA_ASSIGN_OR_RETURN(auto opened,
                            lineage::Store::Open(store, true, lineage::PosixStorage()));
    STEMMA_ASSIGN_OR_RETURN(auto writer, opened->StartRun("r"));
    ConstantModel model;
    STEMMA_ASSIGN_OR_RETURN(auto capturer,
                            lineage::Capturer::Create({}, *opened, writer.get(), writer->tmp_dir(),
                                                      model.spans, model, 0, 1));
    SoloCohort solo;
    for (int64_t step = 100; step <= 300; step += 100) {
      model.values = {static_cast<float>(step) / 100, 7, 0.5};
      lineage::CaptureRequest request;
      STEMMA_RETURN_IF_ERROR(Describe(*opened, *writer, step, &request.record));
      STEMMA_RETURN_IF_ERROR(capturer->Capture(request));
      STEMMA_ASSIGN_OR_RETURN(const auto durable, capturer->Finish(solo));
      if (durable.size() != 1) return {Code::kInternal, "one capture, one state"};
      ids.push_back(durable[0].id);
    }
    return writer->Close();
  }

  Status Describe(lineage::Store& opened, const lineage::RunWriter& writer, int64_t step,
                  lineage::Record* record) {
    if (!ids.empty()) record->parents = {{ids.back(), lineage::EdgeKind::kTrain}};
    record->run = writer.run();
    record->run_name = writer.name();
    record->incarnation = writer.incarnation();
    record->step = step;
    record->samples = static_cast<uint64_t>(step) * 32;
    record->epoch = static_cast<double>(step) / 50;
    record->metrics["loss"] = 100.0 / static_cast<double>(step);
    record->wall_ms = step;
    STEMMA_ASSIGN_OR_RETURN(record->settings, opened.PutBlob(SettingsText("r")));
    STEMMA_ASSIGN_OR_RETURN(record->environment, opened.PutBlob("{\"host\": \"h\"}"));
    return {};
  }

  Done Run(const std::string& words) const {
    return Shell("cd '" + dir.string() + "' && LC_ALL=C.UTF-8 '" + Program() + "' " + words);
  }
  Done OnStore(const std::string& words) const { return Run(words + " --store=store"); }
};

}  // namespace stemma::tests
