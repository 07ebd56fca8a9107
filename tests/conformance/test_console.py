"""The serial console: every command, wrong input, and the way to the MicroPython prompt (B27)."""

import re
import time
from collections.abc import Callable

import pytest
import serial

from host_tools.free_port import free_port
from tests.conformance.patched import boot_first
from tests.conformance.rig import INFO, MS, RING, MakeRig, Rig
from tests.cpe import Cpe


@pytest.fixture
def board(make_cpe: Callable[..., Cpe]) -> Cpe:
    """A CPE that nobody manages: no ACS, no STUN server."""
    board = make_cpe({"connection_request": {"port": free_port()}})
    board.start()
    board.expect("net: listening")
    return board


class Terminal:
    """Keys and what comes back, as a person has it."""

    def __init__(self, board: Cpe) -> None:
        self.board = board
        self.serial = serial.serial_for_url(board.port, timeout=0.05)

    def __enter__(self) -> "Terminal":
        self(b"events\r", DONE)  # behind what was said at boot
        return self

    def __exit__(self, *exc: object) -> None:
        self.serial.close()

    def __call__(self, keys: bytes, until: str, timeout: float = 10.0) -> str:
        """Type; return what was said up to the first match."""
        self.serial.write(keys)
        said = ""
        deadline = time.monotonic() + timeout * self.board.target.pace
        while not re.search(until, said):
            said += self.serial.read(4096).decode("ascii", "replace")
            assert time.monotonic() < deadline, f"no {until!r} in {said!r}"
        return said.replace("\r\n", "\n")


DONE = r"\r\nok\r\n|error: [^\r]*\r\n"


def test_help_lists_every_command_and_each_one_works(board: Cpe):
    with Terminal(board) as say:
        listed = say(b"help\r", DONE)
        names = re.findall(r"^([a-z-]+) ", listed.partition("help\n")[2], re.MULTILINE)
        assert names == [
            *("status", "binding", "inform", "get", "set", "events", "heap", "log"),
            *("reboot", "factory-reset", "help"),
        ]
        for name in ("status", "binding", "inform", "events", "heap", "log"):
            assert say(name.encode() + b"\r", DONE).endswith("ok\n"), name
        assert say(b"get Device.DeviceInfo.ModelName\r", DONE) == (
            "get Device.DeviceInfo.ModelName\n"
            "Device.DeviceInfo.ModelName = esp-cwmp  (string)\nok\n"
        )
        assert say(b"get Device.DeviceInfo.\r", DONE).count("Device.DeviceInfo.") == 13


def test_wrong_input_is_one_error_line(board: Cpe):
    with Terminal(board) as say:
        for typed, answer in (
            (b"staus", "error: no such command, try help"),
            (b"get Device.Nothing", "error: 9005 Invalid parameter name"),
            (b"get Nothing.", "error: 9005 Invalid parameter name"),
            (b"set", "error: want: set NAME VALUE"),
            (b"set Device.Nothing 1", "error: 9005 Invalid parameter name"),
            (b"set Device.DeviceInfo.UpTime 1", "error: 9008"),
            (b"set Device.ManagementServer.STUNServerPort 65536", "error: 9007 Not within 0 to"),
            (b"set Device.ManagementServer.STUNEnable maybe", "error: 9007"),
            (b"log X", "error: levels are D I W E"),
            (b"'; import os", "error: no such command, try help"),
            (b"status\tnow", "error: no such command"),
        ):
            said = say(typed + b"\r", DONE)
            assert answer in said and said.count("error: ") == 1, said
        assert say(b"status\r", DONE).endswith("ok\n")


def test_a_long_line_is_cut_and_the_next_one_is_whole(board: Cpe):
    with Terminal(board) as say:
        said = say(b"x" * 5000 + b"\r", DONE)
        assert said == "x" * 300 + "\nerror: no such command, try help\n"
        assert "cpe " in say(b"status\r", DONE)


def test_backspace_control_and_high_bytes(board: Cpe):
    with Terminal(board) as say:
        said = say(b"\x7f\x7fstaxx\x08\x7ftus\r", DONE)
        assert "cpe " in said and said.endswith("ok\n")
        said = say(b"\x00\x1b\xff\xe9sta\x01tus\r", DONE)
        assert said.startswith("status\n") and said.endswith("ok\n")
        assert say(b"\r\n\r\n\rhelp\n", DONE).endswith("ok\n")


@pytest.mark.capability("files")
def test_a_defect_in_one_command_does_not_end_the_console(make_cpe: Callable[..., Cpe]):
    board = make_cpe({"connection_request": {"port": free_port()}})
    broken = "def status(agent, now):\n    return None[0]\n"
    boot_first(board, f"from cwmp.runtime import health\n{broken}health.status = status\n")
    board.start()
    board.expect("net: listening")
    with Terminal(board) as say:
        assert say(b"status\r", DONE).endswith("error: internal\n")
        assert say(b"help\r", DONE).endswith("ok\n")
    assert "boot: internal error=" in board.said()


def test_log_level_and_the_last_lines(board: Cpe):
    with Terminal(board) as say:
        assert "boot: start" in say(b"log\r", DONE)
        say(b"log E\r", DONE)
        quiet = say(b"set Device.ManagementServer.STUNEnable 1\r", DONE)
        assert (
            "binding:" not in quiet + say(b"log\r", DONE).partition("log\n")[2].split("net:")[-1]
        )
        say(b"log D\r", DONE)


def test_b27_ctrl_c_at_any_time_gives_the_prompt_and_ctrl_d_boots_again(board: Cpe):
    with Terminal(board) as say:
        for before in (b"", b"half a li", b"status\r"):
            say(before, re.escape(before.decode()) if before[-1:] != b"\r" else DONE)
            said = say(b"\x03", ">>> ")
            assert re.search(r"I \d+ boot: stopped; Ctrl-D", said), repr(said)
            assert "Traceback" not in said
            assert "42\n>>> " in say(b"40+2\r", r"42\r\n>>> ")
            assert "import" in say(
                b"import cwmp; print('import', cwmp.__name__)\r", r"import cwmp"
            )
            said = say(b"\x04", "net: listening")
            assert "boot: start version=" in said
            assert say(b"status\r", DONE).endswith("ok\n")


def test_b27_the_raw_repl_of_mpremote_is_reached_from_the_running_agent(board: Cpe):
    with Terminal(board) as say:
        say(b"\r\x03\x03", ">>> ")
        assert "raw REPL" in say(b"\x01", "raw REPL; CTRL-B to exit\r\n>")
        assert "OK6\r\n\x04\x04>" in say(b"print(2*3)\x04", "\x04\x04>").replace("\n", "\r\n")
        say(b"\x02", ">>> ")
        say(b"\x04", "net: listening")


def test_a_log_line_never_begins_behind_what_is_being_typed(board: Cpe):
    with Terminal(board) as say:
        say(b"log D\r", DONE)
        say(b"sta", "sta")
        board.target.log_position()
        with serial_free_datagram(board) as send:
            send(b"GET nonsense")
            said = say(b"", r"W \d+ cr: dropped reason=malformed[^\r]*\r\nsta")
        assert re.search(r"(?m)^W \d+ cr: dropped", said)
        said = say(b"tus\r", DONE)
        assert said.startswith("tus\ncpe ") and said.endswith("ok\n")


class serial_free_datagram:
    """A UDP socket towards the primary port of a board."""

    def __init__(self, board: Cpe) -> None:
        (listening,) = re.findall(r"net: listening udp=(\d+)", board.said())
        self.to = (board.target.address, int(listening))

    def __enter__(self) -> Callable[[bytes], object]:
        import socket

        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return lambda data: self.socket.sendto(data, self.to)

    def __exit__(self, *exc: object) -> None:
        self.socket.close()


def test_status_without_an_acs_says_what_is_missing(board: Cpe):
    status = "\n".join(board.command("status"))
    assert "acs       (none)" in status and "session   none can start; 0 done" in status
    assert "NOT READY: no ACS URL: set acs.url in the site configuration" in status
    assert "NOT READY: no ConnectionRequestUsername and ConnectionRequestPassword" in status
    assert "NOT READY: no local address yet" in status


async def test_inform_events_and_set_work_with_an_acs(rig: Rig):
    seen = len(rig.cpe.informs)
    assert await rig.command("inform") == ["a session was asked for"]
    inform = await rig.informed(None, seen)
    assert inform.codes == ["X 020000 SESSION"]
    await rig.idle()
    await rig.acs.stop()
    await rig.command(f"set {INFO}ProvisioningCode typed text")
    await rig.board.seen(r"session: failed")
    assert await rig.command("events") == [f"changed: {INFO}ProvisioningCode"]
    assert "connect refused" in "\n".join(await rig.command("status"))
    await rig.acs.start()
    inform = await rig.informed("4 VALUE CHANGE", seen + 1)
    assert inform.parameters[INFO + "ProvisioningCode"] == "typed text"


async def test_reboot_and_factory_reset(rig: Rig):
    seen = len(rig.cpe.informs)
    await rig.set("PeriodicInformInterval", 777)
    assert await rig.command("reboot") == ["rebooting"]
    inform = await rig.informed("1 BOOT", seen)
    assert "M Reboot" not in inform.codes and "0 BOOTSTRAP" not in inform.codes
    await rig.idle()
    assert await rig.get(MS + "PeriodicInformInterval") == "777"
    seen = len(rig.cpe.informs)
    assert await rig.command("factory-reset") == ["everything forgotten, rebooting"]
    inform = await rig.informed("0 BOOTSTRAP", seen)
    assert inform.codes == ["0 BOOTSTRAP", "1 BOOT"]
    await rig.idle()
    assert await rig.get(MS + "PeriodicInformInterval") == "3600"


async def test_commands_work_while_sessions_run(rig: Rig):
    for _ in range(5):
        await rig.ring()
        assert len(await rig.command("status")) > 5
        assert len(await rig.command("get Device.")) > 30
    await rig.idle()
    assert rig.cpe.informs[-1].codes == [RING]


async def test_b13_nothing_that_the_console_shows_is_a_secret(make_rig: MakeRig):
    site = {
        "connection_request": {"username": "site-user", "password": "site-Secret-5"},
        "stun": {"enable": False, "username": "s", "password": "site-Secret-6"},
    }
    rig = await make_rig(site=site)
    rig.secrets.update(("site-Secret-5", "site-Secret-6"))
    await rig.ready()
    for line in ("status", "binding", "events", "log", "get Device."):
        await rig.command(line)
    await rig.wake()
