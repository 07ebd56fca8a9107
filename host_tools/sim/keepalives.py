"""P7: keepalives per day after discovery, against a fixed 30 s agent and against the ideal."""

from collections.abc import Sequence
from dataclasses import dataclass

from host_tools.sim.clock import DAY, Chance, Clock
from host_tools.sim.nat import Nat
from host_tools.sim.world import World

TIMEOUTS = (20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900)
FIXED = 30  # seconds, what many an agent is set to
HEAD = (
    "timeout",
    "fixed 30 s",
    "discovered",
    "ideal",
    "of ideal",
    "of fixed",
    "probes a day",
    "first day",
)


@dataclass(frozen=True)
class Traffic:
    """Datagrams sent per day behind a NAT of `timeout` seconds. `fixed` is 0 where the binding
    does not hold that long; `first`: the day with the discovery, all sockets.
    """

    timeout: int
    fixed: int
    found: int
    probes: int
    first: int

    @property
    def ideal(self) -> int:
        """A day over the timeout: nobody can do with less."""
        return 86400 // self.timeout

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        return (
            f"{self.timeout} s",
            f"{self.fixed:,}" if self.fixed else "binding lost",
            f"{self.found:,}",
            f"{self.ideal:,}",
            f"{(self.found + self.probes) / self.ideal:.2f} x",
            f"{(self.found + self.probes) / self.fixed:.2f} x" if self.fixed else "",
            f"{self.probes:,}",
            f"{self.first:,}",
        )


def measure(timeout: int, days: int = 4) -> Traffic:
    """Count what the firmware's core sends behind a NAT of `timeout` seconds."""

    def build(clock: Clock, chance: Chance) -> list[Nat]:
        return [Nat(clock, chance, timeout * 1000)]

    fixed = World(build, (FIXED, FIXED))
    fixed.run(DAY)
    lost = fixed.device.binding.counts["changes"] > 1
    world = World(build, (10, -1))
    world.run(DAY)
    first = world.keepalives + world.probes
    keepalives, probes = world.keepalives, world.probes
    world.run(days * DAY)
    return Traffic(
        timeout,
        0 if lost else fixed.keepalives,
        (world.keepalives - keepalives) // days,
        (world.probes - probes) // days,
        first,
    )


def plot(rows: Sequence[Traffic]) -> str:
    """Return the figures as an SVG: timeout to datagrams per day, both logarithmic."""
    from host_tools.sim.plot import Line, svg

    return svg(
        "Keepalives per day",
        "timeout of the NAT in seconds",
        [
            Line("fixed 30 s", "#b04030", [(r.timeout, r.fixed) for r in rows if r.fixed]),
            Line("after discovery", "#2060a0", [(r.timeout, r.found + r.probes) for r in rows]),
            Line("ideal: a day / timeout", "#408040", [(r.timeout, r.ideal) for r in rows]),
        ],
    )
