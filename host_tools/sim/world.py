"""A CPE behind NATs, its STUN server and an ACS that rings, in simulated time."""

from host_tools.sim.clock import Chance, Clock
from host_tools.sim.device import PRIMARY, Device
from host_tools.sim.nat import Address, Nat, NatChain
from host_tools.sim.server import HONOURS, StunServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAME = ("stun.example", 3478)
SERVER = ("203.0.113.1", 3478)
ACS = ("203.0.113.77", 7547)
LOCAL = ("192.168.1.7", 7547)
SESSION = 1500  # ms that a session takes
TIMEOUT = 30_000  # ms until the CPE gives one up


class World:
    """`build(clock, chance)` returns the NATs, the innermost first. `period`: the two keepalive
    periods that the ACS sets, seconds. `round_trip` in ms; `loss` in thousandths of the datagrams.
    `elsewhere`: the ACS does not ring from the STUN server's socket.
    """

    def __init__(
        self,
        build: "Callable[[Clock, Chance], list[Nat]]",
        period: "tuple[int, int]" = (10, -1),
        kind: str = HONOURS,
        seed: int = 1,
        round_trip: int = 40,
        loss: int = 0,
        elsewhere: bool = False,
        discovery: bool = True,
    ) -> None:
        self.clock = Clock()
        self.chance = Chance(seed)
        self.nat = NatChain(build(self.clock, self.chance))
        self.server = StunServer(SERVER, kind)
        self.round_trip, self.loss = round_trip, loss
        self.elsewhere = elsewhere
        self.link = True  # between the device and its NAT
        self.names: dict[tuple[str, int], Address] = {NAME: SERVER}
        self.acs = True  # it answers
        self.unix_offset = 1_700_000_000  # of the wall clock, seconds
        self.device = Device(
            self.chance, self._send, self._lookup, self._start_session, self.unix, discovery
        )
        self.told = ""  # the address that the ACS knows
        self.sessions = self.sessions_failed = 0
        self.keepalives = self.probes = 0  # datagrams sent, primary and secondary
        self.lookups = 0
        self.rings = self.woken = 0
        self.missed: list[int] = []  # when the rings were that nobody heard
        self._first = 20000 + self.chance.below(20000)
        self._ring_again = 0
        self.device.configure(self.clock.now, NAME, LOCAL, period)

    def ring_every(self, mean: int) -> None:
        """The ACS rings by chance, every `mean` ms on average, and as often right before a
        keepalive, when the binding is oldest.
        """
        self._ring_again = mean
        self.clock.at(self.clock.now + self.chance.below(2 * mean), self._by_chance)

    def run(self, duration: int) -> None:
        """Let `duration` ms pass."""
        self.run_until(duration, None)

    def run_until(self, duration: int, done: "Callable[[], bool] | None") -> bool:
        """Let time pass until `done()`, looked at after every event; False when `duration` ms were
        over first.
        """
        clock, device = self.clock, self.device
        end = clock.now + duration
        while True:
            due = clock.next()
            deadline = device.deadline(clock.now)
            if due is None or deadline < due:
                if deadline > end:
                    break
                clock.now = max(clock.now, deadline)
                device.serve(clock.now)
            elif due is not None and due <= end:
                clock.pop()
            else:
                break
            if done is not None and done():
                return True
        clock.now = end
        return False

    @property
    def reachable(self) -> bool:
        """Whether a ring would be heard now."""
        to = self._told_address()
        return to is not None and self.link and self.nat.back(to, self._ringer, False) == LOCAL

    # The wire

    def _send(self, socket: int, data: bytes, to: Address) -> None:
        if socket == PRIMARY:
            self.keepalives += 1
        else:
            self.probes += 1
        if not self.link or self._lost():
            return
        if to[0] in [nat.host for nat in self.nat.nats]:
            self._deliver(self.nat.turn(self._inside(socket), to), data)
            return
        source = self.nat.out(self._inside(socket), to)
        if to != self.server.address or self._lost():
            return
        answer = self.server.answer(data, source)
        if answer is not None:
            delay = self.round_trip + self.chance.below(self.round_trip // 4 + 1)
            self.clock.at(self.clock.now + delay, self._arrive, answer[0], answer[1], to)

    def _arrive(self, outside: Address, data: bytes, remote: Address) -> None:
        self._deliver(self.nat.back(outside, remote), data)

    def _deliver(self, inside: "Address | None", data: bytes) -> None:
        if inside is None or not self.link:
            return
        for socket in range(3):
            if inside == self._inside(socket):
                self.device.datagram(socket, data, self.clock.now)

    def _inside(self, socket: int) -> Address:
        return LOCAL if socket == PRIMARY else (LOCAL[0], self._first + socket)

    def _lost(self) -> bool:
        return self.loss > 0 and self.chance.below(1000) < self.loss

    def _lookup(self, name: str, port: int) -> "Address | None":
        self.lookups += 1
        return self.names.get((name, port)) if self.link else None

    # The ACS

    def unix(self) -> int:
        """The device's wall clock, seconds."""
        return self.unix_offset + self.clock.now // 1000

    def _start_session(self) -> None:
        took = SESSION if self.link and self.acs else TIMEOUT
        address = self.device.binding.reported[0]
        self.clock.at(self.clock.now + took, self._end_session, took == SESSION, address)

    def _end_session(self, ok: bool, address: str) -> None:
        self.sessions += 1
        ok = ok and self.link
        if ok:
            self.told = address
        else:
            self.sessions_failed += 1
        self.device.session_over(ok, self.clock.now)

    def _told_address(self) -> "Address | None":
        host, _, port = self.told.partition(":")
        return (host, int(port)) if host else None

    @property
    def _ringer(self) -> Address:
        return ACS if self.elsewhere else self.server.address

    def _by_chance(self) -> None:
        self._ring()
        again = self.clock.now + 1 + self.chance.below(2 * self._ring_again)
        if self.chance.below(2):
            # The oldest that the binding gets: a ms before the next keepalive.
            deadline = self.device.binding.deadline()
            if deadline is not None and deadline > self.clock.now + 1:
                self.clock.at(deadline - 1, self._ring)
        self.clock.at(again, self._by_chance)

    def _ring(self) -> None:
        to = self._told_address()
        if to is None:
            return  # an ACS that knows no address does not ring
        self.rings += 1
        if self.link and self.nat.back(to, self._ringer) == LOCAL:
            self.woken += 1
            self.device.ring(self.clock.now)
        else:
            self.missed.append(self.clock.now)
