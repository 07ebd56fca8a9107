"""A running CPE at whose primary port anything arrives: it is read, and nothing comes of it."""

import asyncio
import re
import socket
import time

import pytest

from host_tools.lab import udp_request
from host_tools.lab.stun_exchange import Request
from host_tools.lab.stun_faults import Silence
from tests.conformance.hostile import Stranger, counted, requests, stun_answers
from tests.conformance.rig import MakeRig, Rig, spaced
from tests.host.mutations import Xorshift

QUIET = {"log": {"level": "I"}}  # as boards leave the factory
GROWTH = (
    1024  # bytes of heap that may come and go: lines kept for `log`, and what the stack hints at
)
KINDS = 9  # of dropped datagrams, each with one line in ten seconds


async def heap(rig: Rig) -> int:
    (line,) = await rig.command("heap")
    found = re.fullmatch(r"heap      used=(\d+) free=\d+ after a collection", line)
    assert found, line
    return int(found[1])


class Hold:
    """Keeps STUN requests unanswered while `on`, so that their ids are good for forged answers."""

    def __init__(self, rig: Rig) -> None:
        self.on = True
        self.tid = b""
        self._since = 0.0
        rig.stun.faults.add(Silence(when=self._hold))

    def _hold(self, request: Request) -> bool:
        assert request.message is not None
        if request.message.transaction_id != self.tid:
            self.tid, self._since = request.message.transaction_id, time.monotonic()
        return self.on

    @property
    def outstanding(self) -> bytes:
        """The id of a request that still waits for its answer, b"" when there is none."""
        # A transaction lives for 9.5 s; a late retransmission is to be answered in peace.
        return self.tid if self.on and time.monotonic() - self._since < 6 else b""


async def attack(rig: Rig, rng: Xorshift, count: int) -> int:
    """Send `count` damaged Connection Requests and as many damaged STUN answers; return both."""
    stranger, hold = Stranger(rig), Hold(rig)
    who = rig.cpe.connection_request
    assert who is not None
    forged = requests(rng, who, rig.port)
    requested = answered = 0
    tid, answers = b"", stun_answers(rng, bytes(16))
    try:
        while requested < count or answered < count:
            if hold.outstanding != tid:
                tid = hold.outstanding
                answers = stun_answers(rng, tid or bytes(16))
            if tid and answered < count:
                await stranger.send(next(answers))
                answered += 1
            elif hold.tid and not tid:
                # This request had enough; it is answered, and the next one held again.
                hold.on = False
                await asyncio.sleep(0.05)
                hold.on = rig.stun.log[-1].outcome == "success"
            if requested < count:
                await stranger.send(next(forged))
                requested += 1
            elif not tid:
                await asyncio.sleep(0.01)
        await stranger.read()
    finally:
        hold.on = False
        stranger.close()
    return stranger.sent


async def survives(rig: Rig, seed: int, count: int) -> None:
    rng = Xorshift(seed)
    cpe = rig.cpe
    warm = await attack(rig, rng, 200)  # what is loaded or grows once has done so
    before, used = counted(await rig.idle()), await heap(rig)
    sessions, binding = len(cpe.sessions), rig.stun.log[-1].number
    at, start = rig.board.target.log_position(), time.monotonic()
    sent = await attack(rig, rng, count)
    took = time.monotonic() - start
    # Every one of them was read, none of them meant anything, and none is still held in memory.
    status = await rig.idle(timeout=20)
    assert counted(status) - before == sent == 2 * count and warm == 400
    assert len(cpe.sessions) == sessions and "accepted" not in "\n".join(status)
    assert await heap(rig) - used < GROWTH
    said = rig.board.target.said(at)
    assert not re.search("Traceback|Error|^E ", said, re.MULTILINE), said
    lines = re.findall(r"^\w \d+ cr: ", said, re.MULTILINE)
    assert len(lines) <= KINDS * (took / 10 + 2), said
    # The binding is alive, and who really rings is heard.
    await rig.stun.wait_request(lambda request: request.outcome == "success", 20, binding)
    assert "wake      ready" in "\n".join(await rig.idle(timeout=20))
    session = await rig.wake()
    assert session.ok and len(cpe.sessions) == sessions + 1


@pytest.mark.capability("loopback")
async def test_b6_b11_b13_damaged_datagrams_leave_no_trace(make_rig: MakeRig):
    await survives(await (await make_rig(site=QUIET)).ready(), seed=1, count=2000)


@pytest.mark.soak
@pytest.mark.capability("loopback")
async def test_soak_b6_b11_b13_a_hundred_thousand_of_them(make_rig: MakeRig):
    await survives(await (await make_rig(site=QUIET)).ready(), seed=2, count=50_000)


async def test_b3_ucr_33_a_genuine_ring_among_forged_ones_is_answered(make_rig: MakeRig):
    """They have the right un, a ts far ahead, and come all the time; only the key is wrong."""
    rig = await (await make_rig(site=QUIET)).ready()
    who = rig.cpe.connection_request
    assert who is not None
    sent = 0

    async def forge() -> None:
        nonlocal sent
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            while True:
                ts = 4102444800000 + sent  # the year 2100
                datagram = udp_request.build(
                    who.username, "another key", rig.address, rig.port, ts, sent, "cafe"
                )
                stranger.sendto(datagram, (rig.address, rig.port))
                sent += 1
                # No faster than a slow target's line and mailbox carry, the ring beside it.
                await asyncio.sleep(0.002 * rig.board.target.pace**2)

    forger = asyncio.create_task(forge())
    sessions = len(rig.cpe.sessions)
    try:
        for number in range(1, 6):
            before = sent
            await rig.until(lambda before=before: sent >= before + 40, "forged datagrams")
            session = await rig.wake()
            assert session.ok and session.number == sessions + number
    finally:
        forger.cancel()
    status = "\n".join(await rig.idle())
    found = re.search(r"requests  accepted=5 .*bad-signature=(\d+)", status)
    assert found and int(found[1]) >= 200, status
    assert (await rig.wake()).ok
    # One line for all of them in ten seconds.
    assert spaced(re.findall(r"^W \d+ cr: dropped reason=bad-signature", rig.board.said(), re.M))
