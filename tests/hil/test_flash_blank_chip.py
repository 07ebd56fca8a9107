"""flash.py and the real esptool against the ROM of an ESP32 in QEMU: blank flash to board."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import made_image
import pytest
from bare_chip import BLANK, BareChip, emulator

from host_tools import boards, littlefs_image, micropython_image
from host_tools.errors import UserError
from host_tools.flashing import BANNER
from host_tools.lab.acs import Acs
from host_tools.lab.socket_nat import LOOPBACK_ALIAS
from host_tools.targets.qemu import QemuTarget

ROOT = Path(__file__).resolve().parents[2]
BOARD = boards.load("qemu_esp32")
SITE = '[acs]\nurl = "http://192.0.2.1:7547/acs"\npassword = "a-password-of-mine"\n'
VFS = 0x200000
FAST = "921600"
ATTEMPTS = 3
BOOT_S = 200

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def micropython() -> Path:
    if emulator() is None:
        pytest.skip("no qemu-system-xtensa: python -m host_tools fetch qemu")
    try:
        path = micropython_image.find(BOARD)
        micropython_image.read(BOARD, path)
    except UserError as error:
        pytest.skip(str(error))
    return path


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[BareChip]:
    flash = tmp_path / "flash.bin"
    flash.write_bytes(BLANK * boards.bytes_of("4M"))
    made = BareChip(flash)
    yield made
    made.power_down()


def flash_py(*arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "flash.py"), "--board", BOARD.name, *map(str, arguments)]


def flashed(chip: BareChip, *arguments: object) -> str:
    """Run flash.py in download mode until it waits for the board; return what it said.

    On a busy machine the emulated UART loses bytes, which esptool finds out: up to three attempts,
    each from the flash as it was.
    """
    before = chip.flash.read_bytes()
    for _ in range(ATTEMPTS):
        chip.flash.write_bytes(before)
        chip.power_up(download=True)
        said = _flash_until_it_waits(flash_py("--port", chip.url, "--baud", FAST, *arguments))
        chip.power_down()
        if "error: " not in said:
            break
    return said


def _flash_until_it_waits(command: list[str]) -> str:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("waiting "):
                process.send_signal(signal.SIGINT)
                break
        return said + process.stdout.read()


def test_blank_chip_becomes_a_board_byte_for_byte_as_the_image(
    tmp_path: Path, micropython: Path, chip: BareChip
) -> None:
    site = tmp_path / "site.toml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        acs_port = probe.getsockname()[1]
    site.write_text(SITE.replace("192.0.2.1:7547", f"{LOOPBACK_ALIAS}:{acs_port}"))
    common = ("--micropython", micropython, "--config", site, "--state", tmp_path / "state")
    image = tmp_path / "image.bin"
    subprocess.run(flash_py(*common, "--image-only", image), check=True, capture_output=True)
    said = flashed(chip, *common)
    assert "flashed   MicroPython" in said, said
    assert "Hash of data verified" in said  # esptool's own words: it was the real one
    assert "a-password-of-mine" not in said
    assert chip.flash.read_bytes() == image.read_bytes()
    asyncio.run(informs(tmp_path / "board", chip.flash, acs_port))


async def informs(state: Path, flash: Path, port: int) -> None:
    """Boot what esptool wrote, on a board with a network, until it has met its ACS."""
    state.mkdir()
    target = QemuTarget(state, BOARD)
    shutil.copy(flash, target.flash)
    acs = Acs(port=port)
    await acs.start()
    try:
        await asyncio.to_thread(target.start)
        await asyncio.to_thread(target.wait_line, BANNER, 0, BOOT_S)
        cpe = await acs.wait_cpe(BOOT_S)
        assert cpe.informs[0].codes == ["0 BOOTSTRAP", "1 BOOT"]
        assert "boot:0x12 (SPI_FAST_FLASH_BOOT)" in target.said()
    finally:
        await asyncio.to_thread(target.stop)
        await acs.stop()


def test_wrong_chip_is_told_before_anything_is_written(
    tmp_path: Path, micropython: Path, chip: BareChip
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE + '[network]\nssid = "air"\n')
    other = tmp_path / "s3.bin"
    other.write_bytes(made_image.micropython(boards.load("esp32s3_generic")))
    chip.power_up(download=True)
    command = [sys.executable, str(ROOT / "flash.py"), "--board", "esp32s3_generic"]
    command += ["--port", chip.url, "--micropython", str(other), "--config", str(site), "--erase"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "wrong chip: this is an ESP32, the board has an ESP32-S3" in done.stderr
    chip.power_down()
    assert not chip.flash.read_bytes().strip(BLANK)


def test_chip_that_goes_away_half_way_says_how_to_resume(
    tmp_path: Path, micropython: Path, chip: BareChip
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    chip.power_up(download=True)
    common = ("--micropython", micropython, "--config", site, "--state", tmp_path / "state")
    with subprocess.Popen(
        flash_py("--port", chip.url, "--baud", FAST, *common),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("Compressed "):
                break
        while not chip.flash.read_bytes()[0x1000:0x20000].strip(BLANK):
            assert process.poll() is None
        chip.power_down()
        process.stdout.read()
        said = process.stderr.read()
    assert (process.returncode, said.count("\n")) == (1, 1), said
    assert "the flash may be incomplete: run the same command again, it starts from the" in said


@pytest.mark.soak
def test_flashing_again_keeps_what_the_device_remembers(
    tmp_path: Path, micropython: Path, chip: BareChip
) -> None:
    before = {
        "state/params": b"written by the ACS",
        "notes.txt": b"mine",
        "site.json": b"{}",
        "lib/cwmp/old.mpy": b"from another version",
    }
    content = micropython.read_bytes()
    flash = bytearray(chip.flash.read_bytes())
    flash[0x1000 : 0x1000 + len(content)] = content
    flash[VFS:] = littlefs_image.make(before, len(flash) - VFS)
    chip.flash.write_bytes(flash)
    said = flashed(
        chip,
        *("--micropython", micropython, "--state", tmp_path / "state", "--verify"),
    )
    assert "kept      1 records of the device, 2 other files" in said, said
    assert "verified  MicroPython and" in said
    after = littlefs_image.read(chip.flash.read_bytes()[VFS:])
    for name in ("state/params", "notes.txt", "site.json"):
        assert after[name] == before[name]
    assert "lib/cwmp/old.mpy" not in after
    assert json.loads(after["board.json"])["name"] == BOARD.name
    assert not os.listdir(tmp_path / "state")
