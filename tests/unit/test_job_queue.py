"""What is queued, for when, and over boots (CWMP-64, CWMP-65)."""

import json

from cwmp.core.job_queue import APPLIED, DONE, RUNNING, WAITING, JobQueue

NOON = 1767268800


def job(kind="D", key="k", delay=0):
    made = {"kind": kind, "key": key, "delay": delay, "acs": 1}
    if kind != "I":
        made.update({"type": "t", "url": "u", "user": "", "pass": "p", "size": 0, "name": ""})
    return made


def kept(queue):
    """What the flash gives back."""
    return json.loads(json.dumps(queue.jobs))


def test_cwmp_65_too_many():
    queue = JobQueue(None, 0)
    for number in range(5):
        assert queue.add(job("DU"[number % 2]), 0, NOON)
        assert queue.add(job("I"), 0, NOON)
    assert not queue.add(job("D"), 0, NOON)
    assert not queue.add(job("U"), 0, NOON)
    assert not queue.add(job("I"), 0, NOON)
    assert len(queue.jobs) == 10


def test_cwmp_64_delays_and_order():
    queue = JobQueue(None, 0)
    assert queue.deadline(0, NOON) is None and queue.next(0, NOON) is None
    for key, delay in (("a", 9), ("b", 3), ("c", 3)):
        queue.add(job(key=key, delay=delay), 1000, None)
    assert queue.deadline(1000, None) == 4000
    assert queue.next(3999, None) is None
    assert queue.next(4000, None)["key"] == "b"
    assert queue.next(60000, None)["key"] == "a"
    assert queue.begin(queue.jobs[0], None)
    assert queue.next(60000, None)["key"] == "b"
    queue.end(queue.jobs[0], None, 9016, "gone")
    assert queue.jobs[0]["state"] == DONE and queue.jobs[0]["code"] == 9016


def test_cwmp_64_the_largest_delay():
    queue = JobQueue(None, 0)
    queue.add(job(delay=4294967295), 5, NOON)
    assert queue.deadline(5, NOON) == 4294967295005
    assert JobQueue(kept(queue), 7).deadline(7, NOON) == 4294967295007


def test_cwmp_64_a_delay_goes_on_while_the_power_is_off():
    queue = JobQueue(None, 0)
    queue.add(job(delay=100), 0, NOON)
    record = kept(queue)
    assert JobQueue(record, 10).deadline(10, NOON + 60) == 40010
    assert JobQueue(record, 10).next(10, NOON + 100)["key"] == "k"
    # Without a clock it begins again; when the clock comes, it is known.
    again = JobQueue(record, 10)
    assert again.deadline(10, None) == 100010
    assert again.deadline(20, NOON + 99) == 1020
    # A clock that went back does not make it longer than it was.
    assert JobQueue(record, 10).deadline(10, NOON - 9999) == 100010
    # Taken before the clock was known: no instant.
    queue = JobQueue(None, 0)
    queue.add(job(delay=100), 0, None)
    assert JobQueue(kept(queue), 0).deadline(0, NOON) == 100000


def test_cwmp_64_what_ran_when_the_power_went_runs_again_a_few_times():
    for kind, code in (("D", 9010), ("U", 9011)):
        queue = JobQueue(None, 0)
        queue.add(job(kind, delay=1000), 0, NOON)
        for count in range(3):
            assert queue.begin(queue.jobs[0], NOON)
            assert queue.jobs[0]["state"] == RUNNING
            queue = JobQueue(kept(queue), 50)
            assert queue.jobs[0]["state"] == WAITING
            assert queue.next(50, None)["tries"] == count + 1
        assert not queue.begin(queue.jobs[0], NOON + 1)
        done = queue.jobs[0]
        assert (done["state"], done["code"], done["end"]) == (DONE, code, NOON + 1)


def test_cwmp_64_what_is_applied_or_done_stays_so():
    queue = JobQueue(None, 0)
    queue.add(job(key="a"), 0, NOON)
    queue.add(job(key="b"), 0, NOON)
    queue.jobs[0].update({"state": APPLIED, "slot": "a"})
    queue.end(queue.jobs[1], NOON)
    again = JobQueue(kept(queue), 0)
    assert [one["state"] for one in again.jobs] == [APPLIED, DONE]
    assert again.next(9999, NOON) is None and again.deadline(0, NOON) is None


def test_a_record_of_another_kind():
    for record in (None, {}, "x", 7, [], [1, "x", {}, {"kind": "Z"}]):
        assert JobQueue(record, 0).jobs == []
    queue = JobQueue(None, 0)
    for kind in "DUI":
        queue.add(job(kind), 0, NOON)
    queue.add(job(), 0, NOON)
    queue.end(queue.jobs[3], NOON)
    queue.add(job(), 0, NOON)
    queue.jobs[4].update({"state": APPLIED, "slot": "a"})
    for whole in kept(queue):
        assert JobQueue([whole], 0).jobs
        for name in whole:
            if name not in ("due", "start", "end"):
                part = {key: value for key, value in whole.items() if key != name}
                assert not JobQueue([part], 0).jobs, (whole, name)
