"""When sessions start: requests, retries, ticks and notifications, in simulated time."""

import gc

from support import raises

from cwmp.core.schedule import (
    ACTIVE_CHANGE,
    AFTER,
    BOOT,
    FOLDED,
    LIMITED,
    OTHER,
    PERIODIC,
    RETRY,
    RING,
    START,
    TRANSFER,
    VERDICTS,
    Schedule,
)
from cwmp.core.schedule_words import why


def run(schedule, now, ok=True, accepted=None):
    """One session from its start to its end at `now`; returns the reasons it carried."""
    assert schedule.due(now)
    carried = schedule.started(now)
    if ok if accepted is None else accepted:
        schedule.inform_accepted(now)
    schedule.ended(ok, now, 0.5)
    return carried


def failing(schedule, now, reason=OTHER):
    """Bring `schedule` into a retry wait at `now`."""
    schedule.want(reason, now)
    run(schedule, now, ok=False)
    assert schedule.deadline(now) > 0


def test_tcr_20_idle_and_a_request_starts_at_once():
    schedule = Schedule()
    assert schedule.deadline(0) is None and not schedule.due(0)
    assert schedule.ring(1000) == START
    assert schedule.due(1000) and schedule.deadline(1000) == 0
    assert run(schedule, 1005) == RING
    assert schedule.deadline(1005) is None


def test_tcr_21_requests_before_the_session_is_up_start_no_other():
    schedule = Schedule()
    assert [schedule.ring(t) for t in (0, 1, 2)] == [START, FOLDED, FOLDED]
    schedule.started(3)
    assert schedule.ring(10) == FOLDED
    schedule.inform_accepted(20)
    schedule.ended(True, 30, 0.5)
    assert schedule.deadline(30) is None


def test_tcr_22_ucr_32_request_in_a_session_runs_exactly_one_afterwards():
    schedule = Schedule()
    schedule.want(BOOT, 0)
    schedule.started(0)
    schedule.inform_accepted(10)
    assert [schedule.ring(t) for t in (20, 21, 22)] == [AFTER, FOLDED, FOLDED]
    assert not schedule.due(25) and schedule.deadline(25) is None
    schedule.ended(True, 30, 0.5)
    assert schedule.deadline(30) == 0
    assert run(schedule, 30) == RING
    assert schedule.deadline(30) is None


def test_ucr_32_request_in_a_session_starts_one_afterwards():
    # Whatever way that session ends.
    for ok in (True, False):
        schedule = Schedule()
        schedule.want(BOOT, 0)
        schedule.started(0)
        schedule.inform_accepted(10)
        assert schedule.ring(20) == AFTER
        schedule.ended(ok, 30, 0.5)
        assert schedule.due(30)
        assert schedule.started(30) & RING


def test_ucr_34_session_without_6_is_followed_by_one_with_it():
    schedule = Schedule()
    schedule.want(BOOT, 0)
    assert schedule.started(0) == BOOT
    assert schedule.ring(1) == AFTER, "the Inform on its way does not list 6"
    schedule.inform_accepted(10)
    schedule.ended(True, 20, 0.5)
    assert run(schedule, 20) == RING


def test_ucr_34_parallel_pair_makes_at_most_two_sessions():
    for second_at in (1, 5, 15, 25, 35):
        schedule = Schedule()
        sessions = 0
        ring_at = [0, second_at]
        for now in range(60):
            if now in ring_at:
                assert schedule.ring(now)
            if schedule.due(now):
                sessions += 1
                begun = now
                assert schedule.started(now) == RING
            if schedule.running and now == begun + 10:
                schedule.inform_accepted(now)
            if schedule.running and now == begun + 20:
                schedule.ended(True, now, 0.5)
        assert sessions == (1 if second_at < 10 else 2), second_at


def test_b16_never_two_sessions_at_once():
    schedule = Schedule()
    schedule.ring(0)
    schedule.started(0)
    for now in range(1, 20):
        schedule.ring(now)
        schedule.want(BOOT | OTHER, now)
        assert not schedule.due(now)
    raises(RuntimeError, schedule.started, 20)


def test_ucr_33_five_per_sixty_seconds_then_one_when_the_window_opens():
    schedule = Schedule()
    for now in range(5):
        assert schedule.allowed(now)
        assert schedule.ring(now) == START
        assert run(schedule, now) == RING
    assert not schedule.allowed(10)
    assert schedule.ring(10) == LIMITED and not schedule.ring(10)
    assert VERDICTS.split()[LIMITED] == "limited" and VERDICTS.split()[AFTER] == "after"
    assert schedule.limited == 2
    assert not schedule.due(11) and schedule.deadline(11) == 59989
    assert not schedule.due(59999)
    assert run(schedule, 60000) == RING
    assert schedule.deadline(60001) is None, "one session for all that were turned down"
    # The session that was owed counts in the new window.
    for now in range(60001, 60005):
        assert schedule.ring(now)
        run(schedule, now)
    assert schedule.ring(60005) == LIMITED


def test_ucr_33_asking_the_limiter_changes_nothing():
    schedule = Schedule(limit_count=1)
    for _ in range(10):
        assert schedule.allowed(0)
    assert schedule.ring(0) == START
    for _ in range(10):
        assert not schedule.allowed(1)
    run(schedule, 1)
    assert schedule.limited == 0 and schedule.deadline(2) is None
    assert schedule.allowed(60000)


def test_ucr_33_accepted_request_serves_the_one_turned_down_before():
    schedule = Schedule(limit_count=1)
    schedule.ring(0)
    run(schedule, 0)
    assert schedule.ring(59000) == LIMITED
    assert schedule.ring(60000) == START
    assert run(schedule, 60000) == RING
    assert schedule.deadline(60000) is None


def test_b9_steady_stream_never_starves():
    schedule = Schedule(limit_count=5, limit_period_s=60)
    sessions = []
    for now in range(0, 600000, 500):
        schedule.ring(now)
        if schedule.due(now):
            assert schedule.started(now) & RING
            schedule.inform_accepted(now)
            schedule.ended(True, now, 0.5)
            sessions.append(now)
    for begin in range(0, 600000, 60000):
        in_window = [now for now in sessions if begin <= now < begin + 60000]
        assert len(in_window) == 5, (begin, in_window)


def test_ucr_33_verdicts_allocate_nothing():
    if not hasattr(gc, "mem_alloc"):
        return  # only MicroPython counts
    schedule = Schedule()
    for now in range(8):
        schedule.ring(now)
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        for now in range(1000):
            schedule.allowed(now)
            schedule.ring(now)
        used = gc.mem_alloc() - before
    finally:
        gc.enable()
    assert used < 200, used  # the loop's own; one object per datagram would be 16000 and more


def test_tcr_23_request_in_a_retry_wait_starts_at_once():
    schedule = Schedule()
    failing(schedule, 0, BOOT)
    assert schedule.deadline(0) == 7500
    assert schedule.ring(100) == START
    assert schedule.due(100)
    assert schedule.started(100) == RING | BOOT
    assert schedule.retry_count == 1


def test_cwmp_73_new_event_cuts_the_wait_short_once_per_5_s():
    schedule = Schedule()
    failing(schedule, 0, BOOT)
    for _ in range(6):  # let the waits grow
        now = schedule.deadline(0)
        while not schedule.due(now):
            now += schedule.deadline(now)
        run(schedule, now, ok=False)
    assert schedule.deadline(now) > 60000
    schedule.want(TRANSFER, now)
    assert schedule.due(now)
    count = schedule.retry_count
    assert run(schedule, now, ok=False) == BOOT | TRANSFER
    assert schedule.retry_count == count + 1
    assert schedule.deadline(now) > 5000, "a failed early attempt is followed by a wait"
    schedule.ring(now + 1)
    assert schedule.deadline(now + 1) == 4999
    assert not schedule.due(now + 4999) and schedule.due(now + 5000)
    assert run(schedule, now + 5000) & RING
    assert schedule.retry_count == 0


def test_tcr_24_request_is_not_retried_by_itself():
    schedule = Schedule()
    schedule.ring(0)
    assert run(schedule, 0, ok=False) == RING
    assert schedule.deadline(0) is None and why(schedule, 0) == "idle"
    assert schedule.retry_count == 1
    schedule.ring(1000)
    assert schedule.due(1000), "the next one is no retry"


def test_tcr_24_other_events_are_retried_without_it():
    schedule = Schedule()
    schedule.want(BOOT, 0)
    schedule.ring(0)
    assert run(schedule, 0, ok=False) == RING | BOOT
    assert schedule.deadline(0) == 7500
    assert run(schedule, 7500) == BOOT


def test_cwmp_70_waits_follow_the_windows():
    schedule = Schedule(minimum_wait_s=5, multiplier=2000)
    schedule.want(BOOT, 0)
    now = 0
    for n in range(1, 13):
        assert schedule.due(now)
        schedule.started(now)
        schedule.ended(False, now, 0.0 if n % 2 else 0.999999)
        low = 5000 * 2 ** (min(n, 10) - 1)
        wait = 0
        while not schedule.due(now):
            step = schedule.deadline(now)
            assert 0 < step <= 3600000
            wait += step
            now += step
        assert wait == low if n % 2 else low * 2 - 10 < wait <= low * 2, (n, wait)


def test_cwmp_08_retry_after_is_the_least_wait_of_one_retry():
    schedule = Schedule(minimum_wait_s=5)
    schedule.want(BOOT, 0)
    schedule.started(0)
    schedule.retry_after = 60
    schedule.ended(False, 1000, 0.5)
    assert schedule.deadline(1000) == 60000
    schedule.want(RING, 2000)
    assert schedule.due(2000)  # a Connection Request cuts it short all the same
    schedule.started(2000)
    schedule.ended(False, 3000, 0.5)
    assert 10000 <= schedule.deadline(3000) <= 20000
    schedule.started(30000)
    schedule.retry_after = 1  # less than the window says
    schedule.ended(False, 30000, 0.5)
    assert 20000 <= schedule.deadline(30000) <= 40000


def test_cwmp_71_success_resets_the_wait():
    schedule = Schedule()
    failing(schedule, 0)
    run(schedule, 7500, ok=False)
    assert schedule.deadline(7500) == 15000
    run(schedule, 22500)
    assert schedule.deadline(22500) is None and schedule.retry_count == 0
    failing(schedule, 30000)
    assert schedule.deadline(30000) == 7500


def test_cwmp_34_retry_count():
    schedule = Schedule()
    schedule.want(BOOT, 0)
    now = 0
    for failures in range(5):
        assert schedule.retry_count == failures
        run(schedule, now, ok=False)
        while not schedule.due(now):
            now += schedule.deadline(now)
    assert schedule.retry_count == 5
    schedule.started(now)
    schedule.inform_accepted(now)
    assert schedule.retry_count == 0
    schedule.ended(False, now, 0.5)
    assert schedule.retry_count == 1, "this attempt failed"
    # The wait goes on growing: an ACS that answers the Inform and breaks off is not hammered.
    assert 160000 <= schedule.deadline(now) <= 320000


def test_b18_retry_counter_and_interval_move():
    schedule = Schedule()
    schedule.want(BOOT, 0)
    now, waits = 0, []
    for _ in range(4):
        run(schedule, now, ok=False)
        waits.append(schedule.deadline(now))
        now += waits[-1]
    assert waits == [7500, 15000, 30000, 60000] and schedule.retry_count == 4


def test_cwmp_70_session_that_breaks_off_after_its_inform_is_retried():
    schedule = Schedule()
    schedule.ring(0)
    assert run(schedule, 0, ok=False, accepted=True) == RING
    assert schedule.deadline(0) == 7500
    assert why(schedule, 0) == "8 s until a session for session that broke off, retry 1"
    assert run(schedule, 7500) == RETRY


def test_cwmp_41_tick_merges_into_a_session_or_a_retry_wait():
    schedule = Schedule()
    schedule.want(OTHER, 0)
    schedule.started(0)
    schedule.want(PERIODIC, 5)
    schedule.inform_accepted(10)
    schedule.ended(True, 20, 0.5)
    assert schedule.deadline(20) is None, "that session was the periodic one"
    failing(schedule, 30)
    schedule.want(PERIODIC, 40)
    assert schedule.deadline(40) == 7490, "no early attempt"
    assert run(schedule, 7530) == OTHER | PERIODIC
    schedule.want(PERIODIC, 8000)
    assert run(schedule, 8000, ok=False) == PERIODIC
    assert schedule.deadline(8000) == 7500


def test_cwmp_41_tick_in_a_session_that_fails_is_not_lost():
    schedule = Schedule()
    schedule.ring(0)
    schedule.started(0)
    schedule.want(PERIODIC, 5)
    schedule.ended(False, 20, 0.5)
    assert run(schedule, 20) == PERIODIC


def test_cwmp_62_throttle_delays_active_changes_only():
    schedule = Schedule(throttle_s=60)
    schedule.want(ACTIVE_CHANGE, 0)
    assert schedule.due(0), "no session before: nothing to keep apart"
    run(schedule, 0)
    schedule.want(ACTIVE_CHANGE, 1000)
    assert schedule.deadline(1000) == 59000
    schedule.ring(2000)
    assert schedule.due(2000)
    assert run(schedule, 2000) == RING | ACTIVE_CHANGE
    assert schedule.deadline(2000) is None, "the change went with that Inform"
    schedule.want(ACTIVE_CHANGE, 3000)
    schedule.want(PERIODIC, 4000)
    assert schedule.due(4000)
    run(schedule, 4000)
    schedule.want(ACTIVE_CHANGE, 5000)
    schedule.throttle_s = 0
    assert schedule.due(5000)


def test_cwmp_62_throttle_never_delays_a_retry():
    schedule = Schedule(throttle_s=3600)
    schedule.want(BOOT, 0)
    run(schedule, 0)
    failing(schedule, 1000)
    schedule.want(ACTIVE_CHANGE, 1500)
    assert schedule.deadline(1500) == 7000
    assert run(schedule, 8500) == OTHER | ACTIVE_CHANGE


def test_stun_63_address_changes_open_no_more_sessions_than_the_throttle_lets():
    schedule = Schedule(throttle_s=300)
    sessions = 0
    for now in range(0, 3600000, 1000):  # a NAT that rebinds every second
        schedule.want(ACTIVE_CHANGE, now)
        if schedule.due(now):
            run(schedule, now)
            sessions += 1
    assert sessions == 12


def test_schedule_says_in_plain_words_why():
    schedule = Schedule(limit_count=1)
    assert why(schedule, 0) == "idle"
    schedule.ring(0)
    schedule.want(BOOT, 0)
    assert why(schedule, 0) == "starting a session for connection request, boot"
    schedule.started(0)
    assert why(schedule, 0) == "session running for connection request, boot"
    schedule.inform_accepted(1)
    assert why(schedule, 1) == "session running"
    schedule.ended(True, 2, 0.5)
    schedule.ring(10000)
    assert why(schedule, 10000) == "50 s until a session for connection request, over the limit"
    run(schedule, 60000)
    failing(schedule, 70000, BOOT)
    assert why(schedule, 70000) == "8 s until a session for boot, retry 1"
