"""What the comparisons share: our programs, the machine's name, medians."""

import os
import platform
import shutil
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True


def program(build: Path, name: str) -> Path | None:
    """An executable of ours below the build folder, or on the path."""
    found = [p for p in sorted(build.rglob(name)) if p.is_file() and os.access(p, os.X_OK)] if build.is_dir() else []
    if found:
        return found[0]
    return Path(path) if (path := shutil.which(name)) else None


def machine() -> dict:
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return {"processor": model, "cores": os.cpu_count(), "load": os.getloadavg()[0], "system": platform.platform(),
            "python": platform.python_version()}


def summary(seconds: list[float]) -> dict:
    """Median and the middle half, which one rude neighbour on the machine does not move, and the best, which is
    closest to a machine of one's own."""
    quarters = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 3
    return {"median": statistics.median(seconds), "low": quarters[0], "high": quarters[2], "best": min(seconds), "all": seconds}
