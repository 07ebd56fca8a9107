"""The CPE in simulated time: the firmware's own state machines, and in place of its sockets and
its clock those of the simulation.

This is the seam. `NatBinding`, `Lifetime`, `Schedule` and `Periodic` are imported from
`firmware/cwmp/core`, as the board does; they never see a socket or a clock, only the time they are
told and the bytes that came. `serve` does what `runtime/agent.py` and
`runtime/lifetime_sockets.py` do on the board.
"""

from cwmp.core import schedule as reasons
from cwmp.core.lifetime import Lifetime
from cwmp.core.nat_binding import NatBinding
from cwmp.core.periodic import Periodic
from cwmp.core.schedule import Schedule
from host_tools.sim.clock import Chance
from host_tools.sim.nat import Address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PRIMARY = 2  # sockets: 0 and 1 are A and B of the discovery


class Device:
    """`send(socket, datagram, to)` puts a datagram on the wire, `lookup(name, port)` is DNS (None:
    no answer), `start_session()` begins a session, which ends with `session_over`; `unix()` is the
    wall clock.
    """

    def __init__(
        self,
        chance: Chance,
        send: "Callable[[int, bytes, Address], None]",
        lookup: "Callable[[str, int], Address | None]",
        start_session: "Callable[[], None]",
        unix: "Callable[[], int]",
        discovery: bool = True,
    ) -> None:
        self._send, self._lookup = send, lookup
        self._start_session, self._unix = start_session, unix
        self._chance = chance
        self.log: list[str] = []
        self.binding = NatBinding(chance.bytes, self._changed, self._note)
        self.search = Lifetime(chance.bytes, self._note)
        self._discovery = discovery
        self._came: list[tuple[int, bytes]] = []  # for A and B, read when they are served
        self._known: dict[tuple[str, int], Address] = {}
        self.schedule = Schedule()
        self.periodic = Periodic()
        self._reported = ("", False)
        self._now = 0

    def configure(
        self, now: int, server: "tuple[str, int]", local: Address, period: "tuple[int, int]"
    ) -> None:
        """Power up, STUN switched on, a periodic Inform every hour."""
        self._now = now
        self.schedule.want(reasons.BOOT, now)
        self.periodic.configure(True, 3600, 0, now, self._unix(), 0.5)
        self.binding.configure(now, True, server, local, "", "", period)

    def deadline(self, now: int) -> int:
        """When `serve` is to be called, ms."""
        if self.binding.wants_address:
            return now
        times = [self.binding.deadline()]
        if not self.schedule.running:
            if self._discovery:
                times.append(self.search.deadline())
            wait = self.schedule.deadline(now)
            times.append(None if wait is None else now + wait)
        times.append(now + self.periodic.deadline(now))
        soonest: int = min([when for when in times if when is not None])
        return soonest

    def datagram(self, socket: int, data: bytes, now: int) -> None:
        """Take what came for a socket."""
        if socket != PRIMARY:
            self._came.append((socket, data))
        elif self.binding.datagram(data, len(data), now):
            self.serve(now)

    def ring(self, now: int) -> None:
        """Take an authenticated Connection Request."""
        self.schedule.ring(now)
        self.serve(now)

    def session_over(self, ok: bool, now: int) -> None:
        """The session that runs has ended."""
        if ok:
            self.schedule.inform_accepted(now)
        self.schedule.ended(ok, now, self._chance.below(1000) / 1000)
        self.serve(now)

    def _changed(self) -> None:
        if self.binding.reported != self._reported:
            self._reported = self.binding.reported
            self.schedule.want(reasons.ACTIVE_CHANGE, self._now)

    def serve(self, now: int) -> None:
        """Do what is due."""
        self._now = now
        if self.periodic.due(now):
            self.periodic.ticked(now, self._unix())
            self.schedule.want(reasons.PERIODIC, now)
        if self.schedule.due(now):
            self.schedule.started(now)
            self._start_session()
        binding = self.binding
        if binding.wants_address:
            binding.resolved(self._resolve(binding.server), now)
        packet = binding.tick(now)
        if packet:
            self._send(PRIMARY, packet, binding.destination)
        if not self._discovery or self.schedule.running or binding.mapped is None:
            return
        search = self.search
        search.follow(binding, now)
        if self._came:
            came, self._came = self._came, []
            for socket, data in came:
                search.datagram(socket, data, len(data), now)
        out = search.tick(now)
        search.follow(binding, now)
        if out:
            self._send(out[0], out[1], binding.destination)

    def _resolve(self, server: "tuple[str, int]") -> "Address | None":
        # As runtime/resolver.py: a name is remembered until there is trouble.
        if self.binding.failures:
            self._known.pop(server, None)
        found = self._known.get(server) or self._lookup(server[0], server[1])
        if found is not None:
            self._known[server] = found
        return found

    def _note(self, level: str, area: str, text: str) -> None:
        if level != "D":
            self.log.append(text)
            if len(self.log) > 100:
                self.log.pop(0)
