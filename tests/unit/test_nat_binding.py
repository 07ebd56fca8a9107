"""The STUN state machine, in simulated time, against a small server that keeps to a script."""

from support import vectors

from cwmp.core import nat_binding as nb
from cwmp.core.nat_binding import NatBinding, keepalive_period
from cwmp.wire import stun
from cwmp.wire.hmac_sha1 import HmacSha1

LOCAL = ("192.168.1.7", 7547)
SERVER = ("203.0.113.1", 3478)


class Bench:
    """A NatBinding, its clock and its server. `answer(request)` gives the bytes of the answer, or
    None.
    """

    def __init__(self, answer=None, **parameters):
        self.now = 1000
        self.sent = []  # (time, bytes)
        self.logs = []
        self.changes = []
        self.lookups = 0
        self.resolves = True
        self.mapped = ("198.51.100.9", 40001)
        self.answer = answer or self.success
        self.seed = 0
        self.parameters = {
            "enable": True,
            "server": SERVER,
            "local": LOCAL,
            "username": "",
            "password": "",
            "period": (30, 30),
            "options": (True, True),
        }
        self.binding = NatBinding(self.random, self.changed, lambda *line: self.logs.append(line))
        self.configure(**parameters)

    def configure(self, **parameters):
        self.parameters.update(parameters)
        p = self.parameters
        return self.binding.configure(
            self.now,
            p["enable"],
            p["server"],
            p["local"],
            p["username"],
            p["password"],
            p["period"],
            p["options"],
        )

    def random(self, count):
        self.seed += 1
        return bytes([(self.seed * 7 + i) & 255 for i in range(count)])

    def changed(self):
        self.changes.append(self.binding.reported)

    def step(self, limit):
        """Go on to the next thing to do, not beyond `limit`; return False when there is none
        before it.
        """
        if self.binding.wants_address:
            self.lookups += 1
            self.binding.resolved(SERVER if self.resolves else None, self.now)
            return True
        deadline = self.binding.deadline()
        if deadline is None or deadline > limit:
            self.now = limit
            return False
        self.now = max(self.now, deadline)
        packet = self.binding.tick(self.now)
        if packet:
            self.sent.append((self.now, packet))
            answer = self.answer(packet)
            if answer:
                self.deliver(answer)
        return True

    def run(self, milliseconds):
        limit = self.now + milliseconds
        while self.step(limit):
            pass

    def deliver(self, data):
        return self.binding.datagram(bytearray(data), len(data), self.now)

    # What a server answers.

    def reply(self, request, kind, *attrs, key=None, padded=False):
        body = b""
        for code, value in attrs:
            body += bytes([code >> 8, code & 255, 0, len(value)]) + value
        size = len(body) + (24 if key else 0)
        data = bytes([kind >> 8, kind & 255, 0, size]) + request[4:20] + body
        if key:
            data += b"\x00\x08\x00\x14" + HmacSha1(key).digest(
                data, bytes(-len(data) % 64) if padded else None
            )
        return data

    def success(self, request, **options):
        host, port = self.mapped
        value = bytes([0, 1, port >> 8, port & 255]) + bytes(
            [int(part) for part in host.split(".")]
        )
        return self.reply(request, 0x0101, (1, value), **options)

    def error(self, request, code, **options):
        return self.reply(request, 0x0111, (9, bytes([0, 0, code // 100, code % 100])), **options)


def codes(request):
    at, found = 20, []
    while at < len(request):
        found.append(request[at] << 8 | request[at + 1])
        at += 4 + (request[at + 2] << 8 | request[at + 3])
    return found


def has_change(request):
    return stun.BINDING_CHANGE in codes(request)


def has_integrity(request):
    return stun.MESSAGE_INTEGRITY in codes(request)


def test_stun_12_first_binding_is_announced_at_once():
    bench = Bench()
    bench.run(100)
    assert [has_change(packet) for _, packet in bench.sent] == [False, True]
    assert bench.sent[0][0] == bench.sent[1][0]
    assert bench.changes == [("198.51.100.9:40001", True)]


def test_stun_12_b10_every_change_is_announced_port_only_too():
    bench = Bench()
    bench.run(100)
    bench.mapped = ("198.51.100.9", 40002)
    bench.run(30000)
    assert [has_change(packet) for _, packet in bench.sent] == [False, True, False, True]
    assert bench.changes[-1] == ("198.51.100.9:40002", True)


def test_stun_12_unanswered_announcement_is_repeated():
    bench = Bench()
    bench.answer = lambda request: None if has_change(request) else bench.success(request)
    bench.run(60000)
    later = [packet for time, packet in bench.sent if time > 30000]
    assert later and all(has_change(packet) for packet in later)
    bench.answer = bench.success
    bench.run(120000)
    assert not has_change(bench.sent[-1][1])


def test_stun_13_username_switch():
    for always in (True, False):
        bench = Bench(username="cpe", password="pw", options=(always, True))
        bench.run(100)
        assert all((stun.USERNAME in codes(packet)) == always for _, packet in bench.sent)
        assert not any(has_integrity(packet) for _, packet in bench.sent)
    bench = Bench(username="", password="pw")
    bench.answer = lambda request: bench.error(request, 401)
    bench.run(60000)
    for _, packet in bench.sent:
        assert codes(packet) == [stun.CONNECTION_REQUEST_BINDING]


def test_stun_20_only_while_enabled_and_restarts_on_any_change():
    bench = Bench(enable=False)
    bench.run(100000)
    assert bench.sent == [] and bench.binding.deadline() is None
    bench.configure(enable=True)
    bench.run(100)
    assert len(bench.sent) == 2
    for change in (
        {"server": ("203.0.113.2", 3478)},
        {"local": ("192.168.1.8", 7547)},
        {"username": "a"},
        {"password": "b"},
        {"period": (20, 20)},
    ):
        count = len(bench.sent)
        assert bench.configure(**change)
        assert not bench.configure(**change)
        bench.run(100)
        assert len(bench.sent) == count + 2, change


def test_stun_21_xor_mapped_alone_will_do():
    bench = Bench()
    bench.answer = lambda request: bench.reply(
        request, 0x0101, (0x20, bytes.fromhex("0001bd5fe7 21c04b".replace(" ", "")))
    )
    bench.run(100)
    assert bench.binding.mapped == ("198.51.100.9", 0xBD5F ^ 0x2112)


def test_stun_22_no_server_is_a_failure_that_is_said():
    bench = Bench()
    bench.resolves = False
    bench.configure(server=("gone.example", 3478))
    bench.run(100)
    assert "no IPv4 address" in bench.binding.failure
    bench.resolves = True
    bench.run(40000)
    assert bench.binding.mapped


def test_stun_24_reported_port_is_that_of_the_socket_while_off():
    assert Bench(enable=False).binding.reported == ("192.168.1.7:7547", False)


def test_stun_30_integrity_only_after_401():
    bench = Bench(username="cpe", password="pw")
    bench.run(100)
    assert not any(has_integrity(packet) for _, packet in bench.sent)
    bench.answer = lambda r: (
        bench.success(r, key=b"pw") if has_integrity(r) else bench.error(r, 401)
    )
    bench.run(30000)
    plain, signed = bench.sent[-2][1], bench.sent[-1][1]
    assert not has_integrity(plain) and has_integrity(signed) and plain[4:20] != signed[4:20]
    assert bench.binding.failures == 0


def test_stun_30_401_without_credentials_is_a_failure():
    bench = Bench(username="cpe")
    bench.answer = lambda request: bench.error(request, 401)
    bench.run(1000)
    assert len(bench.sent) == 1 and "STUNPassword" in bench.binding.failure
    assert bench.binding.reported == ("", False)  # B12: never 0.0.0.0


def test_stun_31_401_on_binding_change_alone():
    bench = Bench(username="cpe", password="pw")
    bench.answer = lambda r: (
        bench.error(r, 401)
        if has_change(r) and not has_integrity(r)
        else bench.success(r, key=b"pw")
    )
    bench.run(100)
    assert [(has_change(p), has_integrity(p)) for _, p in bench.sent] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    bench.run(30000)
    assert not has_change(bench.sent[-1][1]) and not has_integrity(bench.sent[-1][1])


def verifies(bench, request, key, padded):
    size = len(request) - 24
    text = request[:size] + (bytes(-size % 64) if padded else b"")
    return request[-20:] == HmacSha1(key).digest(text)


def test_stun_33_x8_other_variant_on_a_second_401_and_the_winner_is_remembered():
    for cookie in (True, False):
        for padded in (True, False):
            bench = Bench(username="cpe", password="pw", options=(True, cookie))

            def answer(request):
                if has_integrity(request) and verifies(bench, request, b"pw", padded):
                    return bench.success(request, key=b"pw", padded=padded)
                return bench.error(request, 401)

            bench.answer = answer
            bench.run(100)
            assert bench.binding.mapped, (cookie, padded)
            first_try_is_padded = not cookie
            signed = [packet for _, packet in bench.sent if has_integrity(packet)]
            extra = 0 if padded == first_try_is_padded else 1
            assert len(signed) == 2 + extra  # one for the binding, one for its announcement
            count = len(bench.sent)
            bench.run(30000)
            assert len(bench.sent) == count + 2  # plain, then the winner at once


def test_stun_33_431_tries_the_other_variant():
    bench = Bench(username="cpe", password="pw", options=(True, False))

    def answer(request):
        if not has_integrity(request):
            return bench.error(request, 401)
        return (
            bench.success(request, key=b"pw")
            if verifies(bench, request, b"pw", False)
            else bench.error(request, 431)
        )

    bench.answer = answer
    bench.run(100)
    assert bench.binding.mapped


def test_stun_33_ambiguous_success_is_not_remembered():
    # 20 header + 28 name + 24 tag + 4 change = 76; a name of 12 makes the plain request 60 and the
    # change 64.
    bench = Bench(username="u" * 16, password="pw")
    bench.answer = lambda r: (
        bench.success(r, key=b"pw") if has_integrity(r) else bench.error(r, 401)
    )
    bench.run(0)
    signed = [packet for _, packet in bench.sent if has_integrity(packet)]
    assert (len(signed[0]) - 24) % 64 == 0
    assert len(signed) > 1 and (len(signed[1]) - 24) % 64 != 0
    bench2 = Bench(username="u" * 16, password="pw")
    bench2.answer = lambda r: (
        bench2.error(r, 401)
        if not has_integrity(r) or has_change(r)
        else bench2.success(r, key=b"pw")
    )
    bench2.run(0)
    assert bench2.binding._variant is None


def test_stun_34_x7_unsigned_or_wrongly_signed_success_is_as_if_never_received():
    for answer in ({}, {"key": b"other"}):
        bench = Bench(username="cpe", password="pw")
        bench.answer = lambda r: (
            bench.success(r, **answer) if has_integrity(r) else bench.error(r, 401)
        )
        bench.run(9600)
        assert bench.binding.mapped is None and bench.binding.failure == "timeout"
        assert len([1 for _, packet in bench.sent if has_integrity(packet)]) == 9


def test_stun_34_either_variant_of_the_answer_is_taken():
    for padded in (True, False):
        bench = Bench(username="cpe", password="pw")
        bench.answer = lambda r: (
            bench.success(r, key=b"pw", padded=padded) if has_integrity(r) else bench.error(r, 401)
        )
        bench.run(100)
        assert bench.binding.mapped


def test_stun_35_error_codes():
    for code, wait in (
        (400, None),
        (430, None),
        (432, None),
        (500, 5000),
        (599, 5000),
        (600, None),
        (699, None),
        (333, None),
    ):
        bench = Bench(period=(5, 5))
        bench.answer = lambda request: bench.error(request, code)
        bench.run(1000)
        assert len(bench.sent) == 1 and str(code) in bench.binding.failure, code
        start, deadline = bench.sent[0][0], bench.binding.deadline()
        if wait:
            assert deadline == start + wait, code
        else:
            assert start + 30000 <= deadline <= start + 33001, (code, deadline)


def test_stun_35_420_is_asked_again_after_an_hour_or_when_the_configuration_changes():
    bench = Bench()
    bench.answer = lambda request: bench.reply(request, 0x0111, (10, b"\xc0\x01\xc0\x01"))
    bench.run(10**7)
    assert len(bench.sent) == 3  # in 2 h 47 min
    for (earlier, *_), (later, *_) in zip(bench.sent, bench.sent[1:]):
        assert 3600000 <= later - earlier <= 3900000
    bench.answer = bench.success
    bench.configure(server=("203.0.113.9", 3478))
    bench.run(100)
    assert bench.binding.mapped and not bench.binding.failures


def test_stun_35_b12_a_server_that_was_upgraded_is_found_without_a_reboot():
    bench = Bench()
    bench.answer = lambda request: bench.error(request, 420)
    bench.run(1000)
    assert "(420)" in bench.binding.failure and bench.binding.mapped is None
    bench.answer = bench.success
    bench.run(3900000)
    assert bench.binding.mapped and not bench.binding.failures
    bench.answer = lambda request: bench.error(request, 420)
    bench.run(60000)
    assert bench.binding.failures == 1
    bench.answer = bench.success
    bench.binding.moved(bench.now)  # the link was away: another path, another answer
    bench.run(1000)
    assert not bench.binding.failures


def test_stun_36_never_loops_on_errors():
    for code in (401, 430, 431, 432):
        bench = Bench(username="cpe", password="pw")
        bench.answer = lambda request: bench.error(request, code)
        bench.run(0)
        assert len(bench.sent) == 3, (code, len(bench.sent))
        assert bench.binding.state == nb.WAITING


def test_stun_36_a_mapping_that_changes_with_every_datagram_makes_no_flood():
    bench = Bench()

    def answer(request):
        bench.mapped = (bench.mapped[0], bench.mapped[1] + 1)
        return bench.success(request)

    bench.answer = answer
    bench.run(300000)
    assert len(bench.sent) <= 3 + 10, len(bench.sent)


def test_stun_40_schedule_from_the_vectors():
    known = vectors("timing")
    bench = Bench(lambda request: None)
    start = bench.now
    bench.run(known["stun_fail_ms"] - 1)
    assert [time - start for time, _ in bench.sent] == known["stun_retransmit_ms"]
    assert len({packet for _, packet in bench.sent}) == 1  # STUN-03: the same id on every resend
    assert bench.binding.state == nb.ASKING
    bench.run(1)
    assert bench.binding.state == nb.WAITING and bench.binding.failure == "timeout"


def test_stun_03_b11_a_new_id_for_every_transaction():
    bench = Bench()
    bench.run(600000)
    ids = [packet[4:20] for _, packet in bench.sent]
    assert len(ids) > 10 and len(set(ids)) == len(ids)


def test_stun_03_answers_to_other_ids_are_ignored():
    bench = Bench(lambda request: None)
    bench.run(100)
    good = bench.success(bench.sent[0][1])
    for i in range(4, 20):
        other = bytearray(good)
        other[i] ^= 0x40
        assert not bench.deliver(other)
    assert bench.binding.mapped is None
    assert bench.deliver(good) and not bench.deliver(good)  # the second time it matches nothing
    assert bench.binding.mapped


def test_stun_41_a_late_tick_skips_sends_but_does_not_extend():
    bench = Bench(lambda request: None)
    bench.step(10**9)  # the address
    bench.step(10**9)  # the first send
    start = bench.now
    assert bench.binding.tick(start + 5000)
    assert bench.binding.deadline() == start + 6300
    assert bench.binding.tick(start + 9400)
    assert bench.binding.deadline() == start + 9500
    assert bench.binding.tick(start + 9500) is None and bench.binding.state == nb.WAITING


def test_stun_45_b12_failure_keeps_what_is_reported_and_asks_for_the_address_again():
    bench = Bench()
    bench.run(100)
    reported = bench.binding.reported
    bench.answer = lambda request: None
    lookups, changes = bench.lookups, len(bench.changes)
    bench.run(200000)
    assert bench.binding.reported == reported and len(bench.changes) == changes
    assert bench.lookups > lookups
    starts = [
        time
        for i, (time, packet) in enumerate(bench.sent)
        if i == 0 or packet != bench.sent[i - 1][1]
    ]
    for before, after in zip(starts[3:], starts[4:]):
        assert 9500 + 30000 <= after - before <= 9500 + 33100, (before, after)
    bench.answer = bench.success
    bench.run(60000)
    assert bench.binding.failures == 0 and bench.binding.failure == ""


def test_stun_45_one_try_after_max_of_period_and_30_s():
    bench = Bench(lambda request: None, period=(100, 100))
    bench.run(9501)
    left = bench.binding.deadline() - bench.now
    assert 99000 <= left <= 110100


def test_stun_50_51_exact_period_when_min_is_max():
    for period in (5, 30, 60):
        bench = Bench(period=(period, period))
        bench.run(period * 10000 + 50)
        plain = [time for time, packet in bench.sent if not has_change(packet)]
        assert len(plain) == 11
        assert all(b - a == period * 1000 for a, b in zip(plain, plain[1:]))
        assert all(stun.CONNECTION_REQUEST_BINDING in codes(packet) for _, packet in bench.sent)


def test_stun_52_sanitized_periods():
    for minimum, maximum, want in (
        (30, -1, 30),
        (0, -1, 30),
        (0, 0, 5),
        (3, -1, 5),
        (60, 20, 20),
        (60, 3, 5),
        (10, 100, 10),
        (0, 20, 5),
        (30, 30, 30),
    ):
        assert keepalive_period(minimum, maximum) == want, (minimum, maximum)


def test_stun_51_53_seam_a_discovered_lifetime_stays_within_the_range():
    assert keepalive_period(30, -1, 170) == 170
    assert keepalive_period(30, 100, 170) == 100
    assert keepalive_period(30, 100, 10) == 30


def test_stun_54_jitter_is_downward_and_never_below_min():
    bench = Bench(period=(30, 300))
    bench.run(100)
    bench.binding.use(100, bench.now)
    bench.run(2000000)
    plain = [time for time, packet in bench.sent if not has_change(packet)]
    gaps = [b - a for a, b in zip(plain, plain[1:])]
    assert all(90000 <= gap <= 100000 for gap in gaps) and len(set(gaps)) > 1
    bench = Bench(period=(30, 300))
    bench.binding.lifetime = 31
    bench.run(1000000)
    plain = [time for time, packet in bench.sent if not has_change(packet)]
    assert all(30000 <= b - a <= 31000 for a, b in zip(plain, plain[1:]))


def test_stun_60_nat_detected_by_address_or_port():
    for mapped, want in (
        (LOCAL, False),
        ((LOCAL[0], 1), True),
        (("198.51.100.9", LOCAL[1]), True),
    ):
        bench = Bench()
        bench.mapped = mapped
        bench.run(100)
        assert bench.binding.nat_detected == want
        bench.configure(enable=False)
        assert bench.binding.nat_detected is False


def test_stun_60_no_nat_is_claimed_while_the_local_address_is_unknown():
    bench = Bench(local=None)
    bench.run(100)
    assert bench.binding.reported == ("198.51.100.9:40001", False)
    bench.configure(local=LOCAL)
    bench.run(100)
    assert bench.binding.reported == ("198.51.100.9:40001", True)
    bench.configure(local=bench.mapped)
    bench.run(100)
    assert bench.binding.reported == ("198.51.100.9:40001", False)
    # Each was told with its own announcement.
    assert bench.changes == [("198.51.100.9:40001", nat) for nat in (False, True, False)]


def test_stun_61_b10_nothing_is_reported_before_an_answer_came():
    bench = Bench(lambda request: None)
    assert bench.binding.reported == ("", False)
    bench.run(20000)
    assert bench.binding.reported == ("", False) and set(bench.changes) <= {("", False)}
    bench.configure(enable=False)
    assert bench.binding.reported == ("192.168.1.7:7547", False)


def test_stun_61_no_public_address_is_news_only_after_a_failure():
    bench = Bench(enable=False)
    assert bench.changes == [("192.168.1.7:7547", False)]
    bench.answer = lambda request: None
    bench.configure(enable=True)
    bench.run(9000)
    assert len(bench.changes) == 1
    bench.run(1000)
    assert bench.changes[1:] == [("", False)]
    bench.answer = bench.success
    bench.run(60000)
    assert bench.changes[2:] == [("198.51.100.9:40001", True)]


def test_stun_61_no_public_address_is_news_when_the_server_refuses():
    bench = Bench(enable=False)
    bench.answer = lambda request: bench.error(request, 420)
    bench.configure(enable=True)
    bench.run(100)
    assert bench.changes == [("192.168.1.7:7547", False), ("", False)]


def test_stun_62_parameters_change_before_anybody_is_told():
    bench = Bench()
    seen = []
    bench.binding._changed = lambda: seen.append((bench.binding.reported, len(bench.sent)))
    bench.run(100)
    assert seen == [(("198.51.100.9:40001", True), 1)]  # before the announcement left


def test_b13_the_log_has_no_secret():
    bench = Bench(username="cpe", password="hunter2secret")
    bench.answer = lambda request: bench.error(request, 401)
    bench.run(60000)
    assert bench.logs and not any("hunter2secret" in str(line) for line in bench.logs)
