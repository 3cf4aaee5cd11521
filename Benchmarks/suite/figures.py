"""What is told of a measured piece of work."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number out of what the driver, or a part, says of a run."""
    key: str
    unit: str
    scale: float = 1
    is_better_high: bool = False
    # Said behind the name of the work.
    note: str = ""


RATE = Figure("per_second", "/s", is_better_high=True)
THROUGHPUT = Figure("bytes_per_second", "MB/s", 1e-6, True)
MEDIAN = Figure("p50_us", "us", note="p50")
TAIL = Figure("p99_us", "us", note="p99")
SECONDS = Figure("seconds", "s")
MILLISECONDS = Figure("seconds", "ms", 1e3)
MOUNT = Figure("mount", "s", note="mounting")
UNMOUNT = Figure("unmount", "s", note="unmounting")
MEMORY = Figure("bytes", "MB", 1e-6)


def number(value):
    """Three digits that count, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
