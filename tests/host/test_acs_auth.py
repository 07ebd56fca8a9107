"""Digest, Basic and cookies of the lab ACS, against aiohttp's client and the known answers."""

import base64
import json
from pathlib import Path

import aiohttp
import pytest
from simple_cpe import SimpleCpe

from host_tools.lab import digest
from host_tools.lab.acs import Acs

pytestmark = pytest.mark.asyncio
KEY = "00D0C9-simple-000001"


def rules(acs: Acs) -> list[str]:
    return [violation.rule for violation in acs.violations]


@pytest.mark.parametrize("options", [{}, {"algorithm": "MD5-sess"}, {"qop": "auth"}, {"qop": ""}])
async def test_cwmp_04_digest_as_aiohttp_does_it(options: dict[str, str]) -> None:
    async with Acs(username="cpe", password="acs-pass", auth=options) as acs:
        middleware = aiohttp.DigestAuthMiddleware("cpe", "acs-pass")
        async with SimpleCpe(acs.url, middleware=middleware) as cpe:
            assert await cpe.run("1 BOOT") == ["200 InformResponse", "204"]
        inform = (await acs.wait_cpe()).informs[0]
        assert inform.first_try_ns < inform.first_byte_ns
        assert acs.violations == [] and acs.refused == []


async def test_cwmp_04_wrong_password_is_refused_with_the_reason() -> None:
    async with Acs(username="cpe", password="acs-pass") as acs:
        middleware = aiohttp.DigestAuthMiddleware("cpe", "other")
        async with SimpleCpe(acs.url, middleware=middleware) as cpe:
            status, _ = await cpe.post(cpe.inform("1 BOOT"))
        assert status == 401 and acs.cpes == {} and "401 wrong response" in acs.refused


async def test_cwmp_04_basic_when_configured() -> None:
    schemes = {"schemes": ("basic",)}
    async with (
        Acs(username="cpe", password="acs-pass", auth=schemes) as acs,
        SimpleCpe(acs.url) as cpe,
    ):
        assert (await cpe.post(cpe.inform("1 BOOT")))[0] == 401
        token = base64.b64encode(b"cpe:acs-pass").decode()
        good = await cpe.post(cpe.inform("1 BOOT"), Authorization=f"Basic {token}")
        assert good[0] == 200


@pytest.mark.parametrize("each", ["request", "connection"])
async def test_cwmp_04_where_credentials_are_asked_for(each: str) -> None:
    async with Acs(username="cpe", password="acs-pass", auth_each=each) as acs:
        challenge = digest.parse_pairs
        async with SimpleCpe(acs.url) as cpe, cpe._http.post(acs.url, data=b"") as answer:
            header = answer.headers["WWW-Authenticate"].partition(" ")[2]
            assert challenge(header)["qop"] == "auth,auth-int"
            pairs = {
                **challenge(header),
                "username": "cpe",
                "uri": "/acs",
                "qop": "auth",
                "nc": "00000001",
                "cnonce": "c",
            }
            pairs["response"] = digest.response(pairs, "cpe", "acs-pass", "POST")
            text = "Digest " + ", ".join(f'{k}="{v}"' for k, v in pairs.items() if k != "nc")
            text += ", nc=00000001"
            assert (await cpe.post(cpe.inform("1 BOOT"), Authorization=text))[0] == 200
            again = await cpe.post("", **({"Authorization": text} if each == "request" else {}))
            # nc 1 a second time on the same nonce is a replay; a known connection needs no header
            assert again[0] == (401 if each == "request" else 204)


async def test_cwmp_05_the_same_cnonce_on_a_new_connection_is_noticed() -> None:
    checker = digest.Authenticator("u", "p")
    for connection in (1, 2):
        pairs = digest.parse_pairs(checker.challenges(connection)[0].partition(" ")[2])
        pairs |= {"username": "u", "uri": "/", "qop": "auth", "nc": "00000001", "cnonce": "same"}
        pairs["response"] = digest.response(pairs, "u", "p", "POST")
        header = "Digest " + ",".join(f'{name}="{value}"' for name, value in pairs.items())
        checker.check(header, "POST", "/", b"", connection)
        with pytest.raises(digest.BadAuthorization, match="nc 1 after 1"):
            checker.check(header, "POST", "/", b"", connection)
        with pytest.raises(digest.BadAuthorization, match="uri is '/', not '/x'"):
            checker.check(header, "POST", "/x", b"", connection)
    with pytest.raises(digest.BadAuthorization, match="nonce not given on this connection"):
        checker.check(header, "POST", "/", b"", 3)
    assert checker.reused_cnonces == ["same"]


async def test_digest_known_answers() -> None:
    data = json.loads((Path(__file__).parent.parent / "data/http_auth.json").read_text("utf-8"))
    checked = 0
    for entry in data["digest"]:
        fields = ("realm", "nonce", "uri", "nc", "cnonce", "qop", "algorithm")
        pairs = {name: entry[name] for name in fields if entry.get(name)}
        made = digest.response(pairs, entry["username"], entry["password"], entry["method"])
        assert made == entry["response"], entry["name"]
        checked += 1
    assert checked >= 6


async def test_cwmp_06_cookies_are_the_session() -> None:
    more = {"lb": "x" * 500, "node": "7"}
    async with Acs(cookies=more) as acs, SimpleCpe(acs.url) as cpe:
        assert (await cpe.run("1 BOOT"))[-1] == "204" and acs.violations == []
        await cpe.post(cpe.inform("2 PERIODIC"))  # with the cookies of the session before
        assert rules(acs) == ["CWMP-06"]
        cpe._http.cookie_jar.clear()
        status, body = await cpe.post()
        assert (status, body) == (400, b"Invalid session") and rules(acs)[1:] == ["CWMP-06"]


async def test_cwmp_06_a_cookie_not_returned_is_noticed() -> None:
    async with Acs(cookies={"lb": "a"}) as acs, SimpleCpe(acs.url) as cpe:
        await cpe.post(cpe.inform("1 BOOT"))
        cpe._http.cookie_jar.clear(lambda cookie: cookie.key == "lb")
        await cpe.post()
        assert [str(found) for found in acs.violations] == [
            f"CWMP-06: cookie lb not returned [{KEY} session 1 message 2]"
        ]
