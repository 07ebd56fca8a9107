"""`lab acs`: typed commands in process, and the whole story as a program with its STUN server."""

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from simple_cpe import FORCED, MS, SimpleCpe
from typer.testing import CliRunner

from host_tools.errors import UserError
from host_tools.lab import udp_request
from host_tools.lab.acs import Acs
from host_tools.lab.acs_control import Control, Quit
from host_tools.lab.commands import lab

ADDRESS = MS + "UDPConnectionRequestAddress"
PROGRAM = "from host_tools.lab.commands import lab; lab()"


async def typed(control: Control, cpe: SimpleCpe, line: str) -> str:
    """Type a line, and let the CPE come by for what it asks."""
    working = asyncio.create_task(control.obey(line))
    await asyncio.sleep(0)
    await cpe.run("2 PERIODIC")
    return await working


@pytest.mark.asyncio
async def test_typed_commands_and_what_they_print() -> None:
    said: list[str] = []
    async with Acs() as acs, SimpleCpe(acs.url) as cpe:
        control = Control(acs, said.append)
        with pytest.raises(UserError, match=f"its ACS URL must be {acs.url}"):
            await control.obey("get Device.")
        await cpe.run("1 BOOT")
        assert await typed(control, cpe, f"get {FORCED[0]}") == f"{FORCED[0]} = x"
        assert said[0].startswith("waits for the next Inform of 00D0C9-simple-000001: ")
        name = MS + "STUNServerPort"
        cpe.parameters[name] = ("unsignedInt", "3478")
        assert await typed(control, cpe, f"set {name}=3479") == "set"
        assert cpe.parameters[name] == ("unsignedInt", "3479")  # the type the CPE has it in
        assert f"r- {name}" in (await typed(control, cpe, "names Device.")).splitlines()
        assert await typed(control, cpe, f"notify {name}=2") == "SetParameterAttributes accepted"
        assert f"{name} notification=2" in await typed(control, cpe, f"attributes {name}")
        assert "GetParameterValues" in await typed(control, cpe, "methods")
        assert await typed(control, cpe, "reboot") == "Reboot accepted"
        with pytest.raises(UserError, match="reset: CWMP fault 9000"):
            await typed(control, cpe, "reset")
        with pytest.raises(UserError, match="9003 Invalid arguments; Device.Bad: 9005"):
            cpe.parameters["Device.Bad"] = ("string", "")
            await typed(control, cpe, "set Device.Bad=1")
        assert "> Inform; < InformResponse" in await control.obey("sessions")
        assert "address=unknown credentials=no" in await control.obey("cpes")
        assert await control.obey("violations") == "none" and await control.obey("") == ""
        assert await control.obey("use 000001") == "using 00D0C9-simple-000001"
        for line, words in (
            ("use x", "one CPE is wanted"),
            ("dance", "no command 'dance': type help"),
            ("set Device.A", "NAME=VALUE is wanted"),
            ("notify Device.A=7", "0 is off, 1 passive, 2 active"),
        ):
            with pytest.raises(UserError, match=words):
                await control.obey(line)
        documented = set(re.findall(r"^([a-z]+)", await control.obey("help"), re.MULTILINE))
        assert documented >= {"cpes", "get", "set", "names", "ring", "reboot", "help"}
        with pytest.raises(Quit):
            await control.obey("quit")


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "acs", "--port", "0", "--stun-port", "0", *arguments,
        stdin=pipe, stdout=pipe, stderr=pipe,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line_with(process: asyncio.subprocess.Process, words: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while line := (await process.stdout.readline()).decode():
            if words in line:
                return line.rstrip()
    raise AssertionError(f"ended without {words!r}")


async def wake_up(process: asyncio.subprocess.Process, stop_at: str) -> None:
    """Be the board: boot, be set up, tell the address, be rung, come."""
    loop = asyncio.get_running_loop()
    stun = (await line_with(process, "stun listening on")).split()[-1]
    url = (await line_with(process, "acs listening")).split()[-1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as primary:
        primary.bind(("127.0.0.1", 0))
        primary.setblocking(False)
        async with SimpleCpe(url) as cpe:
            await cpe.run("0 BOOTSTRAP", "1 BOOT")
            assert cpe.parameters[MS + "STUNServerPort"] == ("unsignedInt", stun.split(":")[1])
            address = f"127.0.0.1:{primary.getsockname()[1]}"
            cpe.parameters[ADDRESS], cpe.changed = ("string", address), [ADDRESS]
            await cpe.run("4 VALUE CHANGE")
            assert address in await line_with(process, "4 VALUE CHANGE")
            if process.stdin is not None and stop_at == "quit":
                process.stdin.write(b"ring\n")
            datagram, source = await loop.sock_recvfrom(primary, 2048)
            assert f"{source[0]}:{source[1]}" == stun  # X13: from the STUN server's own socket
            assert udp_request.verify(
                datagram,
                cpe.parameters[MS + "ConnectionRequestUsername"][1],
                cpe.parameters[MS + "ConnectionRequestPassword"][1],
            )
            await cpe.run("6 CONNECTION REQUEST")
            await line_with(process, "woken after")


@pytest.mark.asyncio
async def test_x13_lab_acs_rings_a_board_from_the_stun_socket() -> None:
    async with program() as process:
        await wake_up(process, "quit")
        assert process.stdin is not None
        process.stdin.write(b"quit\n")
        assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.mark.asyncio
async def test_lab_acs_carries_out_given_commands_and_leaves() -> None:
    async with program("--run", "ring", "--run", "cpes") as process:
        await wake_up(process, "end")
        assert "credentials=yes" in await line_with(process, "address=127.0.0.1")
        assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.mark.asyncio
async def test_b13_lab_acs_prints_no_password() -> None:
    given = ("--username", "cpe", "--password", "acs-secret", "--stun-user", "s:stun-secret")
    async with program(*given) as process:
        await line_with(process, "acs listening")
        process.terminate()
        out, errors = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0 and b"secret" not in out + errors


def test_lab_acs_port_in_use_is_one_clear_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(lab, ["acs", "--no-stun", "--port", str(port)])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith(f"cannot listen on 127.0.0.1:{port}: ")
