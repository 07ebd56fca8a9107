"""Diagnostic tests: requested in a session, run after it, told with 8 DIAGNOSTICS COMPLETE."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from host_tools.lab import rpc
from tests.conformance.rig import MakeRig, Rig

PING = "Device.IP.Diagnostics.IPPing."
STATE = PING + "DiagnosticsState"
ECHO = "Device.IP.Diagnostics.UDPEchoDiagnostics."
ECHO_STATE = ECHO + "DiagnosticsState"
DONE = "8 DIAGNOSTICS COMPLETE"


async def with_ping(make_rig: MakeRig, **options: object) -> Rig:
    rig = await (await make_rig(**options)).ready()
    names = await rig.ask(rpc.get_names("Device.IP.Diagnostics.", True))
    if PING not in names:
        pytest.skip("this board may open no raw socket")
    await rig.idle()
    return rig


async def tested(rig: Rig, path: str, **more: object) -> dict[str, str]:
    """Have a test made, and return what there is to know of it afterwards."""
    seen = len(rig.cpe.informs)
    values = {"DiagnosticsState": "Requested", **more}
    assert await rig.ask(rpc.set_values({path + name: more for name, more in values.items()})) == 0
    await rig.informed(DONE, seen)
    await rig.idle()
    found = await rig.ask(rpc.get_values(path))
    await rig.idle()
    return {name.removeprefix(path): value for name, value in found.items()}


async def ping(rig: Rig, **more: object) -> dict[str, str]:
    return await tested(rig, PING, **more)


Answers = Callable[[int, bytes], list[bytes]]


class EchoServer(asyncio.DatagramProtocol):
    """Sends what `answers(n, datagram)` says to the n-th datagram, n from 0."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.got: list[bytes] = []
        self.sources: list[tuple[str, int]] = []
        self.arrived = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, source: Any) -> None:
        self.got.append(data)
        self.sources.append(source)
        self.arrived.set()
        for answer in self.answers(len(self.got) - 1, data):
            self.transport.sendto(answer, source)


@asynccontextmanager
async def echoing(
    rig: Rig, answers: Answers = lambda n, data: [data], host: str = ""
) -> AsyncIterator[EchoServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: EchoServer(answers), local_addr=(host or rig.host, 0)
    )
    try:
        yield server
    finally:
        transport.close()


def silent(n: int, data: bytes) -> list[bytes]:
    return []


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


@pytest.mark.parametrize("memory", ["keep", "save"])
async def test_cwmp_40_a_udp_echo_counts_what_came_back(make_rig: MakeRig, memory: str):
    rig = await (await make_rig(site={"limits": {"memory": memory}})).ready()

    def lossy(n: int, data: bytes) -> list[bytes]:
        return [] if n == 1 else [data, data]  # one is lost, the others come twice

    async with echoing(rig, lossy) as server:
        asked = {"Host": rig.host, "Port": server.port, "NumberOfRepetitions": 4}
        found = await tested(rig, ECHO, **asked, Timeout=300, InterTransmissionTime=20)
    assert found["DiagnosticsState"] == "Complete"
    assert (found["SuccessCount"], found["FailureCount"]) == ("3", "1")
    low, mean, high = (
        int(found[name + "ResponseTime"]) for name in ("Minimum", "Average", "Maximum")
    )
    assert 0 < low <= mean <= high < 300_000  # us
    assert found["IPAddressUsed"] == server.sources[0][0]
    assert [len(data) for data in server.got] == [24] * 4
    numbers = [int.from_bytes(data[:4], "big") for data in server.got]
    assert [number - numbers[0] for number in numbers] == [0, 1, 2, 3]
    assert len(set(server.sources)) == 1


async def test_cwmp_40_a_udp_echo_takes_no_answer_that_is_not_its_own(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    before: list[bytes] = []

    def wrong(n: int, data: bytes) -> list[bytes]:
        before.append(data)
        other.transport.sendto(data, server.sources[-1])  # the echo, from another port
        return [data[:-1], data + b"x", bytes(24), b"", data[:20] + b"else", before[max(0, n - 1)]]

    async with echoing(rig, silent) as other, echoing(rig, wrong) as server:
        asked = {"Host": rig.host, "Port": server.port, "InterTransmissionTime": 1}
        found = await tested(rig, ECHO, **asked, Timeout=200, NumberOfRepetitions=3)
        # Only the first has its own number in the last answer.
        assert (found["SuccessCount"], found["FailureCount"]) == ("1", "2")
        # A packet of one byte, and one that fills a frame; longer ones are refused.
        server.answers = lambda n, data: [data]
        for size in (1, 1472):
            found = await tested(rig, ECHO, **asked, NumberOfRepetitions=2, DataBlockSize=size)
            assert (found["SuccessCount"], found["FailureCount"]) == ("2", "0"), size
            assert len(server.got[-1]) == size
        assert server.got[-1] != server.got[-2]
        (refused,) = await rig.call(rpc.set_values({ECHO + "DataBlockSize": 1473}))
        assert [code for _, code, _ in refused.parameters] == [9007]
        # What a UDPEchoPlus server writes into its answer (TR-143).
        server.answers = lambda n, data: [data[:4] + b"stamps of 16 byt" + data[20:]]
        found = await tested(rig, ECHO, **asked, DataBlockSize=24)
        assert (found["SuccessCount"], found["FailureCount"]) == ("2", "0")


async def test_cwmp_40_a_udp_echo_that_cannot_be_made_says_why(make_rig: MakeRig):
    # The wait is longer than what was loaded for the session stays.
    rig = await (await make_rig(site={"limits": {"memory": "save"}})).ready()
    found = await tested(rig, ECHO, Host="no-such-host.invalid")
    assert found["DiagnosticsState"] == "Error_CannotResolveHostName"
    found = await tested(rig, ECHO, Host="")
    assert found["DiagnosticsState"] == "Error_CannotResolveHostName"
    async with echoing(rig, silent) as server:
        port = server.port
        found = await tested(rig, ECHO, Host=rig.host, Port=port, Timeout=4000)
    assert found["DiagnosticsState"] == "Complete" and found["FailureCount"] == "1"
    found = await tested(rig, ECHO, Timeout=100)  # nobody has the port any more
    assert (found["SuccessCount"], found["FailureCount"]) == ("0", "1")
    assert found["MinimumResponseTime"] == "0"


async def test_cwmp_51_a_udp_echo_is_ended_by_a_write_and_begun_anew(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    async with echoing(rig, silent) as server:

        async def running(**more: object) -> None:
            server.arrived.clear()
            values = {"DiagnosticsState": "Requested", **more}
            await rig.ask(rpc.set_values({ECHO + name: value for name, value in values.items()}))
            async with rig.within(5):
                await server.arrived.wait()

        await running(Host=rig.host, Port=server.port, Timeout=60000)
        assert await rig.ask(rpc.get_values(ECHO_STATE)) == {ECHO_STATE: "Requested"}
        await rig.ask(rpc.set_values({ECHO + "DSCP": 0, ECHO + "Timeout": 50000}))
        assert await rig.ask(rpc.get_values(ECHO_STATE)) == {ECHO_STATE: "None"}
        await running()
        await rig.ask(rpc.set_values({ECHO_STATE: "Canceled"}))
        assert await rig.ask(rpc.get_values(ECHO_STATE)) == {ECHO_STATE: "None"}
        await running()
        server.answers = lambda n, data: [data]
        await running()  # while one runs
        await rig.until(lambda: DONE in rig.cpe.informs[-1].codes, DONE)
        await rig.idle()
        assert sum(DONE in inform.codes for inform in rig.cpe.informs) == 1
        assert len(server.got) == 4 and len(set(server.sources)) > 1
        found = await rig.ask(rpc.get_values(ECHO + "SuccessCount"))
        assert found == {ECHO + "SuccessCount": "1"}


async def test_cwmp_40_51_one_test_runs_at_a_time_and_is_not_ended_by_the_other(
    make_rig: MakeRig,
):
    rig = await with_ping(make_rig)
    async with echoing(rig, silent) as server:
        asked = {"Host": rig.host, "Port": server.port, "Timeout": 60000}
        values = {"DiagnosticsState": "Requested", **asked}
        await rig.ask(rpc.set_values({ECHO + name: value for name, value in values.items()}))
        async with rig.within(5):
            await server.arrived.wait()
        await rig.ask(rpc.set_values({PING + "Host": rig.host, STATE: "Requested"}))
        states = await rig.ask(rpc.get_values(STATE, ECHO_STATE))
        assert states == {STATE: "Requested", ECHO_STATE: "Requested"}
        assert len(server.got) == 1  # it was not begun anew, either
        server.transport.sendto(server.got[0], server.sources[0])
        await rig.until(
            lambda: sum(DONE in inform.codes for inform in rig.cpe.informs) == 2, "both results"
        )
        await rig.idle()
        states = await rig.ask(rpc.get_values(STATE, ECHO_STATE))
        assert states == {STATE: "Complete", ECHO_STATE: "Complete"}
