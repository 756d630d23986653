"""How many JPEGs one thread makes samples of with torchvision and PIL, from memory. Runs inside the
peers' own Python.

  peer_images.py FOLDER PASSES    the JPEGs of FOLDER, PASSES times all of them

The transforms are those of torchvision's reference training of ImageNet. Prints one JSON object:
images per second of the best pass, and the versions.
"""

import io
import json
import pathlib
import sys
import time

import PIL
import torch
import torchvision
from PIL import Image, features
from torchvision import transforms


def main():
    folder, passes = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    files = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    transform = transforms.Compose([
        transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    best = None
    for _ in range(passes + 1):  # the first warms up
        begin = time.perf_counter()
        for data in files:
            transform(Image.open(io.BytesIO(data)).convert("RGB"))
        took = time.perf_counter() - begin
        best = took if best is None else min(best, took)
    print(json.dumps({"images_per_s": len(files) / best, "pillow": PIL.__version__,
                      "torchvision": torchvision.__version__,
                      "libjpeg_turbo": features.version_feature("libjpeg_turbo")}))


if __name__ == "__main__":
    main()
