"""What an accepted Connection Request causes: a session at once, folded, queued or limited."""

import asyncio
import socket

import pytest

from host_tools.lab import acs_faults, rpc
from host_tools.lab.ring import CONNECTION_REQUEST
from tests.conformance.patched import boot_first
from tests.conformance.rig import ADDRESS, CHANGE, INFO, MS, RING, MakeRig, Rig


async def effects(rig: Rig, count: int, effect: str) -> None:
    """Wait until the board has said that `count` requests had this effect."""
    async with rig.within(10):
        while rig.board.said().count(f"cr: accepted effect={effect}") < count:
            await asyncio.sleep(0.005)


def held(rig: Rig, **which) -> asyncio.Event:
    """The ACS keeps its next such answer back until the event is set."""
    event = asyncio.Event()
    rig.acs.script.on(acs_faults.wait_for(event), **which)
    return event


async def test_ucr_30_tcr_20_an_accepted_request_starts_a_session_at_once(rig: Rig):
    seen = len(rig.cpe.informs)
    session = await rig.wake()
    assert session.ok and [i.codes for i in rig.cpe.informs[seen:]] == [[CONNECTION_REQUEST]]
    status = "\n".join(await rig.idle())
    assert "accepted=1" in status


async def test_ucr_31_x5_from_any_source(rig: Rig):
    """A request that does not come from the STUN server passes where no NAT is in the way."""
    for source in [rig.host, "127.0.0.77"][: 2 if rig.can("loopback") else 1]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((source, 0))
            rig.acs.send_udp = stranger.sendto
            assert (await rig.wake()).ok
            await rig.idle()


async def test_ucr_32_b16_one_further_session_for_rings_during_a_session(rig: Rig):
    release = held(rig, method="")
    seen = len(rig.cpe.informs)
    ring = await rig.ring()
    await ring.woken()
    async with rig.within(5):
        while rig.cpe.session is None or rig.cpe.session.messages < 2:
            await asyncio.sleep(0.002)
    # Three different requests, three copies each; one by one, since a chip's network keeps six
    # datagrams.
    await rig.ring()
    await effects(rig, 1, "after")
    for folded in (1, 2):
        await rig.ring()
        await effects(rig, folded, "folded")
    assert len(rig.cpe.informs) == seen + 1  # the running one is never cut short
    release.set()
    await rig.informed(RING, seen + 1)
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING], [RING]]
    assert all(session.ok for session in rig.cpe.sessions)


async def test_ucr_32_b16_a_ring_during_another_session_is_followed_by_one_of_its_own(rig: Rig):
    release = held(rig, method="Inform")
    seen = len(rig.cpe.informs)
    await rig.command(f"set {INFO}ProvisioningCode other")  # active notification
    await rig.cpe.wait_inform(CHANGE, seen)
    await rig.ring()
    await effects(rig, 1, "after")
    release.set()
    await rig.informed(RING, seen)
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[CHANGE], [RING]]


async def test_ucr_34_rings_before_the_inform_response_fold_into_that_session(rig: Rig):
    release = held(rig, method="Inform")
    seen = len(rig.cpe.informs)
    await (await rig.ring()).woken()
    for folded in (1, 2):
        await rig.ring()
        await effects(rig, folded, "folded")
    release.set()
    await rig.cpe.wait_session_end()
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING]]


async def test_ucr_34_a_ring_after_the_inform_response_causes_exactly_one_more(rig: Rig):
    call = rig.cpe.queue(rpc.get_values(ADDRESS))
    release = held(rig, method="GetParameterValuesResponse")
    seen = len(rig.cpe.informs)
    await (await rig.ring()).woken()
    await call_sent(rig)
    await rig.ring()
    await effects(rig, 1, "after")
    release.set()
    await call
    await rig.informed(RING, seen + 1)
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING], [RING]]


async def call_sent(rig: Rig) -> None:
    async with rig.within(5):
        while not (rig.cpe.session and rig.cpe.session.messages >= 3):
            await asyncio.sleep(0.002)


async def test_ucr_33_b9_over_the_limit_one_session_follows_and_a_stream_never_starves(
    make_rig: MakeRig,
):
    rig = await make_rig(site={"connection_request": {"limit_count": 2, "limit_period_s": 1}})
    await rig.ready()
    seen = len(rig.cpe.informs)
    await rig.wake()
    await rig.wake()
    ring = await rig.ring()  # over the limit: dropped, but somebody rang
    await rig.board.seen(r"cr: dropped reason=limited")
    status = "\n".join(await rig.command("status"))
    assert "rate limit reached" in status and "s until a session for connection request" in status
    assert len(rig.cpe.informs) == seen + 2
    await ring.session()  # when the window opens
    # It was not remembered: the same datagram counts again, once there is room.
    rig.send(ring.datagram)
    async with rig.within(5):
        while rig.board.said().count("cr: accepted") < 3:
            await asyncio.sleep(0.005)
    await rig.idle()
    # Ten a second, for longer than a window: each window is granted its sessions.
    before = len(rig.cpe.informs)
    number = 0
    async with rig.within(12):
        while len(rig.cpe.informs) < before + 4:
            number += 1
            await rig.ring(copies=1)
            await asyncio.sleep(0.1)
    assert number > 4
    assert [inform.codes for inform in rig.cpe.informs[before:] if inform.codes != [RING]] == []
    await asyncio.wait_for(rig.idle(), 10)


async def test_ucr_34_bootstrap_session_and_the_ring_that_follows(make_rig: MakeRig):
    """A request during the very first session: that one lists no 6, so one with it follows."""
    rig = await make_rig()
    release = held(rig, method="SetParameterValuesResponse")
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    await rig.board.seen("rpc: done method=SetParameterValues")
    known = None
    async with rig.within(5):
        while known is None:
            await asyncio.sleep(0.002)
            known = rig.stun.bindings and next(iter(rig.stun.bindings.values()))
    release.set()
    await cpe.wait_session_end(1)
    await rig.ready()
    seen = len(cpe.informs)
    assert (await rig.wake()).ok
    assert [inform.codes for inform in cpe.informs[seen:]] == [[RING]]


async def test_ucr_35_connection_request_url_is_published_in_every_inform(rig: Rig):
    await rig.wake()
    for inform in rig.cpe.informs:
        url = inform.parameters[MS + "ConnectionRequestURL"]
        assert (
            url.startswith(f"http://{rig.address}:{rig.port}/")
            and len(url.rpartition("/")[2]) == 16
        )
    assert len({inform.parameters[MS + "ConnectionRequestURL"] for inform in rig.cpe.informs}) == 1


async def test_ucr_35_the_random_path_is_kept_over_a_reboot_and_new_after_a_factory_reset(
    rig: Rig,
):
    url = await rig.get(MS + "ConnectionRequestURL")
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    inform = await rig.informed("1 BOOT", seen)
    assert inform.parameters[MS + "ConnectionRequestURL"] == url
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.command("factory-reset")
    inform = await rig.informed("0 BOOTSTRAP", seen)
    assert inform.parameters[MS + "ConnectionRequestURL"] != url
    await rig.idle()


async def test_cwmp_73_tcr_23_a_ring_during_a_retry_wait_is_served_at_once(make_rig: MakeRig):
    more = {"CWMPRetryMinimumWaitInterval": 600, "CWMPRetryIntervalMultiplier": 2000}
    rig = await (await make_rig(provision={"more": more})).ready()
    rig.acs.script.on(acs_faults.unavailable(None), method="Inform")
    seen = len(rig.cpe.informs)
    await rig.command(f"set {INFO}ProvisioningCode waits")
    failed = await rig.board.seen(r'session: failed reason="status 503" retry=1 wait_s=(\d+)')
    assert 600 <= int(failed[1]) <= 1200
    await rig.wake()
    inform = rig.cpe.informs[-1]
    assert inform.codes == [CHANGE, RING] and inform.retry_count == 1
    assert inform.parameters[INFO + "ProvisioningCode"] == "waits"
    assert len(rig.cpe.informs) == seen + 2
    # The next session is a first attempt again.
    await rig.idle()
    await rig.wake()
    assert rig.cpe.informs[-1].retry_count == 0


async def test_tcr_24_a_ring_whose_session_fails_is_not_repeated(rig: Rig):
    rig.acs.script.on(acs_faults.http_status(500), method="Inform")
    seen = len(rig.cpe.informs)
    await rig.ring()
    await rig.board.seen(r'session: failed reason="status 500" retry=1 wait_s=-1')
    status = "\n".join(await rig.idle())
    assert "the last session failed" in status and "NOT READY" not in status
    assert len(rig.cpe.informs) == seen + 1
    assert (await rig.wake()).ok
    assert rig.cpe.informs[-1].retry_count in (0, 1)


@pytest.mark.parametrize("value", ["0", "1"])
async def test_tcr_25_enable_cwmp_false_takes_no_request(rig: Rig, value):
    await rig.set("EnableCWMP", value)
    seen = len(rig.cpe.informs)
    ring = await rig.ring()
    if value == "1":
        assert (await ring.session()).ok
        return
    await rig.board.seen("cr: dropped reason=disabled")
    status = "\n".join(await rig.command("status"))
    assert "NOT READY: EnableCWMP is false" in status
    await rig.set("EnableCWMP", "1")
    await rig.idle()
    assert len(rig.cpe.informs) == seen
    assert (await rig.wake()).ok


async def test_b24_the_local_address_is_known_though_no_socket_tells_it(rig: Rig):
    assert f"net: address local={rig.address}\n" in rig.board.said()
    await rig.set("STUNEnable", 0)
    await rig.idle()
    assert await rig.get(ADDRESS) == f"{rig.address}:{rig.port}"


@pytest.mark.capability("filesystem")
async def test_no_memory_to_prepare_a_wake_costs_neither_the_wake_nor_a_boot(make_rig: MakeRig):
    rig = await make_rig(site={"limits": {"memory": "keep"}})  # "save" prepares nothing
    boot_first(
        rig.board,
        """
from cwmp.runtime import prepared
def full(url, body): raise MemoryError
prepared.first_request = full
""",
    )
    await rig.ready()
    for _ in range(2):
        assert (await rig.wake()).ok
        await rig.idle()
    assert "prepared=1" in rig.board.said() and "boot: crashed" not in rig.board.said()
