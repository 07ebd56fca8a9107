"""flash.py for chips: ports, what is kept, what is said when it goes wrong.

The real esptool against the ROM of a chip is in tests/hil.
"""

import contextlib
import os
import pty
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import made_image
import pytest
import serial

from host_tools import boards, boot_watch, chip_flash, esp_image, littlefs_image, ports
from host_tools.banner import BANNER, NO_START
from host_tools.errors import Failed, UserError
from host_tools.esptool import Esptool

ROOT = Path(__file__).resolve().parents[2]
ESP32 = boards.load("esp32_generic")
MICROPYTHON = made_image.micropython(ESP32)
SITE = '[acs]\nurl = "http://192.0.2.1/"\npassword = "of-the-acs"\n[network]\nssid = "air"\n'
VFS = 0x200000


@dataclass
class Usb:
    device: str
    vid: int | None
    pid: int | None
    description: str = "USB serial"


def listed(*found: Usb) -> Callable[[], list[Usb]]:
    return lambda: list(found)


CP2102 = Usb("/dev/ttyUSB0", 0x10C4, 0xEA60)
CH340 = Usb("/dev/ttyUSB1", 0x1A86, 0x7523)
MODEM = Usb("/dev/ttyACM0", 0x1199, 0x68C0, "Modem")
BUILT_IN = Usb("/dev/ttyS0", None, None, "ttyS0")


def test_the_only_port_with_a_usb_id_of_the_board_is_taken() -> None:
    assert ports.choose(ESP32, None, listed(MODEM, CH340, BUILT_IN)) == CH340.device
    assert ports.choose(ESP32, "rfc2217://lab:4000", listed(CH340)) == "rfc2217://lab:4000"


def test_several_ports_are_listed_and_none_is_taken() -> None:
    with pytest.raises(UserError) as caught:
        ports.choose(ESP32, None, listed(CH340, MODEM, CP2102))
    assert str(caught.value) == (
        "several boards are there, choose one with --port: /dev/ttyUSB0 (USB serial 10c4:ea60),"
        " /dev/ttyUSB1 (USB serial 1a86:7523)"
    )


def test_without_a_board_the_other_ports_are_shown() -> None:
    with pytest.raises(UserError, match=r"no port of a esp32_generic found \(USB 10c4:ea60, .*"):
        ports.choose(ESP32, None, listed())
    with pytest.raises(UserError, match=r"other ports: /dev/ttyACM0 \(Modem 1199:68c0\), .*ttyS0"):
        ports.choose(ESP32, None, listed(BUILT_IN, MODEM))


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A PTY as a serial port: the board's end, and the path of ours."""
    board, ours = pty.openpty()
    yield board, os.ttyname(ours)
    os.close(board)
    os.close(ours)


def test_port_that_is_not_there_busy_or_forbidden_says_what_to_do(
    terminal: tuple[int, str],
) -> None:
    with pytest.raises(UserError, match="/dev/nowhere: no such port"):
        ports.check("/dev/nowhere")
    with serial.Serial(terminal[1], exclusive=True), pytest.raises(UserError, match="busy, anoth"):
        ports.check(terminal[1])
    os.chmod(terminal[1], 0)
    ours = os.geteuid()
    try:
        if ours == 0:
            os.seteuid(65534)
        with pytest.raises(UserError, match=r"no permission: sudo usermod -aG \w+ \$USER"):
            ports.check(terminal[1])
    finally:
        os.seteuid(ours)


def flash_py(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "flash.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture
def options(tmp_path: Path) -> list[object]:
    """--board, --config, --micropython and --state for a flash that could work."""
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "mp.bin").write_bytes(MICROPYTHON)
    given: list[object] = ["--board", "esp32_generic", "--state", tmp_path / "state"]
    return [*given, "--config", tmp_path / "site.toml", "--micropython", tmp_path / "mp.bin"]


def test_one_line_and_status_for_each_mistake_on_the_command_line(
    options: list[object], tmp_path: Path
) -> None:
    mistakes = [
        (["--port", "/dev/nowhere"], "error: /dev/nowhere: no such port"),
        (["--port", "tty://x"], "error: tty://x: not a serial port or URL"),
        (["--micropython", tmp_path / "no.bin"], "error: no MicroPython image at "),
        (["--app-only", "--erase"], "error: --app-only and --erase exclude each other"),
        (["--image-only", "/proc/x/y"], "error: cannot write /proc/x/y"),
        (["--board", "esp32s3_generic"], "this MicroPython is for esp32, the board esp32s3_gen"),
        (["--keep-from", tmp_path / "no"], "error: cannot read "),
    ]
    for added, words in mistakes:
        done = flash_py(*options, *added)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done
        assert words in done.stderr
        assert "of-the-acs" not in done.stdout + done.stderr
    assert not (tmp_path / "state").exists()


def test_missing_micropython_says_what_to_put_where(options: list[object], tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    done = flash_py(*options[:6], ESP_CWMP_CACHE=cache, ESP_CWMP_MICROPYTHON="")
    assert done.returncode == 2
    assert f" in {cache}: python -m host_tools fetch firmware gets it" in done.stderr


def test_site_is_checked_with_the_keys_of_the_boards_network(
    options: list[object], tmp_path: Path
) -> None:
    (tmp_path / "site.toml").write_text(SITE + 'sid = "air"\n')
    done = flash_py(*options, "--port", "/dev/nowhere")
    assert done.returncode == 2
    assert re.search(r"site\.toml:6: network\.sid: unknown key, known are .*ssid", done.stderr)
    (tmp_path / "site.toml").write_text(SITE.partition("[network]")[0])
    done = flash_py(*options, "--port", "/dev/nowhere")
    assert "the board esp32_generic has Wi-Fi: [network] ssid is missing" in done.stderr


@pytest.fixture
def silent() -> Iterator[str]:
    """A port behind which nobody says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def test_chip_that_does_not_answer_says_how_to_reach_its_rom(
    options: list[object], silent: str
) -> None:
    """The real esptool, which gives up by itself."""
    done = flash_py(*options, "--port", silent)
    assert done.returncode == 1
    assert f"error: {silent}: no chip answers: hold BOOT, press and release RESET" in done.stderr
    assert done.stderr.count("\n") == 1


@contextlib.contextmanager
def board_that_says(text: bytes, *, leaves_first: bool = False) -> Iterator[str]:
    """A port on which a board says `text` over and over: what comes while a port is being opened
    is lost. With `leaves_first` the first connection ends at once.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def board() -> None:
            if leaves_first:
                server.accept()[0].close()
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                while not over.wait(0.05):
                    connection.sendall(text)

        thread = threading.Thread(target=board, daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        thread.join(10)


def test_board_without_a_banner_shows_its_last_words() -> None:
    said = b"rst:0x1 (POWERON_RESET)\r\nI 12 boot: stop\r\n"
    with board_that_says(said) as url, pytest.raises(Failed) as caught:
        boot_watch.wait_line(url, BANNER, 0.5, fatal=NO_START)
    assert str(caught.value).startswith(
        "the board does not answer: no banner in 0.5 s; it said last:\n"
    )
    assert "\n  rst:0x1 (POWERON_RESET)\n  I 12 boot: stop" in str(caught.value)


def test_prompt_instead_of_the_firmware_ends_the_wait() -> None:
    said = b"ImportError: no module named 'cwmp'\r\nMicroPython v1.23.0\r\n>>> "
    with (
        board_that_says(said) as url,
        pytest.raises(Failed, match=r"(?s)did not start our firmware.*no module named 'cwmp'"),
    ):
        boot_watch.wait_line(url, BANNER, 30, fatal=NO_START)


def test_banner_is_found_after_the_port_went_away_and_came_back() -> None:
    """A chip with USB of its own leaves the bus when it is reset."""
    said = b'\xffnoise\r\nI 431 boot: start version=1 id="a b"\r\n'
    with board_that_says(said, leaves_first=True) as url:
        found = boot_watch.wait_line(url, BANNER, 30, fatal=NO_START)
    assert found[1] == ' version=1 id="a b"'


class ChipInMemory(Esptool):
    """Flash as esptool sees it; `dies` after the first part is written, as with a cable pulled."""

    def __init__(self, flash: bytes = b"\xff" * (4 << 20)) -> None:
        super().__init__("esp32", "memory", None)
        self.flash = bytearray(flash)
        self.dies = False

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.flash[offset : offset + size])

    def write(self, parts: dict[int, bytes], *, erase: bool = False) -> None:
        if erase:
            self.flash[:] = b"\xff" * len(self.flash)
        for offset, content in parts.items():
            self.flash[offset : offset + len(content)] = content
            if self.dies:
                raise Failed("memory: esptool: the chip stopped responding")

    def verify(self, offset: int, content: bytes) -> None:
        assert self.read(offset, len(content)) == content

    @property
    def files(self) -> dict[str, bytes]:
        return littlefs_image.read(bytes(self.flash[VFS:]))


def installed(
    tool: ChipInMemory,
    folder: Path,
    files: dict[str, bytes],
    *,
    before: chip_flash.Previous | None = None,
    erase: bool = False,
) -> chip_flash.Written:
    """Flash as flash.py does, without looking at the port."""
    if before is None:
        before = chip_flash.NOTHING if erase else chip_flash.previous(tool, ESP32)
    return chip_flash.write(tool, ESP32, MICROPYTHON, "mp.bin", files, before, folder, erase=erase)


NEW = {"main.py": b"new", "site.json": b"{}", "lib/cwmp/a.mpy": b"a", "image.json": b"{}"}


def test_blank_chip_gets_the_image_and_nothing_is_kept(tmp_path: Path) -> None:
    tool = ChipInMemory()
    done = installed(tool, tmp_path, NEW)
    assert bytes(tool.flash) == esp_image.make(ESP32, MICROPYTHON, "mp.bin", NEW).whole
    assert (done.kept, done.removed) == ([], [])
    chip_flash.verify(tool, done.image)
    tool.flash[VFS:] = littlefs_image.make({**NEW, "main.py": b"old"}, VFS)
    with pytest.raises(Failed, match=r"flash: main\.py differs"):
        chip_flash.verify(tool, done.image)


def test_flashing_again_keeps_records_and_files_of_the_owner(tmp_path: Path) -> None:
    tool = ChipInMemory()
    old = {"lib/cwmp/old.mpy": b"o", "boot.py": b"b", "site.json": b'{"a":1}'}
    old |= {"image.json": b'{"files":{"boot.py":"","lib/cwmp/old.mpy":""}}', "cwmp/x.py": b""}
    installed(tool, tmp_path, {**old, "state/params": b"P", "notes.txt": b"mine"})
    without_site = {name: NEW[name] for name in NEW if name != "site.json"}
    done = installed(tool, tmp_path, without_site)
    assert done.kept == ["notes.txt", "site.json", "state/params"]
    assert done.removed == ["boot.py", "cwmp/x.py", "lib/cwmp/old.mpy"]
    kept = {"state/params": b"P", "notes.txt": b"mine", "site.json": b'{"a":1}'}
    assert tool.files == {**without_site, **kept}
    installed(tool, tmp_path, NEW, erase=True)
    assert tool.files == NEW
    assert list(tmp_path.iterdir()) == []


def test_board_without_configuration_is_not_touched(tmp_path: Path) -> None:
    tool = ChipInMemory()
    blank = bytes(tool.flash)
    with pytest.raises(UserError, match="--config is missing: this board has no configuration"):
        installed(tool, tmp_path, {"main.py": b""})
    assert bytes(tool.flash) == blank


def test_file_system_that_cannot_be_read_is_not_wiped(tmp_path: Path) -> None:
    tool = ChipInMemory()
    installed(tool, tmp_path, NEW)
    tool.flash[VFS : VFS + 8192] = b"\x55" * 8192
    with pytest.raises(Failed, match=r"what the device remembers cannot be kept; nothing was ch"):
        installed(tool, tmp_path, NEW)
    installed(tool, tmp_path, NEW, erase=True)
    assert tool.files == NEW


def test_what_something_else_left_on_the_chip_is_no_file_system_of_ours(tmp_path: Path) -> None:
    tool = ChipInMemory()
    rows = made_image.layout(ESP32)[:3]
    tool.flash[0x8000:0x8C00] = made_image.partition_table(rows)
    assert chip_flash.previous(tool, ESP32) == chip_flash.NOTHING
    tool.flash[0x8000:0x8C00] = bytes(0xC00)
    assert chip_flash.previous(tool, ESP32) == chip_flash.NOTHING


def test_esptool_that_fails_half_way_loses_nothing(tmp_path: Path) -> None:
    tool = ChipInMemory()
    installed(tool, tmp_path, {**NEW, "state/params": b"P"})
    tool.dies = True
    with pytest.raises(Failed) as caught:
        installed(tool, tmp_path, NEW)
    rescued = tmp_path / chip_flash.RESCUED
    assert str(caught.value) == (
        "memory: esptool: the chip stopped responding; the flash may be incomplete: run the same"
        " command again, it starts from the beginning, with"
        f" --keep-from {rescued}: what the device remembered is there"
    )
    assert rescued.stat().st_mode & 0o777 == 0o600
    tool.dies = False
    tool.flash[VFS:] = b"\x55" * VFS
    installed(tool, tmp_path, NEW, before=chip_flash.from_file(rescued))
    assert tool.files["state/params"] == b"P"
    assert not rescued.exists()


def test_ctrl_c_half_way_says_how_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = ChipInMemory()

    def stopped(parts: dict[int, bytes], *, erase: bool = False) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, "write", stopped)
    with pytest.raises(Failed, match=r"^interrupted, the flash may be incomplete: run the same"):
        installed(tool, tmp_path, NEW)


@pytest.mark.parametrize(
    ("said", "words", "status"),
    [
        (
            "\nA fatal error occurred: This chip is ESP32-S3, not ESP32. Wrong chip argument?\n",
            "wrong chip: this is an ESP32-S3, the board has an ESP32; choose another --board",
            2,
        ),
        (
            "A fatal error occurred: Failed to connect to ESP32: No serial data received.",
            "no chip answers: hold BOOT",
            1,
        ),
        ("Could not open /dev/x, the port is busy or doesn't exist.", "the port went away", 1),
        (
            "A fatal error occurred: Packet content transfer\nstopped (received 8 bytes)",
            "esptool: Packet content transfer stopped (received 8 bytes)",
            1,
        ),
        ("/x/python: No module named esptool", "esptool is not installed", 2),
        ("", "it failed without a word", 1),
    ],
)
def test_errors_of_esptool_become_one_line(said: str, words: str, status: int) -> None:
    error = Esptool("esp32", "/dev/x", 460800).explained(said)
    assert words in str(error) and "\n" not in str(error)
    assert error.status == status
