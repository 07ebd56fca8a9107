"""The course of a session and the Inform, as a live ACS sees them (spec 4.2 to 4.4)."""

import asyncio
import itertools
import re
import time
from datetime import UTC, datetime

import pytest

from host_tools.lab import acs_faults, rpc, soap
from host_tools.lab.cwmp_check import FORCED
from tests.conformance.rig import CHANGE, INFO, MS, RING, MakeRig, Rig


async def test_cwmp_10_14_messages_are_valid_whatever_is_asked(rig: Rig):
    """The ACS checks every message against the schema's rules; here one of each kind."""
    results = await rig.call(
        rpc.get_rpc_methods(),
        rpc.get_names("", False),
        rpc.get_names("Device.", True),
        rpc.get_values("Device."),
        rpc.get_attributes("Device."),
        rpc.set_attributes({INFO + "ProvisioningCode": 2}, ["Subscriber"]),
        rpc.set_values({INFO + "ProvisioningCode": "<&>\"'é"}, "key"),
        rpc.get_values(INFO + "ProvisioningCode"),
        rpc.raw_method("Nonsense"),
    )
    methods, names, top, values, attributes, *_, code, fault = results
    assert "SetParameterValues" in methods and len(names) > len(values) == len(attributes)
    assert "Device.DeviceInfo." in top
    assert code[INFO + "ProvisioningCode"] == "<&>\"'é"
    assert fault.code == 9000
    assert values.types[MS + "STUNEnable"] == "boolean"
    assert values.types[MS + "PeriodicInformInterval"] == "unsignedInt"
    assert values.types[MS + "STUNMaximumKeepAlivePeriod"] == "int"
    assert values.types[MS + "PeriodicInformTime"] == "dateTime"


async def test_cwmp_11_answers_in_the_namespace_they_were_asked_in(rig: Rig):
    assert {inform.cwmp for inform in rig.cpe.informs} == {soap.CWMP_1_2}
    for uri in (soap.CWMP_1_0, soap.CWMP_1_1, soap.CWMP_1_2):
        spaces: list[str] = []

        def note(incoming, spaces=spaces):
            spaces.append(incoming.message.cwmp if incoming.message else "")

        rig.acs.script.clear()
        rig.acs.script.on(acs_faults.cwmp_namespace(uri), times=None)
        rig.acs.script.decide = note
        assert len(await rig.ask(rpc.get_values(INFO))) > 5
        assert spaces == [soap.CWMP_1_2, "", uri]


async def test_cwmp_12_use_cwmp_version(rig: Rig):
    for version in ("1.0", "1.2", "1.4"):
        rig.acs.script.on(acs_faults.use_cwmp_version(version), method="Inform")
        assert (await rig.wake()).ok
        await rig.idle()
    rig.acs.script.on(acs_faults.use_cwmp_version("9.9"), method="Inform")
    await rig.ring()
    await rig.board.seen(r'session: failed reason="CWMP version not supported"')
    await rig.idle()
    assert (await rig.wake()).ok


async def test_cwmp_12_session_timeout_is_for_the_cpe_to_send(rig: Rig):
    """From an ACS it means nothing. A CPE need not send it, and this one does not."""
    rig.acs.script.on(acs_faults.soap_header("cwmp:SessionTimeout", "0", False), times=None)
    assert len(await rig.ask(rpc.get_values(INFO))) > 5
    assert all(set(inform.headers) == {"ID"} for inform in rig.cpe.informs)


async def test_cwmp_13_hold_requests_ids_and_headers(rig: Rig):
    rig.acs.script.on(acs_faults.hold_requests(), method="Inform")
    rig.acs.script.on(acs_faults.hold_requests(), method="")
    rig.cpe.queue(rpc.get_values(INFO))
    session = await rig.wake()
    assert session.ok
    assert [line for line in session.log if line.startswith(">")] == [
        "> Inform",
        "> empty",
        "> GetParameterValuesResponse",
    ]
    await rig.idle()
    rig.acs.script.on(acs_faults.wrong_id(), method="Inform")
    assert (await rig.wake()).ok  # taken, and said
    await rig.board.seen("session: id-differs method=Inform")
    await rig.idle()
    rig.acs.script.on(acs_faults.unknown_header(must_understand=False), times=None)
    assert len(await rig.ask(rpc.get_values(INFO))) > 5


async def test_cwmp_13_an_unknown_header_that_must_be_understood(rig: Rig):
    rig.acs.script.on(acs_faults.unknown_header(), method="")
    fault = (await rig.call(rpc.get_values(INFO)))[0]
    assert isinstance(fault, soap.CwmpFaultError) and fault.code == 0  # a fault of SOAP itself
    await rig.idle()
    rig.acs.script.on(acs_faults.unknown_header(), method="Inform")
    await rig.ring()
    await rig.board.seen(r'session: failed reason="header \S+ not understood"')
    await rig.idle()
    assert (await rig.wake()).ok


@pytest.mark.parametrize(
    "shape",
    [
        acs_faults.odd_prefixes(),
        acs_faults.default_namespace("env"),
        acs_faults.default_namespace("cwmp"),
    ],
    ids=["odd-prefixes", "default-env", "default-cwmp"],
)
async def test_cwmp_16_envelopes_in_any_dress(rig: Rig, shape):
    rig.acs.script.on(shape, times=None)
    value = "a <b> & 'c'"
    done, values = await rig.call(
        rpc.set_values({INFO + "ProvisioningCode": value}),
        rpc.get_values(INFO + "ProvisioningCode"),
    )
    assert done == 0 and values[INFO + "ProvisioningCode"] == value


async def test_cwmp_20_fault_8005_asks_for_the_same_inform_again(rig: Rig):
    rig.acs.script.on(acs_faults.soap_fault(8005), method="Inform", times=2)
    seen = len(rig.cpe.informs)
    session = await rig.wake()
    assert session.ok and session.log.count("> Inform") == 3
    informs = rig.cpe.informs[seen:]
    assert len(informs) == 3 and {inform.session for inform in informs} == {session.number}
    assert all(inform.codes == [RING] and inform.retry_count == 0 for inform in informs)


async def test_cwmp_20_any_other_fault_fails_the_session(rig: Rig):
    rig.acs.script.on(acs_faults.soap_fault(8002, "busy"), method="Inform")
    seen = len(rig.cpe.informs)
    await rig.command(f"set {INFO}ProvisioningCode again")
    await rig.board.seen(r'session: failed reason="fault 8002 to Inform"')
    inform = await rig.informed(CHANGE, seen + 1)
    assert inform.retry_count == 1


async def test_cwmp_20_fault_8005_without_end_is_given_up(rig: Rig):
    rig.acs.script.on(acs_faults.soap_fault(8005), method="Inform", times=None)
    seen = len(rig.cpe.informs)
    await rig.ring()
    await rig.board.seen(r'session: failed reason="fault 8005 to Inform"')
    assert len(rig.cpe.informs) == seen + 4
    rig.acs.script.clear()
    await rig.idle()
    assert (await rig.wake()).ok


async def test_cwmp_21_inform_empty_post_requests_one_by_one_and_the_end(rig: Rig):
    rig.cpe.queue(rpc.get_rpc_methods())
    rig.cpe.queue(rpc.get_values(INFO))
    session = await rig.wake()
    assert session.log == [
        "> Inform",
        "< InformResponse",
        "> empty",
        "< GetRPCMethods",
        "> GetRPCMethodsResponse",
        "< GetParameterValues",
        "> GetParameterValuesResponse",
        "< 204",
    ]


async def test_cwmp_21_what_is_no_answer_fails_the_session(rig: Rig):
    rig.acs.script.on(acs_faults.http_status(204), method="Inform")
    await rig.ring()
    await rig.board.seen(r'session: failed reason="no answer to Inform"')
    await rig.idle()
    strange = b"<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>"
    document = soap.Envelope(soap.node("cwmp:Reboot", soap.node("CommandKey")), "1").to_bytes()
    again = re.sub(rb"<cwmp:Reboot>.*</cwmp:Reboot>", strange, document)
    seen = len(rig.cpe.informs)
    rig.cpe.queue(rpc.raw(again))  # an InformResponse where a request should stand
    await rig.ring()
    await rig.board.seen(r'session: failed reason="unexpected response"')
    await rig.informed(None, seen + 1)
    await rig.idle()


async def test_cwmp_22_30_31_34_what_an_inform_says(rig: Rig):
    before = int(time.time()) - 1
    await rig.wake()
    for inform in rig.cpe.informs:
        assert inform.device.oui == "020000" and inform.device.product_class == "esp-cwmp"
        assert re.fullmatch("[0-9A-F]{12}", inform.device.serial_number)
        assert inform.max_envelopes == "1" and inform.retry_count == 0
        assert not set(FORCED) - set(inform.parameters)
        assert MS + "UDPConnectionRequestAddress" not in inform.parameters or (
            CHANGE in inform.codes
        )
    last = rig.cpe.informs[-1]
    assert set(last.parameters) == set(FORCED)
    if rig.can("unset_clock"):  # a board that was just powered up, and asks no NTP server
        assert last.current_time == "0001-01-01T00:00:00Z"
        return
    told = datetime.strptime(last.current_time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert before <= told.timestamp() <= time.time() + 1  # counted from 1970 (B19)


async def test_cwmp_30_identity_of_the_site(make_rig: MakeRig):
    device = {
        "manufacturer": "Lab & Söhne",
        "oui": "00D09E",
        "product_class": "sensor <1>",
        "serial_number": "S-0001",
    }
    rig = await (await make_rig(site={"device": device})).ready()
    found = rig.cpe.informs[0].device
    assert (found.manufacturer, found.oui, found.product_class, found.serial_number) == tuple(
        device.values()
    )


async def test_cwmp_32_nothing_of_other_data_models(rig: Rig):
    names = await rig.ask(rpc.get_names("", False))
    assert all(name.startswith("Device.") for name in names)
    assert not {name for name in names if "DeviceSummary" in name or "LAN." in name}


async def test_cwmp_33_value_change_exactly_when_a_changed_value_is_included(rig: Rig):
    await rig.ask(rpc.set_attributes({INFO + "Description": 1, MS + "Username": 1}))
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.set("PeriodicInformInterval", 4000)  # nobody asked to be told
    assert (await rig.wake()).ok
    assert rig.cpe.informs[seen].codes == [RING]
    await rig.idle()
    await rig.command(f"set {MS}Username cpe-17x")
    await rig.command(f"set {MS}Username cpe-17")
    assert len(rig.cpe.informs) == seen + 1  # passive: waits for the next session
    assert (await rig.wake()).ok
    inform = rig.cpe.informs[seen + 1]
    assert inform.codes == [CHANGE, RING]
    assert set(inform.parameters) == {*FORCED, MS + "Username"}
    await rig.idle()
    await rig.wake()
    assert rig.cpe.informs[-1].codes == [RING]


async def test_cwmp_23_a_new_acs_url_is_used_after_the_session_with_bootstrap(rig: Rig):
    new = await rig.new_acs(send_udp=rig.stun.send)
    calls = (
        rpc.set_values({MS + "URL": new.url}),
        rpc.get_values(MS + "URL"),
        rpc.get_values(INFO),
    )
    status, url, values = await rig.call(*calls)
    assert status == 1 and url[MS + "URL"] == new.url and len(values) > 5
    assert rig.cpe.sessions[-1].ok
    there = await new.wait_cpe()
    await there.wait_session_end(1)
    assert there.informs[0].codes[0] == "0 BOOTSTRAP" and "1 BOOT" not in there.informs[0].codes
    here = len(rig.cpe.informs)
    await rig.idle()
    await rig.power_cut()
    inform = await there.wait_inform("1 BOOT")
    assert "0 BOOTSTRAP" not in inform.codes
    await there.wait_session_end(inform.session)
    assert len(rig.cpe.informs) == here


async def test_cwmp_23_x2_a_new_acs_that_provisions_can_ring(rig: Rig):
    new = await rig.new_acs(send_udp=rig.stun.send)
    new.set_provision(rig.provision())
    await rig.ask(rpc.set_values({MS + "URL": new.url}))
    there = await new.wait_cpe()
    await there.wait_session_end(1)
    await rig.idle()
    there.parameters[MS + "UDPConnectionRequestAddress"] = f"{rig.address}:{rig.port}"
    ring = await new.ring(there)
    assert (await ring.session()).ok


async def test_cwmp_40_an_acs_url_set_on_the_device_is_a_first_contact_at_once(rig: Rig):
    new = await rig.new_acs()
    await rig.set("URL", new.url)
    there = await new.wait_cpe()
    await there.wait_session_end(1)
    assert there.informs[0].codes == ["0 BOOTSTRAP"]
    await rig.idle()
    await rig.set("URL", rig.acs.url)  # and back again: both have forgotten each other
    inform = await rig.informed("0 BOOTSTRAP", 1)
    assert inform.codes == ["0 BOOTSTRAP"]
    await rig.idle()


async def test_cwmp_24_a_session_without_progress_is_ended(make_rig: MakeRig):
    """The ACS answers so slowly that each piece restarts its wait; the CPE's own guard ends it."""
    rig = await (await make_rig(site={"limits": {"session_guard_s": 5}})).ready()
    never = asyncio.Event()
    rig.acs.script.on(acs_faults.wait_for(never), method="")
    await rig.ring()
    await rig.board.seen(r'session: failed reason="no progress"', timeout=15)
    never.set()
    await rig.idle()
    assert (await rig.wake()).ok


async def test_cwmp_25_one_session_at_a_time(rig: Rig):
    """Rings, changes and the console all at once: sessions follow each other."""
    seen = len(rig.cpe.informs)
    for number in range(5):
        await rig.ring()
        await rig.command(f"set {INFO}ProvisioningCode p{number}")
        await rig.command("inform")
    await rig.idle()
    sessions = rig.cpe.sessions
    assert all(session.ok for session in sessions)
    assert all(
        before.ended_ns <= after.started_ns for before, after in itertools.pairwise(sessions)
    )
    told = [inform.parameters.get(INFO + "ProvisioningCode") for inform in rig.cpe.informs[seen:]]
    assert told[-1] == "p4"
