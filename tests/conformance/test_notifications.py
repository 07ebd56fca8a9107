"""Notification of changes, and retries of sessions that failed (spec 4.5, 4.7, B18)."""

import re

import pytest

from host_tools.lab import acs_faults, rpc
from tests.conformance.rig import ADDRESS, CHANGE, INFO, MS, RING, MakeRig, Rig

CODE = INFO + "ProvisioningCode"


async def test_cwmp_60_off_passive_active(rig: Rig):
    names = [MS + "Username", MS + "UpgradesManaged", MS + "STUNServerPort"]
    await rig.ask(rpc.set_attributes(dict(zip(names, (0, 1, 2), strict=True))))
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.set("UpgradesManaged", "0")
    assert "changed: " + names[1] in await rig.command("events")
    await rig.idle()
    assert len(rig.cpe.informs) == seen
    await rig.set("DefaultActiveNotificationThrottle", "0")
    await rig.command(f"set {CODE} active")
    inform = await rig.informed(CHANGE, seen)
    assert {names[1], CODE} <= set(inform.parameters)
    assert inform.parameters[names[1]] == "0"
    await rig.idle()
    assert await rig.command("events") == []


async def test_cwmp_60_what_the_acs_writes_is_not_told_back(rig: Rig):
    seen = len(rig.cpe.informs)
    await rig.call(
        rpc.set_attributes({MS + "Username": 2, MS + "PeriodicInformInterval": 2}),
        rpc.set_values({CODE: "by the acs", MS + "PeriodicInformInterval": 1234}),
    )
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING]]
    assert await rig.command("events") == []


async def test_cwmp_60_61_what_may_be_asked_for(rig: Rig):
    forced, uptime, light, wrong, granted = await rig.call(
        rpc.set_attributes({INFO + "SoftwareVersion": 0, CODE: 0}),
        rpc.set_attributes({INFO + "UpTime": 2}),
        rpc.set_attributes({MS + "Username": 3}),
        rpc.set_attributes({MS + "NoSuch": 1}),
        rpc.set_attributes({INFO + "UpTime": 1, ADDRESS: 2, KEY: 2}),
    )
    assert forced is None and granted is None
    assert (uptime.code, light.code, wrong.code) == (9009, 9009, 9005)
    attributes = await rig.ask(rpc.get_attributes("Device."))
    level = {name: found[0] for name, found in attributes.items()}
    assert level[INFO + "SoftwareVersion"] == level[CODE] == 2  # for ever
    assert level[MS + "ConnectionRequestURL"] == 2 and level[INFO + "UpTime"] == 1
    assert level[ADDRESS] == level[KEY] == 2 and level[MS + "Username"] == 0


KEY = MS + "ParameterKey"


async def test_cwmp_61_defaults(make_rig: MakeRig):
    rig = await make_rig(provisioned=False)
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    future = cpe.queue(rpc.get_attributes("Device."))
    await cpe.wait_session_end(1)
    await rig.command("inform")
    attributes = await future
    assert {name for name, found in attributes.items() if found[0]} == {
        INFO + "SoftwareVersion",
        CODE,
        MS + "ConnectionRequestURL",
    }


async def test_cwmp_63_b18_attributes_and_undelivered_changes_survive_a_power_cut(rig: Rig):
    await rig.ask(rpc.set_attributes({MS + "Username": 1}))
    await rig.idle()
    await rig.acs.stop()
    await rig.command(f"set {CODE} undelivered")
    await rig.command(f"set {MS}Username cpe-18")
    await rig.command(f"set {MS}Username cpe-17")
    await rig.board.seen(r'session: failed reason="connect refused" retry=1')
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    await rig.board.seen(r'session: failed reason="connect refused" retry=1')
    await rig.acs.start()
    inform = await rig.informed("1 BOOT", seen)
    assert inform.codes == ["1 BOOT", CHANGE]
    assert inform.parameters[CODE] == "undelivered"
    assert inform.parameters[MS + "Username"] == "cpe-17"
    await rig.idle()
    (attributes,) = await rig.call(rpc.get_attributes(MS + "Username"))
    assert attributes[MS + "Username"][0] == 1


async def test_cwmp_62_the_throttle_never_delays_a_retry_or_another_reason(rig: Rig):
    await rig.ask(rpc.set_values({MS + "DefaultActiveNotificationThrottle": 3600}))
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.command(f"set {CODE} waits")
    status = "\n".join(await rig.command("status"))
    assert re.search(r"session   3[56]\d\d s until a session for value change", status)
    rig.acs.script.on(acs_faults.unavailable(None), method="Inform")
    await rig.command("inform")
    await rig.board.seen(r'session: failed reason="status 503" retry=1 wait_s=1')
    inform = await rig.informed(CHANGE, seen + 1)
    assert inform.retry_count == 1 and inform.parameters[CODE] == "waits"


async def test_cwmp_34_70_71_retry_count_and_waits(make_rig: MakeRig):
    more = {"CWMPRetryMinimumWaitInterval": 1, "CWMPRetryIntervalMultiplier": 1500}
    rig = await (await make_rig(provision={"more": more})).ready()
    rig.acs.script.on(acs_faults.http_status(500), method="Inform", times=3)
    seen = len(rig.cpe.informs)
    await rig.command(f"set {CODE} again")
    inform = await rig.informed(CHANGE, seen + 3, 20)
    counts = [inform.retry_count for inform in rig.cpe.informs[seen:]]
    assert counts == [0, 1, 2, 3]
    waits = re.findall(
        r"session: failed reason=\"[^\"]*\" retry=(\d+) wait_s=(\d+)", rig.board.said()
    )
    assert [int(number) for number, _ in waits] == [1, 2, 3]
    for number, seconds in waits:  # printed in whole seconds, rounded up
        n = int(number)
        assert 1.5 ** (n - 1) <= int(seconds) <= 1.5**n + 1
    assert inform.codes == [CHANGE]
    assert all(one.parameters[CODE] == "again" for one in rig.cpe.informs[seen:])
    await rig.idle()
    await rig.wake()
    assert rig.cpe.informs[-1].retry_count == 0


@pytest.mark.parametrize("n", [1, 2])
async def test_cwmp_70_72_the_default_window(make_rig: MakeRig, n):
    """The wait that is printed lies in the window of the defaults, m = 5 s and k = 2000."""
    rig = await make_rig(provisioned=False)
    await rig.acs.stop()
    await rig.start()
    for number in range(1, n + 1):
        found = await rig.board.seen(
            rf'session: failed reason="connect refused" retry={number} wait_s=(\d+)'
        )
        assert 5 * 2 ** (number - 1) <= int(found[1]) <= 5 * 2**number
        await rig.command("inform")  # a new event cuts the wait short (CWMP-73)


async def test_cwmp_71_a_reboot_starts_over(rig: Rig):
    await rig.acs.stop()
    await rig.command(f"set {CODE} first")
    await rig.board.seen(r'session: failed reason="connect refused" retry=2 wait_s=')
    await rig.power_cut()
    await rig.board.seen(r'session: failed reason="connect refused" retry=1 wait_s=')
    await rig.acs.start()
    await rig.informed("1 BOOT", 0)


async def test_cwmp_73_one_early_attempt_for_many_events(make_rig: MakeRig):
    more = {"CWMPRetryMinimumWaitInterval": 600}
    rig = await (await make_rig(provision={"more": more})).ready()
    seen = len(rig.cpe.informs)
    await rig.acs.stop()
    await rig.command(f"set {CODE} first")
    await rig.board.seen(r'session: failed reason="connect refused" retry=1 wait_s=')
    for _ in range(5):
        await rig.ring()
    await rig.board.seen(r'session: failed reason="connect refused" retry=2 wait_s=')
    status = "\n".join(await rig.command("status"))
    assert re.search(r"session   [1-5] s until a session for .*connection request", status)
    assert rig.board.said().count("session: failed") == 2
    await rig.acs.start()
    inform = await rig.informed(CHANGE, seen)
    assert inform.codes == [CHANGE, RING] and inform.retry_count == 2
