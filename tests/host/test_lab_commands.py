"""`lab stun` and `lab nat` as programs: what they print, obey and how they end."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import typer
from typer.testing import CliRunner

from host_tools.lab import nat_command, stun_command
from host_tools.lab.stun_client import BINDING, CHANGE, StunClient
from host_tools.lab.stun_codec import Address, AttributeType
from host_tools.lab.stun_command import parse_fault
from host_tools.lab.stun_faults import ErrorAnswer, Rebound

PROGRAM = """
import typer
from host_tools.lab import nat_command, stun_command
app = typer.Typer()
nat_command.register(app)
stun_command.register(app)
app()
"""


class Running:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 20)).decode().rstrip()

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Running(process)
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def last_address(line: str) -> Address:
    host, port = line.split()[-1].split(":")
    return host, int(port)


@pytest.mark.asyncio
async def test_lab_stun_prints_requests_and_no_password() -> None:
    async with (
        running(
            "stun", "--port", "0", "--user", "cpe-0001:s3cret", "--fault", "error:next=1"
        ) as server,
        StunClient() as cpe,
    ):
        words = (await server.line()).split()
        assert words[:3] == ["stun", "listening", "on"] and words[-1] == "classic"
        host, port = words[3].split(":")
        user = (AttributeType.USERNAME, b"cpe-0001")
        answer, _ = await cpe.ask((host, int(port)), [user, BINDING])
        assert answer.error_code == 500
        await cpe.ask((host, int(port)), [user, BINDING, CHANGE], key=b"s3cret")
        source = f"{cpe.address[0]}:{cpe.address[1]}"
        assert await server.line() == f"#1 {source} user=cpe-0001 keepalive -> error 500"
        assert await server.line() == f"binding cpe-0001 reachable at {source}"
        assert await server.line() == f"#2 {source} user=cpe-0001 change signed -> success"


@pytest.mark.asyncio
async def test_lab_nat_rebinds_when_typed_and_on_sighup() -> None:
    with StunClient() as outside, StunClient() as cpe:
        where = f"{outside.address[0]}:{outside.address[1]}"
        async with running("nat", "--server", where, "--inside-port", "0") as nat:
            line = await nat.line()
            assert line.endswith(f"stands for {where}")
            host, port = line.split()[1].split(":")
            mapped = []
            for trigger in ("typed", "signal", "none"):
                cpe.send(b"x", (host, int(port)))
                mapped.append((await outside.receive())[1])
                if trigger == "typed":
                    nat.type("rebind")
                elif trigger == "signal":
                    nat.process.send_signal(signal.SIGHUP)
                else:
                    break
                assert await nat.line() == "rebind: 1 mappings forgotten"
            assert mapped[0] != mapped[1] != mapped[2]


def test_parse_fault() -> None:
    fault = parse_fault("error:code=431,when=change,next=2,skip=1,reason=no")
    assert isinstance(fault, ErrorAnswer)
    assert (fault.code, fault.next, fault.skip, fault.reason) == (431, 2, 1, "no")
    rebound = parse_fault("rebound:host=192.0.2.1")
    assert isinstance(rebound, Rebound) and rebound.host == "192.0.2.1"
    for text in ("nonsense", "error:colour=1", "error:code", "error:used=1", "delay:when=never"):
        with pytest.raises(ValueError, match="fault|condition"):
            parse_fault(text)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["stun", "--personality", "nobody"], "no personality"),
        (["stun", "--user", "name"], "name:password"),
        (["stun", "--fault", "nonsense"], "no fault"),
        (["stun", "--alternate", "127.0.0.2:x"], "host:port"),
        (["stun", "--host", "192.0.2.1"], "cannot listen"),
        (["nat", "--server", "127.0.0.1:1", "--inside-host", "192.0.2.1"], "cannot open"),
        (["nat"], "--server"),
        (["stun", "--list-faults"], "demand-integrity-on-change"),
    ],
)
def test_mistakes_on_the_command_line_are_named(arguments: list[str], text: str) -> None:
    app = typer.Typer()
    stun_command.register(app)
    nat_command.register(app)
    result = CliRunner().invoke(app, arguments)
    assert text in result.output or text in str(result.exception)
    assert (result.exit_code == 0) == ("--list-faults" in arguments)
