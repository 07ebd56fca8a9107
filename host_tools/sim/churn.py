"""A week of all that can happen, under MicroPython, with an eye on its heap: run by
tests/host/test_sim_churn.py as `micropython churn.py ROOT DAYS`.
"""

import gc
import sys

sys.path[:0] = [sys.argv[1], sys.argv[1] + "/firmware"]

from host_tools.sim.clock import DAY, Chance, Clock  # noqa: E402
from host_tools.sim.nat import ANY, PORT, Nat  # noqa: E402
from host_tools.sim.world import NAME, SERVER, World  # noqa: E402

HOUR = 3_600_000


def build(clock: Clock, chance: Chance) -> "list[Nat]":
    """Return the NAT that everything happens to."""
    return [Nat(clock, chance, 90_000)]


def trouble(world: World, kind: int) -> None:
    """One thing that goes wrong, or changes."""
    nat = world.nat.nats[0]
    if kind == 0:
        nat.reboot()
    elif kind == 1:
        nat.reboot(f"198.51.100.{10 + world.chance.below(200)}")
    elif kind == 2:
        world.link = False
    elif kind == 3:
        world.server.fault = ("silent", "500", "401")[world.chance.below(3)]
    elif kind == 4:
        world.names = {}
    elif kind == 5:
        world.acs = False
    elif kind == 6:
        world.unix_offset += (1 - 2 * world.chance.below(2)) * 631_139_040
    elif kind == 7:
        nat.timeout = (20, 60, 180, 300)[world.chance.below(4)] * 1000
    elif kind == 8:
        world.server.kind = ("honours", "ignores", "silent", "refuses")[world.chance.below(4)]
    elif kind == 9:
        world.loss = 200
    elif kind == 10:
        nat.mapping = (ANY, PORT)[world.chance.below(2)]


def well(world: World) -> None:
    """End what goes wrong."""
    world.link = world.acs = True
    world.server.fault = ""
    world.loss = 0
    world.names = {NAME: SERVER}


def heap() -> int:
    """Return the bytes in use after a collection."""
    gc.collect()
    gc.collect()
    used: int = gc.mem_alloc()  # type: ignore[attr-defined]
    return used


def main(days: int) -> None:
    """Print `heap DAY BYTES` for every day, then what happened."""
    world = World(build, seed=11)
    world.ring_every(HOUR // 2)
    for day in range(days):
        for _ in range(24):
            trouble(world, world.chance.below(11))
            world.run(HOUR // 4)
            well(world)
            world.run(HOUR * 3 // 4)
        del world.missed[:]
        print("heap", day, heap())
    counts = world.device.binding.counts
    print(
        "did changes={} failures={} probes={} lost={} sessions={} rings={}".format(
            counts["changes"],
            counts["failures"],
            world.probes,
            world.device.search.losses,
            world.sessions,
            world.rings,
        )
    )
    world.run(DAY)
    print("well", world.reachable, world.device.binding.failures)


main(int(sys.argv[2]))
