#!/usr/bin/env python3
"""What PIL makes of small images: resized with its triangle filter, and decoded from JPEG.

  images_golden.py > images_golden.json        with Pillow 13.0.0

All bytes are hexadecimal, pixels as red, green, blue, row by row. A resize is of a box of the source
as it is: PIL's crop, then resize, which is what torchvision's RandomResizedCrop does.
"""
import io
import json
import random

from PIL import Image

WIDTH, HEIGHT = 40, 30
random.seed(7)


def noise(width, height, smooth):
    """Rough pixels, or with `smooth` what a few random waves make."""
    pixels = []
    for y in range(height):
        for x in range(width):
            if smooth:
                pixels += [128 + 60 * ((x * 3 + y * 5 * c) % 37 - 18) // 18 + 40 * (y - x) // width
                           for c in range(3)]
            else:
                pixels += [random.randrange(256) for _ in range(3)]
    return Image.frombytes("RGB", (width, height), bytes(max(0, min(255, p)) for p in pixels))


def resized(source, box, size):
    left, top, width, height = box
    crop = source.crop((left, top, left + width, top + height))
    return {"box": box, "size": size,
            "pixels": crop.resize(size, Image.BILINEAR).tobytes().hex()}


def decoded(name, image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    pixels = Image.open(io.BytesIO(out.getvalue())).convert("RGB").tobytes()
    return {"name": name, "size": image.size, "jpeg": out.getvalue().hex(), "pixels": pixels.hex()}


rough, small = noise(WIDTH, HEIGHT, False), noise(24, 18, True)
print(json.dumps({
    "source": {"size": [WIDTH, HEIGHT], "pixels": rough.tobytes().hex()},
    "resized": [resized(rough, [0, 0, WIDTH, HEIGHT], [16, 12]),
                resized(rough, [3, 5, 30, 21], [14, 14]),
                resized(rough, [11, 2, 9, 13], [20, 18]),
                resized(rough, [0, 0, WIDTH, HEIGHT], [WIDTH - 1, 5]),
                resized(rough, [39, 29, 1, 1], [4, 4])],
    "decoded": [decoded("4:2:0", small, quality=90),
                decoded("4:4:4", small, quality=90, subsampling=0),
                decoded("progressive", small, quality=80, progressive=True),
                decoded("grey", small.convert("L"), quality=90),
                decoded("CMYK", small.convert("CMYK"), quality=95)]}, separators=(",", ":")))
