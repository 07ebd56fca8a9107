"""The serial console, at a real terminal (a PTY) and in a pipe, with a real board behind it."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.targets.unix import UnixTarget

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "host_tools", "console"]
MAIN = """\
import sys
print("I 12 boot: start version=1")
print("W 13 net: slow")
line = b""
try:
    while True:
        byte = sys.stdin.buffer.read(1)
        if byte not in b"\\r\\n":
            line += byte
        elif line:
            print("E 14 store: got", line.decode())
            line = b""
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[UnixTarget]:
    target = UnixTarget(tmp_path / "board")
    target.flash.mkdir(parents=True)
    (target.flash / "main.py").write_text(MAIN)
    target.start()
    yield target
    target.stop()


class Terminal:
    """A console at a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.environ.update(TERM="xterm", NO_COLOR="")
            del os.environ["NO_COLOR"]
            os.execv(COMMAND[0], [*COMMAND, *arguments])
        self.screen = b""
        self.status: int | None = None

    def until(self, text: bytes, seconds: float = 15.0) -> bytes:
        """Read the screen until `text` is there; return all of it."""
        end = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < end, self.screen
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.screen += os.read(self.fd, 4096)
                except OSError:
                    raise AssertionError(self.screen) from None
        return self.screen

    def keys(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def leave(self) -> int:
        """Press Ctrl-] and return the exit status."""
        self.keys(b"\x1d")
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(board: UnixTarget, tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(board.port, "--log", str(tmp_path / "console.log"))
    yield made
    made.close()


def test_terminal_shows_levels_in_colour_behind_the_host_time(terminal: Terminal) -> None:
    screen = terminal.until(b"W 13 net: slow")
    assert re.search(rb"\d\d:\d\d:\d\d\.\d{3} \x1b\[0m\x1b\[32mI 12 boot: start", screen)
    assert b"\x1b[33mW 13 net: slow" in screen
    assert terminal.leave() == 0


def test_terminal_passes_keys_and_ctrl_c_to_the_board(terminal: Terminal) -> None:
    terminal.until(b"W 13")
    terminal.keys(b"hello\r")
    terminal.until(b"store: got hello")
    terminal.keys(b"\x03")
    terminal.until(b"interrupted")
    terminal.until(b">>> ")
    terminal.keys(b"20 + 1\r")
    terminal.until(b"\x1b[0m21\x1b[0m\r\n")
    assert terminal.leave() == 0


def test_terminal_is_put_back_as_it_was(terminal: Terminal) -> None:
    import termios

    terminal.until(b"W 13")
    assert not termios.tcgetattr(terminal.fd)[3] & termios.ICANON
    assert terminal.leave() == 0
    assert termios.tcgetattr(terminal.fd)[3] & termios.ICANON
    assert termios.tcgetattr(terminal.fd)[3] & termios.ECHO


def test_log_file_has_plain_lines_with_the_host_time(terminal: Terminal, tmp_path: Path) -> None:
    terminal.until(b"W 13 net: slow")
    terminal.leave()
    lines = (tmp_path / "console.log").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [
        "I 12 boot: start version=1",
        "W 13 net: slow",
    ]
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} ", line) for line in lines)


def test_console_stays_over_a_reset(terminal: Terminal, board: UnixTarget) -> None:
    terminal.until(b"W 13")
    board.reset()
    end = time.monotonic() + 15
    while terminal.screen.count(b"boot: start") < 2:
        assert time.monotonic() < end
        terminal.until(b"", 1)
        if select.select([terminal.fd], [], [], 0.1)[0]:
            terminal.screen += os.read(terminal.fd, 4096)
    assert terminal.leave() == 0


def run(*arguments: str, keys: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=keys,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        check=False,
    )


def test_pipe_sends_lines_and_prints_plain_text(board: UnixTarget) -> None:
    done = run(board.port, keys="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "I 12 boot: start version=1",
        "W 13 net: slow",
        "E 14 store: got one",
        "E 14 store: got two",
    ]


def test_pipe_with_timestamps(board: UnixTarget) -> None:
    first = run(board.port, "--timestamps").stdout.splitlines()[0]
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} I 12 boot: start version=1", first)


def test_socket_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        got = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                got.append(connection.recv(100))
                connection.sendall(b"I 1 boot: hello\r\nthanks\r\n")
                connection.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        done = run(f"socket://127.0.0.1:{port}", keys="status\n")
        thread.join(10)
    assert done.stdout == "I 1 boot: hello\nthanks\n"
    assert got == [b"status\r"]


def test_missing_port_is_one_line_and_status_2() -> None:
    done = run("/dev/pts/99999")
    assert done.returncode == 2
    assert re.fullmatch(r"error: /dev/pts/99999: no such port .*\n", done.stderr)


def test_busy_port_is_one_line_and_status_2(board: UnixTarget, terminal: Terminal) -> None:
    terminal.until(b"W 13")
    done = run(board.port)
    assert done.returncode == 2
    assert re.fullmatch(r"error: /dev/pts/\d+: busy, another program .*\n", done.stderr)


def test_no_permission_names_the_group() -> None:
    from serial import SerialException

    from host_tools.console import explain, group_of

    error = SerialException(13, "could not open port: Permission denied")
    assert f"usermod -aG {group_of('/dev/null')} $USER" in explain("/dev/null", error)


def test_refused_connection_and_wrong_url_are_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url in (f"socket://127.0.0.1:{port}", "nonsense://x"):
        done = run(url)
        assert done.returncode == 2
        assert re.fullmatch(rf"error: {re.escape(url)}: [^\n]*\n", done.stderr), done.stderr


def test_port_that_goes_away_ends_the_console_with_status_1(
    board: UnixTarget, terminal: Terminal
) -> None:
    terminal.until(b"W 13")
    board.stop()
    terminal.until(b"the port went away")
    terminal.status = os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1])
    assert terminal.status == 1
