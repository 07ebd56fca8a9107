"""The examination of a NAT, against NATs and servers of every kind."""

from cwmp.core import nat_kind as nk
from cwmp.core.nat_kind import NatKind

SERVER = ("203.0.113.1", 3478)
OTHER = ("203.0.113.2", 3479)
MAPPED = ("198.51.100.9", 50001)


class Bench:
    """`mapping`, `filtering`: of the NAT. `other`: the address that the server says it has beside
    its own; `flags`: it heeds those of CHANGE-REQUEST.
    """

    def __init__(self, mapping, filtering, other=OTHER, flags=True, up=True):
        self.mapping, self.filtering = mapping, filtering
        self.other, self.flags, self.up = other, flags, up
        self.now = 1000
        self.seed = 0
        self.spoken = set()
        self.sent = []
        self.kind = NatKind(self.random, SERVER, self.now)

    def random(self, count):
        self.seed += 1
        return bytes([(self.seed * 31 + i) & 255 for i in range(count)])

    def run(self):
        while not self.kind.done:
            self.now = self.kind.deadline()
            out = self.kind.tick(self.now)
            if out:
                self.sent.append(out)
                self.arrive(*out)
        assert self.kind.deadline() is None and self.kind.tick(self.now + 10**6) is None
        return self.kind.mapping, self.kind.filtering

    def arrive(self, packet, to):
        self.spoken.add(to)
        if not self.up or to not in (SERVER, self.other):
            return
        flags = packet[27] if len(packet) == 28 else 0
        source = to
        if flags and self.flags:
            source = self.other if flags == 6 else (SERVER[0], OTHER[1])
        if self.lets_in(source):
            mapped = MAPPED if to == SERVER or self.mapping == nk.ANY else (MAPPED[0], 50002)
            data = answer(packet, mapped, self.other)
            assert not self.kind.datagram(0, data[:-1], len(data) - 1, self.now)
            assert self.kind.datagram(0, data, len(data), self.now)

    def lets_in(self, source):
        if self.filtering == nk.ANY:
            return True
        if self.filtering == nk.HOST:
            return source[0] in [host for host, _ in self.spoken]
        return source in self.spoken


def address(value):
    host, port = value
    return bytes([0, 1, port >> 8, port & 255]) + bytes([int(part) for part in host.split(".")])


def answer(packet, mapped, other):
    body = b"\x00\x01\x00\x08" + address(mapped)
    if other:
        body += b"\x00\x05\x00\x08" + address(other)
    return b"\x01\x01\x00" + bytes([len(body)]) + packet[4:20] + body


def test_names_mapping_and_filtering():
    for mapping in (nk.ANY, nk.HOST):
        for filtering in (nk.ANY, nk.HOST, nk.PORT):
            assert Bench(mapping, filtering).run() == (mapping, filtering)


def test_says_nothing_where_the_server_cannot_show_it():
    unknown = nk.UNKNOWN, nk.UNKNOWN
    assert Bench(nk.ANY, nk.PORT, other=None).run() == unknown
    assert Bench(nk.ANY, nk.ANY, up=False).run() == unknown
    gone = Bench(nk.ANY, nk.PORT)
    gone.arrive, arrive = (
        lambda packet, to: arrive(packet, to) if to == SERVER else None,
        gone.arrive,
    )
    assert gone.run() == unknown  # the other address does not answer at all


def test_stun_10_16_flags_leave_from_a_secondary_port_and_nothing_else_does():
    bench = Bench(nk.ANY, nk.PORT)
    bench.run()
    for packet, _ in bench.sent:
        assert packet[:2] == b"\x00\x01"
        assert len(packet) == 20 or packet[20:27] == b"\x00\x03\x00\x04\x00\x00\x00"
    assert len(bench.sent) <= 2 + 2 * 9
    assert [to for _, to in bench.sent].count(OTHER) == 1


def test_an_error_answer_ends_what_was_asked():
    bench = Bench(nk.ANY, nk.ANY)
    packet, _ = bench.kind.tick(bench.now)
    data = b"\x01\x11\x00\x08" + packet[4:20] + b"\x00\x09\x00\x04\x00\x00\x04\x14"
    assert bench.kind.datagram(0, data, len(data), bench.now)
    assert bench.kind.done and bench.kind.filtering == nk.UNKNOWN
