"""Everything that an ACS or the network can do wrong, at every step of a session that carries an
event and writes. Each time: one line says why the session failed, the retry policy recovers, the
event is told once, what was acknowledged is there, and no memory is lost.
"""

import asyncio
import re
from collections.abc import Callable
from functools import partial

import pytest

from host_tools.lab import acs_hostile, rpc
from host_tools.lab.acs_faults import Incoming, Misbehaviour
from host_tools.lab.cpe import Session
from host_tools.lab.rpc import Rpc
from tests.conformance.patched import boot_first
from tests.conformance.rig import CHANGE, INFO, MS, MakeRig, Rig
from tests.conformance.test_hostile_datagrams import heap

pytestmark = pytest.mark.capability("filesystem")

CODE = INFO + "ProvisioningCode"  # whose changes the CPE has to tell
INTERVAL = MS + "PeriodicInformInterval"
KEY = MS + "ParameterKey"
NAME = INFO + "Description"
STEPS = (1, 2, 3, 4, 5)  # messages of the CPE: Inform, empty POST, three answers
GROWTH = 2048  # bytes of heap that may come and go
# The waits of CWMP-70 as drawn, in a time that passes 40 times as fast.
FASTER = """
from cwmp.core import schedule
def _faster(real):
    def delay_ms(n, m, k, random_fraction):
        return real(n, m, k, random_fraction) // 40
    return delay_ms
schedule.delay_ms = _faster(schedule.delay_ms)
"""
# What the lab notes of a CPE whose connection was cut, or that was told other ids and requests.
OF_OUR_OWN_MAKING = {"CWMP-01", "CWMP-06", "CWMP-13", "CWMP-21"}
# Whoever gets no answer on a kept connection may ask again on a new one: the session survives.
ASKED_AGAIN = {"closed", "reset", "cut-request-1", "cut-request-30", "cut-request-500"}
TAKEN = acs_hostile.HARMLESS | acs_hostile.TOLERATED


Faults = dict[str, Callable[[int], "Misbehaviour | Cut"]]


class Cut:
    """The connection is reset in the middle of the CPE's own message."""

    name = "cut-request"

    def __init__(self, rig: Rig, step: int, after: int) -> None:
        self.step, self.after = step, after
        self.cut = rig.acs.cut_request
        if step == 1:
            self.cut(after)

    def __call__(self, incoming: Incoming) -> None:
        if incoming.index == self.step - 1:
            self.step = 0  # once
            self.cut(self.after)


class Ledger:
    """What was written and what the CPE acknowledged."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.sent = 0
        self.values = self.attributes = 0  # highest number acknowledged

    def calls(self) -> list["asyncio.Future[object]"]:
        """Queue the writes of one session, and a read."""
        self.sent += 1
        number = self.sent
        values = rpc.set_values({INTERVAL: 86400 + number}, f"key-{number}")
        attributes = rpc.set_attributes({NAME: 1}, [f"entity-{number}"])
        wanted: list[tuple[Rpc, str]] = [(values, "values"), (attributes, "attributes")]
        futures = []
        for call, kind in wanted:
            future = self.rig.cpe.queue(call)
            future.add_done_callback(partial(self._answered, kind, number))
            futures.append(future)
        futures.append(self.rig.cpe.queue(rpc.get_values(INTERVAL, KEY)))
        return futures

    def _answered(self, kind: str, number: int, done: "asyncio.Future[object]") -> None:
        if not done.cancelled() and done.exception() is None:
            setattr(self, kind, number)

    async def check(self) -> None:
        """In the next session: what is there was acknowledged, or sent after that; and whole."""
        values, attributes = await self.rig.call(
            rpc.get_values(INTERVAL, KEY), rpc.get_attributes(NAME)
        )
        number = int(values[INTERVAL]) - 86400
        assert self.values <= number <= self.sent and values[KEY] == f"key-{number}"
        level, entities = attributes[NAME]
        assert level == 1
        assert self.attributes <= int(entities[0].partition("-")[2]) <= self.sent


def intact(session: Session) -> bool:
    """Whether the CPE must have read the InformResponse of a session."""
    found = next((line for line in session.log[1:] if line.startswith("<")), "")
    said, _, fault = found.partition(" (")
    usual = said in ("< InformResponse", "< raw")
    return usual and fault.rstrip(")") in {"", *(one.name for one in TAKEN.values())}


async def one_cell(rig: Rig, ledger: Ledger, name: str, step: int, fault: Misbehaviour | Cut):
    """One session with the fault, and what comes after it."""
    number = ledger.sent + 1
    code = f"code-{number}"
    first = len(rig.cpe.sessions)
    at = rig.board.target.log_position()
    futures = ledger.calls()
    rig.acs.script.clear()
    rig.acs.script.decide = None
    if isinstance(fault, Cut):
        rig.acs.script.decide = fault
    else:
        rig.acs.script.on(fault, message=step)
    await rig.command(f"set {CODE} {code}")
    done = re.compile(r"^I \d+ session: done", re.MULTILINE)
    await rig.until(lambda: done.search(rig.board.target.said(at)), f"end of {name} at {step}", 15)
    await rig.until(lambda: rig.cpe.session is None, "end of the session at the ACS")
    for future in futures:
        future.cancel()
    said = rig.board.target.said(at)
    where = f"{name} at step {step}\n{said}"
    # One line for a failure, and nothing worse than a warning.
    failures = re.findall(r"^W \d+ session: failed reason=.*", said, re.MULTILINE)
    assert len(failures) <= 1, where
    assert not re.search(r"^E |Traceback|internal", said, re.MULTILINE), where
    if name in TAKEN:
        assert not failures, where
    elif name not in ASKED_AGAIN:
        assert len(failures) == 1, where
    # The event: in each Inform until the ACS has answered one, and in none after that.
    informs = [inform for inform in rig.cpe.informs if inform.session > first]
    carried = [
        inform.session
        for inform in informs
        if inform.parameters.get(CODE) == code and CHANGE in inform.codes
    ]
    sessions = rig.cpe.sessions[first:]
    told = [session.number for session in sessions if intact(session)]
    assert carried == [session.number for session in sessions[: len(carried)]], where
    assert carried and carried[-1] == told[0], (where, carried, told)
    assert informs[-1].retry_count == len(failures), where
    assert sessions[-1].ok, where


async def all_cells(rig: Rig, faults: Faults, steps: tuple[int, ...] = STEPS) -> None:
    boot_first(rig.board, FASTER)
    await rig.ready()
    ledger = Ledger(rig)
    ledger.calls()
    assert (await rig.wake()).ok
    await rig.idle()
    used = 0
    for step in steps:
        for name, make in faults.items():
            await one_cell(rig, ledger, name, step, make(step))
        rig.acs.script.clear()
        rig.acs.script.decide = None
        await ledger.check()
        await rig.idle()
        if step == steps[0] and len(steps) > 1:  # by now all is loaded that any of them needs
            used = await heap(rig)
    assert not used or await heap(rig) - used < GROWTH
    assert ledger.values and ledger.attributes
    assert await rig.command("events") == []
    found = {violation.rule for violation in rig.acs.violations}
    assert found <= OF_OUR_OWN_MAKING, rig.acs.violations
    rig.acs.violations.clear()


def plain(faults: dict[str, Misbehaviour]) -> Faults:
    return {name: lambda step, fault=fault: fault for name, fault in faults.items()}


async def test_cwmp_08_b18_every_break_at_every_step(make_rig: MakeRig):
    rig = await make_rig(site={"log": {"level": "I"}})
    faults = plain(acs_hostile.BROKEN)
    for after in (1, 30, 500):
        faults[f"cut-request-{after}"] = lambda step, after=after: Cut(rig, step, after)
    await all_cells(rig, faults)


async def test_cwmp_02_03_11_13_16_what_is_unusual_is_taken_at_every_step(make_rig: MakeRig):
    rig = await make_rig(site={"log": {"level": "I"}})
    await all_cells(rig, plain(TAKEN))


@pytest.mark.parametrize("part", range(4))
async def test_cwmp_03_08_09_16_b18_extremes(make_rig: MakeRig, part: int):
    """Each in place of the InformResponse and at one other step; `soak` has all."""
    rig = await make_rig(site={"log": {"level": "I"}})
    names = list(acs_hostile.FATAL)[part::4]
    await all_cells(
        rig, plain({name: acs_hostile.FATAL[name] for name in names}), (1, STEPS[part + 1])
    )


@pytest.mark.soak
async def test_soak_cwmp_03_08_09_16_b18_extremes_at_every_step(make_rig: MakeRig):
    rig = await make_rig(site={"log": {"level": "I"}})
    await all_cells(rig, plain(acs_hostile.FATAL))


async def test_cwmp_02_08_silence_at_every_step(make_rig: MakeRig):
    """Side by side: each waits a second for its answer."""
    over = asyncio.Event()

    async def at(step: int) -> None:
        rig = await make_rig(site={"acs": {"timeout_s": 1}, "log": {"level": "I"}})
        await all_cells(rig, plain({"silence": acs_hostile.silent(over)}), (step,))

    async with asyncio.TaskGroup() as group:
        for step in STEPS:
            group.create_task(at(step))
    over.set()
