"""P9: from power-up to the first byte of the first Inform."""

import statistics
import subprocess
import time
from collections.abc import Iterator

from host_tools.bench.raw_acs import RawAcs
from host_tools.bench.rig import Rig, site
from host_tools.bench.table import Row
from host_tools.free_port import free_port

ROUNDS = 25
FLOOR = "import cwmp.boot, sys; sys.stdout.write('.')"


def measure(rig: Rig, rounds: int = ROUNDS) -> Iterator[Row]:
    """Boot the agent and the floor in turns: start of the interpreter and the same imports."""
    acs = RawAcs()
    rig.flash(site(acs.url, free_port()))
    agent: list[int] = []
    floor: list[int] = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        with rig.running():
            agent.append(acs.next()[0] - start)
        start = time.perf_counter_ns()
        with rig.running("-c", FLOOR, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(1)
            floor.append(time.perf_counter_ns() - start)
    acs.close()
    value = statistics.median(agent) / statistics.median(floor)
    yield Row(
        "P9", "boot to first Inform, median", value, "x floor", "interpreter start and imports", 2
    )
