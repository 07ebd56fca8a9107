"""A board that was flashed and boots, as a CI job meets it: over its serial port alone."""

import re
import subprocess
import sys

import pytest

from host_tools import image
from tests.cpe import Cpe
from tests.dut import CpeDut


def mpremote(port: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *words],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.capability("files")
def test_what_was_flashed_is_on_the_board(cpe: Cpe):
    assert cpe.target.read_file("image.json") == cpe.image.files["image.json"]
    assert cpe.target.read_file("main.py") == cpe.image.files["main.py"]
    cpe.start()
    cpe.expect("net: listening")


def test_the_banner_names_firmware_board_and_device(dut: CpeDut, firmware_image: image.Image):
    words = dict(word.split("=") for word in dut.banner().split())
    assert list(words) == ["version", "board", "micropython", "id"]
    assert words["board"] == firmware_image.board
    assert re.fullmatch(r"020000-esp-cwmp-[0-9A-F]{12}", words["id"])


def test_every_console_command_that_help_lists_answers(dut: CpeDut):
    dut.banner()
    names = re.findall(r"(?m)^([a-z-]+)", dut.command("help"))
    assert "status" in names and "reboot" in names
    for name in names:
        if name not in ("get", "set", "reboot", "factory-reset"):
            dut.command(name)
    assert "Device.DeviceInfo.UpTime" in dut.command("get Device.DeviceInfo.")


def test_reboot_by_the_console_prints_the_banner_again(dut: CpeDut):
    first = dut.banner()
    dut.command("reboot")
    assert dut.banner() == first


def test_b27_ctrl_c_then_the_prompt_then_ctrl_d(dut: CpeDut):
    first = dut.banner()
    dut.prompt()
    assert dut.evaluate("6 * 7") == "42"
    dut.write(b"\x04")
    assert dut.banner() == first


def test_b27_mpremote_lists_the_flash_of_a_running_board(cpe: Cpe):
    port = cpe.start()
    cpe.type(b"\x03")
    cpe.expect(r"boot: stopped")
    listed = mpremote(port, "fs", "ls")
    assert {"main.py", "site.json", "lib/"} <= {
        line.split()[-1] for line in listed.splitlines()[1:]
    }
    mpremote(port, "reset")
    cpe.expect(r"boot: start")
    cpe.expect(r"net: listening")


def test_a_reset_button_that_is_pressed_again_and_again(cpe: Cpe):
    cpe.start()
    for _ in range(3):
        cpe.expect("net: listening")
        cpe.reset()
        cpe.expect("boot: start")
    cpe.expect("net: listening")
    assert "Traceback" not in cpe.said()
