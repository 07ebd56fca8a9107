"""Diagnostic tests: requested in a session, run after it, told with 8 DIAGNOSTICS COMPLETE."""

import pytest

from host_tools.lab import rpc
from tests.conformance.rig import MakeRig, Rig

PING = "Device.IP.Diagnostics.IPPing."
STATE = PING + "DiagnosticsState"
DONE = "8 DIAGNOSTICS COMPLETE"


async def with_ping(make_rig: MakeRig, **options: object) -> Rig:
    rig = await (await make_rig(**options)).ready()
    names = await rig.ask(rpc.get_names("Device.IP.", True))
    if "Device.IP.Diagnostics." not in names:
        pytest.skip("this board may open no raw socket")
    await rig.idle()
    return rig


async def ping(rig: Rig, **more: object) -> dict[str, str]:
    """Have a test made, and return what there is to know of it afterwards."""
    seen = len(rig.cpe.informs)
    values = {"DiagnosticsState": "Requested", **more}
    assert await rig.ask(rpc.set_values({PING + name: more for name, more in values.items()})) == 0
    await rig.informed(DONE, seen)
    await rig.idle()
    found = await rig.ask(rpc.get_values(PING))
    await rig.idle()
    return {name.removeprefix(PING): value for name, value in found.items()}


@pytest.mark.parametrize("memory", ["keep", "save"])
async def test_cwmp_40_a_ping_is_made_after_the_session_and_its_result_kept(
    make_rig: MakeRig, memory: str
):
    rig = await with_ping(make_rig, site={"limits": {"memory": memory, "freshness_write_s": 0}})
    found = await ping(rig, Host=rig.host, NumberOfRepetitions=2, DataBlockSize=64, DSCP=10)
    assert found["DiagnosticsState"] == "Complete"
    assert (found["SuccessCount"], found["FailureCount"]) == ("2", "0")
    low, mean, high = (
        int(found[name + "ResponseTime"]) for name in ("Minimum", "Average", "Maximum")
    )
    assert 0 <= low <= mean <= high < 1000
    assert (found["Host"], found["DataBlockSize"], found["DSCP"]) == (rig.host, "64", "10")
    # Writing an argument afterwards makes the result nobody's (TR-181).
    await rig.ask(rpc.set_values({PING + "Timeout": 500}))
    assert await rig.ask(rpc.get_values(STATE)) == {STATE: "None"}
    await rig.idle()
    await rig.power_cut()
    await rig.informed("1 BOOT", len(rig.cpe.informs) - 1)
    after = await rig.ask(rpc.get_values(PING))
    assert after[STATE] == "None" and after[PING + "Host"] == ""


async def test_cwmp_40_a_ping_that_cannot_be_made_says_why(make_rig: MakeRig):
    rig = await with_ping(make_rig)
    found = await ping(rig, Host="no-such-host.invalid")
    assert found["DiagnosticsState"] == "Error_CannotResolveHostName"
    assert (found["SuccessCount"], found["FailureCount"]) == ("0", "0")
    found = await ping(rig, Host="240.0.0.1", NumberOfRepetitions=1, Timeout=50)
    assert found["DiagnosticsState"] == "Complete" and found["FailureCount"] == "1"


async def test_cwmp_51_a_request_can_be_cancelled_and_asked_for_again(make_rig: MakeRig):
    rig = await with_ping(make_rig)
    requested = {PING + "Host": rig.host, STATE: "Requested"}
    _, state, _, cancelled, bad, complete, _, again = await rig.call(
        rpc.set_values(requested),
        rpc.get_values(STATE),
        rpc.set_values({STATE: "Canceled"}),
        rpc.get_values(STATE),
        rpc.set_values({STATE: "Complete"}),
        rpc.set_values({PING + "SuccessCount": 7}),
        rpc.set_values({STATE: "Requested", PING + "NumberOfRepetitions": 1}),
        rpc.get_values(STATE),
    )
    assert state == {STATE: "Requested"} and cancelled == {STATE: "None"}
    assert [code for _, code, _ in bad.parameters] == [9007]
    assert [code for _, code, _ in complete.parameters] == [9008]
    assert again == {STATE: "Requested"}
    await rig.until(lambda: DONE in rig.cpe.informs[-1].codes, DONE)
    await rig.idle()
    assert sum(DONE in inform.codes for inform in rig.cpe.informs) == 1
    assert (await rig.ask(rpc.get_values(PING + "SuccessCount"))) == {PING + "SuccessCount": "1"}
