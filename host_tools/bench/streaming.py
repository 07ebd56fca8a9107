"""P8: requests about n = 10, 100, 1000 parameters: time per name, and how far the heap grows."""

from collections.abc import Iterator

from host_tools.bench.rig import Rig, site
from host_tools.bench.table import Row
from host_tools.free_port import free_port

# How many names, and the most that the heap may grow by. What a write lists is held, packed, until
# all of it was checked: 13 bytes each. Reading holds nothing.
METHODS = {
    "GetParameterNames": ((10, 100, 1000), 6144),
    "GetParameterValues": ((10, 100, 1000), 6144),
    "SetParameterValues": ((10, 100, 200), 12288),
    "SetParameterValues kept": ((10, 100, 200), 32768),  # the values themselves, old and new
}
RUNS = 7


def measure(rig: Rig, runs: int = RUNS) -> Iterator[Row]:
    """Run device/streaming.py for each method and count in turns, each in its own interpreter."""
    rig.flash(site("http://127.0.0.1:1/", free_port()))
    for method, (counts, room) in METHODS.items():
        found = [{count: _run(rig, method, count) for count in counts} for _ in range(runs)]
        times = {count: min(run[count][0] for run in found) / count for count in counts}
        peaks = {count: min(run[count][1] for run in found) for count in counts}
        few, some, most = counts
        yield Row(
            "P8",
            f"{method}: time per name, n = {most}",
            times[most] / times[some],
            f"x that of n = {some}",
            "1 where time is linear",
            1.2,
        )
        yield Row(
            "P8",
            f"{method}: heap at its peak, n = {most}",
            peaks[most],
            "bytes",
            f"{peaks[few]:,} with n = {few}; 64-bit objects",
            room,
        )


def _run(rig: Rig, method: str, count: int) -> tuple[int, int]:
    head = f"P8 {method} {count} "
    for line in rig.script("streaming.py", *method.split(), str(count)).splitlines():
        if line.startswith(head):
            took, peak = line.removeprefix(head).split()[:2]
            return int(took), int(peak)
    raise RuntimeError("streaming.py printed no P8 line")
