"""The HTTP client in MicroPython against a server on loopback: Digest, Basic and cookies."""

import pytest

from tests.host.acs_script import (
    ENVELOPE,
    THREE_POSTS,
    GenieDigest,
    Peer,
    basic_only,
    digest_fields,
    digest_is_right,
    one_post,
    run,
)

# CWMP-04, CWMP-05


@pytest.mark.parametrize(
    "challenge",
    ['qop="auth,auth-int"', "qop=auth", 'qop="auth",algorithm=MD5,opaque="o"', "stale=false"],
)
def test_cwmp_04_digest_on_one_connection(challenge: str) -> None:
    got = run(THREE_POSTS, GenieDigest(challenge))
    assert got.lines == [[200, "<ok/>", 1]] * 3 + [0]  # the 401 page never reached the sink
    assert got.connections == 1
    assert [r.body for r in got.seen] == [ENVELOPE] * 4
    fields = [digest_fields(r) for r in got.seen]
    assert fields[0] is None
    if "qop" in challenge:
        assert [f["nc"] for f in fields[1:] if f] == ["00000001", "00000002", "00000003"]
    if "opaque" in challenge:
        assert fields[1] and fields[1]["opaque"] == "o"


def test_cwmp_04_challenge_after_challenge_in_one_header() -> None:
    got = run(one_post(), GenieDigest('qop="auth", Basic realm="x", Digest realm="GenieACS"'))
    assert got.lines == [[200, "<ok/>", 1], 0]


def test_cwmp_04_prepared_request_and_digest_cost_one_resend() -> None:
    got = run(
        """
async def main():
    ready = prepare(URL, INFORM)
    c = client()
    await post(c, INFORM, ready)
    await post(c, EMPTY)
    c.drop()
""",
        GenieDigest(),
    )
    assert got.lines == [[200, "<ok/>", 1]] * 2
    assert [len(r.body) for r in got.seen] == [len(ENVELOPE)] * 2 + [0]
    assert got.connections == 1


def test_cwmp_04_new_nonce_per_connection_costs_a_401_not_the_session() -> None:
    genie = GenieDigest()

    async def handler(peer: Peer) -> None:
        nonce = f"{peer.number:02x}" * 16
        while request := await peer.request():
            if digest_is_right(request, nonce):
                await peer.answer(200, b"<ok/>")
                return  # closes cleanly after each success
            challenge = f'Digest realm="GenieACS",{genie.challenge},nonce="{nonce}"'
            await peer.answer(401, b"", "WWW-Authenticate: " + challenge)

    got = run(THREE_POSTS, handler)
    assert got.lines == [[200, "<ok/>", 1]] * 3 + [0]
    assert got.connections == 3


def test_cwmp_04_401_with_close_authenticates_on_a_new_connection() -> None:
    async def handler(peer: Peer) -> None:
        while request := await peer.request():
            if digest_is_right(request, "fixed"):
                await peer.answer(200, b"<ok/>")
                continue
            challenge = 'WWW-Authenticate: Digest realm="GenieACS", qop="auth", nonce="fixed"'
            await peer.answer(401, b"", challenge, "Connection: close")
            return

    got = run(THREE_POSTS, handler)
    assert got.lines == [[200, "<ok/>", 1]] * 3 + [0]
    assert got.connections == 2


def test_cwmp_04_stale_nonce_is_renewed() -> None:
    uses = 0

    async def handler(peer: Peer) -> None:
        nonlocal uses
        nonce = "n0"
        while request := await peer.request():
            uses += 1
            if uses != 3 and digest_is_right(request, nonce):
                await peer.answer(200, b"<ok/>")
                continue
            nonce = f"n{uses}"
            text = f'WWW-Authenticate: Digest realm="GenieACS", qop="auth", nonce="{nonce}"'
            await peer.answer(401, b"", text + (", stale=true" if uses > 1 else ""))

    got = run(THREE_POSTS, handler)
    assert got.lines == [[200, "<ok/>", 1]] * 3 + [0]


@pytest.mark.parametrize("headers", [[], ["WWW-Authenticate: Negotiate"], ['WWW-Authenticate: "']])
def test_cwmp_04_401_without_a_usable_challenge(headers: list[str]) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(401, b"", *headers)

    got = run(one_post(), handler)
    assert got.lines[0][0] == "failed"
    assert got.lines[0][1] in ("no usable challenge", "bad challenge")
    assert len(got.seen) == 1 and got.lines[-1] == 0


def test_cwmp_04_no_credentials_configured() -> None:
    got = run(one_post("username='', password=''"), GenieDigest())
    assert got.lines == [["failed", "no credentials", 401, None], 0]
    assert len(got.seen) == 1


def test_cwmp_04_basic_is_refused_without_tls() -> None:
    got = run(one_post(), basic_only)
    assert got.lines == [["failed", "basic without tls", 401, None], 0]
    assert [r.one("authorization") for r in got.seen] == [None]


def test_cwmp_04_basic_without_tls_if_configured() -> None:
    got = run(
        """
async def main():
    c = client(allow_basic=True)
    await post(c)
    await post(c)
    c.drop()
""",
        basic_only,
    )
    assert got.lines == [[204, "", 0]] * 2
    assert len(got.seen) == 3  # the second post brings the header at once


def test_cwmp_04_digest_is_preferred_to_basic() -> None:
    async def handler(peer: Peer) -> None:
        while request := await peer.request():
            if digest_is_right(request, "n"):
                await peer.answer(204)
            else:
                await peer.answer(
                    401,
                    b"",
                    'WWW-Authenticate: Basic realm="acs"',
                    'WWW-Authenticate: Digest realm="GenieACS", nonce="n", algorithm=SHA-256',
                    'WWW-Authenticate: Digest realm="GenieACS", nonce="n", qop="auth"',
                )

    got = run(one_post("allow_basic=True"), handler)
    assert got.lines == [[204, "", 0], 0]


def test_cwmp_05_md5_sess() -> None:
    got = run(THREE_POSTS, GenieDigest('qop="auth",algorithm=MD5-sess'))
    assert got.lines == [[200, "<ok/>", 1]] * 3 + [0]
    fields = digest_fields(got.seen[-1])
    assert fields and fields["algorithm"] == "MD5-sess"


def test_cwmp_05_cnonce_is_new_for_each_connection() -> None:
    async def handler(peer: Peer) -> None:
        for turn in range(3):
            request = await peer.request()
            if request is None:
                return
            if digest_is_right(request, "fixed"):
                await peer.answer(204, b"", *(["Connection: close"] if turn else []))
            else:
                text = 'WWW-Authenticate: Digest realm="GenieACS", qop="auth", nonce="fixed"'
                await peer.answer(401, b"", text)

    got = run(
        """
async def main():
    c = client()
    for _ in range(5):
        await post(c)
    c.drop()
""",
        handler,
    )
    cnonces: dict[int, set[str]] = {}
    for request in got.seen:
        if fields := digest_fields(request):
            cnonces.setdefault(request.connection, set()).add(fields["cnonce"])
    assert len(cnonces) >= 3
    assert all(len(values) == 1 for values in cnonces.values())
    assert len({value for values in cnonces.values() for value in values}) == len(cnonces)


# CWMP-06


def test_cwmp_06_cookies_come_back_in_every_request() -> None:
    long = "x" * 600

    async def handler(peer: Peer) -> None:
        while await peer.request():
            count = len(peer.seen)
            if count == 1:  # even a 401 may set one
                text = 'WWW-Authenticate: Digest realm="GenieACS", qop="auth", nonce="n"'
                await peer.answer(401, b"", text, "Set-Cookie: early=1")
            elif count == 2:
                await peer.answer(
                    204, b"", f"Set-Cookie: session={long}; Path=/; HttpOnly", "set-cookie:b=2"
                )
            elif count == 3:
                await peer.answer(
                    204, b"", "Set-Cookie: b=3", "Set-Cookie: early=; Max-Age=0", "Set-Cookie: ;"
                )
            else:
                await peer.answer(204, b"", "Connection: close")

    got = run(
        """
async def main():
    c = client()
    for _ in range(4):
        await post(c)
    c.drop()
    await post(client())
""",
        handler,
    )
    assert got.lines == [[204, "", 0]] * 5
    jars = [sorted((r.one("cookie") or "").split("; ")) for r in got.seen]
    assert jars[0] == [""]
    assert jars[1] == ["early=1"]
    assert jars[2] == ["b=2", "early=1", f"session={long}"]
    assert jars[3] == jars[4] == ["b=3", f"session={long}"]
    assert jars[5] == [""]  # another session
    assert [r.connection for r in got.seen] == [0, 0, 0, 0, 1, 2]


def test_cwmp_06_cookies_are_bounded() -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(
                204, b"", *[f"Set-Cookie: c{len(peer.seen)}-{i}={'x' * 200}" for i in range(15)]
            )

    got = run(
        """
async def main():
    c = client()
    for _ in range(10):
        await post(c)
    c.drop()
""",
        handler,
    )
    assert got.lines == [[204, "", 0]] * 10
    jar = got.seen[-1].one("cookie") or ""
    assert "c1-0=" in jar and 512 <= len(jar) <= 2200
