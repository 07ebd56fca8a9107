"""P2 and P3: cost and garbage of one datagram of each kind, in the interpreter itself."""

from collections.abc import Iterator

from host_tools.bench.rig import Rig, site
from host_tools.bench.table import Row
from host_tools.free_port import free_port

TARGETS = {"accepted": 4, "bad-signature": 3, "duplicate": 1, "stale": 1, "garbage": 1}
HEAP_ROUNDS = 100_000


def measure(rig: Rig, heap_rounds: int = HEAP_ROUNDS) -> Iterator[Row]:
    """Run device/datagrams.py and turn what it printed into rows."""
    rig.flash(site("http://127.0.0.1:1/", free_port()))
    cost: dict[str, tuple[int, int]] = {}
    heap: tuple[int, int] | None = None
    for line in rig.script("datagrams.py", str(heap_rounds)).splitlines():
        words = line.split()
        if words[:1] == ["BENCH"]:
            cost[words[1]] = int(words[2]), int(words[3])
        elif words[:1] == ["HEAP"]:
            heap = int(words[1]), int(words[2])
    if heap is None or cost.keys() != {"hmac", *TARGETS}:
        raise RuntimeError(f"device/datagrams.py printed only {sorted(cost)}")
    floor, _ = cost.pop("hmac")
    for kind, bound in TARGETS.items():
        against = "one HMAC-SHA1 with prepared pads"
        yield Row("P2", f"datagram {kind}", cost[kind][0] / floor, "x HMAC", against, bound)
    for kind in TARGETS:
        bound_or_none = 400 if kind == "accepted" else None
        against = "of which the HMAC takes all 384 (64-bit objects)" if cost[kind][1] else ""
        yield Row(
            "P3", f"garbage of a datagram {kind}", cost[kind][1], "bytes", against, bound_or_none
        )
    yield Row(
        "P3", f"heap growth after {heap_rounds:,} of each kind", heap[1] - heap[0], "bytes", "", 0
    )
