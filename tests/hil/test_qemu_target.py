"""The QEMU target behaves as a board: port, power, resets, files, network, side by side."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from host_tools import boards, micropython_image
from host_tools.errors import Failed, UserError
from host_tools.free_port import free_port
from host_tools.lab.socket_nat import LOOPBACK_ALIAS
from host_tools.targets.pumped import running_boards
from host_tools.targets.qemu import QemuTarget, find_qemu

pytestmark = pytest.mark.timeout(300)
BOARD = boards.load("qemu_esp32")
PROMPT = b"\r\n>>> "
# A board that talks to the UDP server of the host until it is told to stop.
PPP = """\
import machine, network, socket, time
ppp = network.PPP(machine.UART(2, 921600, rxbuf=4096))
ppp.active(True)
ppp.connect()
while not ppp.isconnected():
    time.sleep_ms(10)
print("up", ppp.ifconfig()[0])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(socket.getaddrinfo("0.0.0.0", PORT)[0][-1])
s.sendto(b"hello", socket.getaddrinfo(HOST, SERVER)[0][-1])
print("got", s.recvfrom(100)[0])
"""


@pytest.fixture(scope="session", autouse=True)
def qemu() -> None:
    """Skips without QEMU or the MicroPython image: the reason says how to get them."""
    try:
        find_qemu()
        micropython_image.find(BOARD)
    except UserError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Callable[..., QemuTarget]]:
    """Make a board: `board({path: content}, **options)`; what it said is shown in the end."""
    made: list[QemuTarget] = []

    def make(files: dict[str, str] | None = None, **options) -> QemuTarget:
        target = QemuTarget(tmp_path / f"board{len(made)}", BOARD, **options)
        if files:
            target.install({name: text.encode() for name, text in files.items()})
        made.append(target)
        return target

    yield make
    for target in made:
        target.stop()
        print(target.said())


def wait(target: QemuTarget, pattern: str, since: int = 0) -> str:
    return target.wait_line(pattern, since, 60)[0]


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def ppp_script(port: int, server: socket.socket) -> str:
    names = {"PORT": port, "HOST": LOOPBACK_ALIAS, "SERVER": server.getsockname()[1]}
    return "".join(f"{name} = {value!r}\n" for name, value in names.items()) + PPP


def test_a_chip_with_nothing_on_it_but_micropython_gives_the_prompt(board) -> None:
    target = board()
    with serial.Serial(target.start(), timeout=60) as port:
        assert port.read_until(b">>> ").endswith(PROMPT)
        port.write(b"6 * 7\r")
        assert port.read_until(b"42\r\n").endswith(b"42\r\n")
    assert "42" in target.said()
    pid = target.status()["qemu_pid"]
    target.stop()
    assert gone(pid) and not target.running


def test_reset_and_power_cut_boot_again_with_what_is_on_flash(board) -> None:
    target = board({"main.py": "import os\nprint('files', sorted(os.listdir()))\n"})
    target.start()
    wait(target, r"^files \['main.py'\]")
    with pytest.raises(UserError, match="a board that is on"):
        target.read_file("main.py")
    assert target.has("main.py")
    since = target.log_position()
    target.power_cut(lambda: target.write_file("state/note", b"while it was off"))
    wait(target, r"^files \['main.py', 'state'\]", since)
    since = target.log_position()
    target.reset()
    wait(target, r"^files ", since)
    assert target.status()["boots"] == 3
    target.stop()
    assert target.read_file("state/note") == b"while it was off"
    assert target.list_files("state") == ["note"] and target.list_files("none") == []
    target.write_file("state/note", None)
    with pytest.raises(FileNotFoundError):
        target.read_file("state/note")


def test_install_replaces_the_program_and_keeps_what_the_device_remembers(board) -> None:
    target = board({"lib/cwmp/old.mpy": "old", "main.py": "print('one')\n"})
    target.write_file("state/params", b"remembered")
    target.start()
    wait(target, "^one")
    removed = target.install({"main.py": b"print('two')\n"})
    assert removed == ["lib/cwmp/old.mpy"]
    since = target.log_position()
    target.start()
    wait(target, "^two", since)
    target.stop()
    assert target.read_file("state/params") == b"remembered"
    target.install({"main.py": b""}, erase=True)
    assert not target.has("state/params")


def test_a_damaged_file_system_is_not_overwritten_unasked(board) -> None:
    target = board({"main.py": ""})
    content = bytearray(target.flash.read_bytes())
    content[0x200000:0x202000] = b"\x55" * 0x2000
    target.flash.write_bytes(content)
    with pytest.raises(Failed, match="--erase makes a new device of it"):
        target.install({"main.py": b""})
    with pytest.raises(Failed, match="--erase makes a new device of it"):
        target.has("site.json")
    assert target.flash.read_bytes() == content
    target.install({"main.py": b""}, erase=True)


def test_two_boards_side_by_side_reach_the_host_and_are_reached(board) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.settimeout(120)
        server.bind(("127.0.0.1", 0))
        ports = {free_port(), free_port()}
        targets = [board({"main.py": ppp_script(port, server)}) for port in ports]
        for target in targets:
            target.start()
        for _ in targets:
            data, source = server.recvfrom(100)
            assert data == b"hello" and source[0] == "127.0.0.1"
            ports.remove(source[1])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"ring", source)
        assert ports == set()
        for target in targets:
            wait(target, r"^got b'ring'")
            assert target.status()["line"] == "up" and target.address == "127.0.0.1"
        listed = [status["state"] for status in running_boards()]
        assert [listed.count(str(target.state)) for target in targets] == [1, 1]


def test_a_chip_that_resets_itself_gets_its_link_again(board) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.settimeout(120)
        server.bind(("127.0.0.1", 0))
        script = ppp_script(free_port(), server) + "machine.reset()\n"
        target = board({"main.py": script})
        target.start()
        for _ in range(2):
            _, source = server.recvfrom(100)
            server.sendto(b"again", source)
        assert target.status()["boots"] == 1


def test_no_qemu_outlives_the_process_that_started_it(board, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from host_tools import boards; from host_tools.targets.qemu import QemuTarget;"
        f"target = QemuTarget(Path({str(tmp_path / 'orphan')!r}), boards.load('qemu_esp32'));"
        "target.start(); print(target.status()['pid'], target.status()['qemu_pid'], flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pump, chip = map(int, done.stdout.split())
    assert gone(pump) and gone(chip)


def test_no_qemu_outlives_its_pump(board) -> None:
    target = board()
    target.start()
    status = target.status()
    os.kill(status["pid"], signal.SIGKILL)
    assert gone(status["qemu_pid"])
    assert not target.running
    target._pump.wait()
    target.start()  # and what was left behind is no obstacle
    assert target.running


def test_a_qemu_that_does_not_run_is_told_in_one_line(board, tmp_path: Path) -> None:
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\necho 'unsupported machine type' >&2\nexit 1\n")
    program.chmod(0o755)
    target = board(qemu=str(program))
    with pytest.raises(Failed, match="does not start: QEMU does not run: unsupported machine"):
        target.start()
    assert not target.running
    with pytest.raises(UserError, match="no QEMU at"):
        board(qemu=str(tmp_path / "none")).start()


def test_download_mode_waits_for_esptool_and_reset_leaves_it(board) -> None:
    target = board({"main.py": "print('running')\n"})
    target.download()
    wait(target, r"boot:0xf .UART_BOOT")
    since = target.log_position()
    target.reset()
    wait(target, "^running", since)


def test_the_watchdog_bites_when_it_is_wanted(board) -> None:
    target = board(
        {
            "main.py": "import machine, time\nprint('cause', machine.reset_cause())\n"
            "if machine.RTC().memory() == b'':\n"
            "    machine.RTC().memory(b'seen')\n"
            "    machine.WDT(timeout=2000)\n"
            "    time.sleep(30)\n"
            "    print('not bitten')\n"
        },
        watchdog=True,
    )
    target.start()
    wait(target, r"^cause 1\b")
    since = target.log_position()
    assert "not bitten" not in wait(target, r"(?s)cause [^1\n]|not bitten", since)


def test_board_commands_know_a_board_in_qemu(board, tmp_path: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "host_tools", "board", *words, "qemu_esp32"]
        return subprocess.run(
            [*program, "--state", str(target.state)], capture_output=True, text=True
        )

    target = board({"main.py": "print('running')\n"})
    port = command("start").stdout.strip()
    try:
        assert target.port == port and f"port            {port}\n" in command("status").stdout
        wait(target, "^running")
        for word in ("reset", "power-cut"):
            since = target.log_position()
            assert command(word).returncode == 0
            wait(target, "^running", since)
    finally:
        command("stop")
    assert not target.running
    done = command("status")
    assert done.returncode == 2 and "board start qemu_esp32 --state" in done.stderr
