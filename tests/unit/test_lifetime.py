"""Lifetime discovery in simulated time: a NAT that forgets, and servers of every kind."""

from cwmp.core import lifetime as lt
from cwmp.core.lifetime import A, B, Lifetime
from cwmp.core.nat_binding import keepalive_period
from cwmp.wire import stun

PRIMARY = ("198.51.100.9", 40001)
SERVER = ("203.0.113.1", 3478)


class Primary:
    """What Lifetime looks at of a NatBinding."""

    def __init__(self, minimum, maximum):
        self.mapped = PRIMARY
        self.destination = SERVER
        self.failures = 0
        self.counts = {"losses": 0}
        self.range = minimum, maximum
        self.used = []  # every value that `use` was told anew

    @property
    def terms(self):
        return self.mapped, self.destination, self.bounds, self.used[-1] if self.used else None

    @property
    def bounds(self):
        least, most = keepalive_period(*self.range), self.range[1]
        return (least, most) if most < 0 or most > least else None

    def use(self, lifetime, now):
        if not self.used or self.used[-1] != lifetime:
            self.used.append(lifetime)


class Bench:
    """`timeout`: of the NAT, seconds. `kind`: what the server makes of RESPONSE-ADDRESS, or the
    code of its error; `up`: it answers at all.
    """

    def __init__(self, timeout=100, kind="honours", minimum=10, maximum=-1):
        self.now = 1000
        self.timeout, self.kind = timeout, kind
        self.up = True
        self.early = None  # timeout of a mapping that is younger than 2 s
        self.keep = False  # a mapping that was forgotten comes back with the same port
        self.reuse = False  # B is given the port that A had
        self.fickle = False  # every datagram gets another port
        self.lose = False  # what B sends is lost
        self.primary = Primary(minimum, maximum)
        self.logs = []
        self.sent = []  # (time, socket, bytes)
        self.waits = []  # of every probe, ms since A was last heard
        self.seed = 0
        self.since = self.used = None  # of A's mapping
        self.port = 50000
        self.search = Lifetime(self.random, lambda *line: self.logs.append(line))

    def random(self, count):
        self.seed += 1
        return bytes([(self.seed * 31 + i * 7) & 255 for i in range(count)])

    def alive(self):
        young = self.early is not None and self.used - self.since < 2000
        life = self.early if young else self.timeout
        return self.used is not None and self.now - self.used < life * 1000

    def serve(self):
        self.search.follow(self.primary, self.now)
        out = self.search.tick(self.now)
        self.search.follow(self.primary, self.now)
        return out

    def run(self, seconds, until=None):
        end = self.now + int(seconds * 1000)
        self.search.follow(self.primary, self.now)
        while True:
            deadline = self.search.deadline()
            if deadline is None or deadline > end:
                self.now = end
                self.search.follow(self.primary, self.now)
                return
            self.now = max(self.now, deadline)
            out = self.serve()
            if out:
                self.arrive(*out)
            if until and until():
                return

    def arrive(self, which, packet):
        self.sent.append((self.now, which, packet))
        to = response_address(packet)
        if which == A:
            if self.used is None or self.fickle or not self.alive():
                self.since = self.now
                self.port += 0 if self.keep else 1
            self.used = self.now
            if self.up:
                self.deliver(A, success(packet, (PRIMARY[0], self.port)))
            return
        assert to == (PRIMARY[0], self.port)
        if not self.waits or self.sent[-2][1] == A:
            self.waits.append(self.now - self.used)
        own = (PRIMARY[0], self.port if self.reuse and not self.alive() else 60000)
        if not self.up or self.lose or self.kind == "silent":
            return
        if self.kind == "ignores":
            self.deliver(B, success(packet, own))
        elif self.kind != "honours":
            self.deliver(B, error(packet, self.kind))
        elif self.alive():
            self.deliver(A, success(packet, own))
        elif self.reuse:
            self.deliver(B, success(packet, own))

    def deliver(self, which, data):
        return self.search.datagram(which, data, len(data), self.now)

    def said(self, text):
        return [line for line in self.logs if text in line[2]]


def codes(request):
    at, found = 20, []
    while at < len(request):
        found.append(request[at] << 8 | request[at + 1])
        at += 4 + (request[at + 2] << 8 | request[at + 3])
    return found


def response_address(request):
    if stun.RESPONSE_ADDRESS not in codes(request):
        return None
    return stun._read_address(request, 24, 8, 0)


def success(request, address):
    host, port = address
    value = bytes([0, 1, port >> 8, port & 255]) + bytes([int(n) for n in host.split(".")])
    return b"\x01\x01\x00\x0c" + request[4:20] + b"\x00\x01\x00\x08" + value


def error(request, code):
    value = bytes([0, 0, code // 100, code % 100])
    return b"\x01\x11\x00\x08" + request[4:20] + b"\x00\x09\x00\x04" + value


def test_stun_53_finds_the_lifetime_of_every_nat():
    for timeout in (12, 15, 20, 21, 30, 45, 60, 61, 90, 120, 180, 240, 300, 600, 1200, 1800):
        bench = Bench(timeout)
        bench.run(6 * 3600)
        found = bench.search.lifetime
        assert found < timeout, (timeout, found)
        assert timeout < 20 or found >= timeout * 0.9, (timeout, found)
        assert bench.primary.used[-1] == found
        assert bench.search.probes <= 16, (timeout, bench.search.probes)


def test_stun_53_margin_is_ten_seconds_or_a_tenth_and_never_all_that_was_outlived():
    for timeout in (20, 60, 300, 1200):
        bench = Bench(timeout)
        bench.run(6 * 3600)
        good, bad, period = bench.search.good, bench.search.bad, bench.search.lifetime
        assert good < timeout <= bad
        assert period <= bad - min(10, bad // 10) and period < good


def test_stun_53_probe_is_a_request_of_b_that_names_the_address_of_a():
    bench = Bench(60)
    bench.run(3600)
    for _, which, packet in bench.sent:
        if which == A:
            assert codes(packet) == [stun.CHANGE_REQUEST] and packet[-4:] == bytes(4)
        else:
            assert codes(packet) == [stun.RESPONSE_ADDRESS, stun.CHANGE_REQUEST]
            assert packet[-4:] == bytes(4)


def test_stun_10_secondary_ports_never_carry_connection_request_binding():
    for kind in ("honours", "ignores", "silent", 420):
        bench = Bench(60, kind)
        bench.run(86400)
        assert bench.sent
        for _, _, packet in bench.sent:
            assert stun.CONNECTION_REQUEST_BINDING not in codes(packet)
            assert stun.USERNAME not in codes(packet)


def test_stun_51_nothing_is_sent_when_minimum_equals_maximum():
    for bounds in ((30, 30), (60, 20), (5, 5)):
        bench = Bench(minimum=bounds[0], maximum=bounds[1])
        bench.run(86400)
        assert bench.sent == [] and bench.search.deadline() is None


def test_stun_51_maximum_is_used_where_the_nat_holds_that_long():
    for maximum in (11, 30, 60, 100, 101, 600):
        bench = Bench(timeout=2000, maximum=maximum)
        bench.run(86400)
        assert keepalive_period(10, maximum, bench.search.lifetime) == maximum
        assert max(bench.waits) <= (maximum + 10) * 1000 + 9500


def test_stun_53_x9_what_the_server_can_do_is_known_at_once_and_said():
    for kind, server, word in (
        ("honours", lt.HONOURED, "honours"),
        ("ignores", lt.IGNORED, "ignores"),
        ("silent", lt.SILENT, "silent"),
        (420, lt.REFUSED, "refuses error=420"),
        (400, lt.REFUSED, "refuses error=400"),
    ):
        bench = Bench(60, kind)
        bench.run(40)
        assert bench.search.server == server
        assert len(bench.said("lifetime server=" + word)) == 1
        assert (bench.primary.used == [None]) or server == lt.HONOURED


def test_stun_53_x9_without_a_server_that_honours_the_minimum_stays():
    for kind in ("ignores", "silent", 420, 400, 500, 600):
        bench = Bench(300, kind)
        bench.run(3 * 86400)
        assert bench.primary.used == [None]
        assert len(bench.sent) < 3 * 2 * 144 + 20, "a server that cannot is not asked again soon"
        assert bench.search.lifetime is None


def test_stun_53_a_server_that_learns_to_honour_is_found_within_a_day():
    bench = Bench(300, "ignores")
    bench.run(3600)
    bench.kind = "honours"
    bench.run(86400)
    assert bench.search.server == lt.HONOURED and bench.search.lifetime >= 270


def test_stun_53_a_server_that_stops_to_honour_ends_the_longer_period():
    for kind in ("ignores", "silent", 420):
        bench = Bench(300)
        bench.run(4 * 3600)
        assert bench.primary.used[-1] >= 270
        bench.kind = kind
        bench.run(2 * 86400)
        assert bench.primary.used[-1] is None, kind


def test_stun_53_linux_keeps_a_binding_longer_once_traffic_goes_both_ways():
    bench = Bench(180)
    bench.early = 30
    bench.run(4 * 3600)
    assert bench.search.lifetime >= 162


def test_stun_53_a_port_given_to_b_is_no_server_that_ignores():
    bench = Bench(60)
    bench.reuse = True
    bench.run(3600)
    assert bench.search.server == lt.HONOURED and 54 <= bench.search.lifetime < 60


def test_stun_53_a_nat_that_keeps_the_port_cannot_deceive():
    bench = Bench(60)
    bench.keep = True
    bench.run(3600)
    assert 54 <= bench.search.lifetime < 60


def test_stun_53_a_server_that_is_away_teaches_nothing():
    bench = Bench(300)
    bench.run(600, until=lambda: len(bench.waits) == 2)
    bench.run(10)  # A waits
    bench.up = False
    bench.run(7200)
    assert bench.sent[-1][1] == A and len(bench.waits) == 3  # B asked, then A: both in vain
    assert bench.search.bad is None and not bench.said("held=0")
    bench.up = True
    bench.run(6 * 3600)
    assert bench.search.lifetime >= 270


def test_stun_53_pauses_while_the_primary_has_no_answer():
    bench = Bench(300)
    bench.run(700)
    bench.primary.failures = 1
    bench.run(1)
    count = len(bench.sent)
    bench.run(86400)
    assert len(bench.sent) == count and bench.search.deadline() is None
    bench.primary.failures = 0
    bench.run(4 * 3600)
    assert bench.search.lifetime >= 270


def test_stun_53_a_session_in_between_spoils_no_probe():
    # The runtime calls nothing while a session runs: here for a minute, again and again.
    bench = Bench(180)
    for _ in range(300):
        bench.run(61)
        bench.now += 60000
    assert bench.search.lifetime is None or bench.search.lifetime < 180
    bench.run(6 * 3600)
    assert 162 <= bench.search.lifetime < 180


def test_stun_53_a_probe_that_a_session_cut_short_is_made_again():
    bench = Bench(300)
    bench.run(600, until=lambda: len(bench.waits) == 2)
    bench.lose = True
    bench.run(600, until=lambda: len(bench.waits) == 3)
    bench.now += 9500  # one send, and then nobody called for as long as a transaction takes
    bench.lose = False
    bench.run(120)
    assert not bench.said("held=0") and bench.search.good >= 40


def test_stun_53_a_probe_that_is_left_off_teaches_nothing():
    bench = Bench(300)
    bench.run(600, until=lambda: len(bench.waits) == 3)
    good, bad, period = bench.search.good, bench.search.bad, bench.search.lifetime
    assert bench.search.active
    bench.search.pause(bench.now)
    assert not bench.search.active and bench.search.deadline() > bench.now
    assert (bench.search.good, bench.search.bad, bench.search.lifetime) == (good, bad, period)
    bench.search.pause(bench.now + 1000)  # at rest it stays as it is
    bench.run(4 * 3600)
    assert 270 <= bench.search.lifetime < 300


def test_stun_53_another_port_for_every_datagram_ends_the_attempt():
    bench = Bench(300)
    bench.fickle = True
    bench.run(86400)
    assert bench.search.lifetime is None and max(bench.waits) == 0
    assert len(bench.sent) < 6 * 24 * 8


def test_stun_53_a_probe_that_is_answered_with_500_is_made_again_soon():
    bench = Bench(300, 500)
    bench.run(3600)
    bench.kind = "honours"
    bench.run(2 * 3600)
    assert bench.search.server == lt.HONOURED and bench.search.lifetime >= 270


def test_stun_53_no_risk_while_it_is_not_clear_whether_the_nat_forgot():
    bench = Bench(300)
    bench.run(4 * 3600)
    count = len(bench.waits)
    assert bench.primary.used[-1] >= 270
    bench.timeout = 60
    bench.run(86400, until=lambda: len(bench.waits) > count)
    bench.up = False  # nobody can say whether it was the NAT
    bench.run(60)
    assert bench.primary.used[-1] is None
    bench.up = True
    bench.run(4 * 3600)
    assert 54 <= bench.search.lifetime < 60


def test_stun_53_starts_again_when_the_public_address_changes():
    bench = Bench(60)
    bench.run(3600)
    assert bench.search.lifetime
    bench.primary.mapped = ("198.51.100.10", 40001)  # the provider's doing
    bench.timeout = 300
    bench.run(1)
    assert bench.primary.used[-1] is None and bench.search.losses == 0
    bench.run(4 * 3600)
    assert bench.search.lifetime >= 270


def test_stun_53_another_server_is_asked_what_it_can():
    bench = Bench(60)
    bench.run(3600)
    bench.primary.destination = ("203.0.113.2", 3478)
    bench.kind = "ignores"
    bench.run(60)
    assert bench.search.server == lt.IGNORED and bench.primary.used[-1] is None


def test_stun_53_a_binding_lost_in_spite_of_it_shrinks_the_period_at_once():
    bench = Bench(300)
    bench.run(4 * 3600)
    was = bench.search.lifetime
    bench.primary.mapped = (PRIMARY[0], 40002)
    bench.run(0)
    assert bench.primary.used[-1] is None and bench.search.losses == 1
    bench.run(4 * 3600)
    assert bench.search.lifetime <= was * 3 // 4
    bench.run(9 * 86400)  # nothing was lost for long: the rest may be tried again
    assert bench.search.lifetime >= 270


def test_stun_53_a_nat_that_forgets_sooner_by_now_is_noticed_within_a_day():
    bench = Bench(300)
    bench.run(4 * 3600)
    bench.timeout = 60
    bench.run(86400)
    assert 54 <= bench.search.lifetime < 60
    bench.timeout = 300  # and one that has become more patient, too
    bench.run(2 * 86400)
    assert bench.search.lifetime >= 270


def test_stun_52_a_minimum_that_the_nat_does_not_hold_is_said():
    bench = Bench(20, minimum=60)
    bench.run(2 * 3600)
    assert bench.search.lifetime is None
    assert (bench.search.good, bench.search.bad) == (None, 60)
    assert bench.primary.used == [None]


def test_stun_53_waits_for_a_binding_that_lives_from_keepalive_to_keepalive():
    bench = Bench(300, minimum=30)
    for port in range(50000, 50100):
        bench.primary.mapped = (PRIMARY[0], port)
        bench.run(30)
    assert bench.sent == []


def test_stun_53_ends_within_bounds_whatever_the_nat_makes_of_it():
    bench = Bench(300)
    for day in range(20):
        bench.sent = bench.sent[-2:]
        for hour in range(24):
            bench.timeout = 20 + (day * 24 + hour) * 7919 % 1700
            bench.run(3600)
        assert bench.search.lifetime is None or bench.search.lifetime >= 10
    assert len(bench.waits) < 20 * 60


def test_b11_answers_of_others_and_damaged_ones_are_not_taken():
    bench = Bench(60)
    bench.up = False
    bench.run(30, until=lambda: bench.sent)
    _, _, packet = bench.sent[0]
    good = success(packet, PRIMARY)
    for i in range(4, 20):
        other = bytearray(good)
        other[i] ^= 1
        assert not bench.deliver(A, other)
    for size in range(len(good)):
        assert not bench.deliver(A, good[:size])
    assert not bench.deliver(B, good)  # nobody was asked there
    assert bench.deliver(A, good) and not bench.deliver(A, good)


def test_stun_03_a_new_id_for_every_transaction_of_the_discovery():
    bench = Bench(60)
    bench.run(3600)
    ids = {}
    for time, which, packet in bench.sent:
        ids.setdefault(packet[4:20], []).append((time, which))
    assert len(ids) > 20
    for sends in ids.values():
        assert len({which for _, which in sends}) == 1
        assert sends[-1][0] - sends[0][0] <= 7900 and len(sends) <= 9


def test_stun_53_probe_carries_response_address_and_no_tag():
    tid = bytes(range(16))
    head = b"\0\1\0\x14" + tid + b"\0\2\0\x08\0\1\x9c\x40\xc6\x33\x64\x07"
    assert lt._request(tid, ("198.51.100.7", 40000)) == head + b"\0\3\0\4\0\0\0\0"
    assert lt._request(tid, None) == b"\0\1\0\x08" + tid + b"\0\3\0\4\0\0\0\0"
