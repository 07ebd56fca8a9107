"""What the lab ACS does wrong on demand, seen from the other end of the wire."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from simple_cpe import CWMP, FORCED, SimpleCpe, method_of

from host_tools.lab import acs_faults as faults
from host_tools.lab import acs_hostile, rpc, soap
from host_tools.lab.acs import Acs

pytestmark = pytest.mark.asyncio
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


@pytest_asyncio.fixture
async def acs() -> AsyncIterator[Acs]:
    async with Acs(reconnect_grace=0.05) as server:
        yield server


async def informed(acs: Acs, fault: faults.Misbehaviour, close: bytes = b"close") -> bytes:
    """Send an Inform on a connection of its own, return every byte until its end."""
    acs.script.on(fault, message=1)
    body = SimpleCpe.inform(Bare(), "1 BOOT").encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", acs.port)
    writer.write(
        b"POST /acs HTTP/1.1\r\nHost: lab\r\nContent-Type: text/xml\r\nSOAPAction:\r\n"
        b"Connection: %b\r\nContent-Length: %d\r\n\r\n%b" % (close, len(body), body)
    )
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


class Bare(SimpleCpe):
    """Only what writes an Inform."""

    def __init__(self) -> None:
        self.serial, self.retries, self.changed = "000001", 0, []
        self.parameters = dict.fromkeys(FORCED, ("string", "x"))


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


async def test_connection_closed_or_reset_without_an_answer(acs: Acs) -> None:
    assert await informed(acs, faults.close_connection()) == b""
    with pytest.raises(ConnectionResetError):
        await informed(acs, faults.reset_connection())
    cpe = await acs.wait_cpe()
    assert [session.ok for session in cpe.sessions] == [False, False]
    assert cpe.sessions[0].reason == "the lab answered with close_connection"
    assert acs.script.done == ["close_connection 1.1", "reset_connection 2.1"]
    assert len(cpe.informs) == 2 and cpe.parameters == {}


async def test_garbage_html_truncated_and_broken_answers(acs: Acs) -> None:
    assert b"HTTP/1.1" not in await informed(acs, faults.garbage())
    page = await informed(acs, faults.html_page())
    assert page.startswith(b"HTTP/1.1 200 OK\r\n") and b"<html>" in page and b"text/html" in page
    assert len(await informed(acs, faults.truncate(60))) == 60
    with pytest.raises(ET.ParseError):
        ET.fromstring(body_of(await informed(acs, faults.bad_xml())))
    assert b"<!ENTITY" in await informed(acs, faults.doctype())
    cpe = await acs.wait_cpe()
    assert [session.ok for session in cpe.sessions] == [False] * 5


async def test_cwmp_02_a_session_goes_on_over_new_connections(acs: Acs) -> None:
    answer = await informed(acs, faults.close_after(), close=b"keep-alive")
    assert answer.endswith(b"Envelope>") and b"\r\nConnection:" not in answer
    acs.script.on(faults.connection_close(), session=2, times=None)
    async with SimpleCpe(acs.url) as cpe:
        assert (await cpe.run("1 BOOT"))[-1] == "204"
    session = (await acs.wait_cpe()).sessions[1]
    assert session.ok and len(session.connections) == 2 and acs.violations == []


async def test_cwmp_08_statuses(acs: Acs) -> None:
    busy = await informed(acs, faults.unavailable(60))
    assert busy.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 60\r\n" in busy
    assert b"Retry-After" not in await informed(acs, faults.unavailable(None))
    assert (await informed(acs, faults.invalid_session())).endswith(b"\r\n\r\nInvalid session")
    assert (await informed(acs, faults.http_status(500, "oops"))).endswith(b"oops")


async def test_cwmp_07_a_redirect_keeps_the_session_and_a_loop_never_ends(acs: Acs) -> None:
    acs.script.on(faults.redirect(f"{acs.url}/2", 307), message=1)
    async with SimpleCpe(acs.url) as cpe:
        cpe.url = acs.url
        status, _ = await cpe.post(cpe.inform("1 BOOT"))
        cpe.url = f"{acs.url}/2"
        assert status == 307 and (await cpe.run("1 BOOT"))[-1] == "204"
    known = await acs.wait_cpe()
    assert len(known.sessions) == 1 and known.sessions[0].ok and len(known.informs) == 2
    acs.script.on(faults.redirect(acs.url), method="Inform", times=None)
    for _ in range(7):
        assert b"\r\nLocation: http://127.0.0.1" in await informed(acs, faults.redirect(acs.url))
    acs.script.clear()


async def test_cwmp_20_fault_8005_asks_for_the_same_inform_again(acs: Acs) -> None:
    acs.script.on(faults.soap_fault(8005), message=1)
    async with SimpleCpe(acs.url) as cpe:
        status, answer = await cpe.post(cpe.inform("1 BOOT"))
        assert (status, method_of(answer)) == (200, "Fault")
        assert b"<FaultCode>8005</FaultCode>" in answer
        assert (await cpe.run("1 BOOT"))[-1] == "204"
    known = await acs.wait_cpe()
    assert [session.ok for session in known.sessions] == [True]
    assert known.sessions[0].log[:3] == ["> Inform", "< Fault (soap_fault)", "> Inform"]
    assert acs.violations == []


async def test_cwmp_08_a_401_for_ever(acs: Acs) -> None:
    acs.script.on(faults.unauthorized(), times=None)
    middleware = aiohttp.DigestAuthMiddleware("u", "p")
    async with SimpleCpe(acs.url, middleware=middleware) as cpe:
        assert (await cpe.post(cpe.inform("1 BOOT")))[0] == 401
    assert len((await acs.wait_cpe()).informs) == 2


@pytest.mark.parametrize(
    "fault",
    [
        faults.chunked(1),
        faults.chunked(7),
        faults.slow_bytes(64, 0.0001),
        faults.odd_prefixes(),
        faults.default_namespace("env"),
        faults.default_namespace("cwmp"),
        faults.cwmp_namespace(CWMP.replace("1-2", "1-0")),
        faults.use_cwmp_version("1.4"),
        faults.unknown_header(must_understand=False),
        faults.connection_close(),
        faults.big_body(5_000_000),
        faults.cookies({"a": "1", "b": "2"}),
        faults.empty_200(),
    ],
    ids=lambda fault: fault.name,
)
async def test_cwmp_16_unusual_answers_that_a_careful_client_reads(
    acs: Acs, fault: faults.Misbehaviour
) -> None:
    async with SimpleCpe(acs.url) as cpe:
        await cpe.run("1 BOOT")
        done = (await acs.wait_cpe()).queue(rpc.get_values("Device."))
        acs.script.on(fault, session=2, times=None)
        heard = await cpe.run("2 PERIODIC")
        assert heard[:-1] == ["200 InformResponse", "GetParameterValues"]
        assert heard[-1] == ("200" if fault.name == "empty_200" else "204")
        assert len(await done) == len(cpe.parameters)
    assert acs.script.done and acs.violations == []


async def test_cwmp_16_what_the_unusual_answers_look_like(acs: Acs) -> None:
    chunked = await informed(acs, faults.chunked(1))
    assert b"\r\nTransfer-Encoding: chunked\r\n" in chunked and b"Content-Length" not in chunked
    assert body_of(chunked).startswith(b"1\r\n<\r\n1\r\n?\r\n") and chunked.endswith(b"0\r\n\r\n")
    odd = body_of(await informed(acs, faults.odd_prefixes()))
    assert odd.startswith(b"<S-1:Envelope ") and b"<v.w:InformResponse>" in odd
    root = ET.fromstring(body_of(await informed(acs, faults.default_namespace())))
    assert root.tag == SOAP + "Envelope" and root[-1][0][0].tag == "MaxEnvelopes"
    assert root[0][0].attrib == {SOAP + "mustUnderstand": "1"}
    assert len(await informed(acs, faults.big_body(5_000_000))) > 5_000_000
    dialect = ET.fromstring(body_of(await informed(acs, faults.cwmp_namespace("urn:x"))))
    assert dialect[-1][0].tag == "{urn:x}InformResponse"
    version = ET.fromstring(body_of(await informed(acs, faults.use_cwmp_version())))
    assert [(item.tag, item.text) for item in version[0]][1] == (
        f"{{{CWMP}}}UseCWMPVersion",
        "1.4",
    )
    wrong = ET.fromstring(body_of(await informed(acs, faults.wrong_id())))
    assert wrong[0][0].text == "not-the-id-you-sent"
    must = ET.fromstring(body_of(await informed(acs, faults.unknown_header())))
    assert must[0][1].attrib == {SOAP + "mustUnderstand": "1"}


async def test_the_same_answer_twice(acs: Acs) -> None:
    answer = await informed(acs, faults.twice())
    assert answer.count(b"HTTP/1.1 200 OK") == 2 and answer.count(b"InformResponse>") == 4


async def test_cwmp_13_hold_requests_is_watched(acs: Acs) -> None:
    acs.script.on(faults.hold_requests(), message=1, session=1)
    async with SimpleCpe(acs.url) as cpe:
        own = ("<cwmp:GetRPCMethods></cwmp:GetRPCMethods>",)
        await cpe.run("1 BOOT", requests=own)
        assert [str(found).partition(" [")[0] for found in acs.violations] == [
            "CWMP-13: GetRPCMethods while HoldRequests is true"
        ]
        await cpe.run("2 PERIODIC", requests=own)
        assert len(acs.violations) == 1


async def test_cwmp_03_a_message_before_the_answer_to_the_last_one(acs: Acs) -> None:
    go = asyncio.Event()
    acs.script.on(faults.wait_for(go), method="")
    async with SimpleCpe(acs.url) as cpe:
        await cpe.post(cpe.inform("1 BOOT"))
        waiting = asyncio.create_task(cpe.post())
        known = await acs.wait_cpe()
        while known.sessions[0].messages < 2:
            await asyncio.sleep(0)
        await cpe.post()
        go.set()
        await waiting
    assert [violation.rule for violation in acs.violations] == ["CWMP-03"]


async def test_scripts_choose_by_message_method_session_and_cpe(acs: Acs) -> None:
    acs.script.on(faults.unavailable(), session=2, cpe="00D0C9-simple-000002")
    acs.script.on(faults.invalid_session(), method="", session=3)
    seen: list[str] = []
    acs.script.decide = lambda incoming: seen.append(incoming.method)  # type: ignore[func-returns-value]
    async with SimpleCpe(acs.url) as one, SimpleCpe(acs.url, "000002") as two:
        for number in range(1, 4):
            assert (await one.run("1 BOOT"))[-1] == ("204" if number < 3 else "400")
            status, _ = await two.post(two.inform("1 BOOT"))
            assert status == (503 if number == 2 else 200)
            two._http.cookie_jar.clear()
    assert acs.script.done == ["unavailable 2.1", "invalid_session 3.2"]
    assert seen == ["Inform", "", "Inform"] * 3


@pytest.mark.parametrize("name", acs_hostile.HARMLESS)
async def test_cwmp_03_16_an_unusual_answer_is_a_good_one(acs: Acs, name: str) -> None:
    acs.script.on(acs_hostile.HARMLESS[name], message=1)
    inform = SimpleCpe.inform(Bare(), "1 BOOT").encode()
    async with aiohttp.ClientSession() as http, http.post(acs.url, data=inform) as answer:
        message = soap.parse(await answer.read())
    assert message.method == "InformResponse" and soap.text(message.element, "MaxEnvelopes") == "1"
    acs.violations.clear()


@pytest.mark.parametrize("name", acs_hostile.FATAL)
async def test_cwmp_08_16_a_hostile_answer_fails_the_session_of_the_lab_too(
    acs: Acs, name: str
) -> None:
    assert await informed(acs, acs_hostile.FATAL[name])
    cpe = await acs.wait_cpe()
    assert cpe.sessions[0].ok is False and cpe.sessions[0].reason.endswith(f"with {name}")


async def test_a_request_that_is_cut(acs: Acs) -> None:
    acs.cut_request(100)
    with pytest.raises(ConnectionResetError):
        await informed(acs, faults.twice())
    assert not acs.cpes
    assert b"InformResponse" in await informed(acs, faults.close_after())
