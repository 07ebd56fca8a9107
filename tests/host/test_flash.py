"""flash.py as a person runs it: from site.toml to a running board, again and again."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools import boards, flashing, image
from host_tools.errors import Failed
from host_tools.free_port import free_port
from host_tools.targets.unix import UnixTarget

ROOT = Path(__file__).resolve().parents[2]
SITE = """\
[acs]
url = "http://127.0.0.1:9/"
[connection_request]
username = "ring"
password = "pw"
port = {port}
"""
UNIX = boards.Board("unix", "for tests", "host", "unix")
MAIN = "print('I 1 boot: start version={} id=\"a b\"')\nwhile True:\n    input()\n"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "board"
    UnixTarget(tmp_path / "board").stop()


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "flash.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


def small(tmp_path: Path, version: str, *modules: str) -> image.Image:
    """Build a small firmware with these modules in cwmp/."""
    root = tmp_path / f"firmware-{version}"
    (root / "cwmp").mkdir(parents=True)
    for name in ("__init__", *modules):
        (root / "cwmp" / f"{name}.py").write_text(f"NAME = {name!r}\n")
    (root / "main.py").write_text(MAIN.format(version))
    return image.build(UNIX, {}, root)


def names(target: UnixTarget) -> set[str]:
    return {
        str(path.relative_to(target.flash)) for path in target.flash.rglob("*") if path.is_file()
    }


def test_flash_the_firmware_of_this_tree(tmp_path: Path, state: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text(SITE.format(port=free_port()))
    first = run("--board", "unix", "--config", config, "--state", state)
    assert first.returncode == 0, first.stderr
    port = re.search(r"^port\s+(/dev/pts/\d+)$", first.stdout, re.MULTILINE)
    assert port and Path(port[1]).is_char_device()
    assert re.search(r"^device +version=\S+ board=unix", first.stdout, re.MULTILINE)
    assert f"mpremote connect {port[1]}" in first.stdout
    assert json.loads((state / "flash" / "site.json").read_text())["acs"]["url"]
    (state / "flash" / "state" / "record").write_text("kept")
    again = run("--board", "unix", "--state", state)  # code only: the configuration stays
    assert again.returncode == 0, again.stderr
    assert f"port      {port[1]}\n" in again.stdout
    assert (state / "flash" / "state" / "record").read_text() == "kept"
    assert (state / "flash" / "site.json").exists()
    erased = run("--board", "unix", "--config", config, "--state", state, "--erase")
    assert erased.returncode == 0, erased.stderr
    assert not (state / "flash" / "state" / "record").exists()


def test_banner_fields_come_back(tmp_path: Path, state: Path) -> None:
    done = flashing.flash(UnixTarget(state), small(tmp_path, "1"))
    assert done.banner == {"version": "1", "id": "a b"}
    done.target.stop()


def test_stale_files_go_and_others_stay(tmp_path: Path, state: Path) -> None:
    target = UnixTarget(state)
    target.install(small(tmp_path, "1", "old", "kept").files)
    (target.flash / "state").mkdir()
    (target.flash / "state" / "events.json").write_text("[]")
    (target.flash / "notes.txt").write_text("mine")
    (target.flash / "cwmp.py").write_text("a shadow that would be found first")
    (target.flash / "lib" / "cwmp" / "kept.py").write_text("source that would win over .mpy")
    removed = target.install(small(tmp_path, "2", "kept", "new").files)
    assert removed == ["cwmp.py", "lib/cwmp/kept.py", "lib/cwmp/old.mpy"]
    assert names(target) == {
        "board.json",
        "image.json",
        "slot",
        "lib/cwmp/__init__.mpy",
        "lib/cwmp/kept.mpy",
        "lib/cwmp/new.mpy",
        "main.py",
        "notes.txt",
        "site.json",
        "state/events.json",
    }


def test_reflash_of_a_running_board_keeps_its_port(tmp_path: Path, state: Path) -> None:
    target = UnixTarget(state)
    before = flashing.flash(target, small(tmp_path, "1")).port
    done = flashing.flash(target, small(tmp_path, "2"))
    assert (done.port, done.banner["version"]) == (before, "2")
    target.stop()


def test_interrupted_installation_is_complete_the_next_time(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = UnixTarget(state)
    target.install(small(tmp_path, "1", "gone").files)
    new = small(tmp_path, "2", "added").files
    moves: list[object] = []
    replace = os.replace

    def cut(source: Path, destination: Path) -> None:
        moves.append(destination)
        if len(moves) == 3:
            raise KeyboardInterrupt
        replace(source, destination)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            target.install(new)
    assert "image.json" not in names(target)
    target.install(new)
    assert {name: (target.flash / name).read_bytes() for name in names(target)} == dict(new)


def test_firmware_that_does_not_start_shows_its_traceback(tmp_path: Path, state: Path) -> None:
    bad = small(tmp_path, "1")
    target = UnixTarget(state)
    with pytest.raises(Failed, match=r"(?s)did not start.*no module named 'nothing'"):
        flashing.flash(target, image.Image("unix", {**bad.files, "main.py": b"import nothing\n"}))
    target.stop()


def test_unknown_board_is_one_line_and_status_2(state: Path) -> None:
    done = run("--board", "esp99", "--state", state)
    assert done.returncode == 2
    assert re.fullmatch(r"error: unknown board 'esp99', known are: .*unix.*\n", done.stderr)


def test_missing_config_is_one_line_and_status_2(tmp_path: Path, state: Path) -> None:
    done = run("--board", "unix", "--state", state)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--config is missing" in done.stderr
    done = run("--board", "unix", "--config", tmp_path / "no.toml", "--state", state)
    assert (done.returncode, done.stderr) == (2, f"error: no such file: {tmp_path / 'no.toml'}\n")


def test_missing_interpreter_is_one_line_and_leaves_the_board_alone(
    tmp_path: Path, state: Path
) -> None:
    config = tmp_path / "site.toml"
    config.write_text(SITE.format(port=7547))
    done = run("--board", "unix", "--config", config, "--state", state, MICROPYTHON="/nowhere/mp")
    assert done.returncode == 2
    assert done.stderr == "error: no MicroPython interpreter at /nowhere/mp (from $MICROPYTHON)\n"
    assert not state.exists()


def test_wrong_option_is_status_2() -> None:
    assert run("--bord", "unix").returncode == 2
