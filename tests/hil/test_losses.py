"""What happens to boards in the field: reset in a session, power cut, network lost, no clock."""

import asyncio
import random
import time

import pytest

from host_tools.lab import acs_faults, rpc
from tests.conformance.rig import MakeRig, Rig
from tests.conformance.test_power_cut import CODE, Ledger

UNKNOWN_TIME = "0001-01-01T00:00:00Z"
WRITES = 4  # in a session that is cut


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
    asked = ledger.ask(rig)
    writes = ledger.calls(rig, WRITES)
    woken = await rig.wake()
    await asyncio.wait((*asked.futures, *writes))
    assert asked.compare() and woken.ended_ns is not None
    return (woken.ended_ns - woken.started_ns) / 1e9


async def cut_often(rig: Rig, cuts: int, drawn: random.Random) -> int:
    """Take the power `cuts` times, at any moment of the first session of a boot or of the boot, in
    turn. Each session is to tell what the CPE has, and then to write; how many came to tell it.
    """
    ledger = Ledger()
    session = await session_s(rig, ledger)
    boot, told = 0.0, 0
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    for number in range(cuts):
        started = time.monotonic()
        asked = ledger.ask(rig)
        writes = ledger.calls(rig, WRITES)
        if number % 2:
            delay = drawn.uniform(0, boot)
        else:
            await rig.cpe.wait_inform("1 BOOT", seen)
            boot = time.monotonic() - started
            delay = drawn.uniform(0, session)
        print(f"cut {number} after {delay:.6f} s")  # shown when it fails
        await asyncio.sleep(delay)
        seen = len(rig.cpe.informs)
        await rig.power_cut()
        for future in (*asked.futures, *writes):
            future.cancel()
        told += asked.compare()
    await rig.informed("1 BOOT", seen)
    await rig.ready()
    await ledger.check(rig)
    codes = {code for inform in rig.cpe.informs[1:] for code in inform.codes}
    assert "1 BOOT" in codes and "0 BOOTSTRAP" not in codes
    assert "store: lost" not in rig.board.said() and "damaged" not in rig.board.said()
    return told


@pytest.mark.capability("power_cut")
@pytest.mark.timeout(120)
async def test_b26_five_power_cuts_at_any_moment(rig: Rig):
    await cut_often(rig, 5, random.Random(5))


@pytest.mark.soak
@pytest.mark.capability("power_cut")
@pytest.mark.timeout(7200)
async def test_soak_b26_a_hundred_power_cuts_at_any_moment(make_rig: MakeRig):
    rig = await (await make_rig(site={"log": {"level": "I"}})).ready()
    assert await cut_often(rig, 100, random.Random()) > 0


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
