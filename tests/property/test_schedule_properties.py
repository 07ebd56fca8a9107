"""The schedule in simulated time, under any sequence of requests, reasons and session ends."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cwmp.core import schedule as sched
from cwmp.core.schedule import Schedule

REASONS = (sched.BOOT, sched.PERIODIC, sched.ACTIVE_CHANGE, sched.TRANSFER, sched.OTHER)
KEPT = sched.BOOT | sched.TRANSFER | sched.OTHER
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 999, 4999, 5000, 20000, 59999, 60000])),
        st.tuples(st.just("sleep"), st.just(0)),
        st.tuples(st.just("ring"), st.integers(1, 4)),
        st.tuples(st.just("want"), st.sampled_from(REASONS)),
        st.tuples(st.just("accept"), st.just(0)),
        st.tuples(st.just("end"), st.booleans()),
    ),
    max_size=60,
)


class Simulation:
    """Drives one Schedule and keeps its own, simpler books."""

    def __init__(self, throttle_s: int, limit: int) -> None:
        self.schedule = Schedule(limit_count=limit, limit_period_s=60, throttle_s=throttle_s)
        self.limit = limit
        self.now = 0
        self.running = False
        self.accepted = False
        self.carried = 0
        self.retry_count = 0
        self.unserved = False  # a ring that no session has answered for yet
        self.limited = False  # someone was turned down: one session is owed for it
        self.unserved_limited = False
        self.owed = 0  # other reasons that no Inform has carried to the ACS yet
        self.rings = 0
        self.ring_sessions = 0
        self.granted: list[int] = []
        self.early: list[int] = []
        self.waits_until: int | None = None

    def step(self) -> None:
        """Start a session when one is due: what the runtime does between any two events."""
        if not self.schedule.due(self.now):
            return
        assert not self.running, "two sessions at once"
        if self.waits_until is not None and self.now < self.waits_until:
            self.early.append(self.now)
        self.waits_until = None
        assert self.schedule.retry_count == self.retry_count
        self.carried = self.schedule.started(self.now)
        assert self.carried, "a session without a reason"
        self.running, self.accepted = True, False
        if self.carried & sched.RING:
            assert self.unserved or self.limited, "6 CONNECTION REQUEST that nobody asked for"
            self.unserved = False
            self.unserved_limited = False
            self.ring_sessions += 1
        assert self.schedule.deadline(self.now) is None

    def ring(self) -> None:
        allowed = self.schedule.allowed(self.now)
        verdict = self.schedule.ring(self.now)
        assert allowed == (verdict != sched.LIMITED)
        self.rings += 1
        if verdict == sched.LIMITED:
            self.limited = self.unserved_limited = True
            return
        self.granted.append(self.now)
        folds = self.running and not self.accepted and self.carried & sched.RING
        if folds and verdict == sched.FOLDED:
            return  # the Inform of the session on its way answers for it
        assert verdict != sched.START or not self.running
        assert verdict != sched.AFTER or self.running
        self.unserved = True

    def accept(self) -> None:
        if self.running and not self.accepted:
            self.schedule.inform_accepted(self.now)
            self.accepted = True
            self.retry_count = 0
            self.owed &= ~self.carried

    def end(self, ok: bool) -> None:
        if not self.running:
            return
        if ok:
            self.accept()
        self.schedule.ended(ok, self.now, 0.5)
        self.running = False
        self.retry_count = 0 if ok else self.retry_count + 1
        if not ok and (self.accepted or self.carried & ~sched.RING):
            self.waits_until = self.now + 5000  # no window is shorter

    def apply(self, operation: str, argument: int) -> None:
        if operation == "wait":
            self.now += argument
        elif operation == "sleep":
            self.now += self.schedule.deadline(self.now) or 0
        elif operation == "ring":
            for _ in range(argument):
                self.ring()
        elif operation == "want":
            self.schedule.want(argument, self.now)
            self.owed |= argument & KEPT
        elif operation == "accept":
            self.accept()
        else:
            self.end(bool(argument))
        self.step()

    def drain(self) -> None:
        """Let every session succeed from now on until nothing asks for one."""
        self.end(True)
        for _ in range(200):
            self.step()
            self.end(True)
            wait = self.schedule.deadline(self.now)
            if wait is None:
                return
            self.now += wait
        raise AssertionError("it never comes to rest")


@settings(max_examples=300, deadline=None)
@given(OPERATIONS, st.sampled_from([0, 30]), st.sampled_from([1, 2, 5]))
def test_b16_ucr_32_ucr_33_cwmp_34_cwmp_70_schedule_keeps_its_promises(
    operations: list[tuple[str, int]], throttle_s: int, limit: int
) -> None:
    simulation = Simulation(throttle_s, limit)
    for operation, argument in operations:
        simulation.apply(operation, argument)
    simulation.drain()
    served = not simulation.unserved and not simulation.unserved_limited
    assert served, "an authenticated ring without a session"
    assert not simulation.owed, "a reason that no Inform carried"
    assert simulation.ring_sessions <= simulation.rings
    assert simulation.schedule.retry_count == simulation.retry_count
    for begin in simulation.granted:
        # Fixed windows: no span of one period can hold more than the end of one and the start of
        # the next.
        inside = [at for at in simulation.granted if begin <= at < begin + 60000]
        assert len(inside) <= 2 * limit
    for first, second in zip(simulation.early, simulation.early[1:], strict=False):
        assert second - first >= 5000, "early attempts too close together"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=200, max_size=400))
def test_b9_any_dense_stream_is_served_in_every_window(gaps: list[int]) -> None:
    schedule = Schedule(limit_count=2, limit_period_s=60)
    now, last = 0, 0
    for gap in gaps:
        schedule.ring(now)
        if schedule.due(now):
            assert schedule.started(now) & sched.RING
            schedule.inform_accepted(now)
            schedule.ended(True, now, 0.5)
            assert now - last <= 60000 + 3000
            last = now
        now += gap
    assert now - last <= 63000 + 3000
