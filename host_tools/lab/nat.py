"""A UDP NAT in user space: rewrites addresses and ports between a CPE and the lab, without root.

Full transparency is impossible without the kernel: a process cannot receive what is addressed to
somebody else, nor send in another's name. So each outside server is stood for by an *alias*, an
address on the inside that the CPE uses as if it were that server, and what comes from outside
reaches the CPE from the alias of its sender. Addresses inside the payload (MAPPED-ADDRESS,
CHANGED-ADDRESS, RESPONSE-ADDRESS) are not touched, as by a NAT without application gateway.
Inside and outside are told apart by distinct loopback addresses. Names as in RFC 4787.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from host_tools.lab.stun_codec import Address
from host_tools.lab.watch import Watch
from host_tools.lab.wiretap import Interface, Wiretap

Direction = Literal["outbound", "inbound", "both"]
Key = tuple[Address, Address | str | None]

PORT_DRAWS = 50


class Behaviour(Enum):
    """What a mapping depends on, and what a filter looks at."""

    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ADDRESS_DEPENDENT = "address-dependent"
    ADDRESS_AND_PORT_DEPENDENT = "address-and-port-dependent"

    def view(self, remote: Address) -> Address | str | None:
        """The part of a remote address that this behaviour tells apart."""
        if self is Behaviour.ENDPOINT_INDEPENDENT:
            return None
        return remote[0] if self is Behaviour.ADDRESS_DEPENDENT else remote


@dataclass
class Mapping:
    """One outside port held for one inside source; `used`: the loop's time (s) of the last use."""

    key: Key
    inside: Address
    outside: Address
    socket: socket.socket
    used: float
    allowed: set[Address | str | None] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None


class UserNat:
    """`alias(server)` gives the inside address to configure the CPE with.

    `timeout` seconds without use close a mapping (None: never); outbound traffic refreshes it, and
    with `refresh_inbound` inbound traffic too. With `hairpin` what a known inside source sends to
    the outside of a mapping goes on as from its own outside, without it is lost. `counters` counts
    "outbound", "inbound", "filtered", "hairpin", "no hairpin", "dropped outbound",
    "dropped inbound", "mappings", "expired", "rebound", "aliases refused" and "mappings refused".
    At most `max_mappings` are open at a time, and `max_strangers` aliases for senders that nobody
    named. The outside port of a mapping that is gone answers with ICMP, as a closed port does.
    """

    def __init__(
        self,
        *,
        inside_host: str = "127.0.10.1",
        outside_host: str = "127.0.20.1",
        mapping: Behaviour | str = Behaviour.ENDPOINT_INDEPENDENT,
        filtering: Behaviour | str = Behaviour.ADDRESS_AND_PORT_DEPENDENT,
        preserve_port: bool = False,
        timeout: float | None = None,
        refresh_inbound: bool = False,
        hairpin: bool = False,
        max_mappings: int = 1024,
        max_strangers: int = 64,
        recorder: Wiretap | None = None,
    ) -> None:
        self.inside_host = inside_host
        self.outside_host = outside_host
        self.mapping = Behaviour(mapping)
        self.filtering = Behaviour(filtering)
        self.preserve_port = preserve_port
        self.timeout = timeout
        self.refresh_inbound = refresh_inbound
        self.hairpin = hairpin
        self.max_mappings = max_mappings
        self.max_strangers = max_strangers
        self.counters: Counter[str] = Counter()
        self._recorder = recorder
        self._loop: asyncio.AbstractEventLoop | None = None
        self._aliases: dict[Address, socket.socket] = {}  # outside server -> inside socket
        self._strangers = 0
        self._mappings: dict[Key, Mapping] = {}
        self._lost_port: dict[Key, int] = {}  # before the last rebinding: not to be given again
        self._closed: set[Direction] = set()
        self._to_drop: Counter[Direction] = Counter()
        self._watch = Watch()

    async def start(self) -> None:
        """Remember the loop; sockets are opened by `alias` and by traffic."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        self._forget_mappings()
        for sock in self._aliases.values():
            self._close(sock)
        self._aliases.clear()

    async def __aenter__(self) -> "UserNat":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the NAT is not started")
        return self._loop

    def alias(self, server: Address, inside_port: int = 0) -> Address:
        """The inside address that stands for `server`; opened at the first call. OSError."""
        sock = self._aliases.get(server)
        if sock is None:
            sock = self._open((self.inside_host, inside_port))
            self._aliases[server] = sock
            self.loop.add_reader(sock, self._readable, sock, server, None)
        return _name(sock)

    @property
    def aliases(self) -> dict[Address, Address]:
        """Outside server -> inside alias."""
        return {server: _name(sock) for server, sock in self._aliases.items()}

    @property
    def mappings(self) -> list[tuple[Address, Address]]:
        """(inside source, outside address) of every live mapping, oldest first."""
        return [(mapping.inside, mapping.outside) for mapping in self._mappings.values()]

    def rebind(self) -> None:
        """Forget every mapping, as a NAT that reboots; each source gets another port when it next
        sends, even with `preserve_port`."""
        self.counters["rebound"] += len(self._mappings)
        self._lost_port = {key: found.outside[1] for key, found in self._mappings.items()}
        self._forget_mappings()

    def expire(self) -> None:
        """Let every mapping time out now."""
        for mapping in list(self._mappings.values()):
            self._expire(mapping)

    @contextmanager
    def dropping(self, direction: Direction = "both") -> Iterator[None]:
        """Lose every datagram of that direction inside the `with` block."""
        self.drop(direction)
        try:
            yield
        finally:
            self.drop(None)

    def drop(self, direction: Direction | None) -> None:
        """Lose every datagram of that direction from now on; None: let everything pass."""
        self._closed = set() if direction is None else {direction}

    def drop_next(self, count: int, direction: Direction = "both") -> None:
        """Lose the next `count` datagrams of that direction."""
        self._to_drop[direction] += count

    async def wait_until(
        self, predicate: Callable[["UserNat"], bool], timeout: float = 5.0
    ) -> None:
        """Until the predicate holds, looked at after every datagram and expiry; TimeoutError."""
        await self._watch.until(lambda: predicate(self) or None, timeout, "NAT")

    # Traffic

    def _readable(
        self, sock: socket.socket, server: Address | None, mapping: Mapping | None
    ) -> None:
        """Datagrams on an alias (`server`) go out, those on a mapping's socket come in."""
        for _ in range(64):
            if sock.fileno() < 0:
                return  # closed by what the last datagram caused
            try:
                data, source = sock.recvfrom(65536)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier send
            if server is not None:
                self._outbound(sock, data, source[:2], server)
            elif mapping is not None and any(
                source[:2] == known.inside for known in self._mappings.values()
            ):
                self._turn(mapping, data, source[:2])
            elif mapping is not None:
                self._inbound(mapping, data, source[:2])
            self._watch.notify()

    def _outbound(
        self, alias: socket.socket, data: bytes, source: Address, server: Address
    ) -> None:
        self._record(source, _name(alias), data, "inside")
        if self._is_lost("outbound"):
            return
        key: Key = (source, self.mapping.view(server))
        mapping = self._mappings.get(key) or self._create(key)
        if mapping is None:
            self.counters["mappings refused"] += 1
            return
        mapping.allowed.add(self.filtering.view(server))
        self._refresh(mapping)
        self.counters["outbound"] += 1
        self._record(mapping.outside, server, data, "outside")
        _send(mapping.socket, data, server)

    def _inbound(self, mapping: Mapping, data: bytes, source: Address) -> None:
        self._record(source, mapping.outside, data, "outside")
        if self._is_lost("inbound"):
            return
        if self.filtering.view(source) not in mapping.allowed:
            self.counters["filtered"] += 1
            return
        alias = self._alias_of_sender(source)
        if alias is None:
            self.counters["aliases refused"] += 1
            return
        if self.refresh_inbound:
            self._refresh(mapping)
        self.counters["inbound"] += 1
        self._record(_name(alias), mapping.inside, data, "inside")
        _send(alias, data, mapping.inside)

    def _turn(self, to: Mapping, data: bytes, source: Address) -> None:
        """From inside to the outside of a mapping: back in, or nowhere."""
        key: Key = (source, self.mapping.view(to.outside))
        mapping = self._mappings.get(key) or self._create(key) if self.hairpin else None
        if mapping is None:
            self.counters["no hairpin"] += 1
            return
        self.counters["hairpin"] += 1
        mapping.allowed.add(self.filtering.view(to.outside))
        self._refresh(mapping)
        self._inbound(to, data, mapping.outside)

    def _alias_of_sender(self, source: Address) -> socket.socket | None:
        """The alias of a known server, or one made for a stranger while there is room."""
        if source not in self._aliases:
            if self._strangers >= self.max_strangers:
                return None
            self._strangers += 1
            self.alias(source)
        return self._aliases[source]

    def _is_lost(self, direction: Direction) -> bool:
        lost = bool(self._closed & {direction, "both"})
        for kind in (direction, "both"):
            if not lost and self._to_drop[kind] > 0:
                self._to_drop[kind] -= 1
                lost = True
        if lost:
            self.counters[f"dropped {direction}"] += 1
        return lost

    # Mappings

    def _create(self, key: Key) -> Mapping | None:
        if len(self._mappings) >= self.max_mappings:
            return None
        try:
            sock = self._outside_socket(key[0][1], self._lost_port.pop(key, None))
        except OSError:
            return None
        mapping = Mapping(key, key[0], _name(sock), sock, self.loop.time())
        self._mappings[key] = mapping
        self.counters["mappings"] += 1
        self.loop.add_reader(sock, self._readable, sock, None, mapping)
        return mapping

    def _outside_socket(self, inside_port: int, lost: int | None) -> socket.socket:
        """Another port than the `lost` one, and than the inside one unless ports are kept."""
        if self.preserve_port and lost is None:
            try:
                return self._open((self.outside_host, inside_port))
            except OSError:
                pass  # taken: fall back to another port, as real NATs do
        refused = []
        try:
            for _ in range(PORT_DRAWS):
                sock = self._open((self.outside_host, 0))
                if _name(sock)[1] not in (lost, inside_port):
                    return sock
                refused.append(sock)
        finally:
            for sock in refused:
                sock.close()
        raise OSError("no free outside port")

    def _refresh(self, mapping: Mapping) -> None:
        mapping.used = self.loop.time()
        if self.timeout is not None and mapping.timer is None:
            self._schedule(mapping, self.timeout)

    def _schedule(self, mapping: Mapping, delay: float) -> None:
        mapping.timer = self.loop.call_later(delay, self._check, mapping)

    def _check(self, mapping: Mapping) -> None:
        """One timer per mapping: it looks again instead of being moved by every datagram."""
        mapping.timer = None
        if self.timeout is None:
            return
        left = mapping.used + self.timeout - self.loop.time()
        if left > 0:
            self._schedule(mapping, left)
        else:
            self._expire(mapping)

    def _expire(self, mapping: Mapping) -> None:
        self.counters["expired"] += 1
        self._remove(mapping)

    def _remove(self, mapping: Mapping) -> None:
        if mapping.timer is not None:
            mapping.timer.cancel()
        del self._mappings[mapping.key]
        self._close(mapping.socket)
        self._watch.notify()

    def _forget_mappings(self) -> None:
        for mapping in list(self._mappings.values()):
            self._remove(mapping)

    # Sockets

    @staticmethod
    def _open(address: Address) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
        return sock

    def _close(self, sock: socket.socket) -> None:
        self.loop.remove_reader(sock)
        sock.close()

    def _record(self, src: Address, dst: Address, data: bytes, interface: Interface) -> None:
        if self._recorder is not None:
            self._recorder.udp(src, dst, data, interface=interface)


def _name(sock: socket.socket) -> Address:
    host, port = sock.getsockname()
    return host, port


def _send(sock: socket.socket, data: bytes, destination: Address) -> None:
    try:
        sock.sendto(data, destination)
    except OSError:
        pass  # unreachable, or the queue is full: on UDP that is loss
