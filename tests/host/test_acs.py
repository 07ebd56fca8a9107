"""The lab ACS, driven over real sockets by a small CPE that shares no code with it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from simple_cpe import FORCED, MS, SimpleCpe, envelope, fault_xml, method_of

from host_tools.errors import UserError
from host_tools.lab import rpc, udp_request
from host_tools.lab.acs import Acs
from host_tools.lab.cpe import Credentials, SessionLost
from host_tools.lab.provision import Provision
from host_tools.lab.soap import CwmpFaultError, EnvelopeError

pytestmark = pytest.mark.asyncio
KEY = "00D0C9-simple-000001"


@pytest_asyncio.fixture
async def acs() -> AsyncIterator[Acs]:
    async with Acs() as server:
        yield server


@pytest_asyncio.fixture
async def cpe(acs: Acs) -> AsyncIterator[SimpleCpe]:
    async with SimpleCpe(acs.url) as client:
        yield client


def rules(acs: Acs) -> list[str]:
    return [violation.rule for violation in acs.violations]


# Whole sessions


async def test_cwmp_21_a_session_without_requests(acs: Acs, cpe: SimpleCpe) -> None:
    assert await cpe.run("1 BOOT") == ["200 InformResponse", "204"]
    known = await acs.wait_cpe(key=KEY)
    session = await known.wait_session_end(1)
    assert session.ok and session.log == ["> Inform", "< InformResponse", "> empty", "< 204"]
    assert len(session.connections) == 1
    inform = await known.wait_inform("1 BOOT")
    assert inform.codes == ["1 BOOT"] and inform.retry_count == 0
    assert inform.current_time == "2025-01-02T03:04:05Z" and list(inform.parameters) == FORCED
    assert known.parameters[FORCED[0]] == "x" and known.types[FORCED[-1]] == "boolean"
    assert session.started_ns >= inform.first_byte_ns == inform.first_try_ns > 0
    assert acs.violations == [] and acs.refused == []


async def test_cwmp_50_queued_requests_and_what_they_return(acs: Acs, cpe: SimpleCpe) -> None:
    await cpe.run("1 BOOT")
    known = await acs.wait_cpe()
    name = MS + "NATDetected"
    futures = [
        known.queue(call)
        for call in (
            rpc.get_rpc_methods(),
            rpc.set_values({"Device.A": "a<&>\"'", "Device.B": True, "Device.C": -4}, "key"),
            rpc.get_values("Device.A", "Device.B", "Device.C"),
            rpc.get_names("Device."),
            rpc.set_attributes({name: 2}),
            rpc.get_attributes(name),
            rpc.reboot("key"),
        )
    ]
    assert known.queued[0] == "GetRPCMethods" and len(known.queued) == 7
    heard = await cpe.run("6 CONNECTION REQUEST")
    assert heard[0] == "200 InformResponse" and heard[-1] == "204" and len(heard) == 9
    methods, status, values, names, nothing, attributes, done = await asyncio.gather(*futures)
    assert methods[0] == "GetRPCMethods" and status == 0 and nothing is None and done is None
    assert values == {"Device.A": "a<&>\"'", "Device.B": "true", "Device.C": "-4"}
    assert values.types == {"Device.A": "string", "Device.B": "boolean", "Device.C": "int"}
    assert names["Device.A"] is False and attributes == {name: (2, ["Subscriber"])}
    assert known.parameters["Device.C"] == "-4"
    assert acs.violations == []


async def test_cwmp_21_a_request_queued_on_an_answer_goes_into_the_same_session(
    acs: Acs, cpe: SimpleCpe
) -> None:
    await cpe.run("1 BOOT")
    known = await acs.wait_cpe()

    async def two() -> Any:
        names = await known.queue(rpc.get_names(MS))
        return await known.queue(rpc.get_values(next(iter(names))))

    work = asyncio.create_task(two())
    await asyncio.sleep(0)
    heard = await cpe.run("2 PERIODIC")
    assert heard[1:] == ["GetParameterNames", "GetParameterValues", "204"]
    assert await work == {FORCED[0]: "x"}


async def test_cwmp_17_faults_reach_the_caller(acs: Acs, cpe: SimpleCpe) -> None:
    await cpe.run("1 BOOT")
    known = await acs.wait_cpe()
    unknown, missing, bad = (
        known.queue(rpc.raw_method("X_LAB_Nothing")),
        known.queue(rpc.get_values("Device.None")),
        known.queue(rpc.set_values({"Device.Bad": "1"})),
    )
    await cpe.run("2 PERIODIC")
    with pytest.raises(CwmpFaultError, match="CWMP fault 9000 Method"):
        await unknown
    with pytest.raises(CwmpFaultError, match="9005"):
        await missing
    with pytest.raises(CwmpFaultError) as caught:
        await bad
    assert (caught.value.code, caught.value.parameters) == (9003, [("Device.Bad", 9005, "")])
    assert acs.violations == []


async def test_raw_envelopes_go_out_byte_for_byte(acs: Acs, cpe: SimpleCpe) -> None:
    await cpe.run("1 BOOT")
    known = await acs.wait_cpe()
    document = envelope("<cwmp:Reboot><CommandKey>k</CommandKey></cwmp:Reboot>", "raw 7")
    seen: list[bytes] = []
    cpe.reply_to = lambda request: seen.append(request) or SimpleCpe.reply_to(cpe, request)  # type: ignore[func-returns-value,method-assign]
    answer = known.queue(rpc.raw(document))
    await cpe.run("2 PERIODIC")
    assert (await answer).tag.endswith("}RebootResponse") and seen == [document.encode()]
    assert acs.violations == []
    with pytest.raises(EnvelopeError, match="not well-formed"):
        rpc.raw("<x>")


async def test_cwmp_50_requests_of_the_cpe_are_served(acs: Acs, cpe: SimpleCpe) -> None:
    complete = (
        "<cwmp:TransferComplete><CommandKey>k</CommandKey><FaultStruct><FaultCode>0</FaultCode>"
        "<FaultString></FaultString></FaultStruct><StartTime>2025-01-01T00:00:00Z</StartTime>"
        "<CompleteTime>2025-01-01T00:00:09Z</CompleteTime></cwmp:TransferComplete>"
    )
    own = (complete, "<cwmp:GetRPCMethods></cwmp:GetRPCMethods>")
    heard = await cpe.run("7 TRANSFER COMPLETE", "M Download=k", requests=own)
    assert heard[1:3] == ["200 TransferCompleteResponse", "200 GetRPCMethodsResponse"]
    assert acs.violations == []
    await cpe.run("7 TRANSFER COMPLETE", "M Download=other", requests=(complete,))
    assert rules(acs) == ["CWMP-64"]  # nothing announced this key
    acs.violations.clear()
    assert (await cpe.run("2 PERIODIC", requests=("<cwmp:Dance></cwmp:Dance>",)))[1] == "200 Fault"
    assert rules(acs) == ["CWMP-50"]


async def test_several_cpes_at_once_are_kept_apart(acs: Acs) -> None:
    clients = [SimpleCpe(acs.url, f"{number:06}") for number in range(8)]
    await asyncio.gather(*(client.run("0 BOOTSTRAP") for client in clients))
    values = []
    for known in acs.cpes.values():
        values.append(known.queue(rpc.get_values(MS + "X")))
    for client in clients:
        client.parameters[MS + "X"] = ("string", client.serial)
    await asyncio.gather(*(client.run("2 PERIODIC") for client in clients))
    for known, value in zip(acs.cpes.values(), values, strict=True):
        assert await value == {MS + "X": known.device.serial_number}
        assert len(known.sessions) == 2 and all(session.ok for session in known.sessions)
    assert len(acs.cpes) == 8 and acs.violations == []
    for client in clients:
        await client.__aexit__(None, None, None)


async def test_cwmp_03_a_chunked_inform_is_accepted(acs: Acs, cpe: SimpleCpe) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in cpe.inform("1 BOOT").encode():
            yield bytes([byte])

    status, answer = await cpe.post(pieces())
    assert (status, method_of(answer)) == (200, "InformResponse") and acs.violations == []


async def test_waiting_says_what_came_instead(acs: Acs, cpe: SimpleCpe) -> None:
    await cpe.run("1 BOOT")
    known = await acs.wait_cpe()
    with pytest.raises(TimeoutError, match=r"5 KICKED.*came meanwhile: \[\['1 BOOT'\]\]"):
        await known.wait_inform("5 KICKED", timeout=0.01)
    with pytest.raises(TimeoutError, match="end of session 2.*not begun"):
        await known.wait_session_end(2, timeout=0.01)
    waiting = asyncio.create_task(known.wait_inform("2 PERIODIC", since=len(known.informs)))
    await cpe.run("2 PERIODIC")
    assert (await waiting).session == 2


# What only a session can show


async def test_cwmp_13_an_answer_with_another_id(acs: Acs, cpe: SimpleCpe) -> None:
    await cpe.post(cpe.inform("1 BOOT"))
    done = (await acs.wait_cpe()).queue(rpc.reboot())
    await cpe.post()
    await cpe.post(envelope(cpe.do_Reboot(None), "other"))  # type: ignore[arg-type]
    assert rules(acs) == ["CWMP-13"] and await done is None


async def test_cwmp_21_answers_to_nothing_and_requests_left_unanswered(
    acs: Acs, cpe: SimpleCpe
) -> None:
    await cpe.post(cpe.inform("1 BOOT"))
    known = await acs.wait_cpe()
    lost = known.queue(rpc.reboot())
    await cpe.post(envelope(fault_xml(9000)))
    assert rules(acs) == ["CWMP-21"]
    await cpe.post()
    with pytest.raises(SessionLost, match="an empty POST while Reboot waits for its answer"):
        await lost
    assert rules(acs) == ["CWMP-21"] * 2


async def test_a_new_inform_ends_an_open_session_as_failed(acs: Acs, cpe: SimpleCpe) -> None:
    await cpe.post(cpe.inform("1 BOOT"))
    known = await acs.wait_cpe()
    lost = known.queue(rpc.reboot())
    await cpe.post()
    cpe.retries = 1
    assert (await cpe.run("1 BOOT"))[-1] == "204"
    first, second = known.sessions
    assert (first.ok, first.reason) == (False, "a new Inform came before the end")
    assert second.ok and known.informs[1].retry_count == 1
    with pytest.raises(SessionLost):
        await lost


async def test_a_lost_connection_ends_the_session_as_failed() -> None:
    async with Acs(reconnect_grace=0.01) as acs:
        async with SimpleCpe(acs.url) as cpe:
            await cpe.post(cpe.inform("1 BOOT"))
        session = await (await acs.wait_cpe()).wait_session_end(1)
        assert (session.ok, session.reason) == (False, "the connection was lost")


async def test_cwmp_24_a_silent_cpe_ends_the_session_as_failed() -> None:
    async with Acs(session_timeout=0.01) as acs, SimpleCpe(acs.url) as cpe:
        await cpe.post(cpe.inform("1 BOOT"))
        session = await (await acs.wait_cpe()).wait_session_end(1)
        assert (session.ok, session.reason) == (False, "no message came any more")


async def test_cwmp_01_what_is_not_http_is_noticed(acs: Acs) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", acs.port)
    writer.write(b"NOT HTTP AT ALL\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    assert rules(acs) == ["CWMP-01"]


async def test_cwmp_30_bad_messages_are_refused_and_recorded(acs: Acs, cpe: SimpleCpe) -> None:
    for bad in ("<x", cpe.inform("1 BOOT").replace("000001", ""), "\ufffe"):
        assert (await cpe.post(bad))[0] == 400
    assert acs.cpes == {} and len(acs.refused) == 3 and "CWMP-30" in rules(acs)


async def test_b13_a_password_in_a_message_is_noticed() -> None:
    provision = Provision(stun_host="127.0.0.1", stun_password="stun-secret")
    async with Acs(provision=provision) as acs, SimpleCpe(acs.url) as cpe:
        await cpe.run("0 BOOTSTRAP")
        cpe.parameters[FORCED[3]] = ("string", "stun-secret")
        await cpe.run("2 PERIODIC")
        assert rules(acs) == ["B13"]


# Provisioning and ringing


async def test_field_provisioning_on_bootstrap() -> None:
    provision = Provision(stun_host="192.0.2.7", stun_port=3479, minimum_keepalive=20)
    async with Acs(provision=provision) as acs, SimpleCpe(acs.url) as cpe:
        heard = await cpe.run("0 BOOTSTRAP", "1 BOOT")
        assert heard[1:-1] == [
            "SetParameterAttributes",
            "SetParameterValues",
            "GetParameterValues",
        ]
        known = await acs.wait_cpe()
        assert known.connection_request == Credentials(
            cpe.parameters[MS + "ConnectionRequestUsername"][1],
            cpe.parameters[MS + "ConnectionRequestPassword"][1],
        )
        assert cpe.parameters[MS + "STUNEnable"] == ("boolean", "true")
        assert cpe.parameters[MS + "STUNServerAddress"] == ("string", "192.0.2.7")
        assert cpe.parameters[MS + "STUNServerPort"] == ("unsignedInt", "3479")
        assert cpe.parameters[MS + "STUNMaximumKeepAlivePeriod"] == ("int", "-1")
        assert cpe.attributes == {
            MS + "UDPConnectionRequestAddress": 2,
            MS + "NATDetected": 2,
        }
        assert (await cpe.run("2 PERIODIC")) == ["200 InformResponse", "204"]
        before = known.connection_request
        await cpe.run("0 BOOTSTRAP")
        assert known.connection_request != before and acs.violations == []
        assert before.password not in repr(before)


async def test_provisioning_is_done_again_until_it_has_worked() -> None:
    async with Acs(provision=Provision(stun_host="h")) as acs, SimpleCpe(acs.url) as cpe:
        await cpe.post(cpe.inform("0 BOOTSTRAP"))
        await cpe.post()  # the first step is asked for, and never answered
        heard = await cpe.run("1 BOOT")
        assert heard[1] == "SetParameterAttributes" and len(heard) == 5
        assert (await acs.wait_cpe()).connection_request is not None


async def test_x13_ring_over_a_real_socket_and_the_session_it_wakes() -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stun,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as primary,
    ):
        stun.bind(("127.0.0.1", 0))
        primary.bind(("127.0.0.1", 0))
        primary.setblocking(False)
        provision = Provision(stun_host="127.0.0.1", stun_port=stun.getsockname()[1])
        async with (
            Acs(provision=provision, send_udp=stun.sendto) as acs,
            SimpleCpe(acs.url) as cpe,
        ):
            await cpe.run("0 BOOTSTRAP")
            known = await acs.wait_cpe()
            with pytest.raises(UserError, match="UDPConnectionRequestAddress is unknown"):
                await acs.ring(known)
            address = f"127.0.0.1:{primary.getsockname()[1]}"
            name = MS + "UDPConnectionRequestAddress"
            cpe.parameters[name], cpe.changed = ("string", address), [name]
            await cpe.run("4 VALUE CHANGE")
            assert await known.wait_parameter(name) == address
            await cpe.run("6 CONNECTION REQUEST")  # an older one is not the one woken
            ring = await acs.ring(known, copies=3)
            copies = [await loop.sock_recvfrom(primary, 2048) for _ in range(3)]
            assert set(copies) == {(ring.datagram, stun.getsockname())}
            assert udp_request.verify(
                ring.datagram,
                cpe.parameters[MS + "ConnectionRequestUsername"][1],
                cpe.parameters[MS + "ConnectionRequestPassword"][1],
                strict=True,
            )
            await cpe.run("6 CONNECTION REQUEST")
            inform, session = await ring.woken(), await ring.session()
            assert inform.first_byte_ns > ring.sent_at and inform.session == session.number
            assert session.ok and session.number == len(known.sessions)
            assert acs.violations == []


async def test_x5_ring_from_a_socket_of_its_own_in_any_style(acs: Acs, cpe: SimpleCpe) -> None:
    await cpe.run("1 BOOT")
    known = await acs.wait_cpe()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as primary:
        primary.bind(("127.0.0.1", 0))
        primary.setblocking(False)
        address = f"127.0.0.1:{primary.getsockname()[1]}"
        with pytest.raises(UserError, match="no Connection Request credentials"):
            await acs.ring(known, address=address)
        who = Credentials("u", "p")
        ring = await acs.ring(
            known, 1, address=address, credentials=who, style="freeacs", ts="5", id=6, cn="7"
        )
        datagram = await loop.sock_recv(primary, 2048)
    assert (ring.ts, ring.id, ring.cn, ring.copies) == ("5", 6, "7", 1)
    assert udp_request.verify(datagram, "u", "p") and b"/?ts=5&id=6&un=u&cn=7&" in datagram
