"""augment.safetensors: what torchvision's transforms make of a picture when their generator gives numbers we know."""

from math import exp, log, sqrt
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F

from .store import save

SIZES = ((30, 24), (37, 61), (20, 200), (200, 20), (12, 12), (5, 64))
SCALE, RATIO = (0.05, 1.0), (3 / 4, 4 / 3)
FACTORS = (0.0, 0.75, 1.0, 1.2470588, 3.0)


class Draws:
    """Stands in for torch's generator: four numbers a try, of which top and left are asked for only when it fits."""

    def __init__(self, uniforms):
        self.uniforms, self.attempt, self.asked = uniforms, -1, 0

    def uniform_(self, tensor, low, high):
        self.attempt, self.asked = (self.attempt + 1, 1) if self.asked in (0, 2) else (self.attempt, 2)
        return tensor.fill_(float(low) + (float(high) - float(low)) * self.uniforms[4 * self.attempt + self.asked - 1])

    def randint(self, low, high, size):
        self.asked += 1
        return torch.tensor([low + int(self.uniforms[4 * self.attempt + self.asked - 1] * (high - low))])


def close_call(height, width, uniforms) -> bool:
    """Whether a side lies so near to a half that torch's float32 may round it the other way than float64."""
    for attempt in range(10):
        area = height * width * (SCALE[0] + (SCALE[1] - SCALE[0]) * uniforms[4 * attempt])
        ratio = exp(log(RATIO[0]) + (log(RATIO[1]) - log(RATIO[0])) * uniforms[4 * attempt + 1])
        if any(abs(side % 1.0 - 0.5) < 1e-3 for side in (sqrt(area * ratio), sqrt(area / ratio))):
            return True
    return False


def box(height, width, uniforms):
    draws = Draws(uniforms)
    with mock.patch.object(torch.Tensor, "uniform_", lambda self, a, b: draws.uniform_(self, a, b)), mock.patch.object(torch, "randint", draws.randint):
        return T.RandomResizedCrop.get_params(Image.new("RGB", (width, height)), SCALE, RATIO)


def generate(root: Path) -> None:
    random = np.random.RandomState(8500)
    pixels = random.randint(0, 256, (*SIZES[0], 3)).astype(np.uint8)
    picture = Image.fromarray(pixels)
    levels = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)
    out: dict[str, np.ndarray] = {"picture": pixels, "flipped": np.asarray(F.hflip(picture)), "levels": levels}
    sizes, drawn, boxes = [], [], []
    for height, width in SIZES:
        for _ in range(8):
            uniforms = random.random_sample(44)
            while close_call(height, width, uniforms):
                uniforms = random.random_sample(44)
            top, left, h, w = box(height, width, uniforms)
            if (height, width) == SIZES[0]:
                # One Pillow call a pass, horizontal first: Pillow 13 would turn the passes of tall pictures round.
                cut = picture.crop((left, top, left + w, top + h))
                out[f"resized.{len(boxes)}"] = np.asarray(cut.resize((20, h), Image.BILINEAR).resize((20, 16), Image.BILINEAR))
            sizes.append((height, width)), drawn.append(uniforms), boxes.append((top, left, h, w))
    out |= {"sizes": np.array(sizes), "uniforms": np.stack(drawn), "boxes": np.array(boxes)}
    out |= {f"brightness.{factor}": np.asarray(F.adjust_brightness(Image.fromarray(levels), factor)) for factor in FACTORS}
    out |= {"padded.zero": np.asarray(F.pad(picture, 4, 0, "constant")), "padded.reflect": np.asarray(F.pad(picture, 4, padding_mode="reflect"))}
    save(root / "augment.safetensors", out, {"seed": 8500, "scale": SCALE, "ratio": RATIO, "factors": FACTORS})
