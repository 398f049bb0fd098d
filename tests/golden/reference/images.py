"""images/: one small file per kind of PNG and JPEG a camera, a scanner or a drawing program hands over;
images.safetensors: the RGB bytes each must decode to, [H, W, 3] under the file's name.

Grey is replicated, palettes are expanded, alpha is dropped (not blended), sixteen bits keep their upper eight,
CMYK becomes RGB by n = 255 - K, R = n - round(C n / 255), and the EXIF orientation is not applied.
"""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, features

from .store import save


def smooth(random, height: int, width: int, channels: int) -> np.ndarray:
    """A picture with colours but without noise: what JPEG is made for."""
    coarse = random.randint(0, 256, (4, 4, channels)).astype(np.uint8)
    planes = [np.asarray(Image.fromarray(coarse[..., c]).resize((width, height), Image.Resampling.BICUBIC)) for c in range(channels)]
    return np.stack(planes, -1)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # top, left, steps


def png(samples: np.ndarray, interlaced: bool = False) -> bytes:
    """PNG of what Pillow cannot write: interlaced, or sixteen bits a channel. `samples` [H, W, C] of uint8 or uint16;
    rows take the filters 0 (none), 1 (left) and 2 (above) in turn."""
    height, width, channels = samples.shape
    depth = samples.dtype.itemsize
    stream = b""
    for top, left, down, right in ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = samples[top::down, left::right]
        if not part.size:
            continue
        rows = np.frombuffer(part.astype(samples.dtype.newbyteorder(">")).tobytes(), np.uint8).reshape(len(part), -1).astype(np.int64)
        step = channels * depth
        for y, row in enumerate(rows):
            before = {0: 0, 1: np.concatenate([np.zeros(step, np.int64), row[:-step]]), 2: rows[y - 1] if y else 0}[y % 3]
            stream += bytes([y % 3]) + ((row - before) % 256).astype(np.uint8).tobytes()
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(stream, 9)) + chunk(b"IEND", b"")


def rgb(path: Path) -> np.ndarray:
    warnings.simplefilter("ignore", UserWarning)  # dropping the alpha of a palette is what we want
    return np.asarray(Image.open(path).convert("RGB"))


def generate(root: Path) -> None:
    random = np.random.RandomState(5000)
    folder = root / "images"
    folder.mkdir(parents=True, exist_ok=True)
    h, w = 17, 23
    noise = lambda *shape: random.randint(0, 256, shape).astype(np.uint8)  # noqa: E731
    expected: dict[str, np.ndarray] = {}

    def keep(name: str, image: Image.Image, should: np.ndarray | None = None, **options) -> None:
        image.save(folder / name, **options)
        expected[name] = rgb(folder / name)
        assert should is None or np.array_equal(expected[name], should), name

    def keep_bytes(name: str, data: bytes, should: np.ndarray) -> None:
        (folder / name).write_bytes(data)
        expected[name] = should

    grey, colour, alpha = noise(h, w), noise(h, w, 3), noise(h, w)
    triple = lambda plane: np.repeat(plane[..., None], 3, -1)  # noqa: E731
    keep("grey.png", Image.fromarray(grey), triple(grey))
    keep("grey_alpha.png", Image.fromarray(np.stack([grey, alpha], -1), "LA"), triple(grey))
    keep("rgb.png", Image.fromarray(colour), colour)
    keep("rgba.png", Image.fromarray(np.concatenate([colour, alpha[..., None]], -1), "RGBA"), colour)
    keep("rgb_colour_key.png", Image.fromarray(colour), colour, transparency=tuple(int(v) for v in colour[2, 3]))
    for name, colours, more in (("palette.png", 200, {}), ("palette_2bit.png", 4, {"bits": 2}), ("palette_4bit.png", 11, {"bits": 4}),
                                ("palette_alpha.png", 40, {"transparency": bytes(range(0, 240, 6))})):
        table, index = noise(colours, 3), random.randint(0, colours, (h, w)).astype(np.uint8)
        image = Image.fromarray(index, "P")
        image.putpalette(table.flatten().tolist())
        keep(name, image, table[index], **more)
    bits = random.randint(0, 2, (h, w)).astype(np.uint8) * 255
    keep("bilevel.png", Image.fromarray(bits).convert("1", dither=Image.Dither.NONE), triple(bits))

    deep = random.randint(0, 65536, (h, w, 4)).astype(np.uint16)
    high = (deep >> 8).astype(np.uint8)
    keep_bytes("grey_16bit.png", png(deep[..., :1]), triple(high[..., 0]))  # Pillow clips instead: no picture, see README.md
    keep_bytes("rgb_16bit.png", png(deep[..., :3]), high[..., :3])
    keep_bytes("rgba_16bit.png", png(deep), high[..., :3])
    keep_bytes("rgb_interlaced.png", png(colour, interlaced=True), colour)
    keep_bytes("grey_interlaced.png", png(grey[:5, :3, None], interlaced=True), triple(grey[:5, :3]))  # passes without pixels
    keep_bytes("rgba_16bit_interlaced.png", png(deep, interlaced=True), high[..., :3])
    for name, should in expected.items():
        assert name == "grey_16bit.png" or np.array_equal(rgb(folder / name), should), name

    soft = smooth(random, 37, 51, 3)  # odd, and not a multiple of a block
    picture = Image.fromarray(soft)
    keep("grey.jpg", Image.fromarray(soft[..., 0]), quality=85)
    keep("rgb_444.jpg", picture, quality=90, subsampling=0)
    keep("rgb_422.jpg", picture, quality=85, subsampling=1)
    keep("rgb_420.jpg", picture, quality=85, subsampling=2)
    keep("rgb_420_one_pixel.jpg", Image.fromarray(soft[:1, :1]), quality=85, subsampling=2)
    keep("rgb_420_restarts.jpg", picture, quality=85, subsampling=2, restart_marker_blocks=3)
    keep("progressive_420.jpg", picture, quality=80, subsampling=2, progressive=True)
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: rotate by 90 degrees to show
    keep("rgb_turned_exif.jpg", picture, quality=85, subsampling=2, exif=turned)
    assert np.array_equal(expected["rgb_turned_exif.jpg"], expected["rgb_420.jpg"])
    inks = Image.fromarray(smooth(random, 37, 51, 4), "CMYK")
    inks.save(folder / "cmyk.jpg", quality=90)
    stored = np.asarray(Image.open(folder / "cmyk.jpg"))
    n = 255 - stored[..., 3:].astype(int)
    c = stored[..., :3].astype(int)
    expected["cmyk.jpg"] = (n - (2 * c * n + 255) // 510).astype(np.uint8)  # whole numbers: 255 is odd, there are no ties
    assert np.array_equal(rgb(folder / "cmyk.jpg"), expected["cmyk.jpg"])
    save(root / "images.safetensors", expected, {"decoder": f"libjpeg-turbo {features.version('libjpeg_turbo')}, Pillow {Image.__version__}"})
