"""NATs for simulated time, with the words of RFC 4787."""

from host_tools.sim.clock import TYPE_CHECKING, Chance, Clock

if TYPE_CHECKING:
    Address = tuple[str, int]
else:
    Address = tuple  # all that MicroPython has

# What a mapping depends on, and what a filter looks at.
ANY = "endpoint-independent"
HOST = "address-dependent"
PORT = "address-and-port-dependent"


def view(behaviour: str, remote: Address) -> object:
    """Return the part of `remote` that the behaviour tells apart."""
    if behaviour == ANY:
        return None
    return remote[0] if behaviour == HOST else remote


class Mapping:
    """`used`: when each of the remotes let in was last heard of, ms."""

    def __init__(self, inside: Address, outside: Address, now: int) -> None:
        self.inside = inside
        self.outside = outside
        self.since = now
        self.heard_back = False
        self.settled = False
        self.used: dict[object, int] = {}


class Nat:
    """`timeout`: ms that a mapping lives without traffic; of the directions only outbound counts
    unless `inbound` is true. `preserve`: the inside port is used outside when it is free. `reuse`:
    otherwise the lowest free one, not the next. `early`: timeout in ms until a packet follows more
    than 2 s after the first, as Linux does. `hairpin`: what is sent from inside to its own outside
    comes back in, from an outside address. `host` is its outside address.
    """

    def __init__(
        self,
        clock: Clock,
        chance: Chance,
        timeout: int,
        mapping: str = ANY,
        filtering: str = PORT,
        preserve: bool = False,
        inbound: bool = True,
        reuse: bool = False,
        early: "int | None" = None,
        hairpin: bool = False,
        host: str = "198.51.100.9",
    ) -> None:
        self._clock = clock
        self._chance = chance
        self.timeout = timeout
        self.mapping, self.filtering = mapping, filtering
        self.preserve, self.inbound, self.reuse = preserve, inbound, reuse
        self.early = timeout if early is None else min(early, timeout)
        self.hairpin = hairpin
        self.host = host
        self._by_inside: dict[object, Mapping] = {}
        self._by_port: dict[int, Mapping] = {}
        self._next = 20000

    def out(self, source: Address, remote: Address) -> Address:
        """Let a datagram out; return the source that the outside sees."""
        now = self._clock.now
        key = (source, view(self.mapping, remote))
        found = self._by_inside.get(key)
        if found is not None and not self._lives(found, now):
            self._forget(key, found)
            found = None
        if found is None:
            found = Mapping(source, (self.host, self._port(source[1])), now)
            self._by_inside[key] = self._by_port[found.outside[1]] = found
        if found.heard_back and now - found.since > 2000:
            found.settled = True
        found.used[view(self.filtering, remote)] = now
        return found.outside

    def back(self, outside: Address, remote: Address, touch: bool = True) -> "Address | None":
        """Let a datagram in; return where it goes inside, None when it is dropped. `touch` false:
        only ask.
        """
        found = self._by_port.get(outside[1])
        if found is None or outside[0] != self.host:
            return None
        now, seen = self._clock.now, view(self.filtering, remote)
        used = found.used.get(seen)
        if used is None or now - used >= self._life(found):
            return None
        if touch:
            found.heard_back = True
            if self.inbound:
                found.used[seen] = now
        return found.inside

    def reboot(self, host: str = "") -> None:
        """Forget everything; ports are given out anew. `host`: a new outside address."""
        self._by_inside.clear()
        self._by_port.clear()
        self._next += 1000 + self._chance.below(1000)
        self.host = host or self.host

    def _life(self, mapping: Mapping) -> int:
        return self.timeout if mapping.settled else self.early

    def _lives(self, mapping: Mapping, now: int) -> bool:
        return now - max(mapping.used.values()) < self._life(mapping)

    def _forget(self, key: object, mapping: Mapping) -> None:
        del self._by_inside[key]
        if self._by_port.get(mapping.outside[1]) is mapping:
            del self._by_port[mapping.outside[1]]

    def _port(self, wanted: int) -> int:
        now = self._clock.now
        for key, mapping in list(self._by_inside.items()):
            if not self._lives(mapping, now):
                self._forget(key, mapping)
        if self.preserve and wanted not in self._by_port:
            return wanted
        port = 20000 if self.reuse else self._next
        while port in self._by_port:
            port += 1
        if not self.reuse:
            self._next = 20000 + (port + 1 - 20000) % 30000
        return port


class NatChain:
    """NATs one behind the other, the innermost first; none: a public address."""

    def __init__(self, nats: "list[Nat]") -> None:
        self.nats = nats

    def out(self, source: Address, remote: Address) -> Address:
        """As `Nat.out`."""
        for nat in self.nats:
            source = nat.out(source, remote)
        return source

    def back(self, outside: Address, remote: Address, touch: bool = True) -> "Address | None":
        """As `Nat.back`."""
        at: Address | None = outside
        for nat in reversed(self.nats):
            at = nat.back(at, remote, touch) if at is not None else None
        return at

    def turn(self, source: Address, remote: Address) -> "Address | None":
        """Let a datagram out that is for the outside of one of the NATs; return where it comes
        back to inside, None when it does not.
        """
        for at, nat in enumerate(self.nats):
            source = nat.out(source, remote)
            if nat.host == remote[0]:
                if not nat.hairpin:
                    return None
                inner = NatChain(self.nats[: at + 1])
                return inner.back(remote, source)
        return None
