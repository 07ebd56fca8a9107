"""The clock from an NTP server; a clock never set stops nothing."""

import json
import time
from pathlib import Path

import pytest

from host_tools.lab import rpc
from host_tools.lab.certificates import Certificates
from host_tools.lab.ntp import NtpServer
from tests.conformance.patched import boot_first
from tests.conformance.rig import MakeRig, Rig
from tests.conformance.test_tls import over_tls

# Changes files on the flash while the board is off.
pytestmark = pytest.mark.capability("filesystem")

SOON = "from cwmp.runtime import clock\nclock._RETRY = 0.05\n"


async def board_without_clock(make_rig: MakeRig, server: str) -> Rig:
    rig = await make_rig(site={"time": {"ntp_server": server}})
    without_clock(rig.board.flash)
    boot_first(rig.board, SOON)
    return rig


def without_clock(flash: Path) -> None:
    """Make the board one whose clock was never set, as an ESP32 after power-up."""
    board = {"name": "unix", "network": {"driver": "host"}, "clock": False}
    (flash / "board.json").write_text(json.dumps(board))


def named(server: NtpServer) -> str:
    return "{}:{}".format(*server.address)


async def test_a_clock_never_set_stops_nothing(make_rig: MakeRig):
    rig = await board_without_clock(make_rig, "")
    await rig.ready()
    assert (await rig.wake()).ok
    assert "time:" not in rig.board.said()


async def test_the_clock_is_set_by_ntp_and_the_inform_says_so(make_rig: MakeRig):
    async with NtpServer(clock=lambda: 2_000_000_000.4) as server:
        rig = await board_without_clock(make_rig, named(server))
        await rig.ready()
        await rig.board.seen(r"^I \d+ time: set unix=200000000\d off_s=never-set")
        await rig.wake()
        assert rig.cpe.informs[-1].current_time.startswith("2033-05-18T03:33:2")


async def test_the_era_that_begins_in_2036(make_rig: MakeRig):
    async with NtpServer(clock=lambda: 2_100_000_000.0) as server:
        rig = await board_without_clock(make_rig, named(server))
        await rig.start()
        await rig.board.seen(r"time: set unix=2100000000 ")


async def test_a_clock_that_runs_already_is_corrected(make_rig: MakeRig):
    async with NtpServer(clock=lambda: time.time() + 1000) as server:
        rig = await make_rig(site={"time": {"ntp_server": named(server)}})
        await rig.start()
        found = await rig.board.seen(r"time: set unix=\d+ off_s=(\d+)")
        assert 990 <= int(found[1]) <= 1010


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"leap": 3}, "server not synchronised"),
        ({"stratum": 0}, "server not synchronised"),
        ({"stratum": 16}, "server not synchronised"),
        ({"change": lambda answer: answer[:40] + bytes(8)}, "server sends no time"),
    ],
    ids=["leap", "kiss", "unsynchronised", "zero"],
)
async def test_what_no_server_may_say_is_refused_and_asked_again(make_rig, wrong, reason):
    async with NtpServer(**wrong) as server:
        rig = await board_without_clock(make_rig, named(server))
        await rig.start()
        await rig.board.seen(rf'^W \d+ time: no-answer server=\S+ reason="{reason}" retry_s=')
        server.leap, server.stratum, server.change = 0, 2, None
        await rig.board.seen(r"^I \d+ time: set unix=")
        assert server.asked > 1


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer[:24] + bytes(8) + answer[32:],
        lambda answer: answer[:47],
        lambda answer: bytes((answer[0] & 0xF8 | 5,)) + answer[1:],
        lambda answer: b"",
    ],
    ids=["not-our-question", "short", "mode", "silence"],
)
async def test_what_is_no_answer_to_us_is_not_taken(make_rig, change):
    async with NtpServer(change=change) as server:
        rig = await board_without_clock(make_rig, named(server))
        await rig.ready()  # nobody waits for the clock
        await rig.board.seen(r'time: no-answer server=\S+ reason="timeout"')
        assert "time: set" not in rig.board.said()


async def test_a_server_whose_name_leads_nowhere(make_rig: MakeRig):
    rig = await board_without_clock(make_rig, "ntp.invalid")
    await rig.ready()
    await rig.board.seen(r'time: no-answer server=ntp.invalid reason="[^"]*cannot resolve')


async def test_tls_the_first_session_waits_for_the_clock(make_rig: MakeRig, tmp_path: Path):
    async with NtpServer(change=lambda answer: b"") as server:
        rig = await over_tls(make_rig, Certificates(tmp_path))
        rig.board.configure({**rig.site, "time": {"ntp_server": named(server)}})
        without_clock(rig.board.flash)
        boot_first(rig.board, SOON)
        await rig.start()
        await rig.board.seen(r"time: no-answer")
        assert rig.acs.cpes == {}
        server.change = None
        await rig.ready(20)
        assert (await rig.wake()).ok
        assert "session: failed" not in rig.board.said()


async def test_tls_waits_for_the_clock(make_rig: MakeRig, tmp_path: Path):
    certificates = Certificates(tmp_path)
    async with NtpServer(leap=3) as server:
        rig = await over_tls(make_rig, certificates)
        section = {"time": {"ntp_server": named(server)}}
        rig.board.configure({**rig.site, **section})
        without_clock(rig.board.flash)
        boot_first(
            rig.board, SOON + "from cwmp.runtime import session_start as s\ns.CLOCK_WAIT=300"
        )
        await rig.start()
        await rig.board.seen(r'session: failed reason="tls clock not set: .*set time.ntp_server"')
        assert rig.acs.cpes == {}
        server.leap = 0
        await rig.acs.wait_cpe(20)


TIME = "Device.Time."


async def test_dm_03_an_acs_reads_the_clock_and_names_another_server(make_rig: MakeRig):
    async with NtpServer(clock=lambda: 2_000_000_000.4) as first, NtpServer() as second:
        rig = await board_without_clock(make_rig, named(first))
        await rig.ready()
        await rig.board.seen("time: set unix=2000000000 off_s=never-set")
        before, status = await rig.call(
            rpc.get_values(TIME), rpc.set_values({TIME + "NTPServer1": named(second)})
        )
        assert before[TIME + "Status"] == "Synchronized" and status == 0
        assert before[TIME + "CurrentLocalTime"].startswith("2033-05-18T03:33:2")
        assert before[TIME + "NTPServer1"] == named(first)
        await rig.board.seen("time: set unix=1[0-9]+ off_s=-[0-9]+")
        await rig.idle()
        await rig.power_cut()  # the server is kept
        await rig.board.seen("time: set unix=1[0-9]+ off_s=never-set")
        await rig.ready()
        await rig.ask(rpc.set_values({TIME + "Enable": False}))
        assert (await rig.ask(rpc.get_values(TIME + "Status"))) == {TIME + "Status": "Disabled"}


async def test_dm_03_no_time_without_a_server(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    assert TIME not in await rig.ask(rpc.get_names("Device.", True))
