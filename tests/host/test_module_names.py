"""On a board modules lie beside each other under short names, and strings know them by those."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host_tools import boards, image
from host_tools.chip_flash import merged
from host_tools.errors import Failed
from host_tools.flat import Flat
from host_tools.link import Group, Linked
from host_tools.link_names import PACKAGE
from host_tools.names import rom_names
from host_tools.package import package
from host_tools.targets.unix import UnixTarget

NAMED = """
import sys
TABLE = '''first.met one two
inner.part_two three'''
LIST = '''
inner.other inner.part_two
inner.joined first.met
'''
def load(name):
    return __import__("cwmp." + name, None, None, ("",))
def of(word):
    for line in TABLE.split("\\n"):
        if word in line.split(" ")[1:]:
            return load(line.split(" ")[0]).who()
def loaded():
    return [name for name in LIST.split() if "cwmp." + name in sys.modules]
"""
SOURCES = {
    "cwmp/__init__.py": "VERSION = '7'\n",
    "cwmp/boot.py": "from .first.start import main\n",
    "cwmp/first/__init__.py": "",
    "cwmp/first/met.py": "from .. import VERSION\ndef who():\n    return 'met ' + VERSION\n",
    "cwmp/first/named.py": NAMED,
    "cwmp/first/start.py": """
"One text that names first.nothing, for those who read it."
from ..inner import part_two
from ..inner.other import value as asked
from . import named
def main():
    print(asked, part_two.who(), named.of("one"), named.of("three"), len(named.loaded()))
    print("cwmp.inner.other" in named.sys.modules)
""",
    "cwmp/inner/__init__.py": "",
    "cwmp/inner/other.py": "value = 3\n",
    "cwmp/inner/joined.py": "value = 4\n",
    "cwmp/inner/part_two.py": "from .joined import value\ndef who():\n    return value\n",
}
SCRIPT = """
from cwmp.boot import main
from cwmp.inner import part_two as other
from cwmp.first.named import load
main()
print(other.who(), load("inner.other").value)
"""
JOINED = (Group("inner.part_two", ("inner.joined", "inner.part_two")),)


def flat(groups: tuple[Group, ...] = (), **more: str) -> Flat:
    return Flat(Linked({**SOURCES, **more}, groups))


def run(folder: Path, sources: dict[str, str], script: str) -> str:
    for path, text in sources.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=folder, capture_output=True, text=True
    )
    return done.stdout + done.stderr[-500:]


@pytest.mark.parametrize("groups", [(), JOINED])
def test_program_says_the_same(tmp_path: Path, groups: tuple[Group, ...]) -> None:
    assert run(tmp_path / "before", SOURCES, SCRIPT) == "3 4 met 7 4 4\nTrue\n4 3\n"
    linked = Linked(SOURCES, groups)
    made = Flat(linked)
    said = run(tmp_path / "after", made.sources, made.script(linked.script(SCRIPT)))
    # What has become part of another module is in no list any more.
    assert said == f"3 4 met 7 4 {3 if groups else 4}\nTrue\n4 3\n"


def test_docstrings_stay_and_rooms_are_gone() -> None:
    made = flat(JOINED)
    assert "names first.nothing" in made.sources[f"cwmp/{made.modules['first.start']}.py"]
    assert {name.count("/") for name in made.sources if "runtime" not in name} == {1}
    assert made.sources["cwmp/runtime/boot.py"] == "from ..boot import main\n"
    assert "inner.joined" not in made.modules


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("LIST = 'first.met first.gone'\n", "first.gone in a string is no module of cwmp"),
        ("LIST = 'first.met inner.joined so'\n", "inner.joined in a string is no module of its"),
        ("borrow('inner.joined')\n", "inner.joined in a string is no module of its own"),
        ("borrow('other')\n", "'other' names a module: it has to be 'inner.other'"),
        ("drop(package, 'met')\n", "'met' names a module: it has to be 'first.met'"),
        ("__import__(room + '.met')\n", "'.met' names a module: it has to be 'first.met'"),
        ("room = '.first.'\n", "'.first.' names a module: it has to be 'first.name'"),
        ("wanted = ['part_two']\n", "'part_two' names a module: it has to be 'inner.part_two'"),
        ("from .. import inner\n", "inner is no module on a board"),
        ("from ..inner import thing\n", "inner.thing is no module on a board"),
    ],
)
def test_what_would_be_missed_is_refused(text: str, why: str) -> None:
    with pytest.raises(Failed, match=re.escape(why)):
        flat(JOINED, **{"cwmp/first/wrong.py": text})


def test_a_room_that_has_something_of_its_own_is_refused() -> None:
    with pytest.raises(Failed, match="inner/__init__.py: a room is no module on a board"):
        flat(**{"cwmp/inner/__init__.py": "value = 1\n"})


@pytest.mark.parametrize("board", boards.names())
def test_names_are_in_the_rom_and_differ(board: str) -> None:
    made = package(boards.load(board), image.FIRMWARE)
    short = list(made.modules.values())
    assert len(set(short)) == len(short) > 80
    assert set(short) <= set(rom_names())
    assert all(re.fullmatch(r"[a-z][a-z0-9]{0,3}", name) for name in short)
    imported = set()
    for text in made.sources.values():
        imported.update(re.findall(r"^import (\w+)", text, re.MULTILINE))
        imported.update(re.findall(r"^from (\w+)", text, re.MULTILINE))
    assert len(imported) > 10 and not imported & set(short)
    # What the package itself defines is an attribute of the same object as its modules.
    assert made.names["VERSION"] not in short


def test_two_modules_more_leave_nearly_all_others_their_names(tmp_path: Path) -> None:
    board = boards.load("esp32_generic")
    before = package(board, image.FIRMWARE).modules
    shutil.copytree(image.FIRMWARE / PACKAGE, tmp_path / PACKAGE)
    for name in ("wire/news", "core/again"):
        (tmp_path / PACKAGE / f"{name}.py").write_text("")
    after = package(board, tmp_path).modules
    assert len(after) == len(before) + 2
    moved = [name for name in before if after[name] != before[name]]
    assert len(moved) < len(before) / 10, moved


def test_nothing_of_the_older_layout_stays_on_a_board(tmp_path: Path) -> None:
    new = image.build(boards.load("unix"), {"acs": {"url": "http://a/"}}).files
    older = [path.relative_to(image.FIRMWARE) for path in (image.FIRMWARE / PACKAGE).rglob("*.py")]
    old = {f"lib/{path.with_suffix('.mpy').as_posix()}": b"older" for path in older}
    old |= {"main.py": b"older", "site.json": b"{}"}
    old["image.json"] = json.dumps({"files": dict.fromkeys(old, "")}).encode()
    old["state/params"] = b"what it remembers"
    content, kept, removed = merged(new, old)
    assert kept == ["state/params"]
    assert content == {**new, "state/params": b"what it remembers"}
    target = UnixTarget(tmp_path / "board")
    for name, data in old.items():
        target.write_file(name, data)
    assert target.install(new) == removed != []
    folders = {path.name for path in (target.flash / "lib/cwmp").iterdir() if path.is_dir()}
    assert folders == {"runtime"}  # the way in of an older main.py


@pytest.mark.parametrize("board", ["unix", "qemu_esp32"])
def test_no_string_of_the_firmware_names_a_module_as_the_sources_do(board: str) -> None:
    rooms = b"|".join(
        path.name.encode() for path in (image.FIRMWARE / PACKAGE).iterdir() if path.is_dir()
    )
    assert b"runtime" in rooms
    for path, code in image.modules(boards.load(board)).items():
        assert not re.search(rb"\b(" + rooms + rb")\.[a-z]", code), path
