"""What happens to boards in the field: reset in a session, power cut, network lost, no clock."""

import asyncio
import random
import time

import pytest

from host_tools.lab import acs_faults, rpc
from tests.conformance.rig import MakeRig, Rig
from tests.conformance.test_power_cut import CODE, Ledger, cut_at

UNKNOWN_TIME = "0001-01-01T00:00:00Z"


async def test_reset_in_mid_session_and_the_events_come_again(rig: Rig):
    never = asyncio.Event()
    seen = len(rig.cpe.informs)
    rig.acs.script.on(acs_faults.wait_for(never), method="")
    ring = await rig.ring()
    await ring.woken()
    assert rig.cpe.session is not None
    await asyncio.to_thread(rig.board.reset)
    rig.acs.script.clear()
    inform = await rig.informed("1 BOOT", seen)
    assert "0 BOOTSTRAP" not in inform.codes
    await rig.ready()
    assert (await rig.wake()).ok


async def session_s(rig: Rig, ledger: Ledger) -> float:
    """How long a session of the kind that is cut takes here."""
    started = time.monotonic()
    futures = ledger.calls(rig, 6)
    await rig.wake()
    await asyncio.gather(*futures)
    return time.monotonic() - started


async def cut_often(rig: Rig, count: int, drawn: random.Random) -> None:
    """The power goes at any moment of a session, and of the boot after it."""
    ledger = Ledger()
    whole = await session_s(rig, ledger)
    await rig.idle()
    await ledger.check(rig)
    await rig.idle()
    for number in range(count):
        delay = drawn.uniform(0, whole)
        try:
            await cut_at(rig, ledger, delay)
            if number % 2:
                await rig.power_cut()
                await asyncio.sleep(drawn.uniform(0, whole))
                seen = len(rig.cpe.informs)  # the first boot may have come as far as its own
                await rig.power_cut()
                await rig.informed("1 BOOT", seen)
                await rig.ready()
                await ledger.check(rig)
                await rig.idle()
        except BaseException:
            print(f"cut {number} after {delay * 1000:.3f} ms")
            raise
    assert "store: lost" not in rig.board.said() and "damaged" not in rig.board.said()


@pytest.mark.capability("power_cut")
@pytest.mark.timeout(120)
async def test_b26_five_power_cuts_at_any_moment(rig: Rig):
    await cut_often(rig, 5, random.Random(5))


@pytest.mark.soak
@pytest.mark.capability("power_cut")
@pytest.mark.timeout(7200)
async def test_soak_b26_a_hundred_power_cuts_at_any_moment(make_rig: MakeRig):
    rig = await (await make_rig(site={"log": {"level": "I"}})).ready()
    await cut_often(rig, 100, random.Random())


@pytest.mark.capability("link")
async def test_link_lost_and_back(rig: Rig):
    await asyncio.to_thread(rig.board.target.link, False)
    await rig.board.seen(r"^W \d+ net: lost")
    since = rig.stun.received
    await asyncio.to_thread(rig.board.target.link, True)
    await rig.board.seen(r"^I \d+ net: up address=", 60)
    await rig.stun.wait_request(since=since, timeout=60)
    await rig.idle()
    assert (await rig.wake()).ok


@pytest.mark.capability("unset_clock")
async def test_b19_a_clock_that_was_never_set_keeps_nobody_out(rig: Rig):
    assert {inform.current_time for inform in rig.cpe.informs} == {UNKNOWN_TIME}
    assert (await rig.wake()).ok
    assert await rig.ask(rpc.set_values({CODE: "set without a clock"})) == 0
    assert rig.cpe.informs[-1].current_time == UNKNOWN_TIME
