"""ACSs that misbehave: a clear reason, and nothing lost when they are well again."""

import asyncio
from collections.abc import Callable

import pytest

from host_tools.lab import acs_faults
from host_tools.lab.acs_faults import Misbehaviour
from tests.conformance.rig import CHANGE, INFO, MakeRig, Rig

CODE = INFO + "ProvisioningCode"
SHORT = {"acs": {"timeout_s": 1}}

# What the ACS does to the Inform, to how many (None: until it is well again), the reason said.
Case = tuple[Callable[[Rig], Misbehaviour], int | None, str]
CASES: dict[str, Case] = {
    "garbage": (lambda rig: acs_faults.garbage(), 1, "not http"),
    "html": (lambda rig: acs_faults.html_page(), 1, "XML|envelope"),
    "html-404": (lambda rig: acs_faults.html_page(404), 1, "status 404"),
    "302-loop": (lambda rig: acs_faults.redirect(rig.acs.url), None, "redirect loop"),
    "302-nowhere": (lambda rig: acs_faults.redirect("ftp://x/"), 1, "scheme|url|URL"),
    "5-megabytes": (lambda rig: acs_faults.big_body(5_000_000), 1, "body too large"),
    "401-for-ever": (lambda rig: acs_faults.unauthorized(), None, "status 401"),
    "503": (lambda rig: acs_faults.unavailable(None), 1, "status 503"),
    "503-retry-after": (lambda rig: acs_faults.unavailable(1), 1, "status 503"),
    "cut-in-the-middle": (lambda rig: acs_faults.truncate(150), 1, "truncated"),
    "closed": (lambda rig: acs_faults.close_connection(), None, "truncated|closed|reset"),
    "reset": (lambda rig: acs_faults.reset_connection(), None, "reset|closed|truncated"),
    "slow-bytes": (lambda rig: acs_faults.slow_bytes(1, 0.02), 1, "timeout"),
    "broken-xml": (lambda rig: acs_faults.bad_xml(), 1, "XML|ends early|unfinished"),
    "doctype": (lambda rig: acs_faults.doctype(), 1, "document type refused"),
    "empty-200": (lambda rig: acs_faults.http_status(200), 1, "no answer to Inform"),
}


async def misbehaves(make_rig: MakeRig, name: str) -> None:
    fault, times, reason = CASES[name]
    rig = await (await make_rig(site=SHORT if name == "slow-bytes" else {})).ready()
    rig.acs.script.on(fault(rig), method="Inform", times=times)
    seen = len(rig.cpe.informs)
    await rig.command(f"set {CODE} {name}")
    await rig.board.seen(rf'^W \d+ session: failed reason="[^"]*({reason})[^"]*" retry=1 wait_s=1')
    assert await rig.command("events") == [f"changed: {CODE}"]
    rig.acs.script.clear()
    inform = await rig.cpe.wait_inform(CHANGE, seen)
    async with rig.within(10):
        while not rig.cpe.sessions[-1].ok:
            await asyncio.sleep(0.01)
    inform = rig.cpe.informs[-1]
    assert inform.codes == [CHANGE] and inform.parameters[CODE] == name
    assert inform.retry_count >= 1
    assert "wake      ready" in "\n".join(await rig.idle())
    assert (await rig.wake()).ok


@pytest.mark.parametrize("names", [list(CASES)[start::3] for start in range(3)])
async def test_cwmp_08_09_an_acs_that_misbehaves_costs_one_session_and_no_event(
    make_rig: MakeRig, names
):
    """Several devices side by side: each waits a second for its retry."""
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(misbehaves(make_rig, name), name=name)


async def test_cwmp_08_retry_after_is_the_least_wait_and_a_ring_cuts_it_short(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    for given, waited in ((4000000, 1), (86400, 3600), (7, 7)):  # one beyond reason, one an hour
        rig.acs.script.on(acs_faults.unavailable(given), method="Inform")
        await rig.command(f"set {CODE} after-{given}")
        await rig.board.seen(rf'session: failed reason="status 503" retry=1 wait_s={waited}$')
        rig.acs.script.clear()
        seen = len(rig.cpe.informs)
        if waited == 1:
            await rig.informed(CHANGE, seen)
        else:
            assert (await rig.wake()).ok
            assert CHANGE in rig.cpe.informs[seen].codes
        await rig.idle()


async def test_b21_an_acs_that_is_down_and_comes_back(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    await rig.acs.stop()
    seen = len(rig.cpe.informs)
    await rig.command(f"set {CODE} later")
    await rig.board.seen(r'session: failed reason="connect refused" retry=3 wait_s=1')
    status = "\n".join(await rig.command("status"))
    assert "the last session failed: connect refused; a ring still starts one at once" in status
    await rig.acs.start()
    inform = await rig.informed(CHANGE, seen)
    assert inform.retry_count >= 3 and inform.parameters[CODE] == "later"
    await rig.idle()
    assert (await rig.wake()).ok


async def test_cwmp_07_a_redirect_holds_for_the_session_only(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    for status in (302, 307):
        rig.acs.script.on(acs_faults.redirect(rig.acs.url + "/there", status), method="Inform")
        paths: list[str] = []
        rig.acs.script.decide = lambda incoming, paths=paths: paths.append(incoming.path)
        assert (await rig.wake()).ok
        assert paths[0] == "/acs" and set(paths[1:]) == {"/acs/there"}
        await rig.idle()
    rig.acs.script.decide = None
    assert await rig.get("Device.ManagementServer.URL") == rig.acs.url


async def test_an_acs_that_never_closes_nor_answers_leaves_the_console_alive(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    never = asyncio.Event()
    rig.acs.script.on(acs_faults.wait_for(never), method="Inform")
    await rig.ring()
    await rig.board.seen("session: inform events")
    assert "session running for connection request" in "\n".join(await rig.command("status"))
    never.set()
    await rig.idle()
    assert rig.cpe.sessions[-1].ok
