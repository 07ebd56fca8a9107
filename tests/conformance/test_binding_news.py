"""What a boot, nonsense from the ACS and IPv6 mean for the binding."""

import pytest

from host_tools.lab import rpc
from host_tools.lab.soap import CwmpFaultError
from host_tools.lab.stun_faults import ErrorAnswer, Silence
from tests.conformance.rig import ADDRESS, CHANGE, MS, MakeRig, Rig


async def booted(rig: Rig) -> list[list[str]]:
    """Restart; the events of every Inform until the device is idle with a binding, or without."""
    seen = len(rig.cpe.informs)
    received = rig.stun.received
    await rig.reboot()
    await rig.informed("1 BOOT", seen)
    if not rig.stun.faults:
        await rig.stun.wait_request(lambda request: request.is_change, since=received)
    await rig.idle()
    return [inform.codes for inform in rig.cpe.informs[seen:]]


async def test_stun_62_a_binding_found_again_after_a_boot_is_no_news(rig: Rig):
    address = await rig.get(ADDRESS)
    for _ in range(2):
        events = await booted(rig)
        assert [codes for codes in events if CHANGE in codes] == []
        assert await rig.get(ADDRESS) == address
    assert (await rig.wake()).ok


async def test_stun_62_b12_a_server_that_is_dead_after_a_boot_is_told_once(rig: Rig):
    address = await rig.get(ADDRESS)
    fault = Silence()
    rig.stun.faults.add(fault)
    seen = len(rig.cpe.informs)
    await rig.reboot()
    told = await rig.informed(CHANGE, seen, timeout=25)
    assert told.parameters[ADDRESS] == ""  # whether the old one still holds, nobody knows
    seen = len(rig.cpe.informs)
    await rig.reboot()
    await rig.informed("1 BOOT", seen)
    await rig.board.seen(r'binding: failed reason="timeout" failures=1', timeout=20)
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:] if CHANGE in inform.codes] == []
    seen = len(rig.cpe.informs)
    rig.stun.faults.clear()
    await rig.reboot()
    told = await rig.informed(CHANGE, seen)
    assert told.parameters[ADDRESS] == address


async def test_stun_52_nonsense_from_the_acs_is_sanitised_and_said_or_refused(rig: Rig):
    def values(**given: object) -> rpc.Rpc:
        return rpc.set_values({MS + name: value for name, value in given.items()})

    await rig.ask(
        values(STUNMinimumKeepAlivePeriod=60, STUNMaximumKeepAlivePeriod=rpc.Typed("20", "int"))
    )
    await rig.board.seen(r"^W \d+ binding: period minimum=60 maximum=20 used=20$")
    assert any("keepalive=20 s" in line for line in await rig.command("binding"))
    for name, value in (
        ("STUNMaximumKeepAlivePeriod", rpc.Typed("-2", "int")),
        ("STUNMinimumKeepAlivePeriod", rpc.Typed("-1", "unsignedInt")),
        ("STUNMinimumKeepAlivePeriod", rpc.Typed("4294967296", "unsignedInt")),
        ("STUNMinimumKeepAlivePeriod", rpc.Typed("soon", "unsignedInt")),
        ("STUNServerPort", rpc.Typed("65536", "unsignedInt")),
        ("STUNServerAddress", "x" * 257),
    ):
        with pytest.raises(CwmpFaultError) as refused:
            await rig.ask(values(**{name: value}))
        assert refused.value.code == 9003
        ((named, code, _),) = refused.value.parameters
        assert named == MS + name and code in (9006, 9007)
    assert any("keepalive=20 s" in line for line in await rig.command("binding"))
    await rig.ask(values(STUNMinimumKeepAlivePeriod=4294967295))  # allowed, and of no use
    assert (await rig.wake()).ok


@pytest.mark.parametrize("server", ["2001:db8::1", "[2001:db8::1]", "::", "fe80::1%eth0", " x "])
async def test_stun_22_a_server_that_is_no_ipv4_host_is_said_and_can_be_mended(
    make_rig: MakeRig, server: str
):
    rig = await make_rig(provision={"stun_host": server})
    await rig.start()
    await rig.board.seen(
        r'binding: failed reason="no IPv4 address for the STUN server" failures=1'
    )
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    status = "\n".join(await rig.idle())
    assert "NOT READY: no STUN answer from " + server.strip() in status.replace("  ", " ")
    assert await rig.get(ADDRESS) == ""
    await rig.set("STUNServerAddress", rig.stun.address[0])
    await rig.ready()
    assert (await rig.wake()).ok


async def test_stun_51_the_history_of_a_binding_is_on_the_console(rig: Rig):
    said = await rig.command("binding")
    history = [line.split(" ago ")[1] for line in said if line.startswith("history ")]
    assert history == ["bound " + await rig.get(ADDRESS)]
    assert "lifetime  the ACS fixes the keepalive period" in said
    assert "nat       none: the public address is the local one" in said
    assert any("round trip " in line for line in said)
    for port in range(12):  # the history is bounded
        await rig.set("STUNMinimumKeepAlivePeriod", 5 + port % 2)
        await rig.board.seen(r"^I \d+ binding: announced ")
    said = await rig.command("binding")
    assert len([line for line in said if line.startswith("history ")]) == 8


async def test_stun_51_the_health_of_the_binding_is_in_the_data_model(rig: Rig):
    await rig.ready()
    oui = await rig.get("Device.DeviceInfo.ManufacturerOUI")
    path = f"Device.X_{oui}_Binding."
    values = await rig.ask(rpc.get_values(path))
    health = {name.removeprefix(path): value for name, value in values.items()}
    address = await rig.get(ADDRESS)
    assert health["PeriodSource"] in ("fixed", "minimum") and health["Losses"] == "0"
    assert 5 <= int(health["KeepAlivePeriod"]) <= 30 and 0 <= int(health["LastAnswerAge"]) < 60
    assert int(health["Changes"]) >= 1 and health["Failures"] == "0"
    assert all(int(trip) < 5000 for trip in health["RoundTrips"].split(","))
    assert health["History"].split("; ")[0].endswith(f" s ago bound {address}")
    (fault,) = await rig.call(rpc.set_values({path + "Losses": 1}))
    assert fault.code == 9003  # read only
    rig.stun.faults.add(ErrorAnswer(code=420))
    await rig.set("STUNMinimumKeepAlivePeriod", 7)
    await rig.board.seen(r"binding: error code=420")
    await rig.idle()
    assert await rig.get(path + "Failures") == "1"
    assert "(420)" in await rig.get(path + "History")
