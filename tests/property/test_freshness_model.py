"""The memory of Connection Requests against a plain model of UCR-20 to 25."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cwmp.core import connection_request as gate
from cwmp.core.connection_request import ConnectionRequestGate
from cwmp.core.freshness import Freshness
from cwmp.core.freshness_record import restore, snapshot
from host_tools.lab import udp_request as lab
from tests.property.damage import DAMAGE, damaged

PASSWORD = "cr-pass"


def new_gate(ring) -> ConnectionRequestGate:
    made = ConnectionRequestGate(ring)
    made.set_credentials("cpe-user", PASSWORD)
    return made


NUMBERS = st.one_of(
    st.integers(0, 3),
    st.integers(0, 10**20 - 1),
    st.sampled_from([2**31, 2**32, 2**63, 2**64, 10**20 - 1]),
)


def written(number: int, zeros: int) -> str:
    text = str(number)
    return "0" * min(zeros, 20 - len(text)) + text


def signed(ts: str, number: str, cn: str = "a", password: str = PASSWORD) -> bytes:
    return lab.build("cpe-user", password, "203.0.113.45", 54321, ts, number, cn)


class FreshnessModel(RuleBasedStateMachine):
    """UCR-20 to 25 with integers of any size, beside the gate with its digits in one buffer."""

    @initialize()
    def begin(self) -> None:
        self.ring = True
        self.gate = new_gate(lambda now: self.ring)
        self.ts: int | None = None
        self.ids: list[int] = []

    def is_fresh(self, ts: int, number: int) -> bool:
        if self.ts is None:
            return True
        if ts == self.ts:
            # More than eight in one second nobody sends; a ninth could not be remembered.
            return number not in self.ids and len(self.ids) < 8
        return ts > self.ts and number != self.ids[-1]

    def take(self, ts: int, number: int) -> None:
        if ts != self.ts:
            self.ids = []
        self.ts = ts
        self.ids.append(number)

    def offer(self, datagram: bytes, ts: int, number: int, genuine: bool = True) -> None:
        verdict = self.gate.handle(datagram, len(datagram), 0)
        want = genuine and self.ring and self.is_fresh(ts, number)
        assert (verdict == gate.ACCEPTED) == want, gate.name(verdict)
        if want:
            self.take(ts, number)
            assert self.gate.handle(datagram, len(datagram), 0) == gate.DUPLICATE
        elif genuine and self.is_fresh(ts, number):
            assert verdict == gate.LIMITED

    @rule(ts=NUMBERS, number=NUMBERS, zeros=st.integers(0, 20), more=st.integers(0, 20))
    def any_request(self, ts: int, number: int, zeros: int, more: int) -> None:
        self.offer(signed(written(ts, zeros), written(number, more)), ts, number)

    @rule(step=st.integers(-2, 2), number=st.integers(0, 9), zeros=st.integers(0, 3))
    def near_the_last(self, step: int, number: int, zeros: int) -> None:
        ts = min(max((self.ts or 0) + step, 0), 10**20 - 1)
        self.offer(signed(written(ts, zeros), written(number, 3 - zeros)), ts, number)

    @rule(first=st.integers(0, 99), cn=st.sampled_from(["a", "b"]))
    def many_in_one_second(self, first: int, cn: str) -> None:
        ts = min((self.ts or 0) + (first & 1), 10**20 - 1)
        for number in range(first, first + 5):
            self.offer(signed(str(ts), str(number), cn), ts, number)

    @rule(ts=NUMBERS, number=NUMBERS)
    def forged(self, ts: int, number: int) -> None:
        self.offer(signed(str(ts), str(number), password="other"), ts, number, genuine=False)

    @rule(ts=NUMBERS, number=NUMBERS, damage=DAMAGE)
    def damaged_request(self, ts: int, number: int, damage: list) -> None:
        datagram = damaged(signed(str(ts), str(number)), damage)
        verdict = self.gate.handle(datagram, len(datagram), 0)
        genuine = lab.verify(datagram, "cpe-user", PASSWORD)
        if genuine:
            read = lab.parse(datagram)
            ts, number = int(read.ts), int(read.id)
        want = genuine and self.ring and self.is_fresh(ts, number)
        assert (verdict == gate.ACCEPTED) == want
        if want:
            self.take(ts, number)

    @rule(limited=st.booleans())
    def limit(self, limited: bool) -> None:
        self.ring = not limited

    @rule()
    def reboot(self) -> None:
        kept = json.loads(json.dumps(snapshot(self.gate.freshness)))
        self.gate = new_gate(lambda now: self.ring)
        restore(self.gate.freshness, kept)
        assert snapshot(self.gate.freshness) == kept and not self.gate.freshness.dirty

    @rule()
    def other_credentials(self) -> None:
        self.gate.forget()
        self.ts, self.ids = None, []

    @invariant()
    def memory_is_what_was_accepted(self) -> None:
        kept = snapshot(self.gate.freshness)
        assert [int(digits) for digits in kept["ids"]] == self.ids
        assert kept["ts"] == ("" if self.ts is None else str(self.ts))


FreshnessModel.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
test_ucr_20_to_25_freshness_model = FreshnessModel.TestCase


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=24),
        st.from_regex(r"[0-9]{0,22}", fullmatch=True),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=10),
        st.dictionaries(st.sampled_from(["ts", "ids", "x"]), inner, max_size=3),
    ),
    max_leaves=12,
)


@given(
    st.one_of(
        JSON,
        st.fixed_dictionaries({"ts": JSON, "ids": JSON}),
        st.fixed_dictionaries({"ts": st.just("5"), "ids": JSON}),
    )
)
@settings(max_examples=300, deadline=None)
def test_ucr_24_a_spoilt_record_never_breaks_the_boot(record) -> None:
    freshness = Freshness()
    restore(freshness, record)
    kept = snapshot(freshness)
    assert len(kept["ids"]) <= 8 and (kept["ts"] != "") == (kept["ids"] != [])
    for digits in [kept["ts"], *kept["ids"]]:
        assert digits == "" or str(int(digits)) == digits
