"""Power that fails at any moment: nothing that was acknowledged is lost (B26, UCR-24, CWMP-63)."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from host_tools.lab import rpc
from host_tools.lab.cpe import Inform
from host_tools.lab.ring import Ring
from tests.conformance.patched import boot_as_usual, boot_first
from tests.conformance.rig import CHANGE, INFO, MS, RING, MakeRig, Rig
from tests.conformance.test_requests import Sender

pytestmark = pytest.mark.capability("power_cut")

CODE = INFO + "ProvisioningCode"
NAME = INFO + "Description"
KEY = MS + "ParameterKey"
INTERVAL = MS + "PeriodicInformInterval"


def was_answered(future: "asyncio.Future[Any]") -> bool:
    """Whether that RPC has its response."""
    return future.done() and not future.cancelled() and future.exception() is None


class Ledger:
    """What was sent to the CPE and what it has acknowledged, as counting numbers."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = {"value": 0, "attribute": 0}

    def calls(self, rig: Rig, count: int) -> list["asyncio.Future[object]"]:
        """Queue that many writes, each kind in turn; they note by themselves what comes back."""
        futures = []
        for _ in range(count):
            self.sent += 1
            kind = "value" if self.sent % 2 else "attribute"
            call = (
                rpc.set_values({CODE: str(self.sent)}, f"key-{self.sent}")
                if kind == "value"
                else rpc.set_attributes({NAME: 1}, [f"entity-{self.sent}"])
            )
            future = rig.cpe.queue(call)
            future.add_done_callback(
                lambda done, kind=kind, number=self.sent: self.answered(done, kind, number)
            )
            futures.append(future)
        return futures

    def answered(self, done: "asyncio.Future[object]", kind: str, number: int) -> None:
        if was_answered(done):
            self.acknowledged[kind] = number

    async def check(self, rig: Rig) -> None:
        """What the CPE has now is what it acknowledged last, or something sent after that."""
        asked = self.ask(rig)
        await rig.wake()
        await asyncio.wait(asked.futures)
        assert asked.compare()

    def ask(self, rig: Rig) -> "Asked":
        """Queue the question what the CPE has."""
        calls = (rpc.get_values(CODE, KEY), rpc.get_attributes(NAME))
        return Asked([rig.cpe.queue(call) for call in calls], dict(self.acknowledged), self.sent)


class Asked:
    """What a CPE was asked to show, and what may be seen: between what it had acknowledged and
    what had been sent when that was asked.
    """

    def __init__(
        self, futures: list["asyncio.Future[Any]"], least: dict[str, int], most: int
    ) -> None:
        self.futures = futures
        self._least = least
        self._most = most

    def compare(self) -> bool:
        """False: the power went before it had answered."""
        if not all(was_answered(future) for future in self.futures):
            return False
        values, attributes = (future.result() for future in self.futures)
        number = int(values[CODE] or "0")
        assert self._least["value"] <= number <= self._most
        # Value and ParameterKey belong together, whatever was cut.
        assert values[KEY] == (f"key-{number}" if number else "")
        level, (entity,) = attributes[NAME]
        number = int(entity.partition("-")[2]) if entity.startswith("entity-") else 0
        assert self._least["attribute"] <= number <= self._most
        assert level == (1 if number else 0)
        return True


async def cut_after(
    rig: Rig, delay: float, futures: Sequence["asyncio.Future[object]"], seen: int
) -> Inform:
    """Take the power after `delay` s and give it back; the first Inform of the boot, its session
    over. Nobody waits for `futures` any more; `seen`: how many Informs came before.
    """
    await asyncio.sleep(delay)
    await rig.power_cut()
    for future in futures:
        future.cancel()
    inform = await rig.cpe.wait_inform("1 BOOT", seen)
    await rig.cpe.wait_session_end(inform.session)
    return inform


async def cut_at(rig: Rig, ledger: Ledger, delay: float) -> None:
    """Write in one session, take the power `delay` s after the ring, look at what is there."""
    seen = len(rig.cpe.informs)
    kept: Ring = await rig.ring()
    await kept.session()
    await rig.saved()
    futures = ledger.calls(rig, 6)
    await rig.ring()
    inform = await cut_after(rig, delay, futures, seen)
    assert RING not in inform.codes and "0 BOOTSTRAP" not in inform.codes
    await rig.idle()
    send = Sender(rig)
    assert "accepted" not in await send(kept.datagram)
    await ledger.check(rig)
    await rig.idle()


async def cut_with_event(rig: Rig, ledger: Ledger, number: int, delay: float) -> bool:
    """A change on the device opens a session with writes; the power goes `delay` s after the
    console has acknowledged it. True: the ACS got to know of it only after the boot.
    """
    value = str(86400 + number)
    seen, first = len(rig.cpe.informs), len(rig.cpe.sessions)
    futures = ledger.calls(rig, 4)
    await rig.set("PeriodicInformInterval", value)
    boot = await cut_after(rig, delay, futures, seen)
    await rig.idle()
    answered = {
        session.number for session in rig.cpe.sessions[first:] if "< InformResponse" in session.log
    }
    told = [
        inform.session
        for inform in rig.cpe.informs[seen:]
        if CHANGE in inform.codes and inform.parameters.get(INTERVAL) == value
    ]
    # Told, and in no session after one whose answer the CPE lived to read.
    assert answered & set(told), f"change {number} was lost; {rig.board.said()[-2000:]}"
    assert told[-1] <= boot.session and await rig.get(INTERVAL) == value
    await ledger.check(rig)
    await rig.idle()
    return told[-1] == boot.session


async def notified(rig: Rig) -> None:
    await rig.ask(rpc.set_attributes({INTERVAL: 2}))
    await rig.idle()


async def test_b18_b26_power_cut_loses_no_acknowledged_event(rig: Rig):
    drawn = random.Random(5)
    await notified(rig)
    ledger = Ledger()
    for number in range(8):
        await cut_with_event(rig, ledger, number, drawn.uniform(0, 0.03) if number else 0)
    assert "store: lost" not in rig.board.said() and "damaged" not in rig.board.said()


@pytest.mark.capability("filesystem")
async def test_b18_b26_what_the_console_acknowledged_is_owed_at_once(make_rig: MakeRig):
    """Nobody but the command itself gets to put the change on flash."""
    rig = await make_rig()
    boot_first(
        rig.board,
        "from cwmp.runtime.agent import Agent\nAgent._housekeeping = lambda self, now: None\n",
    )
    await rig.ready()
    await notified(rig)
    await rig.ask(rpc.set_values({MS + "DefaultActiveNotificationThrottle": 3600}))
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.set("PeriodicInformInterval", 4711)
    await rig.power_cut(lambda: boot_as_usual(rig.board))
    inform = await rig.informed("1 BOOT", seen)
    assert CHANGE in inform.codes and inform.parameters[INTERVAL] == "4711"
    await rig.idle()


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_b18_b26_power_cut_soak_with_events(make_rig: MakeRig):
    drawn = random.Random()
    rig = await (await make_rig(site={"log": {"level": "I"}})).ready()
    await notified(rig)
    ledger = Ledger()
    late = 0
    for number in range(1000):
        delay = drawn.uniform(0, 0.04)
        try:
            late += await cut_with_event(rig, ledger, number, delay)
        except BaseException:
            print(f"cut {number} after {delay * 1000:.3f} ms")
            raise
    assert 0 < late < 1000  # both sides of the InformResponse were met


@pytest.mark.parametrize("seed", [1, 2])
async def test_b26_power_cut_at_random_moments_loses_nothing_acknowledged(rig: Rig, seed):
    drawn = random.Random(seed)
    ledger = Ledger()
    for _ in range(5):
        await cut_at(rig, ledger, drawn.uniform(0, 0.06))
    assert "store: lost" not in rig.board.said() and "damaged" not in rig.board.said()
    assert max(ledger.acknowledged.values()) > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_b26_power_cut_soak(make_rig: MakeRig):
    drawn = random.Random()
    rig = await (await make_rig(site={"log": {"level": "I"}})).ready()
    ledger = Ledger()
    for number in range(1000):
        delay = drawn.uniform(0, 0.08)
        try:
            await cut_at(rig, ledger, delay)
        except BaseException:
            print(f"cut {number} after {delay * 1000:.3f} ms")
            raise
    assert "store: lost" not in rig.board.said()


async def test_b18_b26_power_cut_in_the_first_session_bootstraps_again(make_rig: MakeRig):
    drawn = random.Random(3)
    for _ in range(3):
        rig = await make_rig()
        await rig.start()
        await asyncio.sleep(drawn.uniform(0, 0.03))
        await rig.power_cut()
        cpe = await rig.acs.wait_cpe()
        await rig.ready()
        accepted = [session for session in cpe.sessions if "< InformResponse" in session.log]
        assert accepted[0].ok in (True, False)
        assert "0 BOOTSTRAP" in cpe.informs[0].codes
        assert (await rig.wake()).ok
