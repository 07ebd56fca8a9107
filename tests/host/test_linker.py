"""Modules linked into one behave as they did apart."""

import subprocess
import sys
from pathlib import Path

import pytest

from host_tools import boards, image
from host_tools.errors import Failed
from host_tools.link import Group, Linked
from host_tools.package import package

A = """
import time
from micropython import const
SMALL = const(1)
LARGE = const(SMALL + 8)
_HIDDEN = const(3)
shared = 5
class Thing:
    shared = 7
    def read(self, value=SMALL):
        return value + shared + self.shared + _HIDDEN
def read():
    return "a"
"""
B = """
from . import a
from .a import SMALL, Thing as Other
_HIDDEN = 30
shared = 50
def read():
    try:
        thing = Other()
    except ValueError as error:
        return error
    return [thing.read(), a.read(), a.LARGE, SMALL, shared, _HIDDEN, a.shared]
"""
C = """
from .inner import b as room
from .inner.a import SMALL
def main():
    from .inner.b import read as asked
    print(room.read() == asked(), asked(), SMALL)
"""
MAIN = """
from cwmp.c import main
from cwmp.inner import a as first
main()
print(first.read(), first.SMALL)
"""
SOURCES = {
    "cwmp/__init__.py": "",
    "cwmp/inner/__init__.py": "",
    "cwmp/inner/a.py": A,
    "cwmp/inner/b.py": B,
    "cwmp/c.py": C,
}
SAID = "True [16, 'a', 9, 1, 50, 30, 5] 1\na 1\n"


def run(folder: Path, linked: Linked, script: str) -> str:
    shims = Path(__file__).resolve().parents[1] / "shims"
    for path, text in linked.sources.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    done = subprocess.run(
        [sys.executable, "-S", "-c", linked.script(script)],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{shims}"},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr[-500:]


@pytest.mark.parametrize(
    "groups",
    [
        (),
        (Group("inner.b", ("inner.b", "inner.a")),),
        (Group("inner.a", ("inner.a", "inner.b")),),
        (Group("c", ("c", "inner.b", "inner.a")),),
    ],
)
def test_linked_program_says_the_same(tmp_path: Path, groups: tuple[Group, ...]) -> None:
    linked = Linked(SOURCES, groups)
    assert run(tmp_path, linked, MAIN) == SAID
    gone = {name for group in groups for name in group.members if name != group.head}
    assert len(linked.sources) == len(SOURCES) - len(gone)


def test_constants_of_a_linked_module_are_numbers() -> None:
    linked = Linked(SOURCES, (Group("inner.b", ("inner.a", "inner.b")),))
    assert "SMALL" not in linked.sources["cwmp/c.py"]
    assert "asked(), 1)" in linked.sources["cwmp/c.py"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from . import a\ndef f():\n    a.shared = 1\n", "assigns to a.shared"),
        ("from . import a\ndef f():\n    return len(a)\n", "no module of its own"),
        ("def read(shared):\n    pass\nread(shared=2)\nshared = 3\n", "argument shared"),
        ("def broken(:\n", "line 1: SyntaxError"),
    ],
)
def test_what_cannot_be_linked_is_refused(text: str, why: str) -> None:
    sources = {"cwmp/__init__.py": "", "cwmp/a.py": "shared = 1\n", "cwmp/b.py": text}
    with pytest.raises(Failed, match=why):
        Linked(sources, (Group("b", ("a", "b")),))


def test_every_group_of_the_firmware_is_there_for_every_board() -> None:
    for name in boards.names():
        made = package(boards.load(name), image.FIRMWARE)
        for head in ("agent", "management"):
            assert made.module(f"runtime.{head}") == f"cwmp.{made.modules[f'runtime.{head}']}"
        assert made.module("wire.stun") == made.module("runtime.agent")
        assert made.module("runtime.boot") == "cwmp.boot" and "cwmp/boot.py" in made.sources
        assert "wire.stun" not in made.modules
