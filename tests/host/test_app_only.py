"""`--app-only`: only what changed, over the prompt of a running board, by mpremote's transport."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools import board_files, boards, image
from host_tools.errors import Failed, UserError
from host_tools.targets.unix import UnixTarget

ROOT = Path(__file__).resolve().parents[2]
SITE = "[connection_request]\nport = 47912\n"
DEAF = b"""\
while True:
    try:
        print("deaf")
        while True:
            input()
    except KeyboardInterrupt:
        pass
"""
FILES = {
    "main.py": b"print('I 1 boot: start version=1')\nwhile True:\n    input()\n",
    "lib/cwmp/core/a.mpy": bytes(range(256)) * 9,
    "lib/cwmp/b.mpy": b"b",
    "site.json": b"{}",
    "image.json": b'{"files":{"lib/cwmp/core/a.mpy":"","lib/cwmp/b.mpy":"","boot.py":""}}',
}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[UnixTarget]:
    made = UnixTarget(tmp_path / "board")
    yield made
    made.stop()


def running(target: UnixTarget, files: dict[str, bytes]) -> str:
    target.install(files)
    (target.flash / "state").mkdir(exist_ok=True)
    (target.flash / "state" / "params").write_bytes(b"what the device remembers")
    port = target.start()
    target.wait_line("boot: start", 0)
    return port


def on_flash(target: UnixTarget) -> dict[str, bytes]:
    return {
        path.relative_to(target.flash).as_posix(): path.read_bytes()
        for path in target.flash.rglob("*")
        if path.is_file() and path.parent.name != "state"
    }


def test_only_what_differs_is_written_and_what_is_stale_goes(target: UnixTarget) -> None:
    old = {"lib/cwmp/runtime/deep/old.mpy": b"of an older layout"}
    port = running(target, {**FILES, **old, "boot.py": b"", "notes.txt": b"mine"})
    (target.flash / "cwmp.py").write_text("a shadow")
    (target.flash / "lib" / "mine").mkdir()
    new = {**FILES, "lib/cwmp/b.mpy": b"changed", "lib/cwmp/wire/deep/c.mpy": b"new"}
    names: list[str] = []
    with board_files.board_files(port) as there:
        done = there.update(new, names.append)
        assert there.update(new) == board_files.Updated([], [])
        board_files.verify(there, new)
    assert names == done.written == ["lib/cwmp/b.mpy", "lib/cwmp/wire/deep/c.mpy", "image.json"]
    assert done.removed == ["boot.py", "cwmp.py", *old]
    # A folder is two blocks of the flash: none is left of theirs, and others are not ours.
    assert not (target.flash / "lib/cwmp/runtime").exists()
    assert (target.flash / "lib/mine").is_dir()
    assert on_flash(target) == {**new, "notes.txt": b"mine"}
    assert (target.flash / "state" / "params").read_bytes() == b"what the device remembers"


def test_update_that_was_cut_off_is_completed_by_the_next(target: UnixTarget) -> None:
    port = running(target, FILES)
    new = {name: content + b"\n" for name, content in FILES.items()}

    def cut(name: str) -> None:
        if name == "main.py":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), board_files.board_files(port) as there:
        there.update(new, cut)
    assert "image.json" not in on_flash(target)
    with board_files.board_files(port) as there:
        assert there.update(new).written == ["main.py", "site.json", "image.json"]
    assert on_flash(target) == new


def test_file_that_is_not_as_written_is_named(target: UnixTarget) -> None:
    port = running(target, FILES)
    (target.flash / "lib" / "cwmp" / "b.mpy").write_bytes(b"worn out")
    with (
        board_files.board_files(port) as there,
        pytest.raises(Failed, match=r"lib/cwmp/b\.mpy on the board is not what was written"),
    ):
        board_files.verify(there, FILES)


def test_board_that_refuses_a_file_says_why(target: UnixTarget) -> None:
    port = running(target, FILES)
    (target.flash / "lib" / "cwmp" / "c.mpy").mkdir()
    with (
        board_files.board_files(port) as there,
        pytest.raises(Failed, match=r"c\.mpy: Is a directory on the board; the files are incom"),
    ):
        there.update({**FILES, "lib/cwmp/c.mpy": b""})


def test_micropython_of_another_chip_is_refused(target: UnixTarget) -> None:
    port = running(target, FILES)
    with (
        board_files.board_files(port) as there,
        pytest.raises(UserError, match=r"wrong chip: this is an linux.*, the board esp32_generic"),
    ):
        board_files.check_chip(there, boards.load("esp32_generic"))


def test_port_without_a_prompt_says_to_flash_the_whole_board(target: UnixTarget) -> None:
    target.install({"main.py": DEAF})
    port = target.start()
    target.wait_line("deaf", 0)
    with (
        pytest.raises(Failed, match=r"no MicroPython prompt: flash the whole board, without"),
        board_files.board_files(port, patience=0.1),
    ):
        pass


def test_flash_py_copies_the_firmware_that_is_new_and_waits_for_its_banner(
    target: UnixTarget, tmp_path: Path
) -> None:
    content = dict(image.build(boards.load("unix"), {"connection_request": {"port": 47912}}).files)
    old = {**content, "lib/cwmp/__init__.mpy": b"broken", "lib/cwmp/gone.mpy": b""}
    target.install(old)
    (target.flash / "main.py").write_bytes(FILES["main.py"])
    port = target.start()
    target.wait_line("boot: start", 0)
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    command = [sys.executable, str(ROOT / "flash.py"), "--board", "unix", "--port", port]
    command += ["--app-only", "--verify"]
    done = subprocess.run(
        [*command, "--config", str(site)], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    copied = re.findall(r"^copying +(\S+)$", done.stdout, re.MULTILINE)
    assert copied == ["lib/cwmp/__init__.mpy", "main.py", "image.json"]
    assert "removed   lib/cwmp/gone.mpy" in done.stdout
    assert re.search(r"^verified +\d+ files$", done.stdout, re.MULTILINE)
    assert re.search(r"^device +version=\S+ board=unix", done.stdout, re.MULTILINE)
    assert f"mpremote connect {port}" in done.stdout
    kept = {name: data for name, data in on_flash(target).items() if name != "unique_id"}
    assert kept == content


def test_board_without_configuration_is_left_alone(target: UnixTarget) -> None:
    port = running(target, {"main.py": FILES["main.py"]})
    command = [sys.executable, str(ROOT / "flash.py"), "--board", "unix", "--port", port]
    done = subprocess.run([*command, "--app-only"], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--config is missing: this board has no configuration yet" in done.stderr
    assert list(on_flash(target)) == ["main.py"]
