"""Power that fails while transfers are queued, under way or reported: whatever was acknowledged is
done and reported, and what was reported is not reported again (B26, CWMP-40, CWMP-64).
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from host_tools.lab import rpc
from host_tools.lab.files import FileServer
from host_tools.lab.rpc import FIRMWARE, UPLOAD_LOG
from tests.conformance.rig import MakeRig, Rig
from tests.conformance.test_power_cut import Ledger, cut_with_event, notified

pytestmark = pytest.mark.capability("power_cut", "filesystem")


@pytest.fixture
async def files(bench) -> AsyncIterator[FileServer]:
    async with FileServer(bench.host_address) as server:
        server.offer("file", b"no bundle\n")
        yield server


class TransferLedger:
    """What was asked of the CPE, by CommandKey, and how far it is known to have come."""

    def __init__(self, files: FileServer) -> None:
        self.files = files
        self.sent = 0
        self.acknowledged: set[str] = set()
        self.answers = Counter[str]()  # TransferCompleteResponses and InformResponses, by key

    def calls(self, rig: Rig) -> list["asyncio.Future[object]"]:
        """Queue one of each kind."""
        self.sent += 1
        calls = {
            f"d{self.sent}": rpc.download(self.files.url("file"), FIRMWARE, f"d{self.sent}"),
            f"u{self.sent}": rpc.upload(self.files.url("log"), UPLOAD_LOG, f"u{self.sent}"),
            f"i{self.sent}": rpc.schedule_inform(1, f"i{self.sent}"),
        }
        futures = []
        for key, call in calls.items():
            future = rig.cpe.queue(call)
            future.add_done_callback(lambda done, key=key: self.answered(done, key))
            futures.append(future)
        return futures

    def answered(self, done: "asyncio.Future[object]", key: str) -> None:
        if not done.cancelled() and done.exception() is None:
            self.acknowledged.add(key)

    def told(self, rig: Rig) -> Counter[str]:
        """How often each key was reported in a session that came to its end: with that the CPE has
        read that the report arrived.
        """
        ended = {session.number for session in rig.cpe.sessions if session.ok}
        found = Counter(one.key for one in rig.cpe.transfers if one.session in ended)
        found.update(
            event.command_key
            for inform in rig.cpe.informs
            for event in inform.events
            if event.code == "M ScheduleInform" and inform.session in ended
        )
        return found

    async def check(self, rig: Rig) -> None:
        """All that was acknowledged is reported, in the end once."""
        await rig.until(
            lambda: self.acknowledged <= set(self.told(rig)),
            f"report of {self.acknowledged - set(self.told(rig))}",
            20,
        )
        told = self.told(rig)
        assert set(told.values()) <= {1}, told
        # Each with its own result: nothing of one job is found in another.
        codes = {one.key: (one.code, one.text) for one in rig.cpe.transfers}
        for key, result in codes.items():
            wanted = (0, "") if key[0] == "u" else (9018, codes[key][1])
            assert result == wanted, (key, result)


async def cut_with_transfers(
    rig: Rig, ledger: TransferLedger, values: Ledger, number: int, delay: float
) -> None:
    """`cut_with_event`, in a session that also queues a transfer of each kind."""
    futures = ledger.calls(rig)
    await cut_with_event(rig, values, number, delay)
    for future in futures:
        future.cancel()
    await rig.idle()
    await ledger.check(rig)
    await rig.idle()


async def cuts(rig: Rig, files: FileServer, count: int, drawn: random.Random) -> TransferLedger:
    await notified(rig)
    ledger, values = TransferLedger(files), Ledger()
    for number in range(count):
        delay = drawn.uniform(0, 0.25)
        try:
            await cut_with_transfers(rig, ledger, values, number, delay)
        except BaseException:
            print(f"cut {number} after {delay * 1000:.3f} ms")
            raise
    assert not list((rig.board.flash / "state").glob("jobs.*"))
    assert "store: lost" not in rig.board.said() and "internal" not in rig.board.said()
    return ledger


async def test_b26_cwmp_40_64_power_cuts_lose_no_acknowledged_transfer(
    rig: Rig, files: FileServer
):
    await cuts(rig, files, 3, random.Random(7))


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_b26_cwmp_40_64_power_cut_soak_with_transfers(make_rig: MakeRig, files: FileServer):
    rig = await (await make_rig(site={"log": {"level": "I"}})).ready()
    ledger = await cuts(rig, files, 200, random.Random())
    print(f"{len(ledger.acknowledged)} of {3 * ledger.sent} acknowledged")
    assert 0 < len(ledger.acknowledged)
