"""The examination of a NAT, against NATs and servers of every kind."""

from cwmp.core import nat_kind as nk
from cwmp.core.nat_kind import NatKind

SERVER = ("203.0.113.1", 3478)
OTHER = ("203.0.113.2", 3479)
MAPPED = ("198.51.100.9", 50001)


class Bench:
    """`mapping`, `filtering`: of the NAT. `other`: the address that the server says it has beside
    its own; `flags`: it heeds those of CHANGE-REQUEST. `hairpin`: the NAT gives back what is sent
    to its own outside.
    """

    def __init__(self, mapping, filtering, other=OTHER, flags=True, up=True, hairpin=False):
        self.hairpin = hairpin
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
        self.run_until(lambda: self.kind.done)
        assert self.kind.deadline() is None and self.kind.tick(self.now + 10**6) is None
        return self.kind.mapping, self.kind.filtering

    def run_until(self, enough):
        while not enough():
            self.now = self.kind.deadline()
            out = self.kind.tick(self.now)
            if out:
                self.sent.append(out)
                self.arrive(*out)

    def arrive(self, packet, to):
        self.spoken.add(to)
        if to == MAPPED and self.hairpin:
            # From whom it seems to be, a mapping for each remote decides.
            if self.lets_in(MAPPED if self.mapping == nk.ANY else (MAPPED[0], 50003)):
                assert self.kind.datagram(0, bytearray(packet), len(packet), self.now)
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
    assert len(bench.sent) <= 2 + 3 * 9
    assert [to for _, to in bench.sent].count(OTHER) == 1


def test_an_error_answer_ends_what_was_asked():
    bench = Bench(nk.ANY, nk.ANY)
    packet, _ = bench.kind.tick(bench.now)
    data = b"\x01\x11\x00\x08" + packet[4:20] + b"\x00\x09\x00\x04\x00\x00\x04\x14"
    assert bench.kind.datagram(0, data, len(data), bench.now)
    assert bench.kind.done and bench.kind.filtering == nk.UNKNOWN


def test_hairpin_is_seen_where_it_is_whomever_the_nat_lets_in():
    for filtering in (nk.ANY, nk.HOST, nk.PORT):
        for other in (OTHER, None):  # it takes no second address of the server
            for hairpin in (False, True):
                bench = Bench(nk.ANY, filtering, other=other, hairpin=hairpin)
                bench.run()
                assert bench.kind.hairpin == (nk.SEEN if hairpin else nk.NOT_SEEN)
                assert bench.sent[-1][1] == MAPPED and len(bench.sent[-1][0]) == 20


def test_hairpin_is_of_no_use_behind_a_mapping_for_each_remote():
    bench = Bench(nk.HOST, nk.PORT, hairpin=True)
    bench.run()
    assert bench.kind.hairpin == nk.NOT_SEEN
    silent = Bench(nk.ANY, nk.ANY, up=False, hairpin=True)
    silent.run()
    assert silent.kind.hairpin == nk.UNKNOWN  # there is no public address to try


def test_hairpin_is_shown_by_its_own_datagram_and_no_other():
    bench = Bench(nk.ANY, nk.ANY, other=None, hairpin=False)
    bench.arrive, arrive = (
        lambda packet, to: (
            arrive(packet, to)
            if to == SERVER
            else bench.kind.datagram(0, packet[:-1] + b"x", len(packet), bench.now)
        ),
        bench.arrive,
    )
    bench.run()
    assert bench.kind.hairpin == nk.NOT_SEEN


def test_a_question_that_a_session_cut_short_is_asked_again():
    bench = Bench(nk.ANY, nk.PORT)
    bench.run_until(lambda: len(bench.sent) == 2)  # the second question is on its way
    first = bench.sent[-1][0]
    bench.now += 60000  # nobody served it
    assert bench.kind.tick(bench.now) is None
    bench.run()
    again = bench.sent[2][0]
    assert again[20:] == first[20:] and again[4:20] != first[4:20]
    assert (bench.kind.mapping, bench.kind.filtering) == (nk.ANY, nk.PORT)
