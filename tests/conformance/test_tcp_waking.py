"""What an accepted TCP Connection Request causes, and what strangers at the port cannot."""

import asyncio
import os
import sys

import pytest

from host_tools import boards
from host_tools.errors import Failed
from host_tools.image import FIRMWARE
from host_tools.lab import acs_faults, rpc
from host_tools.lab.acs_control import Control
from host_tools.lab.tcp_request import Connection, split_url
from host_tools.package import package
from tests.conformance.patched import boot_first
from tests.conformance.rig import ADDRESS, CHANGE, INFO, MS, RING, MakeRig, Rig
from tests.conformance.test_tcp_requests import challenged, path, refused, rung, visit
from tests.conformance.test_waking import effects, held


async def test_tcr_20_21_idle_and_several_rings_are_one_session(rig: Rig):
    release = held(rig, method="Inform")
    seen = len(rig.cpe.informs)
    first = await rig.ring_tcp()
    await first.woken()
    for folded in (1, 2):
        assert (await rig.ring_tcp()).status == 200
        await effects(rig, folded, "folded via=tcp")
    release.set()
    assert (await first.session()).ok
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING]]


async def test_tcr_22_during_a_session_one_more_right_after_it(rig: Rig):
    release = held(rig, method="")
    seen = len(rig.cpe.informs)
    await (await rig.ring_tcp()).woken()
    async with rig.within(5):
        while rig.cpe.session is None or rig.cpe.session.messages < 2:
            await asyncio.sleep(0.002)
    for effect in ("after", "folded", "folded"):
        assert (await rig.ring_tcp()).status == 200
        await effects(rig, 1, effect + " via=tcp")
    assert len(rig.cpe.informs) == seen + 1
    release.set()
    await rig.informed(RING, seen + 1)
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING], [RING]]
    assert all(session.ok for session in rig.cpe.sessions)


async def test_tcr_23_24_a_ring_in_a_retry_wait_and_one_whose_session_fails(make_rig: MakeRig):
    more = {"CWMPRetryMinimumWaitInterval": 600, "CWMPRetryIntervalMultiplier": 2000}
    rig = await (await make_rig(provision={"more": more})).ready()
    rig.acs.script.on(acs_faults.unavailable(), method="Inform", times=2)
    seen = len(rig.cpe.informs)
    await rig.command(f"set {INFO}ProvisioningCode waits")
    await rig.board.seen(r'session: failed reason="status 503" retry=1')
    assert (await rig.ring_tcp()).status == 200
    await rig.board.seen(r'session: failed reason="status 503" retry=2')
    # The ring is not repeated; what waited still does.
    assert [i.codes for i in rig.cpe.informs[seen:]] == [[CHANGE], [CHANGE, RING]]
    assert await rig.command("events") == [f"changed: {INFO}ProvisioningCode"]


async def test_ucr_34_udp_copies_and_tcp_in_parallel_are_one_session(rig: Rig):
    release = held(rig, method="Inform")
    seen = len(rig.cpe.informs)
    tcp, udp = await asyncio.gather(rig.ring_tcp(), rig.ring())
    assert tcp.status == 200
    inform = await udp.woken()
    await effects(rig, 1, "folded")  # whichever came second
    release.set()
    await rig.cpe.wait_session_end(inform.session)
    await rig.idle()
    assert [one.codes for one in rig.cpe.informs[seen:]] == [[RING]]


async def test_ucr_34_tcr_16_17_udp_and_tcp_share_one_limiter(make_rig: MakeRig):
    rig = await make_rig(site={"connection_request": {"limit_count": 2, "limit_period_s": 2}})
    await rig.ready()
    seen = len(rig.cpe.informs)
    await rig.wake()
    assert (await rig.ring_tcp()).status == 200
    await rig.informed(RING, seen + 1)
    async with visit(rig) as connection:
        who = await challenged(rig, connection)
        answer = await connection.get(path(rig), who.authorization(path(rig)))
        assert answer.status == 503 and "retry-after" not in answer.headers
        assert answer.body == b""
        # Neither is one without the password told of the limit.
        assert refused(await connection.get(path(rig)))
    # One that was turned down leads to no session: the next one comes from a request of its own.
    status = await rig.idle()
    assert any(line.startswith("session   idle") for line in status)
    async with rig.within(10):
        while (await rig.ring_tcp()).status == 503:
            assert len(rig.cpe.informs) == seen + 2
            await asyncio.sleep(0.05)
    await rig.informed(RING, seen + 2)
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING]] * 3


async def test_tcr_10_from_any_source_address(rig: Rig):
    if not rig.can("loopback"):
        pytest.skip("the board sees this machine under one address")
    place = split_url(rig.url)
    async with rig.within(10):
        reader, writer = await asyncio.open_connection(
            place.host, place.port, local_addr=("127.0.0.77", 0)
        )
        writer.write(f"GET {place.target} HTTP/1.1\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()


async def test_tcr_16_b15_slow_clients_do_not_block_a_third(rig: Rig):
    place = split_url(rig.url)
    slow = [Connection(place.host, place.port) for _ in range(6)]
    try:
        for number, connection in enumerate(slow):
            await connection.__aenter__()
            if number % 2:
                await connection.send(b"GET / HTTP/1.1\r\nHost: ")
            # However many there are, whoever has the password is served at once.
            seen = len(rig.cpe.informs)
            assert (await rig.ring_tcp()).status == 200
            await rig.informed(RING, seen)
        # Two at a time at most: those before were shown the door.
        async with rig.within(10):
            for connection in slow[:-2]:
                assert await connection.closed()
    finally:
        for connection in slow:
            await connection.__aexit__()


async def test_tcr_16_b15_where_memory_is_scarce_a_session_shows_silent_visitors_out(
    make_rig: MakeRig,
):
    rig = await (await make_rig(site={"limits": {"memory": "save"}})).ready()
    place = split_url(rig.url)
    async with Connection(place.host, place.port) as silent, visit(rig) as asked:
        who = await challenged(rig, asked)
        await rig.wake()
        async with rig.within(10):
            assert await silent.closed()
        answer = await asked.get(path(rig), who.authorization(path(rig)))
        assert answer.status == 200  # whoever has the password is served all the same


async def test_tcr_16_b15_who_answers_a_challenge_is_not_pushed_out_by_silent_ones(rig: Rig):
    async with visit(rig) as connection:
        who = await challenged(rig, connection)
        place = split_url(rig.url)
        crowd = [Connection(place.host, place.port) for _ in range(5)]
        try:
            for one in crowd:
                await one.__aenter__()
                await one.send(b"GET ")
            for one in crowd[:-1]:
                assert await one.closed()
            seen = len(rig.cpe.informs)
            answer = await connection.get(path(rig), who.authorization(path(rig)))
            assert answer.status == 200
            await rig.informed(RING, seen)
        finally:
            for one in crowd:
                await one.__aexit__()


async def test_tcr_16_b15_five_seconds_for_a_request_however_slowly_it_drips(rig: Rig):
    async def drip(connection: Connection) -> None:
        try:
            while True:
                await connection.send(b"X")
                await asyncio.sleep(0.2)
        except OSError:
            pass

    async with visit(rig) as idle, visit(rig) as slow:
        await slow.send(b"GET / HTTP/1.1\r\n")
        dripping = asyncio.create_task(drip(slow))
        assert await idle.closed() and await slow.closed()
        dripping.cancel()
    assert (await rung(rig))["timeout"] == 1
    assert (await rig.ring_tcp()).status == 200


async def test_b15_many_connections_leave_the_device_as_it_was(rig: Rig):
    place = split_url(rig.url)
    before = await heap(rig)

    async def stranger() -> None:
        try:
            async with Connection(place.host, place.port) as connection:
                await connection.send(b"GET / HTTP/1.1\r\nAuthorization: Digest a=b\r\n\r\n")
                await connection.answer()
        except OSError:
            pass  # it gave way to another one

    async with rig.within(20):
        for _ in range(40):
            await asyncio.gather(*(stranger() for _ in range(5)))
    async with rig.within(10):
        while True:  # the last of them may still be in the queue
            try:
                assert (await rig.ring_tcp()).status == 200
                break
            except Failed:
                pass
    await rig.idle()
    lines = [line for line in rig.board.said().splitlines() if "reason=not-found" in line]
    assert 1 <= len(lines) <= 3
    assert await heap(rig) - before < 16384


async def heap(rig: Rig) -> int:
    (line,) = [line for line in await rig.command("heap") if line.startswith("heap")]
    return int(line.split("used=")[1].split()[0])


async def test_where_memory_is_scarce_nothing_of_it_stays(make_rig: MakeRig):
    rig = await make_rig(site={"limits": {"memory": "save"}})
    await rig.ready()
    for _ in range(2):
        seen = len(rig.cpe.informs)
        async with visit(rig) as connection:
            who = await challenged(rig, connection)
            answer = await connection.get(path(rig), who.authorization(path(rig)))
            assert answer.status == 200 and answer.close and await connection.closed()
        await rig.informed(RING, seen)
        await rig.idle()
    async with visit(rig) as connection:
        assert refused(await connection.get(path(rig)))
        assert (await connection.get("/")).status == 404
    await rig.command("status")  # the visit has ended meanwhile, be it by the end of its time
    await rig.wake()  # what is there for the next visitor makes room
    await rig.idle()
    rig.board.type(b"\x03")
    await rig.board.seen("stopped; Ctrl-D")
    made = package(boards.load(rig.board.image.board), FIRMWARE)
    rig.board.type(b"import sys\rprint('LOADED', list(sys.modules))\r")
    loaded = (await rig.board.seen(r"LOADED (\[.*\])$"))[1]
    assert repr(made.module("runtime.doorbell")) in loaded, loaded
    assert repr(made.module("runtime.tcp_visit")) not in loaded, loaded


async def test_lab_acs_and_wake_ring_by_tcp(rig: Rig):
    said: list[str] = []
    control = Control(rig.acs, said.append)
    for line in ("ring tcp", "ring both"):
        assert (await control.obey(line)).startswith("woken after ")
        assert any(
            text.endswith("answered 200 by TCP" if "both" in line else "answered 200")
            for text in said
        )
        await rig.idle()
    known = rig.cpe.connection_request
    for password, status, words in (
        (known.password, 0, "answer 200"),
        ("guessed", 1, "the CPE answered 401: wrong username or password"),
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "host_tools", "wake", rig.url, "-u", known.username),
            env={**os.environ, "CWMP_PASSWORD": password},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        text = " ".join(out.decode().split())
        assert process.returncode == status and words in text and password not in text, text


async def test_a_tcp_connection_request_over_ipv6(make_rig: MakeRig):
    rig = await make_rig(site={"connection_request": {"http_host": "::1"}})
    if not rig.can("loopback"):
        pytest.skip("the board has no IPv6 here")
    await rig.ready()
    assert rig.url.startswith(f"http://[::1]:{rig.port}/")
    seen = len(rig.cpe.informs)
    assert (await rig.ring_tcp()).status == 200
    await rig.informed(RING, seen)
    # The same socket serves IPv4.
    url = rig.url.replace("[::1]", rig.address)
    assert (await rig.ring_tcp(url=url)).status == 200


async def test_cwmp_01_an_acs_over_ipv6(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    if not rig.can("loopback"):
        pytest.skip("the board has no IPv6 here")
    other = await rig.new_acs(host="::1")
    assert other.url.startswith("http://[::1]:")
    await rig.ask(rpc.set_values({MS + "URL": other.url}))
    cpe = await other.wait_cpe()
    await cpe.wait_session_end(1)
    address = await rig.get(ADDRESS)
    assert address.startswith(rig.address + ":")  # the binding goes on over IPv4
    status = "\n".join(await rig.idle())
    assert f"acs       {other.url}" in status


NO_IPV6 = """
import socket
from cwmp.runtime import tcp_listen

class Without: pass

for name in dir(socket):
    if name[0] != "_":
        setattr(Without, name, getattr(socket, name))
Without.AF_INET6 = 99
tcp_listen.socket = Without
"""


async def test_a_board_without_ipv6_listens_on_ipv4(make_rig: MakeRig):
    rig = await make_rig()
    if not rig.can("loopback"):
        pytest.skip("the board has no IPv6 here")
    boot_first(rig.board, NO_IPV6)
    await rig.ready()
    place = split_url(rig.url)
    with pytest.raises(Failed, match="cannot be rung"):
        await rig.ring_tcp(url=f"http://[::1]:{place.port}{place.target}")
    assert (await rig.ring_tcp()).status == 200
