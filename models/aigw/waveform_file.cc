#include "models/aigw/waveform_file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "core/bytes.h"
#include "core/digest.h"
#include "models/aigw/targets.h"
#include "models/data/hdf5/hdf5_writer.h"

namespace stemma::models {
namespace {

constexpr char kWaves[] = "data", kLabels[] = "labels";
constexpr int64_t kHashedRows = 64;
constexpr int64_t kBlockFloats = int64_t{1} << 21;  // written at once

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

Status Unfit(const std::string& what) { return {Code::kIncompatible, what}; }

// By the settings' name, or by its place in the order of names.
Result<std::shared_ptr<const Hdf5Table>> Find(const AigwSettings& settings, const Hdf5File& file,
                                              const std::string& named, size_t place) {
  if (!named.empty()) return file.Table(named);
  if (file.names().size() > place) return file.Table(file.names()[place]);
  return Unfit(settings.file + " has " + std::to_string(file.names().size()) +
               " tables at its top, expected waveforms and labels; if they lie deeper, name them "
               "by aigw.file_waveforms and aigw.file_labels");
}

bool IsBinary(const Binary& b) {
  return b.q >= 1 && std::abs(b.s1) <= 1 && std::abs(b.s2) <= 1 && std::isfinite(b.q);
}

}  // namespace

Result<std::shared_ptr<const WaveformFile>> WaveformFile::Open(lineage::Storage& disk,
                                                               const AigwSettings& settings) {
  STEMMA_RETURN_IF_ERROR(Check(settings));
  STEMMA_ASSIGN_OR_RETURN(const auto file, Hdf5File::Open(disk, settings.file));
  STEMMA_ASSIGN_OR_RETURN(auto waves, Find(settings, *file, settings.file_waveforms, 0));
  STEMMA_ASSIGN_OR_RETURN(const auto labels, Find(settings, *file, settings.file_labels, 1));
  std::shared_ptr<WaveformFile> data(new WaveformFile(settings, std::move(waves)));
  STEMMA_RETURN_IF_ERROR(data->CheckWindow());
  STEMMA_RETURN_IF_ERROR(data->ReadLabels(*labels));
  STEMMA_RETURN_IF_ERROR(data->FindDigest());
  return std::shared_ptr<const WaveformFile>(std::move(data));
}

Status WaveformFile::CheckWindow() const {
  const std::string where = settings_.file + ": table '" + waves_->name() + "'";
  if (waves_->columns() != SamplesOf(settings_)) {
    return Unfit(where + " has waveforms of " + std::to_string(waves_->columns()) +
                 " samples, the window of aigw.t_from, t_to and dt has " +
                 std::to_string(SamplesOf(settings_)));
  }
  for (const auto& [key, wanted] : {std::pair<const char*, double>{"t_from", settings_.t_from},
                                    {"t_to", settings_.t_to},
                                    {"dt", settings_.dt}}) {
    STEMMA_ASSIGN_OR_RETURN(const auto found, waves_->Attribute(key));
    if (!found || *found == wanted) continue;
    return Unfit(where + " was made with " + key + " = " + Number(*found) + ", the settings have " +
                 "aigw." + key + " = " + Number(wanted));
  }
  return {};
}

Status WaveformFile::ReadLabels(const Hdf5Table& labels) {
  const std::string where = settings_.file + ": table '" + labels.name() + "'";
  if (labels.columns() != 3 || labels.rows() != waves_->rows()) {
    return Unfit(where + " has the shape (" + std::to_string(labels.rows()) + ", " +
                 std::to_string(labels.columns()) + "), expected (" +
                 std::to_string(waves_->rows()) + ", 3): q, s1 and s2 of each waveform in '" +
                 waves_->name() + "'");
  }
  binaries_.resize(static_cast<size_t>(labels.rows()));
  for (int64_t row = 0; row < labels.rows(); ++row) {
    double values[3];
    STEMMA_RETURN_IF_ERROR(labels.Read(row, values));
    Binary& b = binaries_[static_cast<size_t>(row)];
    b = {values[0], values[1], values[2]};
    if (IsBinary(b)) continue;
    return Unfit(where + ", row " + std::to_string(row) + ", has q = " + Number(b.q) +
                 ", s1 = " + Number(b.s1) + ", s2 = " + Number(b.s2) +
                 "; expected q >= 1 and spins in [-1, 1]");
  }
  return {};
}

Status WaveformFile::FindDigest() {
  Encoder facts;
  facts.String("aigw waveform file 1");
  facts.String(settings_.target_q);
  facts.String(settings_.targets);
  facts.I64(Size());
  facts.I64(waves_->columns());
  for (const Binary& b : binaries_) {
    for (const double v : {b.q, b.s1, b.s2}) facts.F64(v);
  }
  Sha256Stream digest;
  digest.Update(facts.bytes());
  std::vector<float> wave(static_cast<size_t>(waves_->columns()));
  const int64_t hashed = std::min(Size(), kHashedRows);
  for (int64_t i = 0; i < hashed; ++i) {
    const int64_t row = hashed == 1 ? 0 : i * (Size() - 1) / (hashed - 1);
    STEMMA_RETURN_IF_ERROR(ReadWave(row, wave.data()));
    digest.Update({reinterpret_cast<const char*>(wave.data()), wave.size() * sizeof(float)});
  }
  digest_ = digest.Finish();
  return {};
}

Status WaveformFile::ReadWave(int64_t id, float* x) const {
  STEMMA_RETURN_IF_ERROR(waves_->Read(id, x));
  double sum = 0;
  for (int64_t i = 0; i < waves_->columns(); ++i) sum += x[i];
  if (std::isfinite(sum)) return {};
  return {Code::kCorruption, settings_.file + ": table '" + waves_->name() + "', row " +
                                 std::to_string(id) + ", has a value that is not finite"};
}

Status WaveformFile::Read(int64_t id, const Cursor&, float* x, float* y) const {
  STEMMA_RETURN_IF_ERROR(ReadWave(id, x));
  for (const double target : TargetsOf(settings_, BinaryOf(id))) *y++ = static_cast<float>(target);
  return {};
}

Result<std::shared_ptr<const Dataset>> AigwTrainData(const AigwSettings& settings) {
  if (settings.file.empty()) {
    STEMMA_ASSIGN_OR_RETURN(auto made, AigwDataset::Make(settings, AigwSplit::kTrain));
    return std::shared_ptr<const Dataset>(std::move(made));
  }
  STEMMA_ASSIGN_OR_RETURN(auto file, WaveformFile::Open(lineage::PosixStorage(), settings));
  return std::shared_ptr<const Dataset>(std::move(file));
}

Status WriteWaveformFile(lineage::Storage& disk, const AigwSettings& settings, AigwSplit split,
                         int64_t count, const std::string& path,
                         const std::function<void(int64_t, int64_t)>& progress) {
  STEMMA_ASSIGN_OR_RETURN(const auto data, AigwDataset::Make(settings, split));
  if (count < 1 || count > data->Size()) {
    return {Code::kInvalidArgument, "a count of " + std::to_string(count) + " must be 1 to " +
                                        std::to_string(data->Size()) +
                                        ", the waveforms of this split (aigw.train_size, "
                                        "aigw.validation_size)"};
  }
  const int64_t samples = SamplesOf(settings), block = std::max<int64_t>(kBlockFloats / samples, 1);
  STEMMA_ASSIGN_OR_RETURN(const auto file, Hdf5Writer::Create(disk, path));
  STEMMA_RETURN_IF_ERROR(file->Add(kWaves, count, samples, Hdf5Type::kFloat32));
  STEMMA_RETURN_IF_ERROR(file->Add(kLabels, count, 3, Hdf5Type::kFloat64));
  STEMMA_RETURN_IF_ERROR(file->Attribute(kWaves, "t_from", settings.t_from));
  STEMMA_RETURN_IF_ERROR(file->Attribute(kWaves, "t_to", settings.t_to));
  STEMMA_RETURN_IF_ERROR(file->Attribute(kWaves, "dt", settings.dt));
  std::vector<float> waves(static_cast<size_t>(std::min(block, count) * samples));
  std::vector<double> labels;
  for (int64_t id = 0; id < count;) {
    const int64_t rows = std::min(block, count - id);
    labels.clear();
    for (int64_t row = 0; row < rows; ++row) {
      float targets[5];
      STEMMA_RETURN_IF_ERROR(
          data->Read(id + row, {}, &waves[static_cast<size_t>(row * samples)], targets));
      const Binary b = data->BinaryOf(id + row);
      labels.insert(labels.end(), {b.q, b.s1, b.s2});
    }
    STEMMA_RETURN_IF_ERROR(file->Append(kWaves, waves.data(), rows));
    STEMMA_RETURN_IF_ERROR(file->Append(kLabels, labels.data(), rows));
    id += rows;
    if (progress) progress(id, count);
  }
  return file->Close();
}

}  // namespace stemma::models
