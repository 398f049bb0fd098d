"""position.safetensors, resize.safetensors: interpolation of position tables and of 8-bit pictures."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timm.layers import resample_abs_pos_embed
from torchvision.transforms import functional as tv

from .store import relative_error, save

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def positions(root: Path) -> None:
    """Tables [1, prefix + rows * columns, D] in float64, checked against timm's float32."""
    random = np.random.RandomState(4000)
    width, tensors = 6, {}
    for source, prefix, targets in (((4, 4), 1, ((6, 6), (3, 3), (5, 7))), ((3, 5), 0, ((4, 4),)), ((4, 4), 2, ((8, 8),))):
        name = f"{source[0]}x{source[1]}.prefix{prefix}"
        table = torch.from_numpy(random.standard_normal((1, prefix + source[0] * source[1], width)).astype(np.float32))
        tensors[f"{name}.table"] = table
        grid = table[:, prefix:].double().reshape(1, *source, width).permute(0, 3, 1, 2)
        for target in targets:
            for kernel, antialias in (("antialias", True), ("plain", False)):
                moved = torch.nn.functional.interpolate(grid, target, mode="bicubic", antialias=antialias, align_corners=False)
                moved = moved.permute(0, 2, 3, 1).reshape(1, -1, width)
                result = torch.cat([table[:, :prefix].double(), moved], 1)
                timms = resample_abs_pos_embed(table, list(target), list(source), num_prefix_tokens=prefix, antialias=antialias)
                assert relative_error(timms, result) < 1e-6
                tensors[f"{name}.{kernel}.{target[0]}x{target[1]}"] = result
    save(root / "position.safetensors", tensors, {
        "antialias": "cubic a = -0.5, widened when shrinking, taps outside dropped and renormalised (timm >= 0.9)",
        "plain": "cubic a = -0.75, four taps, indices clamped (timm 0.6, DINO)"})


def draw_pictures() -> dict[str, np.ndarray]:
    """[H, W, 3] of 8 bits: noise overshoots and clamps, a gradient rounds, a checker has every edge."""
    random = np.random.RandomState(4100)
    picture = {"noise": random.randint(0, 256, (19, 26, 3)), "contrast": 255 * random.randint(0, 2, (17, 12, 3))}
    y, x = np.mgrid[0:24, 0:16]
    picture["gradient"] = np.stack([x * 17, y * 11, 255 - x * 8 - y * 5], -1)
    y, x = np.mgrid[0:15, 0:23]
    picture["checker"] = np.stack([((y // 2 + x // 3) % 2) * 255, ((y + x) % 2) * 200 + 30, ((y // 5 + x // 5) % 2) * 128], -1)
    return {name: value.astype(np.uint8) for name, value in picture.items()}


def resize(picture: np.ndarray, height: int, width: int, filter: str, box=None, vertical_first: bool = False) -> np.ndarray:
    """Pillow, one pass a call, so that the order of the passes is ours and not that of a Pillow release.
    `box` is (left, top, right, bottom) in source pixels, fractions allowed."""
    left, top, right, bottom = box or (0, 0, picture.shape[1], picture.shape[0])
    image = Image.fromarray(picture)
    if vertical_first:
        image = image.resize((image.width, height), FILTERS[filter], (0, top, image.width, bottom))
        return np.asarray(image.resize((width, height), FILTERS[filter], (left, 0, right, height)))
    image = image.resize((width, image.height), FILTERS[filter], (left, 0, right, image.height))
    return np.asarray(image.resize((width, height), FILTERS[filter], (0, top, width, bottom)))


SIZES = ((26, 31), (7, 9), (29, 8), (5, 33), (1, 1))  # height, width: larger, smaller, mixed
BOXES = ((8, 8, (3, 2, 11, 12)), (16, 20, (1.5, 0.25, 10.75, 9.5)), (6, 5, (0, 0, 12, 15)))  # height, width, box


def resizes(root: Path) -> None:
    pictures, tensors, cases = draw_pictures(), {}, []

    def add(name, filter, height, width, box=None):
        result = {"horizontal": resize(pictures[name], height, width, filter, box)}
        whole = Image.fromarray(pictures[name]).resize((width, height), FILTERS[filter], box)
        other = resize(pictures[name], height, width, filter, box, vertical_first=True)
        assert any(np.array_equal(np.asarray(whole), r) for r in (result["horizontal"], other))
        if not np.array_equal(other, result["horizontal"]) and (height, width) == (29, 8):
            result["vertical"] = other
        for order, value in result.items():
            key = f"{name}.{filter}.{height}x{width}" + (".box" + "_".join(map(str, box)) if box else "")
            key += ".vertical_first" if order == "vertical" else ""
            tensors[key] = value
            cases.append({"tensor": key, "picture": name, "filter": filter, "height": height, "width": width,
                          "box": list(box or (0, 0, pictures[name].shape[1], pictures[name].shape[0])), "first": order})

    for name in pictures:
        for filter in FILTERS:
            for height, width in SIZES:
                add(name, filter, height, width)
            for height, width, box in BOXES:
                add(name, filter, height, width, box)
    pipelines = evaluation_pipelines(tensors)
    crops = training_crops(tensors, pictures)
    save(root / "resize.safetensors", pictures | tensors,
         {"cases": cases, "pipelines": pipelines, "crops": crops, "layout": "pictures [H, W, 3] U8, box = left, top, right, bottom"})


PRESETS = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "cifar": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}


def evaluation_pipelines(tensors: dict) -> list[dict]:
    """Shorter side, centre crop, to float, normalise, as torchvision does it to a PIL image."""
    random = np.random.RandomState(4200)
    listed = []
    for number, (height, width, shorter, crop, filter, preset) in enumerate((
            (48, 64, 40, 32, "bicubic", "imagenet"),  # 40 x 53: half of 21 is 10.5, and 10.5 rounds to 10
            (55, 40, 40, 32, "bilinear", "half"),  # the size is right already; half of 23 is 11.5, which rounds to 12
            (20, 33, 36, 32, "bicubic", "none"),  # enlarged; the longer side is truncated, 59.4 -> 59
            (32, 32, 37, 32, "bicubic", "clip"),  # both offsets 2.5 -> 2
            (30, 45, 24, 32, "bicubic", "cifar"))):  # the short side is padded with zeros: 4 above, 4 below
        coarse = random.randint(0, 256, (height // 4 + 1, width // 4 + 1, 3)).astype(np.uint8)
        picture = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
        image = Image.fromarray(picture)
        resized = tv.resize(image, shorter, interpolation={"bicubic": tv.InterpolationMode.BICUBIC,
                                                           "bilinear": tv.InterpolationMode.BILINEAR}[filter])
        assert np.array_equal(np.asarray(resized), resize(picture, resized.height, resized.width, filter))
        cropped = tv.center_crop(resized, [crop, crop])
        mean, std = PRESETS[preset]
        name = f"pipeline{number}"
        tensors |= {f"{name}.input": picture, f"{name}.resized": np.asarray(resized), f"{name}.cropped": np.asarray(cropped),
                    f"{name}.normalised": tv.normalize(tv.to_tensor(cropped), list(mean), list(std))}
        listed.append({"name": name, "shorter": shorter, "crop": crop, "filter": filter, "preset": preset,
                       "mean": list(mean), "std": list(std)})
    return listed


def training_crops(tensors: dict, pictures: dict) -> list[dict]:
    """Crop first, then resize: pixels outside the crop are not looked at."""
    listed = []
    for number, (name, top, left, height, width, size, filter) in enumerate((
            ("noise", 3, 5, 11, 14, 16, "bicubic"), ("gradient", 0, 2, 24, 9, 12, "bilinear"), ("checker", 4, 0, 7, 23, 10, "bicubic"))):
        cropped = np.ascontiguousarray(pictures[name][top:top + height, left:left + width])
        result = resize(cropped, size, size, filter)
        mode = {"bicubic": tv.InterpolationMode.BICUBIC, "bilinear": tv.InterpolationMode.BILINEAR}[filter]
        direct = np.asarray(tv.resized_crop(Image.fromarray(pictures[name]), top, left, height, width, [size, size], mode))
        other = resize(cropped, size, size, filter, vertical_first=True)
        assert np.array_equal(direct, result) or np.array_equal(direct, other)
        tensors[f"crop{number}"] = result
        listed.append({"tensor": f"crop{number}", "picture": name, "top": top, "left": left, "height": height, "width": width,
                       "size": size, "filter": filter})
    return listed


def generate(root: Path) -> None:
    positions(root)
    resizes(root)
