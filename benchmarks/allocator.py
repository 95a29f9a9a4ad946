"""What keeping freed memory is worth: ``(a + a) * (a - a)`` with the allocator set up, over without.

Run it with ``python benchmarks/allocator.py``. Each side runs in processes of its own, in turn, because the setting
acts on a whole process.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

SIZES = (1, 4, 16, 40)  # MB
CODE = """
import time
import numpy, tinygrad_mp
for size in {sizes}:
    a = numpy.ones(size << 18, dtype=numpy.float32)
    times = []
    for _ in range(15):
        start = time.perf_counter()
        (a + a) * (a - a)
        times.append(time.perf_counter() - start)
    print(sorted(times)[7])
"""


def seconds(setting: str) -> list[float]:
    """Median seconds for each size, in a fresh process."""
    environment = os.environ | {"TINYGRAD_MP_MALLOPT": setting, "OMP_NUM_THREADS": "1"}
    code = CODE.format(sizes=SIZES)
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return [float(line) for line in result.stdout.split()]


def main() -> None:
    """Measure five pairs of processes and print the median ratio for each size."""
    pairs = [(seconds("1"), seconds("0")) for _ in range(5)]
    for place, size in enumerate(SIZES):
        ratio = statistics.median(kept[place] / plain[place] for kept, plain in pairs)
        print(f"{size:3d} MB: {ratio:.2f} of the time without")


if __name__ == "__main__":
    main()
