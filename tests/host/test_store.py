"""B26: records on flash under cuts at every byte, real SIGKILL, damaged files, and littlefs losing
power.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cwmp.runtime.store import Store

ROOT = Path(__file__).resolve().parent.parent.parent
INTERPRETER = os.environ.get("MICROPYTHON", str(Path(sys.executable).parent / "micropython"))
# The unix port comes as a program, or wrapped in a Python script that runs it in its own process;
# Python ignores SIGXFSZ, so that such a script is started with the signal's default restored.
WRAPPED = """
import runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
PROLOGUE = f"""
import sys
sys.path.insert(0, {str(ROOT / "firmware")!r})
from cwmp.runtime.store import Store
def log(level, area, text):
    print(level, area, text)
"""


def board(
    script: str, *arguments: str, before: Callable[[], None] | None = None, ignore: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `script` in the real interpreter."""
    command = [INTERPRETER, "-c", PROLOGUE + script, *arguments]
    if not ignore and Path(INTERPRETER).read_bytes()[:2] == b"#!":
        command = [sys.executable, "-B", "-c", WRAPPED, *command]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=before,
        restore_signals=not ignore,
    )


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, level: str, area: str, text: str) -> None:
        self.lines.append(f"{level} {area} {text}")


def reopened(folder: Path) -> tuple[Store, Log]:
    log = Log()
    store = Store(str(folder), log)
    store.begin()
    return store, log


def test_b26_records_are_read_back_by_both_interpreters(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "params": {"values": {"Device.X": 'é \n "q"'}, "attributes": {"Device.X": [2, []]}},
        "events": [["M Reboot", "k"], ["0 BOOTSTRAP", ""]],
        "fresh": {"ts": "18446744073709551615", "ids": ["4294967295"], "n": 12345678901234567890},
        "boot": 7,
        "empty": {},
    }
    folder = tmp_path / "flash"
    store, log = reopened(folder)
    for name, value in values.items():
        assert store.load(name) is None
        store.save(name, value)
        assert store.load(name) == value
    script = """
import json
store = Store(sys.argv[1], log)
store.begin()
for name in sys.argv[2:]:
    value = store.load(name)
    store.save(name, [value])
    print(json.dumps(value))
"""
    done = board(script, str(folder), *values)
    assert [json.loads(line) for line in done.stdout.splitlines()] == list(values.values())
    for name, value in values.items():
        assert store.load(name) == [value]
    assert log.lines == []


def test_dm_04_remove_forgets_every_generation(tmp_path: Path) -> None:
    store, log = reopened(tmp_path)
    for value in range(3):
        store.save("params", value)
    store.save("boot", 1)
    store.remove("params")
    store.remove("never")
    assert store.load("params") is None and store.load("boot") == 1
    assert log.lines == []


SAVE = """
store = Store(sys.argv[1], log)
store.begin()
try:
    store.save("params", {"generation": "new"})
    print("saved")
except OSError as error:
    print("refused", error.errno)
"""
OLD, NEW = {"generation": "old"}, {"generation": "new"}


def record_size(folder: Path) -> int:
    store, _ = reopened(folder)
    store.save("params", NEW)
    return (folder / "params.json").stat().st_size


def limit(size: int) -> Callable[[], None]:
    def apply() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return apply


def test_b26_interpreter_killed_at_every_byte_of_the_write(tmp_path: Path) -> None:
    size = record_size(tmp_path / "size")
    assert size < 60
    for cut in range(size + 1):
        folder = tmp_path / str(cut)
        store, _ = reopened(folder)
        store.save("params", {"generation": "older"})
        store.save("params", OLD)
        # The kernel kills the process with SIGXFSZ when the file would grow over `cut` bytes.
        done = board(SAVE, str(folder), before=limit(cut))
        store, log = reopened(folder)
        if cut < size:
            assert done.returncode == -signal.SIGXFSZ, (cut, done)
            assert (folder / "params.new").stat().st_size == cut
            assert store.load("params") == OLD
            assert log.lines == ["W store unfinished record=params"]
        else:
            assert done.stdout == "saved\n"
            assert store.load("params") == NEW
            assert log.lines == []
        store.save("params", {"generation": "next"})
        assert reopened(folder)[0].load("params") == {"generation": "next"}


def test_b26_full_flash_is_an_error_and_the_old_record_stays(tmp_path: Path) -> None:
    store, _ = reopened(tmp_path)
    store.save("params", OLD)

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit(10)()

    done = board(SAVE, str(tmp_path), before=full, ignore=True)
    assert done.stdout.startswith("refused "), done
    assert reopened(tmp_path)[0].load("params") == OLD


def test_b26_cut_between_the_two_renames(tmp_path: Path) -> None:
    store, _ = reopened(tmp_path)
    store.save("params", OLD)
    whole = tmp_path / "next"
    reopened(whole)[0].save("params", NEW)
    os.rename(tmp_path / "params.json", tmp_path / "params.old")
    os.rename(whole / "params.json", tmp_path / "params.new")
    store, log = reopened(tmp_path)
    assert store.load("params") == NEW
    assert log.lines[-1] == "W store recovered record=params from=new"
    # What was read is what counts now: a cut in the next write must not bring the one before it
    # back.
    assert board(SAVE, str(tmp_path), before=limit(5)).returncode == -signal.SIGXFSZ
    assert reopened(tmp_path)[0].load("params") == NEW


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_b26_damaged_record_is_found_and_the_previous_one_used(
    tmp_path: Path, damage: str
) -> None:
    store, _ = reopened(tmp_path)
    store.save("params", OLD)
    store.save("params", NEW)
    path = tmp_path / "params.json"
    good = path.read_bytes()
    for at in range(len(good)):
        flipped = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        path.write_bytes(good[:at] if damage == "cut" else flipped)
        store, log = reopened(tmp_path)
        assert store.load("params") == OLD, at
        assert log.lines == [
            "W store damaged record=params file=json",
            "W store recovered record=params from=old",
        ]
    # The damaged one never takes the place of the good old one.
    assert board(SAVE, str(tmp_path), before=limit(5)).returncode == -signal.SIGXFSZ
    assert reopened(tmp_path)[0].load("params") == OLD
    store.save("params", NEW)
    assert store.load("params") == NEW
    path.write_bytes(good[:-1])
    assert reopened(tmp_path)[0].load("params") == OLD
    for suffix in (".json", ".old"):
        (tmp_path / ("params" + suffix)).write_bytes(b"\xff" * 40)
    store, log = reopened(tmp_path)
    assert store.load("params") is None
    assert log.lines[-1] == "E store lost record=params"


def test_b26_sigkill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    script = """
store = Store(sys.argv[1], log)
store.begin()
number = store.load("fresh") or 0
sys.stdout.write("at {}\\n".format(number))
while True:
    number += 1
    store.save("fresh", number)
    sys.stdout.write("{}\\n".format(number))
"""
    chance = random.Random(26)
    acknowledged = 0
    for _ in range(40):
        process = subprocess.Popen(
            [INTERPRETER, "-c", PROLOGUE + script, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(chance.randint(2, 30)):
            process.stdout.readline()
        for _ in range(chance.randint(0, 4000)):
            pass  # so that the kill falls into different steps of a save
        process.kill()
        lines = process.stdout.read().decode().split("\n")[:-1]
        process.wait()
        process.stdout.close()
        numbers = [int(line) for line in lines if line.isdigit()]
        acknowledged = max([acknowledged, *numbers])
        found = reopened(tmp_path)[0].load("fresh")
        assert acknowledged <= found <= acknowledged + 31
        acknowledged = found
    assert acknowledged > 100


LITTLEFS = """
import os

class Flash:
    # A RAM flash whose power goes after `left` programs or erases; the one it hits is done by
    # half.
    def __init__(self, blocks):
        self.data = bytearray(b"\\xff" * (512 * blocks))
        self.left = -1
    def readblocks(self, block, buf, offset=0):
        at = block * 512 + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]
    def writeblocks(self, block, buf, offset=None):
        at = block * 512 + (offset or 0)
        size = len(buf)
        if self.left == 0:
            self.data[at : at + size // 2] = buf[: size // 2]
            self.left = -2
        if self.left == -2:
            raise OSError(5)
        if self.left > 0:
            self.left -= 1
        self.data[at : at + size] = buf
    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // 512
        if op == 5:
            return 512
        if op == 6:
            if self.left == -2 or self.left == 0:
                self.left = -2
                return -5
            if self.left > 0:
                self.left -= 1
            at = arg * 512
            for index in range(at, at + 512):
                self.data[index] = 0xff
            return 0

flash = Flash(48)
os.VfsLfs2.mkfs(flash)
os.mount(os.VfsLfs2(flash), "/flash")
store = Store("/flash/state", log)
store.begin()
for value in ("older", "old"):
    store.save("params", {"generation": value, "filler": "x" * 300})
os.umount("/flash")
image = bytes(flash.data)
cut = 0
while True:
    flash = Flash(48)
    flash.data[:] = image
    os.mount(os.VfsLfs2(flash), "/flash")
    store = Store("/flash/state", log)
    store.begin()
    flash.left = cut
    saved = True
    try:
        store.save("params", {"generation": "new", "filler": "y" * 300})
    except OSError:
        saved = False
    os.umount("/flash")
    died, flash.left = flash.left == -2, -1
    os.mount(os.VfsLfs2(flash), "/flash")
    found = Store("/flash/state", lambda level, area, text: None).load("params")
    os.umount("/flash")
    print(cut, saved, found and found["generation"])
    if not died:
        break
    cut += 1
"""


def test_b26_littlefs_loses_power_at_every_program_and_erase(tmp_path: Path) -> None:
    done = board(LITTLEFS)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows and done.stderr == "", done
    cuts = 0
    for _, saved, found in rows:
        assert found == "new" if saved == "True" else found in ("old", "new"), rows
        cuts += saved == "False"
    assert cuts >= 5 and rows[-1][1:] == ["True", "new"], rows
