"""P6: what the firmware takes on flash, and what it takes in the heap of the unix port."""

from collections.abc import Iterator

from host_tools.bench.rig import Rig, site
from host_tools.bench.table import Row
from host_tools.free_port import free_port


def measure(rig: Rig) -> Iterator[Row]:
    """Count the bytes of the compiled package and run device/memory.py."""
    rig.flash(site("http://127.0.0.1:1/", free_port()))
    yield Row(
        "P6",
        "compiled package on flash",
        sum(rig.mpy_bytes.values()),
        "bytes",
        ".mpy, x64 native code",
    )
    for line in rig.script("memory.py").splitlines():
        words = line.split()
        if words[:1] == ["MEMORY"]:
            yield Row(
                "P5",
                f"heap of the {words[1]}",
                int(words[2]),
                "bytes",
                "64-bit objects, over the bare interpreter",
            )
