"""The NAT binding in simulated time against a server that does anything at all."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cwmp.core import nat_binding as nb
from cwmp.core.nat_binding import NatBinding, keepalive_period
from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import Integrity, MessageType

HOUR = 3600_000
REFUSED = 3_855_000  # longest wait after a 420
SCHEDULE = (0, 100, 300, 700, 1500, 3100, 4700, 6300, 7900)  # STUN-40
GOOD = ("good", "moved", "xor")
BAD = ("wrong-id", "garbage", "no-address", "spoilt-integrity", "unsigned", "silence")
CODES = ("400", "401", "420", "430", "431", "432", "500", "599", "600", "700", "0", "299")
# "+": only to a signed request; another one is answered with 401 first.
HOW = st.sampled_from([how + sign for how in GOOD + GOOD + BAD + CODES for sign in ("", "+")])


class BindingModel(RuleBasedStateMachine):
    """One binding and a server that does anything at all, in simulated time.

    What is checked of every packet stands in `sent`, what must hold at any time in the invariants.
    """

    @initialize(seed=st.integers(0, 255))
    def begin(self, seed: int) -> None:
        self.now = 1000
        self.seed = seed
        self.binding = NatBinding(self.random, self.changed, lambda *line: None)
        self.script: list[tuple[str, int]] = []  # (what the next answers are, after how many ms)
        self.late: list[
            tuple[int, bytes, tuple | None]
        ] = []  # (when, datagram, address that it tells)
        self.answered: set[tuple] = (
            set()
        )  # addresses that the server really told in the present configuration
        self.starts: list[
            tuple[int, bool]
        ] = []  # (time, plain) of each transaction since `restarted`
        self.transactions: dict[bytes, list[int]] = {}  # id -> times of its sends
        self.by_hour: dict[int, int] = {}
        self.restarts = 0
        self.fresh = False  # the next plain request is a restart, and owes nothing to the minimum
        self.resolves = True
        self.port = 40000
        self.enabled = False
        self.parameters: dict = {}
        self.reported: list[tuple] = []
        self.failed_at: int | None = (
            None  # end of the last attempt, when it failed by anything but a 5xx
        )
        self.attempts = 0

    def random(self, count: int) -> bytes:
        self.seed = (self.seed * 1103515245 + 12345) % 2**31
        return (
            bytes((self.seed >> 7) + i & 255 for i in range(count - 4))
            + struct.pack("!I", self.seed)
            if count > 4
            else bytes([self.seed >> 9 & 255] * count)
        )

    def changed(self) -> None:
        self.reported.append(self.binding.reported)

    # What the server does.

    def mapped(self, fresh: bool) -> tuple[str, int]:
        if fresh:
            self.port = 40000 + (self.port + 1) % 20000
        return "198.51.100.9", self.port

    def poison(self) -> tuple[str, int]:
        return "192.0.2.66", 6666  # an address that only bad answers tell

    def answer(self, request: bytes, how: str) -> tuple[bytes, tuple | None]:
        message = codec.parse(request)
        tid = message.transaction_id
        if how in ("garbage", "wrong-id"):
            tid = bytes(16)
        attributes: list[tuple[int, bytes]] = []
        told = None
        key = self.parameters["password"].encode() if message.has_integrity else None
        kind = MessageType.BINDING_RESPONSE
        if how.isdecimal():
            kind = MessageType.BINDING_ERROR_RESPONSE
            attributes = [(9, codec.error_value(int(how), ""))] if how != "0" else []
            key = None
        elif how in GOOD:
            told = self.mapped(how == "moved")
            attributes = [(1, codec.encode_address(told))]
            if how == "xor":
                attributes = [(0x20, codec.encode_xor_address(told, codec.COOKIE + tid[4:]))]
        elif how != "no-address":
            attributes = [(1, codec.encode_address(self.poison()))]
        if how == "unsigned":
            if not key:  # nothing is wrong with it then
                told = self.mapped(False)
                attributes = [(1, codec.encode_address(told))]
            key = None
        integrity = Integrity.PADDED if self.seed & 1 else Integrity.UNPADDED
        data = codec.build(kind, tid, attributes, key=key, integrity=integrity)
        if how == "spoilt-integrity":
            data = codec.build(kind, tid, attributes, key=b"another key")
            if not message.has_integrity:
                return data[:-1], None
        if how == "garbage":
            data = data[:7] + self.random(30)
        return data, told

    def deliver(self, data: bytes, told: tuple | None) -> None:
        outstanding = (
            self.binding.state == nb.ASKING and data[4:20] == self.binding._transaction.tid
        )
        used = self.binding.datagram(data, len(data), self.now)
        if told and outstanding:
            assert used
            self.answered.add(told)
        if not outstanding:
            assert not used
        self.note_failure(data[:2] == b"\x01\x11" and b"\0\0\5" in data)

    def note_failure(self, busy: bool = False) -> None:
        if self.binding.counts["failures"] != self.attempts:
            self.attempts = self.binding.counts["failures"]
            self.failed_at = None if busy else self.now

    # Time.

    def step(self, limit: int) -> bool:
        late = min((when for when, _, _ in self.late), default=None)
        deadline = self.now if self.binding.wants_address else self.binding.deadline()
        due = min((when for when in (late, deadline) if when is not None), default=None)
        if due is None or due > limit:
            self.now = max(self.now, limit)
            return False
        self.now = max(self.now, due)
        if late == due:
            entry = next(item for item in self.late if item[0] == late)
            self.late.remove(entry)
            self.deliver(entry[1], entry[2])
        elif self.binding.wants_address:
            self.binding.resolved(("203.0.113.1", 3478) if self.resolves else None, self.now)
            self.note_failure()
        else:
            packet = self.binding.tick(self.now)
            self.note_failure()
            if packet:
                self.sent(packet)
        return True

    def run(self, milliseconds: int) -> None:
        limit = self.now + milliseconds
        steps = 0
        while self.step(limit):
            steps += 1
            assert steps < 20_000, "it does not come to rest"

    def sent(self, packet: bytes) -> None:
        message = codec.parse(packet)
        tid = message.transaction_id
        assert self.enabled and message.has_connection_request_binding
        if tid not in self.transactions:
            plain = not message.has_binding_change and not message.has_integrity
            if plain and not self.fresh:
                last = next((when for when, was in reversed(self.starts) if was), None)
                assert last is None or self.now - last >= self.minimum * 1000, (
                    "two plain requests too close"
                )
            if self.failed_at is not None:
                assert self.now - self.failed_at >= max(30, self.minimum) * 1000, (
                    "no rest after a failure (STUN-45)"
                )
                self.failed_at = None
            if plain:
                self.fresh = False
            assert not message.has_integrity or self.parameters["username"], (
                "integrity without credentials"
            )
            self.starts.append((self.now, plain))
            self.transactions[tid] = []
        times = self.transactions[tid]
        times.append(self.now)
        assert len(times) <= len(SCHEDULE)
        assert (
            all(when - times[0] >= SCHEDULE[at] for at, when in enumerate(times))
            and times[-1] - times[0] < 9500
        )
        self.by_hour[self.now // HOUR] = self.by_hour.get(self.now // HOUR, 0) + 1
        how, delay = self.script.pop(0) if self.script else ("silence", 0)
        if how.endswith("+"):
            with_key = self.parameters["username"] and self.parameters["password"]
            how = "401" if with_key and not message.has_integrity else how[:-1]
        if how == "silence":
            return
        data, told = self.answer(packet, how)
        self.late.append((self.now + delay, data, told))

    @property
    def minimum(self) -> int:
        minimum, maximum = self.parameters["period"]
        return min(minimum, maximum) if maximum >= 0 else minimum

    @property
    def refused(self) -> bool:
        return "(420)" in self.binding.failure

    # Rules.

    @rule(
        enable=st.sampled_from([True, True, True, False]),
        period=st.sampled_from(
            [(30, 30), (30, -1), (5, 60), (0, -1), (0, 0), (300, 20), (10, 10)]
        ),
        credentials=st.sampled_from(
            [("cpe", "stun-pass")] * 3 + [("", ""), ("cpe", ""), ("", "x")]
        ),
        options=st.tuples(st.booleans(), st.booleans()),
        local=st.sampled_from([("192.168.1.7", 7547), ("198.51.100.9", 40000), None]),
    )
    def configure(self, enable, period, credentials, options, local) -> None:
        self.parameters = {
            "username": credentials[0],
            "password": credentials[1],
            "period": period,
        }
        restarted = self.binding.configure(
            self.now, enable, ("stun.example", 3478), local, *credentials, period, options
        )
        self.enabled = enable
        if restarted:
            self.restarts += 1
            self.answered.clear()
            self.fresh = True
            self.failed_at = None
            self.transactions.clear()

    @precondition(lambda self: self.enabled)
    @rule(
        script=st.lists(
            st.tuples(HOW, st.sampled_from([0, 0, 5, 90, 2000, 9600, 12000])), max_size=12
        )
    )
    def server_says(self, script) -> None:
        self.script = list(script)
        self.run(40_000)

    @precondition(lambda self: self.enabled)
    @rule(how=HOW, delay=st.sampled_from([0, 7900]))
    def an_hour_of_the_same(self, how: str, delay: int) -> None:
        self.script = [(how, delay)] * 20_000
        self.run(HOUR)
        self.script = []

    @rule(milliseconds=st.integers(0, 20_000))
    def time_passes(self, milliseconds: int) -> None:
        self.run(milliseconds)

    @rule(milliseconds=st.sampled_from([1, 150, 5000, 60_000, HOUR]))
    def nobody_calls_tick(self, milliseconds: int) -> None:
        # The runtime was busy: deadlines are met late, and never made up for.
        self.now += milliseconds

    @rule(data=st.binary(max_size=60))
    def stray_datagram(self, data: bytes) -> None:
        self.deliver(data, None)

    @precondition(lambda self: self.enabled and not self.binding.failures)
    @rule(lifetime=st.one_of(st.none(), st.integers(1, 4000)))
    def discovery_knows(self, lifetime: int | None) -> None:
        self.binding.use(lifetime, self.now)
        minimum, maximum = self.parameters["period"]
        assert self.binding.period == keepalive_period(minimum, maximum, lifetime)

    @rule(resolves=st.booleans())
    def dns(self, resolves: bool) -> None:
        self.resolves = resolves

    @rule()
    def link_was_away(self) -> None:
        self.binding.moved(self.now)
        self.fresh = True
        self.failed_at = None
        self.restarts += 1

    @precondition(lambda self: self.enabled)
    @rule(signs=st.booleans())
    def server_is_well_again(self, signs: bool) -> None:
        """It answers every request: soon the binding is the present one."""
        self.late.clear()
        self.resolves = True
        self.script = []
        here = self.mapped(True)
        longest = max(self.minimum, self.binding.period, 30) * 1100
        limit = self.now + 12_000 + max(longest, REFUSED if self.refused else 0)
        while True:
            before = len(self.late)
            self.script = [("good+" if signs else "good", 50)]
            if not self.step(limit):
                break
            assert len(self.late) <= before + 1
        self.script = []
        assert (
            self.binding.state == nb.WAITING or self.late
        )  # the answer to a keepalive is on its way
        assert self.binding.failures == 0
        assert self.binding.mapped == here and self.binding.reported[0] == "{}:{}".format(*here)
        if self.binding.state == nb.WAITING:
            # The NAT heard the last request a round trip ago: the next is in time (STUN-50). Where
            # the answer told of yet another address, the wait begins with the answer, 50 ms later.
            since = self.starts[-1][0] + 50
            assert self.binding.deadline() <= since + self.binding.period * 1000

    # Invariants.

    @invariant()
    def there_is_always_a_deadline(self) -> None:
        state = self.binding.state
        assert (state == nb.OFF) == (not self.enabled)
        if self.enabled:
            assert self.binding.deadline() is not None
            # Never further away than the longest wait there is.
            longest = max(self.binding.period * 1000, 30_000) * 11 // 10
            if self.refused:
                longest = REFUSED
            assert self.binding.deadline() - self.now <= longest
        else:
            assert self.binding.deadline() is None and self.binding.tick(self.now + HOUR) is None

    @invariant()
    def only_addresses_that_were_told_are_reported(self) -> None:
        if self.enabled and self.binding.mapped is not None:
            assert self.binding.mapped in self.answered
        if not self.enabled or self.binding.local is None:
            assert not self.binding.nat_detected

    @invariant()
    def changes_are_told(self) -> None:
        # That there is no address for the moment, behind a new setting, is not worth a session.
        if self.binding.mapped is not None or (self.reported and not self.enabled):
            assert self.reported[-1] == self.binding.reported

    @invariant()
    def never_a_flood(self) -> None:
        # At worst every wait is the 5 s floor, and behind each come two announcements at once with
        # two resends each, every one of them sent nine times; restarts come on top.
        for count in self.by_hour.values():
            assert count <= 9 * 9 * (HOUR // 5000 + self.restarts + 1)


BindingModel.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
test_stun_20_to_63_binding_model = BindingModel.TestCase


@given(
    st.integers(0, 2**32 - 1),
    st.integers(-1, 2**31 - 1),
    st.one_of(st.none(), st.integers(0, 10**6)),
)
def test_stun_50_51_52_period_stays_inside(minimum: int, maximum: int, lifetime) -> None:
    period = keepalive_period(minimum, maximum, lifetime)
    assert period >= 5
    if 5 <= maximum:
        assert period <= maximum
    if maximum == -1 or minimum <= maximum:
        assert period >= minimum
    if lifetime is None and minimum > 5 and maximum == -1:
        assert period == minimum
