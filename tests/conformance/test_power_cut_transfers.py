"""Power that fails while transfers are queued, under way or reported: whatever was acknowledged is
done and reported, and what was reported is not reported again (B26, CWMP-40, CWMP-64).
"""

import asyncio
import random
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

    def reports(self, rig: Rig) -> dict[str, list[bool]]:
        """By key, each report that the ACS answered, in order. True: the CPE has read the answer,
        since it went on after it.
        """
        found: dict[str, list[bool]] = {}
        for session in rig.cpe.sessions:
            keys = iter([one.key for one in rig.cpe.transfers if one.session == session.number])
            informs = iter([one for one in rig.cpe.informs if one.session == session.number])
            for at, line in enumerate(session.log):
                listed: list[str] = []
                if line == "> TransferComplete":
                    listed = [next(keys)]
                elif line == "> Inform":
                    listed = [
                        event.command_key
                        for event in next(informs).events
                        if event.code == "M ScheduleInform"
                    ]
                after = session.log[at + 1 :]
                if after:
                    for key in listed:
                        read = bool(session.ok) or any(one.startswith(">") for one in after)
                        found.setdefault(key, []).append(read)
        return found

    async def check(self, rig: Rig) -> None:
        """All that was acknowledged is reported, and not again once the CPE knows that it is."""
        await rig.until(
            lambda: self.acknowledged <= set(self.reports(rig)),
            f"report of {self.acknowledged - set(self.reports(rig))}",
            20,
        )
        for key, read in self.reports(rig).items():
            assert True not in read[:-1], (key, read)
        # Each with its own result: nothing of one job is found in another.
        for one in rig.cpe.transfers:
            assert one.code == (0 if one.key[0] == "u" else 9018), one


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
        delay = drawn.uniform(0, 0.12)  # a session, and a transfer or two
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
    again = sum(len(read) > 1 for read in ledger.reports(rig).values())
    known = f"{len(ledger.acknowledged)} of {3 * ledger.sent} acknowledged"
    print(f"{known}, {len(ledger.reports(rig))} reported, {again} of them again")
    assert 0 < len(ledger.acknowledged) < 3 * ledger.sent  # cuts came before and after
