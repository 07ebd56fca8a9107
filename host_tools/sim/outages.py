"""What goes wrong around the agent, in simulated time: what it says, when it recovers, and what it
sends meanwhile.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace

from cwmp.runtime import health
from host_tools.sim.clock import DAY, Chance, Clock
from host_tools.sim.nat import Nat
from host_tools.sim.world import NAME, SERVER, World

MINUTE, HOUR = 60_000, 3_600_000
NAT_TIMEOUT = 180_000
ELSEWHERE = ("203.0.113.5", 3478)
HEAD = (
    "what",
    "lasts",
    "`status` says meanwhile",
    "recovered after",
    "STUN datagrams",
    "an hour",
    "sessions tried",
    "name look-ups",
)
HOURLY = 9 * 3600 // 39  # nine sends each 30 s and the 9.5 s that a failure takes


@dataclass(frozen=True)
class Outage:
    """`begin` and `end` change the world; `lasts` in ms, 0: it is over at once. `within`: ms until
    it must have recovered.
    """

    name: str
    begin: Callable[[World], None]
    end: Callable[[World], None]
    lasts: int
    within: int


def _set(**values: object) -> Callable[[World], None]:
    def change(world: World) -> None:
        for name, value in values.items():
            setattr(world, name, value)

    return change


def _fault(fault: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.server.fault = fault

    return change


def _names(address: tuple[str, int] | None) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.names = {NAME: address} if address else {}

    return change


def _moves(world: World) -> None:
    world.server.address = ELSEWHERE
    world.names = {NAME: ELSEWHERE}


def _gone(world: World) -> None:
    world.server.fault = "silent"
    world.names = {}


def _back(world: World) -> None:
    world.server.fault = ""
    world.names = {NAME: SERVER}


def _reboot(host: str = "") -> Callable[[World], None]:
    def change(world: World) -> None:
        for nat in world.nat.nats:
            nat.reboot(host)

    return change


def _router_off(world: World) -> None:
    world.link = False
    _reboot()(world)


def _unreachable_acs(world: World) -> None:
    world.acs = False
    _reboot()(world)  # so that there is something to tell it


def _blocked_dns(world: World) -> None:
    world.names = {}
    _reboot()(world)


def _jump(years: int) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.unix_offset += years * 31_556_952

    return change


def _nothing(world: World) -> None:
    pass


OUTAGES = (
    Outage("STUN server silent", _fault("silent"), _fault(""), 10 * MINUTE, 4 * MINUTE),
    Outage("STUN server silent", _fault("silent"), _fault(""), 12 * HOUR, 4 * MINUTE),
    Outage("STUN server gone, from DNS too", _gone, _back, 12 * HOUR, 4 * MINUTE),
    Outage("STUN server moved, its name with it", _moves, _nothing, 0, 5 * MINUTE),
    Outage("STUN server answers 500", _fault("500"), _fault(""), HOUR, 4 * MINUTE),
    Outage("STUN server answers 401", _fault("401"), _fault(""), HOUR, 4 * MINUTE),
    Outage("STUN server answers 600", _fault("600"), _fault(""), HOUR, 4 * MINUTE),
    Outage("STUN server answers 420", _fault("420"), _fault(""), 12 * HOUR, 66 * MINUTE),
    Outage("NAT rebooted", _reboot(), _nothing, 0, 4 * MINUTE),
    Outage("NAT rebooted with another address", _reboot("198.51.100.10"), _nothing, 0, 4 * MINUTE),
    Outage("link lost", _set(link=False), _set(link=True), 20_000, 4 * MINUTE),
    Outage("link lost", _set(link=False), _set(link=True), 6 * HOUR, 4 * MINUTE),
    Outage("router off, NAT empty afterwards", _router_off, _set(link=True), HOUR, 4 * MINUTE),
    Outage("ACS unreachable, address changed", _unreachable_acs, _set(acs=True), 6 * HOUR, HOUR),
    Outage("DNS blocked, NAT rebooted", _blocked_dns, _back, 6 * HOUR, 4 * MINUTE),
    Outage("clock 20 years ahead", _jump(20), _nothing, 0, 1000),
    Outage("clock 20 years back", _jump(-20), _nothing, 0, 1000),
)


@dataclass(frozen=True)
class Result:
    """`said`: the line of `status`; `recovered`: ms after the end of the outage, None: not at all.
    Counts are of the time from the beginning of the outage to recovery.
    """

    outage: Outage
    said: str
    recovered: int | None
    hours: float
    datagrams: int
    sessions: int
    lookups: int
    informs: int  # sessions in the day after

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        lasts = self.outage.lasts // 1000
        shown = f"{lasts // 3600} h" if lasts >= 3600 else f"{lasts} s" if lasts else "at once"
        after = "not" if self.recovered is None else f"{self.recovered / 1000:.0f} s"
        hourly = f"{self.datagrams / self.hours:.0f}" if self.hours >= 1 else ""
        counts = (str(self.datagrams), hourly, str(self.sessions), str(self.lookups))
        return (self.outage.name, shown, self.said, after, *counts)


def status(world: World) -> str:
    """Return what the firmware's `status` says of being woken."""
    device = world.device
    model = SimpleNamespace(value=lambda name: True)
    agent = SimpleNamespace(
        management=lambda: SimpleNamespace(model=model),
        gate=SimpleNamespace(has_credentials=True),
        udp=True,
        doorbell=None,
        binding=device.binding,
        discovery=SimpleNamespace(get=lambda: SimpleNamespace(search=device.search)),
        schedule=device.schedule,
        last_failure="no answer" if device.schedule.retry_count else "",
    )
    reasons: list[str] = health.why_not(agent, world.clock.now)
    return "; ".join(reasons) or "ready"


def simulate(outage: Outage, seed: int) -> Result:
    """Let it happen to an agent that has found its lifetime, some hours after boot."""

    def build(clock: Clock, chance: Chance) -> list[Nat]:
        return [Nat(clock, chance, NAT_TIMEOUT)]

    world = World(build, (30, -1), seed=seed)
    world.run(4 * HOUR + world.chance.below(HOUR))
    counts = _counts(world)
    begun = world.clock.now
    said = "ready"

    def well() -> bool:
        nonlocal said
        if not outage.lasts and said == "ready":
            said = status(world)  # it shows later, if at all
        return world.reachable and not world.device.binding.failures

    outage.begin(world)
    world.run(outage.lasts)
    said = status(world)
    ended = world.clock.now
    outage.end(world)
    recovered = well() or world.run_until(DAY, well)
    after = world.clock.now - ended
    hours = (world.clock.now - begun) / HOUR
    datagrams, sessions, lookups = (
        now - then for now, then in zip(_counts(world), counts, strict=True)
    )
    before = world.sessions
    world.run(DAY)
    return Result(
        outage,
        said,
        after if recovered else None,
        hours,
        datagrams,
        sessions,
        lookups,
        world.sessions - before,
    )


def _counts(world: World) -> tuple[int, int, int]:
    return world.keepalives + world.probes, world.sessions, world.lookups


def wrong(results: Iterable[Result]) -> list[str]:
    """Return what is not as it must be, a line each."""
    lines = []
    for result in results:
        outage = result.outage
        where = f"{outage.name}, {outage.lasts // 1000} s"
        if result.recovered is None or result.recovered > outage.within:
            lines.append(f"{where}: recovered after {result.recovered} ms")
        if result.datagrams > HOURLY * max(result.hours, 0.25):
            lines.append(f"{where}: {result.datagrams} datagrams in {result.hours:.1f} h")
        if not 23 <= result.informs <= 30:  # one an hour
            lines.append(f"{where}: {result.informs} sessions in the day after")
    return lines
