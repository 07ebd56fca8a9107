"""HTTP towards a live ACS: connections, credentials, cookies, codings (spec 4.1)."""

import asyncio
import re

import pytest

from host_tools.lab import acs_faults, rpc
from host_tools.lab.acs_faults import Incoming
from host_tools.lab.digest import parse_pairs
from tests.conformance.rig import INFO, MS, MakeRig, Rig


def watched(rig: Rig) -> list[Incoming]:
    """All messages from now on, as they came."""
    seen: list[Incoming] = []
    rig.acs.script.decide = seen.append  # answers None: no fault
    return seen


async def test_cwmp_01_envelopes_and_empty_posts(rig: Rig):
    seen = watched(rig)
    await rig.ask(rpc.get_values(INFO))
    assert [incoming.method for incoming in seen] == ["Inform", "", "GetParameterValuesResponse"]
    for incoming in seen:
        assert incoming.path == "/acs"
        assert incoming.headers["Host"] == f"{rig.acs.host}:{rig.acs.port}"
        if incoming.body:
            assert incoming.headers["Content-Type"].lower() == 'text/xml; charset="utf-8"'
            assert incoming.headers["SOAPAction"] == ""
        else:
            assert incoming.headers["Content-Length"] == "0"
            assert "SOAPAction" not in incoming.headers


async def test_cwmp_02_one_connection_for_the_whole_session(rig: Rig):
    rig.cpe.queue(rpc.get_values(INFO))
    rig.cpe.queue(rpc.get_rpc_methods())
    session = await rig.wake()
    assert session.messages == 4 and len(session.connections) == 1


@pytest.mark.parametrize("fault", [acs_faults.close_after, acs_faults.connection_close])
async def test_cwmp_02_05_a_closed_connection_is_replaced_between_messages(rig: Rig, fault):
    """On each new connection the ACS asks for credentials again, and wants another cnonce."""
    rig.acs.script.on(fault(), times=None)
    calls = [rig.cpe.queue(rpc.get_values(INFO)) for _ in range(3)]
    session = await rig.wake()
    assert session.ok and len(session.connections) == session.messages == 5
    assert all(len(values) > 5 for values in await asyncio.gather(*calls))


async def test_cwmp_02_no_answer_at_all_is_a_failed_session(make_rig: MakeRig):
    rig = await (await make_rig(site={"acs": {"timeout_s": 1}})).ready()
    never = asyncio.Event()
    rig.acs.script.on(acs_faults.wait_for(never), method="Inform")
    seen = len(rig.cpe.informs)
    await rig.command(f"set {INFO}ProvisioningCode slow")
    await rig.board.seen(r'session: failed reason="timeout" retry=1 wait_s=1')
    inform = await rig.informed("4 VALUE CHANGE", seen + 1)
    assert inform.retry_count == 1 and inform.parameters[INFO + "ProvisioningCode"] == "slow"
    never.set()
    await rig.idle()


async def test_cwmp_03_chunked_answers_and_both_ways_to_say_nothing(rig: Rig):
    rig.acs.script.on(acs_faults.chunked(1), times=None)
    assert len(await rig.ask(rpc.get_values(INFO))) > 5
    rig.acs.script.clear()
    rig.acs.script.on(acs_faults.chunked(700), times=None)
    assert len(await rig.ask(rpc.get_values(INFO))) > 5
    rig.acs.script.clear()
    rig.acs.script.on(acs_faults.empty_200(), times=None)
    session = await rig.wake()
    assert session.ok and session.log[-1].startswith("< 200")


async def test_cwmp_03_no_message_before_the_answer_to_the_last(rig: Rig):
    """Slow answers, byte by byte: the ACS notes a violation if anything comes meanwhile."""
    rig.acs.script.on(acs_faults.slow_bytes(size=40, pause=0.002), times=None)
    assert len(await rig.ask(rpc.get_values(INFO))) > 5


@pytest.mark.parametrize(
    "auth",
    [
        {"qop": "auth,auth-int"},
        {"qop": "auth", "algorithm": "MD5-sess"},
        {"qop": ""},
        {"nonce_uses": 2},
        {"schemes": ("digest", "basic")},
    ],
    ids=["auth-int-offered", "md5-sess", "rfc2069", "stale", "both"],
)
async def test_cwmp_04_05_digest(make_rig: MakeRig, auth):
    rig = await (await make_rig(acs={"auth": auth})).ready()
    seen = watched(rig)
    for _ in range(2):
        assert len(await rig.ask(rpc.get_values(INFO))) > 5
    fields = [parse_pairs(incoming.headers["Authorization"][7:]) for incoming in seen]
    assert all(incoming.headers["Authorization"].startswith("Digest ") for incoming in seen)
    if auth.get("qop", "auth"):
        assert {field["qop"] for field in fields} == {"auth"}
        by_connection: dict[int, set[str]] = {}
        for incoming, field in zip(seen, fields, strict=True):
            by_connection.setdefault(incoming.connection, set()).add(field["cnonce"])
        assert len(by_connection) == 2
        assert all(len(cnonces) == 1 for cnonces in by_connection.values())
        assert not set.intersection(*by_connection.values())


async def test_cwmp_04_an_acs_that_asks_once_per_connection(make_rig: MakeRig):
    rig = await (await make_rig(acs={"auth_each": "connection"})).ready()
    rig.acs.script.on(acs_faults.close_after(), times=None)
    session = await rig.wake()
    assert session.ok and len(session.connections) == 2


async def test_cwmp_04_an_acs_without_authentication(make_rig: MakeRig):
    rig = await (await make_rig(acs={"username": None})).ready()
    seen = watched(rig)
    assert (await rig.wake()).ok
    assert all("Authorization" not in incoming.headers for incoming in seen)


async def test_cwmp_04_basic_without_tls_only_when_configured(make_rig: MakeRig):
    basic = {"auth": {"schemes": ("basic",)}}
    rig = await make_rig(acs=basic)
    await rig.start()
    await rig.board.seen(r'session: failed reason="basic without tls"')
    assert not rig.acs.cpes
    allowed = await (await make_rig(acs=basic, site={"acs": {"allow_basic": True}})).ready()
    seen = watched(allowed)
    assert (await allowed.wake()).ok
    assert all(incoming.headers["Authorization"].startswith("Basic ") for incoming in seen)


@pytest.mark.parametrize("given", [{"username": ""}, {"password": "wrong-Word-77"}])
async def test_cwmp_04_08_wrong_credentials_fail_with_a_clear_reason(make_rig: MakeRig, given):
    rig = await make_rig(site={"acs": given})
    rig.secrets.update(value for value in given.values() if value)
    await rig.start()
    reason = "no credentials" if "username" in given else "status 401"
    await rig.board.seen(rf'session: failed reason="{reason}"')
    assert not rig.acs.cpes
    status = "\n".join(await rig.command("status"))
    assert f"the last session failed: {reason}" in status


async def test_cwmp_06_cookies_several_and_long_and_forgotten_afterwards(make_rig: MakeRig):
    """The ACS knows each session by its cookie, and notes one of an older session."""
    more = {"a": "1", "longest": "x" * 500, "b": "x=y/z"}
    rig = await (await make_rig(acs={"cookies": more})).ready()
    seen = watched(rig)
    for _ in range(2):
        await rig.ask(rpc.get_values(INFO))
    for incoming in seen:
        cookie = incoming.headers.get("Cookie", "")
        if incoming.index == 1:
            assert cookie == ""
        else:
            assert cookie.count("session=") == 1 and "x" * 500 in cookie and "a=1" in cookie
    sessions = {re.findall("session=([0-9a-f]+)", i.headers["Cookie"])[0] for i in seen[1::3]}
    assert len(sessions) == 2


async def test_cwmp_06_a_cookie_set_again_replaces_the_old_one(rig: Rig):
    rig.acs.script.on(acs_faults.cookies({"way": "one"}), method="Inform")
    rig.acs.script.on(acs_faults.cookies({"way": "two"}), method="")
    seen: list[str] = []
    rig.acs.script.decide = lambda incoming: seen.append(incoming.headers.get("Cookie", ""))
    rig.cpe.queue(rpc.get_values(INFO))
    rig.cpe.queue(rpc.get_values(MS))
    assert (await rig.wake()).ok
    ways = [re.findall(r"way=(\w+)", cookie) for cookie in seen]
    assert ways == [[], ["one"], ["two"], ["two"]]


async def test_cwmp_08_statuses_that_fail_a_session(rig: Rig):
    for status in (400, 403, 404, 405, 500, 502):
        rig.acs.script.on(acs_faults.http_status(status), method="Inform")
        await rig.ring()
        await rig.board.seen(rf'session: failed reason="status {status}"')
        await rig.idle()
    assert (await rig.wake()).ok


async def test_cwmp_08_a_failed_session_is_retried_with_all_it_had_to_tell(rig: Rig):
    rig.acs.script.on(acs_faults.http_status(500), method="Inform")
    seen = len(rig.cpe.informs)
    await rig.command(f"set {INFO}ProvisioningCode after-500")
    await rig.board.seen(r'session: failed reason="status 500" retry=1 wait_s=1')
    inform = await rig.informed("4 VALUE CHANGE", seen + 1)
    assert inform.retry_count == 1
    assert inform.parameters[INFO + "ProvisioningCode"] == "after-500"


async def test_cwmp_08_invalid_session_in_the_middle(rig: Rig):
    """GenieACS's answer when it has lost the session; nothing is owed but the session itself."""
    rig.acs.script.on(acs_faults.invalid_session(), method="")
    seen = len(rig.cpe.informs)
    await rig.ring()
    await rig.board.seen(r'session: failed reason="status 400"')
    inform = await rig.informed(None, seen + 1)
    assert inform.codes == ["X 020000 SESSION"] and inform.retry_count == 1
    await rig.idle()
    assert len(rig.cpe.informs) == seen + 2


async def test_cwmp_09_large_answers_are_streamed_and_large_requests_bounded(rig: Rig):
    values = await rig.ask(rpc.get_values("Device."))
    assert len(values) > 30
    rig.acs.script.on(acs_faults.big_body(5_000_000), method="")
    rig.cpe.queue(rpc.get_values(INFO))
    await rig.ring()
    await rig.board.seen(r'session: failed reason="[^"]*body too large"')
    await rig.idle()
    assert (await rig.wake()).ok


async def test_cwmp_09_a_body_just_within_the_limit(make_rig: MakeRig):
    rig = await (await make_rig(site={"limits": {"body_bytes": 8192}})).ready()
    rig.acs.script.on(acs_faults.big_body(6000), times=None)
    assert len(await rig.ask(rpc.get_values(INFO))) > 5
    rig.acs.script.clear()
    assert await rig.get(MS + "ParameterKey") == ""
