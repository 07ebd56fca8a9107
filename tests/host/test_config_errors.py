"""Mistakes in configuration and board files: one line that names file, line and key."""

from pathlib import Path

import pytest

from host_tools import boards, image
from host_tools.errors import UserError
from host_tools.tomlfile import line_of, read_toml

GOOD = """\
# a site
[acs]
url = "http://acs.example:7547/"
username = "cpe"

[stun]
enable = true
server = "stun.example"

[connection_request]
username = "ring"
password = "secret-of-mine"
"""


def site(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(text)
    return path


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        image.read_site(path)
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix(str(path))


def test_good_site_is_taken_as_it_is(tmp_path: Path) -> None:
    data = image.read_site(site(tmp_path, GOOD))
    assert data["acs"] == {"url": "http://acs.example:7547/", "username": "cpe"}
    assert data["stun"]["enable"] is True


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("enable = true", "enabel = true", 7, ["stun.enabel", "unknown key", "enable"]),
        ("enable = true", "enable = 1", 7, ["stun.enable", "true or false", "got 1"]),
        ('username = "cpe"', "timeout_s = 0", 4, ["acs.timeout_s", "1 to 600", "got 0"]),
        ("http://acs", "ftp://acs", 3, ["acs.url", "http or https"]),
        ("[stun]", "[stunn]", 6, ["stunn", "unknown section"]),
        ("enable = true", "enable = true\nenable = false", 8, ["overwrite"]),
        ("enable = true", "enable = yes", 7, ["invalid value"]),
        ("[stun]", "[stun", 6, ["]"]),
        ("# a site", "acs.url = 5", 1, []),
    ],
)
def test_site_error_names_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, words: list[str]
) -> None:
    assert GOOD.count(old) == 1
    text = refused(site(tmp_path, GOOD.replace(old, new)))
    if old != "# a site":
        assert text.startswith(f":{line}: ")
    for word in words:
        assert word in text


def test_b13_secret_is_not_shown_in_the_error(tmp_path: Path) -> None:
    text = refused(site(tmp_path, GOOD.replace('"secret-of-mine"', "814772931")))
    assert ":12: connection_request.password" in text
    assert "814772931" not in text


def test_unclosed_file_names_its_last_line(tmp_path: Path) -> None:
    assert refused(site(tmp_path, '[acs]\nurl = """\nhttp://')).startswith(":3: ")


def test_missing_file_and_file_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file: .*nothing\.toml"):
        read_toml(tmp_path / "nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"binary\.toml: not a text file"):
        read_toml(tmp_path / "binary.toml")
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        read_toml(tmp_path)


def test_line_of_finds_dotted_and_quoted_keys(tmp_path: Path) -> None:
    path = site(tmp_path, 'a.b = 1\n\n[ c ]\n"d" = 2 # d = 5\n[c.e]\nf = 3\n')
    assert line_of(path, "a", "b") == 1
    assert line_of(path, "c") == 3
    assert line_of(path, "c", "d") == 4
    assert line_of(path, "c.e", "f") == 6
    assert line_of(path, "none", "x") == 1


BOARD = """\
description = "x"
chip = "esp32"
target = "serial"

[micropython]
file = "mp.bin"
version = "1.23.0"
sha256 = "yours"
source = "from a friend"
offset = 0x1000

[flash]
size = "4MB"

[network]
driver = "ppp"
uart = 2

[serial]
usb = ["10c4:ea60"]

[qemu]
machine = "esp32"
"""


def mine(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine" / "board.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"serial"', '"moon"', ":3: target must be one of 'serial', 'qemu', 'unix', got 'moon'"),
        ('chip = "esp32"', 'chip = "z80"', ":2: chip must be one of 'esp32', 'esp32s3'"),
        ("[serial]", "[sreial]", ":19: unknown section [sreial], known are [micropython], "),
        ('chip = "esp32"\n', "", ":1: the key 'chip' is missing"),
        ('file = "mp.bin"\n', "", ":5: the key 'micropython.file' is missing"),
        ('description = "x"', "colour = 1", ":1: unknown key 'colour', known are description"),
        ('description = "x"', 'name = "x"', ":1: unknown key 'name'"),
        ("offset = 0x1000", "offset = 0x2000", ":10: micropython.offset must be one of 0, 4096"),
        ("offset = 0x1000", "ofset = 0x1000", ":10: unknown key 'micropython.ofset'"),
        ('"yours"', '"5E44"', ":8: micropython.sha256 must be 64 lower-case hex digits"),
        ('size = "4MB"', 'size = "3MB"', ":13: flash.size must be one of '2MB', '4MB'"),
        ('size = "4MB"', "size = 4", ":13: flash.size must be a str, got 4"),
        ("uart = 2", "uart = true", ":17: network.uart must be an int, got True"),
        ("uart = 2", "phy_addr = 2", ":17: unknown key 'network.phy_addr', known are driver, "),
        ('"ppp"', '"tin"', ":16: network.driver must be one of 'host', 'wlan', 'lan', 'ppp'"),
        ('driver = "ppp"\n', "", ":15: network.driver must be one of "),
        ('["10c4:ea60"]', '"10c4:ea60"', ":20: serial.usb must be a list, got '10c4:ea60'"),
        ('["10c4:ea60"]', '["10C4:EA60"]', ":20: serial.usb must be lower-case ids"),
        ('[flash]\nsize = "4MB"\n', "", ":1: the section [flash] is missing"),
        ('"serial"\n', '"serial"\npins = 5\n', ":4: pins must be a section [pins], got 5"),
    ],
)
def test_board_error_names_file_line_and_key(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    path = mine(tmp_path, BOARD)
    assert boards.load("mine", tmp_path).network == boards.Ppp(uart=2)
    assert BOARD.count(old) == 1
    path.write_text(BOARD.replace(old, new))
    with pytest.raises(UserError) as caught:
        boards.load("mine", tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.removeprefix(str(path)).startswith(expected)


def test_qemu_board_says_how_it_is_emulated(tmp_path: Path) -> None:
    text = BOARD.replace('target = "serial"', 'target = "qemu"')
    mine(tmp_path, text)
    assert boards.load("mine", tmp_path).qemu == boards.Qemu("esp32")
    mine(tmp_path, text.partition("[qemu]")[0])
    with pytest.raises(UserError, match=r"board\.toml:1: the section \[qemu\] is missing"):
        boards.load("mine", tmp_path)


def test_board_json_has_what_the_firmware_needs_and_no_more(tmp_path: Path) -> None:
    text = BOARD + "readsize = 4096\n[pins]\nled = 2\nled_active = 0\n"
    mine(tmp_path, text)
    assert boards.load("mine", tmp_path).for_firmware() == {
        "name": "mine",
        "network": {"driver": "ppp", "uart": 2, "baud": 115200, "rxbuf": 4096},
        "pins": {"led": 2, "led_active": 0},
        "readsize": 4096,
    }
    assert boards.load("unix").for_firmware() == {
        "name": "unix",
        "network": {"driver": "host"},
        "pins": {},
    }


def test_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"unknown board 'esp99', known are: .*unix"):
        boards.load("esp99")


def test_every_board_of_this_tree_is_good() -> None:
    assert "unix" in boards.names()
    for name in boards.names():
        assert boards.load(name).name == name
