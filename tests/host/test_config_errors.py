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


BOARD = 'description = "x"\ntarget = "unix"\nnative = "x64"\n\n[unix]\nheap = "256k"\n'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('target = "unix"', 'target = "moon"', ":2: target must be one of 'unix', got 'moon'"),
        ('native = "x64"', 'native = "z80"', ":3: native must be one of "),
        ("heap", "heep", ":6: unknown key 'unix.heep', known are heap"),
        ('"256k"', "256", ":6: unix.heap must be a str, got 256"),
        ("[unix]", "[unx]", ":5: unknown section [unx], known are [unix]"),
        ('native = "x64"\n', "", ":1: the key 'native' is missing"),
        ('description = "x"', "colour = 1", ":1: unknown key 'colour'"),
    ],
)
def test_board_error_names_file_line_and_key(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "board.toml"
    path.write_text(BOARD)
    assert boards.load("mine", tmp_path).options == {"heap": "256k"}
    path.write_text(BOARD.replace(old, new))
    with pytest.raises(UserError) as caught:
        boards.load("mine", tmp_path)
    assert str(caught.value).removeprefix(str(path)).startswith(expected)


def test_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"unknown board 'esp99', known are: .*unix"):
        boards.load("esp99")


def test_every_board_of_this_tree_is_good() -> None:
    assert "unix" in boards.names()
    for name in boards.names():
        assert boards.load(name).name == name
