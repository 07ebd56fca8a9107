"""The HTTP client in MicroPython against a server on loopback: redirects and failures."""

import asyncio
import socket

import pytest

from tests.host.acs_script import (
    ENVELOPE,
    GenieDigest,
    Peer,
    always_204,
    digest_is_right,
    one_post,
    run,
)

# CWMP-07


@pytest.mark.parametrize("status", [302, 307])
def test_cwmp_07_redirect_repeats_the_post(status: int) -> None:
    async def handler(peer: Peer) -> None:
        while request := await peer.request():
            if request.target == "/acs?x=1":
                port = (request.one("host") or "").split(":")[1]
                where = f"Location: http://127.0.0.1:{port}/new"
                await peer.answer(status, b"<html>gone</html>", where, "Set-Cookie: a=b")
            else:
                await peer.answer(200, b"<ok/>")

    got = run(
        """
async def main():
    c = client()
    await post(c, INFORM, prepare(URL, INFORM))
    await post(c, EMPTY)
    c.drop()
    await post(client())
""",
        handler,
    )
    assert got.lines == [[200, "<ok/>", 1]] * 3
    assert [r.line.split()[0] for r in got.seen] == ["POST"] * 5
    targets = [r.target for r in got.seen]
    # The new URL holds for the session; the next session starts at the old one.
    assert targets == ["/acs?x=1", "/new", "/new", "/acs?x=1", "/new"]
    assert got.seen[1].body == ENVELOPE and got.seen[1].one("cookie") == "a=b"
    assert got.seen[1].connection == 0


@pytest.mark.parametrize(("hops", "works"), [(5, True), (6, False)])
def test_cwmp_07_at_most_five_in_a_row(hops: int, works: bool) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            if len(peer.seen) <= hops:
                await peer.answer(307, b"", f"Location: /hop{len(peer.seen)}")
            else:
                await peer.answer(204)

    got = run(one_post(), handler)
    assert got.lines == [[204, "", 0] if works else ["failed", "redirect loop", 307, None], 0]
    assert len(got.seen) == 6


@pytest.mark.parametrize("where", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "x", ""])
def test_cwmp_07_only_to_http(where: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(302, b"", "Location: " + where)

    got = run(one_post(), handler)
    assert got.lines[0][0] == "failed" and "url" in got.lines[0][1]
    assert len(got.seen) == 1 and got.lines[-1] == 0


@pytest.mark.parametrize("status", [301, 303, 308])
def test_cwmp_07_other_redirects_are_failures(status: int) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(status, b"", "Location: /new")

    assert run(one_post(), handler).lines[0] == ["failed", f"status {status}", status, None]


def test_cwmp_07_nothing_of_the_old_server_goes_to_another_host() -> None:
    async def handler(peer: Peer) -> None:
        while request := await peer.request():
            host, _, port = (request.one("host") or "").partition(":")
            if host == "localhost":
                await peer.answer(204)
            elif digest_is_right(request, "n"):
                where = f"Location: http://localhost:{port}/"
                await peer.answer(302, b"", where, "Set-Cookie: secret=1")
            else:
                text = 'WWW-Authenticate: Digest realm="GenieACS", qop="auth", nonce="n"'
                await peer.answer(401, b"", text)

    got = run(one_post(), handler)
    assert got.lines == [[204, "", 0], 0]
    last = got.seen[-1]
    assert last.one("cookie") is None and last.one("authorization") is None
    assert last.target == "/" and last.connection == 1


# CWMP-08


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 502])
def test_cwmp_08_other_statuses_fail_the_session(status: int) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(status, b"<html>" + b"x" * 100_000)

    got = run(one_post(), handler)
    assert got.lines == [["failed", f"status {status}", status, None], 0]


@pytest.mark.parametrize(
    ("value", "seconds"), [("60", 60), ("Wed, 21 Oct 2015 07:28:00 GMT", None)]
)
def test_cwmp_08_503_keeps_retry_after(value: str, seconds: int | None) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.send(f"HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\n\r\n".encode())
        await asyncio.Event().wait()  # the body never comes, and nobody waits for it

    assert run(one_post(), handler).lines == [["failed", "status 503", 503, seconds], 0]


def test_cwmp_08_second_401_fails_the_session() -> None:
    got = run(one_post(), GenieDigest(password="another"))
    assert got.lines == [["failed", "status 401", 401, None], 0]
    assert len(got.seen) == 2


def test_cwmp_08_stale_for_ever_fails_the_session() -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            text = f'WWW-Authenticate: Digest realm="r", nonce="{len(peer.seen)}", stale=true'
            await peer.answer(401, b"", text)

    got = run(one_post(), handler)
    assert got.lines == [["failed", "status 401", 401, None], 0]
    assert len(got.seen) == 3


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html><body>It works!</body></html>\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x0a",
        b"HTTP/1.1 OK\r\n\r\n",
    ],
)
def test_cwmp_08_garbage_is_not_http(garbage: bytes) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.send(garbage)

    assert run(one_post(), handler).lines == [["failed", "not http", 0, None], 0]


def test_cwmp_08_html_with_a_good_status_reaches_the_sink_and_its_refusal_fails() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(200, b"<html><p>login<br></html>", "Content-Type: text/html")

    got = run(
        """
def refuse(piece):
    raise ValueError("not an envelope")

async def main():
    c = client()
    try:
        await c.post(INFORM, lambda: refuse)
    except HttpFailure as failure:
        print(json.dumps([failure.reason, failure.status]))
    print(open_sockets())
""",
        handler,
    )
    assert got.lines == [["not an envelope", 0], 0]


def test_cwmp_08_refused_connection_has_a_clear_reason() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    got = run(one_post(f"'http://127.0.0.1:{port}/'"), always_204)
    assert got.lines == [["failed", "connect refused", 0, None], 0]
