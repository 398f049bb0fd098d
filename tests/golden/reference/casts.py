"""casts.safetensors: bit patterns of the 16-bit formats. Widening: every pattern class; narrowing: ties both ways,
subnormals, overflow, infinities. NaN stays NaN with its sign; which payload is nobody's promise, so `nan` rows
compare by kind."""

from pathlib import Path

import ml_dtypes
import numpy as np

from .store import save


def generate(root: Path) -> None:
    random = np.random.RandomState(8000)
    bits = [0x0000, 0x0001, 0x0002, 0x03FF, 0x0400, 0x0401, 0x3BFF, 0x3C00, 0x3C01, 0x7BFF, 0x7C00, 0x7C01, 0x7E00, 0x7FFF,
            0x007F, 0x0080, 0x0081, 0x3F80, 0x3F81, 0x7F7F, 0x7F80, 0x7F81, 0x7FC0]
    bits = np.array(bits + [b | 0x8000 for b in bits] + random.randint(0, 65536, 200).tolist(), np.uint16)
    out = {"widen.bits": bits}
    with np.errstate(all="ignore"):
        out["widen.f16"] = bits.view(np.float16).astype(np.float32).view(np.uint32)
    out["widen.bf16"] = bits.astype(np.uint32) << 16

    # Around every border of the narrow formats: the border, a tie, and one bit to either side of the tie.
    borders = []
    for narrow in (0x0000, 0x0001, 0x0002, 0x0003, 0x03FE, 0x03FF, 0x0400, 0x0401, 0x3C00, 0x3C01, 0x3C02, 0x7BFE, 0x7BFF):
        low = float(np.uint16(narrow).view(np.float16))
        high = 65536.0 if narrow == 0x7BFF else float(np.uint16(narrow + 1).view(np.float16))
        tie = np.float32((low + high) / 2)
        borders += [np.float32(low), tie, np.nextafter(tie, np.float32(-1), dtype=np.float32), np.nextafter(tie, np.float32(1e9), dtype=np.float32)]
    words = [int(np.float32(v).view(np.uint32)) for v in borders]
    for upper in (0x0000, 0x0001, 0x007F, 0x0080, 0x3F80, 0x3F81, 0x40FF, 0x7F7E, 0x7F7F):
        words += [(upper << 16) | low for low in (0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]
    words += [0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0x7FBFFFFF, 0x00000001, 0x007FFFFF, 0x00800000]
    words = np.array(words + [w | 0x80000000 for w in words] + random.randint(0, 2**32, 100, dtype=np.uint64).tolist(), np.uint32)
    value = words.view(np.float32)
    with np.errstate(all="ignore"):
        out |= {"narrow.bits": words, "narrow.f16": value.astype(np.float16).view(np.uint16),
                "narrow.bf16": value.astype(ml_dtypes.bfloat16).view(np.uint16), "narrow.nan": np.isnan(value).astype(np.uint8)}

    rounded = ((words.astype(np.uint64) + 0x7FFF + ((words >> 16) & 1)) >> 16).astype(np.uint16)  # the rule itself, beside the library
    assert np.array_equal(rounded[~np.isnan(value)], out["narrow.bf16"][~np.isnan(value)])
    save(root / "casts.safetensors", out, {"f16": "numpy", "bf16": "ml_dtypes", "nan": "rows marked 1 compare by kind and sign alone"})
