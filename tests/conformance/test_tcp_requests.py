"""TCP Connection Requests against a live CPE: who is let in, and what it is answered."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from host_tools.errors import Failed
from host_tools.lab import rpc
from host_tools.lab.cpe import Credentials
from host_tools.lab.tcp_request import Answer, Client, Connection, split_url
from tests.conformance.rig import CHANGE, MS, RING, MakeRig, Rig, spaced

USER = MS + "ConnectionRequestUsername"
WORD = MS + "ConnectionRequestPassword"
URL = MS + "ConnectionRequestURL"


@asynccontextmanager
async def visit(rig: Rig) -> AsyncIterator[Connection]:
    """One connection to the doorbell; what is awaited in it comes in seconds."""
    place = split_url(rig.url)
    async with rig.within(10), Connection(place.host, place.port) as connection:
        yield connection


def path(rig: Rig) -> str:
    return split_url(rig.url).target


def client(rig: Rig) -> Client:
    known = rig.cpe.connection_request
    return Client(known.username, known.password)


async def challenged(rig: Rig, connection: Connection, **more: str) -> Client:
    """Ask without credentials; return the client that can answer the challenge."""
    answer = await connection.get(path(rig), **more)
    assert answer.status == 401
    who = client(rig)
    who.take(answer.challenge)
    return who


async def rung(rig: Rig) -> dict[str, int]:
    """How many requests met which end, as the console says."""
    (line,) = [line for line in await rig.command("status") if line.startswith("doorbell")]
    return {name: int(number) for name, number in re.findall(r"([\w-]+)=(\d+)", line)}


def refused(answer: Answer, stale: bool = False) -> bool:
    """Whether this is a 401 that asks for a digest, and says stale or does not."""
    asked = answer.challenge
    return (
        answer.status == 401
        and answer.body == b""
        and asked["qop"] == "auth"
        and (asked.get("stale") == "true") == stale
    )


async def test_tcr_01_02_03_the_url_is_where_it_listens(rig: Rig):
    found = re.fullmatch(r"http://([0-9.]+):([0-9]+)/([0-9a-f]{16})", rig.url)
    assert found and found[1] == rig.address and int(found[2]) == rig.port
    ring = await rig.ring_tcp()
    assert ring.status == 200 and (await ring.session()).ok
    assert f"net: doorbell tcp={rig.port}\n" in rig.board.said()


async def test_tcr_02_other_paths_and_methods(rig: Rig):
    async with visit(rig) as connection:
        for target in ("/", "/x", path(rig) + "/", path(rig) + "?a=b", path(rig)[:-1], "*"):
            answer = await connection.get(target)
            assert answer.status == 404 and answer.body == b"", target
            if answer.close:
                break
    async with visit(rig) as connection:
        for method in ("POST", "PUT", "HEAD", "OPTIONS", "FETCH"):
            answer = await connection.get(path(rig), method=method)
            assert answer.status == 405 and answer.headers["allow"] == "GET"
        who = await challenged(rig, connection)
        seen = len(rig.cpe.informs)
        assert (await connection.get(path(rig), who.authorization(path(rig)))).status == 200
    await rig.informed(RING, seen)
    async with visit(rig) as connection:  # the absolute form is a server's duty
        assert (await connection.get(rig.url)).status == 401


async def test_tcr_02_no_head_above_2_kib_and_nothing_but_http(rig: Rig):
    async with visit(rig) as connection:
        answer = await connection.get(path(rig), more="X: " + "x" * 1900 + "\r\n")
        assert answer.status == 401
    for more in ("X: " + "x" * 2100 + "\r\n", "Y: y\r\n" * 400, "X: " + "x" * 60000 + "\r\n"):
        async with visit(rig) as connection:
            answer = await connection.get(path(rig), more=more)
            assert answer.status == 431 and answer.close
            assert await connection.closed()
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00" * 3000,
        b"hello\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    ):
        async with visit(rig) as connection:
            await connection.send(data)
            answer = await connection.answer()
            assert answer.status == 400 and answer.close
            assert await connection.closed()
    lines = [line for line in rig.board.said().splitlines() if "via=tcp reason=malformed" in line]
    assert lines and spaced(lines)  # a stranger cannot fill the log
    assert (await rig.ring_tcp()).status == 200


async def test_tcr_04_a_body_is_ignored(rig: Rig):
    async with visit(rig) as connection:
        head = f"GET {path(rig)} HTTP/1.1\r\nContent-Length: 20\r\n\r\n"
        await connection.send(head.encode() + b"GET / HTTP/1.1\r\n\r\nxx")
        answer = await connection.answer()
        assert refused(answer)
        who = client(rig)
        who.take(answer.challenge)
        seen = len(rig.cpe.informs)
        answer = await connection.get(path(rig), who.authorization(path(rig)))
        assert answer.status == 200
    await rig.informed(RING, seen)
    for more in ("Transfer-Encoding: chunked\r\n", "Content-Length: 100000\r\n"):
        async with visit(rig) as connection:
            answer = await connection.get(path(rig), more=more)
            assert refused(answer) and answer.close
            await connection.send(b"5\r\nabcde\r\n" * 100)
            assert await connection.closed()


async def test_tcr_10_11_what_is_wrong_never_causes_a_session(rig: Rig):
    seen = len(rig.cpe.informs)
    target = path(rig)
    known = rig.cpe.connection_request
    for name, word in (
        (known.username, "wrong"),
        ("wrong", known.password),
        (known.username, ""),
        ("", ""),
    ):
        async with visit(rig) as connection:
            who = Client(name, word)
            who.take((await connection.get(target)).challenge)
            assert refused(await connection.get(target, who.authorization(target)))
    async with visit(rig) as connection:
        who = await challenged(rig, connection)
        for changed in ({"uri": "/"}, {"realm": "x"}, {"qop": "auth-int"}, {"nonce": "0" * 48}):
            assert refused(await connection.get(target, who.authorization(target, **changed)))
        # A digest for another path than the one that is asked for.
        assert refused(await connection.get(target, who.authorization("/other")))
    assert len(rig.cpe.informs) == seen
    counts = await rung(rig)
    assert counts["wrong-username"] == 2 and counts["wrong-digest"] >= 5
    assert counts["wrong-uri"] == 2
    assert (await rig.ring_tcp()).status == 200
    await rig.informed(RING, seen)
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING]]


@pytest.mark.parametrize("memory", ["keep", "save"])
async def test_tcr_11_b14_a_captured_header_works_once(make_rig: MakeRig, memory: str):
    rig = await (await make_rig(site={"limits": {"memory": memory}})).ready()
    target = path(rig)
    seen = len(rig.cpe.informs)
    async with visit(rig) as connection:
        who = await challenged(rig, connection)
        header = who.authorization(target)
        later = who.authorization(target)
        answer = await connection.get(target, later)
        assert answer.status == 200
        # Where memory is scarce the session needs what the connection takes.
        assert answer.close == (memory == "save")
        if not answer.close:
            for replay in (later, header):
                assert refused(await connection.get(target, replay), stale=True)
    async with visit(rig) as connection:
        for replay in (later, header):
            answer = await connection.get(target, replay)
            assert refused(answer, stale=True)
        # A client whose nonce has become stale has its answer at once.
        who.take(answer.challenge)
        assert (await connection.get(target, who.authorization(target))).status == 200
    await rig.informed(RING, seen)
    await rig.idle()
    # A nonce of another boot is stale, too.
    seen = len(rig.cpe.informs)
    await rig.reboot()
    await rig.informed("1 BOOT", seen)
    await rig.idle()
    async with visit(rig) as connection:
        assert refused(await connection.get(target, who.authorization(target)), stale=True)


async def test_tcr_12_basic_is_neither_offered_nor_taken(rig: Rig):
    known = rig.cpe.connection_request
    pair = base64.b64encode(f"{known.username}:{known.password}".encode()).decode()
    async with visit(rig) as connection:
        for header in ("", "Basic " + pair):
            answer = await connection.get(path(rig), header)
            assert refused(answer) and "basic" not in str(answer.headers).lower()


async def test_tcr_13_on_a_kept_connection_and_on_a_new_one(rig: Rig):
    target = path(rig)
    for again in (False, True):
        seen = len(rig.cpe.informs)
        async with visit(rig) as connection:
            who = await challenged(rig, connection)
            if not again:
                answer = await connection.get(target, who.authorization(target))
        if again:
            async with visit(rig) as connection:
                answer = await connection.get(target, who.authorization(target))
        assert answer.status == 200 and answer.body == b""
        assert answer.headers["content-length"] == "0"
        await rig.informed(RING, seen)
        await rig.idle()
    async with visit(rig) as connection:  # HTTP/1.0 and close are obeyed
        answer = await connection.get(target, more="Connection: close\r\n")
        assert refused(answer) and answer.close and await connection.closed()
    async with visit(rig) as connection:
        await connection.send(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        assert refused(await connection.answer()) and await connection.closed()


async def test_tcr_13_two_requests_in_one_segment_are_answered_in_turn(rig: Rig):
    async with visit(rig) as connection:
        await connection.send(f"GET {path(rig)} HTTP/1.1\r\n\r\n".encode() * 3)
        for _ in range(3):
            assert refused(await connection.answer())


async def test_tcr_13_14_the_answer_waits_for_no_acs(make_rig: MakeRig):
    """The success comes although the ACS is gone: before the session, not after it."""
    rig = await (await make_rig()).ready()
    url, known = rig.url, rig.cpe.connection_request
    await rig.acs.stop()
    ring = await rig.ring_tcp(url=url, credentials=known)
    assert ring.status == 200
    await rig.board.seen("session: failed reason=")


async def test_tcr_15_without_credentials_every_request_gets_401(make_rig: MakeRig):
    rig = await make_rig(provisioned=False)
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    for name, word in (("", ""), ("cpe", ""), ("", "x"), ("a", "b")):
        async with visit(rig) as connection:
            who = Client(name, word)
            who.take((await connection.get(path(rig))).challenge)
            assert refused(await connection.get(path(rig), who.authorization(path(rig))))
    assert (await rung(rig))["no-credentials"] == 4
    status = "\n".join(await rig.command("status"))
    assert "NOT READY: no ConnectionRequestUsername" in status
    assert len(cpe.informs) == 1


async def test_tcr_10_credentials_of_the_acs_hold_at_once(rig: Rig):
    known, url = rig.cpe.connection_request, rig.url
    await rig.ask(rpc.set_values({USER: 'new "user"\\', WORD: "New-Pass-9 é"}))
    seen = len(rig.cpe.informs)
    rig.cpe.connection_request = Credentials('new "user"\\', "New-Pass-9 é")
    assert (await rig.ring_tcp(url=url, credentials=known)).status == 401
    ring = await rig.ring_tcp()
    assert ring.status == 200
    await rig.informed(RING, seen)


async def test_tcr_25_http_connection_request_enable(rig: Rig):
    url = rig.url
    seen = len(rig.cpe.informs)
    assert await rig.ask(rpc.get_values(MS + "SupportedConnReqMethods")) == {
        MS + "SupportedConnReqMethods": "HTTP,STUN"
    }
    await rig.ask(rpc.set_values({MS + "HTTPConnectionRequestEnable": False}))
    inform = await rig.informed(CHANGE, seen)
    assert inform.parameters[URL] == ""
    await rig.idle()
    with pytest.raises(Failed, match="cannot be rung"):
        await rig.ring_tcp(url=url)
    assert "doorbell  closed" in "\n".join(await rig.command("status"))
    await rig.wake()  # UDP rings as ever
    # It stays so over a reboot, which tells of no change.
    seen = len(rig.cpe.informs)
    await rig.reboot()
    inform = await rig.informed("1 BOOT", seen)
    assert inform.parameters[URL] == "" and CHANGE not in inform.codes
    await rig.idle()
    with pytest.raises(Failed):
        await rig.ring_tcp(url=url)
    seen = len(rig.cpe.informs)
    await rig.ask(rpc.set_values({MS + "HTTPConnectionRequestEnable": True}))
    inform = await rig.informed(CHANGE, seen)
    assert inform.parameters[URL] == url
    assert (await rig.ring_tcp()).status == 200


async def test_tcr_25_enable_cwmp_false_closes_the_port(rig: Rig):
    async with visit(rig) as connection:
        await challenged(rig, connection)
        await rig.set("EnableCWMP", "0")
        assert await connection.closed()
    with pytest.raises(Failed, match="cannot be rung"):
        await rig.ring_tcp()
    seen = len(rig.cpe.informs)
    await rig.set("EnableCWMP", "1")
    for _ in (1, 2):
        await rig.board.seen("net: doorbell tcp")
    assert (await rig.ring_tcp()).status == 200
    await rig.informed(RING, seen)


async def test_tcr_25_the_site_may_do_without(make_rig: MakeRig):
    rig = await make_rig(site={"connection_request": {"http_enable": False}})
    await rig.ready()
    assert rig.url == "" and "doorbell tcp" not in rig.board.said()
    with pytest.raises(Failed):
        await rig.ring_tcp(url=f"http://{rig.address}:{rig.port}/x")
    assert (await rig.wake()).ok


async def test_a_port_that_is_taken_is_said_and_taken_later(make_rig: MakeRig):
    rig = await make_rig()
    if not rig.can("loopback"):
        pytest.skip("the board has its ports for itself")
    server = await asyncio.start_server(lambda r, w: w.close(), "0.0.0.0", rig.port)
    await rig.ready()
    await rig.board.seen("W .* net: TCP port .* cannot be opened")
    status = "\n".join(await rig.command("status"))
    assert "note: TCP port" in status and "wake      ready" not in status
    assert (await rig.wake()).ok
    server.close()
    await rig.board.seen("net: doorbell tcp", timeout=10)
    assert (await rig.ring_tcp()).status == 200
