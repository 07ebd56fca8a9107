"""The retry waits of a failed session, and the phase of the periodic Inform."""

from support import vectors

from cwmp.core.date_time import iso_to_unix
from cwmp.core.periodic import Periodic, delay_s
from cwmp.core.retry import delay_ms, window


def test_cwmp_70_windows_of_the_table():
    timing = vectors("timing")
    cases = list(timing["retry_windows"])
    for n, (low, high) in enumerate(timing["retry_window_default_s"]):
        cases.append({"n": n + 1, "m": 5, "k": 2000, "min_s": low, "max_s": high})
    assert len(cases) > 20
    for case in cases:
        low, high = window(case["n"], case["m"], case["k"])
        assert 0 <= low - case["min_s"] * 1000 < 1, case
        assert 0 <= case["max_s"] * 1000 - high < 1, case


def test_cwmp_70_later_retries_wait_like_the_tenth():
    for n in (10, 11, 100, 100000):
        assert window(n, 5, 2000) == (2560000, 5120000)


def test_cwmp_70_largest_parameters_do_not_overflow():
    low, high = window(10, 65535, 65535)
    assert high // low == 65
    assert low <= delay_ms(10, 65535, 65535, 0.999999) <= high


def test_cwmp_72_draw_covers_the_window_and_stays_inside():
    for n, m, k in ((1, 5, 2000), (10, 5, 2000), (7, 30, 1500), (4, 1, 1000)):
        low, high = window(n, m, k)
        assert delay_ms(n, m, k, 0.0) == low
        assert delay_ms(n, m, k, 0.9999999999) == high
        assert delay_ms(n, m, k, 1.0) == high
        middle = delay_ms(n, m, k, 0.5)
        assert abs(2 * middle - low - high) <= 2
    assert delay_ms(1, 5, 2000, 0.25) != delay_ms(1, 5, 2000, 0.26)


def test_cwmp_41_next_instant():
    cases = vectors("timing")["periodic_inform"]
    assert len(cases) == 6
    for case in cases:
        reference = iso_to_unix(case["PeriodicInformTime"])
        unix = iso_to_unix(case["now"])
        wait = delay_s(reference, case["PeriodicInformInterval"], unix)
        assert wait == case["delay_s"], case
        assert unix + wait == iso_to_unix(case["next_inform"])


def test_cwmp_41_unknown_reference_or_clock():
    assert delay_s(None, 300, 1000) is None
    assert delay_s(1000, 300, None) is None


def test_cwmp_41_ticks_keep_the_phase_of_the_reference():
    periodic = Periodic()
    unix = 1000000
    periodic.configure(True, 300, unix + 7, 50000, unix, 0.5)
    now = 50000
    for tick in range(4):
        assert not periodic.due(now)
        now += periodic.deadline(now)
        assert periodic.due(now) and periodic.deadline(now) == 0
        now += 400 * tick  # served late
        periodic.ticked(now, unix + (now - 50000) // 1000)
    assert now + periodic.deadline(now) - 50000 <= (7 + 4 * 300) * 1000 + 1000


def test_cwmp_41_slow_wall_clock_does_not_tick_twice():
    periodic = Periodic()
    periodic.configure(True, 300, 0, 0, 290, 0.5)
    assert periodic.deadline(0) == 10000
    periodic.ticked(10000, 299)  # the wall clock was corrected by a second meanwhile
    assert periodic.deadline(10000) == 301000


def test_cwmp_41_no_clock_local_phase_without_drift():
    periodic = Periodic()
    periodic.configure(True, 60, None, 1000, 5000, 0.5)
    first = 1000 + periodic.deadline(1000)
    assert 1000 < first <= 61000
    other = Periodic()
    other.configure(True, 60, None, 1000, 5000, 0.9)
    assert other.deadline(1000) != periodic.deadline(1000), "a fleet must not call at once"
    now = first + 700
    periodic.ticked(now, None)
    assert now + periodic.deadline(now) == first + 60000
    now = first + 3 * 60000 + 5  # the board slept
    periodic.ticked(now, None)
    assert now + periodic.deadline(now) == first + 4 * 60000


def test_cwmp_41_off_and_on_again():
    periodic = Periodic()
    assert periodic.deadline(0) is None and not periodic.due(10**9)
    periodic.configure(True, 60, None, 0, None, 0.1)
    periodic.configure(False, 60, None, 0, None, 0.1)
    assert periodic.deadline(10**9) is None and not periodic.due(10**9)
    periodic.configure(True, 60, 0, 0, 59, 0.1)
    assert periodic.deadline(0) == 1000
