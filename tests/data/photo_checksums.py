"""Writes photo_checksums.hpp: what Pillow makes of the photographs in shared/data/photos.

    python tests/data/photo_checksums.py SHARED > tests/data/photo_checksums.hpp      (Pillow with libjpeg-turbo)

Per photograph: height, width, CRC-32 of its RGB bytes, and CRC-32 of the evaluation crop
(shorter side 256 bicubic, horizontal pass first, centre crop 224).
"""
import pathlib
import sys
import zlib

from PIL import Image


def evaluation_crop(picture):
    width, height = picture.size
    short, long = min(width, height), max(width, height)
    new_long = int(256 * long / short)
    new_width, new_height = (256, new_long) if width <= height else (new_long, 256)
    # One call a pass, since Pillow 13 takes the vertical one first for tall pictures.
    picture = picture.resize((new_width, height), Image.BICUBIC).resize((new_width, new_height), Image.BICUBIC)
    left, top = round((new_width - 224) / 2), round((new_height - 224) / 2)
    return picture.crop((left, top, left + 224, top + 224))


def main():
    folder = pathlib.Path(sys.argv[1]) / "data" / "photos"
    print("#pragma once\n\n#include <cstdint>\n\nnamespace accrete::test {\n")
    print("/// Made by photo_checksums.py with Pillow. Not edited by hand.")
    print("struct PhotoChecksum {\n  char const* file;\n  int height;\n  int width;\n  std::uint32_t pixels;\n  std::uint32_t crop;\n};\n")
    print("inline constexpr PhotoChecksum photo_checksums[] = {")
    for path in sorted(folder.glob("*/*.jpg")):
        picture = Image.open(path).convert("RGB")
        pixels = zlib.crc32(picture.tobytes())
        crop = zlib.crc32(evaluation_crop(picture).tobytes())
        print(f'    {{"{path.relative_to(folder)}", {picture.height}, {picture.width}, 0x{pixels:08X}U, 0x{crop:08X}U}},')
    print("};\n\n}  // namespace accrete::test")


main()
