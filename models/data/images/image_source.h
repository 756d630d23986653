// Images by number, as they lie on a disk: the bytes of a file and its class. Class folders
// (folder_source.h) and shards (shard_source.h) are two of them; ImageDataset makes samples of any.
//
//   EncodedImage image;                                  // used again and again
//   STEMMA_RETURN_IF_ERROR(images.Read(17, &image));
//   ... image.bytes is a JPEG of class image.label
//
// No order and no state. Owner: whoever holds the pointer. Thread: any number at once, each with an
// EncodedImage of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace stemma::models {

constexpr uint64_t kImageBytesMax = uint64_t{1} << 28;  // of one sample on the disk

struct EncodedImage {
  std::string memory;      // what was read
  std::string_view bytes;  // the image in it
  int64_t label = 0;
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual int64_t Size() const = 0;
  // By label. Empty where nothing says: then a label is only known to be no negative number.
  virtual const std::vector<std::string>& Classes() const = 0;
  // Identity of the data, raw SHA-256: equal digests promise equal images under equal numbers.
  virtual std::string Digest() const = 0;
  // How many images each file of many has, in the order of their numbers; empty: each image is a
  // file of its own.
  virtual std::vector<int64_t> Groups() const { return {}; }
  // Where image `id` lies, for messages and lists of bad ones.
  virtual std::string NameOf(int64_t id) const = 0;
  // The label is below Classes().size() where that is not 0. Errors name the place; faults of a
  // disk that may pass (EIO, ESTALE) were tried three times.
  virtual Status Read(int64_t id, EncodedImage* image) const = 0;
};

}  // namespace stemma::models
