"""What the discovery finds, NAT by NAT and server by server, and whether a wake is ever missed."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from host_tools.sim.clock import DAY
from host_tools.sim.kinds import KINDS
from host_tools.sim.server import HONOURS, IGNORES, REFUSES, SILENT
from host_tools.sim.world import World

TIMEOUTS = (20, 60, 180, 300)
SERVERS = (HONOURS, IGNORES, SILENT, REFUSES)
MINIMUM = 10
RING = 900_000  # ms between two rings, on average
HEAD = (
    "NAT",
    "timeout",
    "server",
    "lifetime found",
    "period",
    "of timeout",
    "probes",
    "found after",
    "rings",
    "answered",
)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Cell:
    """One world to simulate for `days`; `timeout` in seconds."""

    nat: str
    timeout: int
    server: str
    days: int
    seed: int


@dataclass(frozen=True)
class Result:
    """What came of it. `outlived`, `forgotten`: the bounds of the lifetime that was found, 0 for
    none; `probes` and `seconds` until the first search was over.
    """

    cell: Cell
    outlived: int
    forgotten: int
    period: int
    probes: int
    seconds: int
    rings: int
    answered: int
    changes: int


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the rows of the table: one for all NATs of which the same was found."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        cell = result.cell
        found = f"{result.outlived} to {result.forgotten} s" if result.outlived else "none"
        key = (
            f"{cell.timeout} s",
            cell.server,
            found,
            f"{result.period} s",
            f"{100 * result.period / cell.timeout:.0f} %" if result.outlived else "minimum",
            str(result.probes),
            f"{result.seconds / 60:.0f} min" if result.outlived else "",
        )
        groups.setdefault(key, []).append(result)
    return [(_names(group), *key, *_rings(group)) for key, group in groups.items()]


def _names(group: Sequence[Result]) -> str:
    nats = [result.cell.nat for result in group]
    return ", ".join(nats) if len(nats) < len(KINDS) else f"all {len(nats)} kinds"


def _rings(group: Sequence[Result]) -> tuple[str, str]:
    rings = sum(result.rings for result in group)
    answered = sum(result.answered for result in group)
    return f"{rings:,}", f"{answered:,}"


def simulate(cell: Cell) -> Result:
    """Run one cell."""
    build = KINDS[cell.nat].chain(cell.timeout * 1000)
    world = World(build, (MINIMUM, -1), cell.server, cell.seed)
    world.ring_every(RING)
    search = world.device.search
    world.run_until(DAY, lambda: search.found)
    probes, seconds = search.probes, world.clock.now // 1000
    world.run(cell.days * DAY - world.clock.now)
    return Result(
        cell,
        search.good or 0,
        search.bad or 0,
        world.device.binding.period,
        probes,
        seconds,
        world.rings,
        world.woken,
        world.device.binding.counts["changes"],
    )


def grid(
    days: int,
    seed: int = 1,
    nats: Iterable[str] = tuple(KINDS),
    servers: Iterable[str] = SERVERS,
    timeouts: Iterable[int] = TIMEOUTS,
) -> list[Cell]:
    """Return the cells of the matrix, the long ones of a server first."""
    return [
        Cell(nat, timeout, server, days, seed * 1000 + at)
        for at, (server, timeout, nat) in enumerate(product(servers, timeouts, nats))
    ]


def over_all_cores(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return the results of `work` in the order of `items`."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def wrong(results: Iterable[Result]) -> list[str]:
    """Return what is not as it must be, a line each."""
    lines = []
    for result in results:
        cell = result.cell
        where = f"{cell.nat}, {cell.timeout} s, server {cell.server}"
        if result.answered != result.rings:
            lines.append(f"{where}: {result.rings - result.answered} rings missed")
        if cell.server != HONOURS:
            if result.period != MINIMUM:
                lines.append(f"{where}: period {result.period} s is not the minimum")
        elif not 0.9 * cell.timeout <= result.period < cell.timeout:
            lines.append(f"{where}: period {result.period} s")
    return lines
