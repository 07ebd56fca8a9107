"""Short names for the firmware's own identifiers: on a board a name takes RAM while it runs.

MicroPython keeps every name that is not in its ROM once, for ever: a thousand of ours are 20 KB of
an ESP32's 165 KB, and unloading a module does not give them back. So a compiled module gets, in
place of each name that is the firmware's own, one that MicroPython's ROM has anyway. There are not
enough of those: names that only one module knows are given again in the next one. The program is
the same; `python -m host_tools names` reads a traceback back into the names of the sources.
"""

import ast
import keyword
import re
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from host_tools.errors import Failed
from host_tools.link_names import PACKAGE

ROM_NAMES = Path(__file__).with_name("rom_names.txt")
# A name, or a text or comment, which is no name.
_WORD = re.compile(r'"""[\s\S]*?"""|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*|\w+')
# A module of the package, in what a board says.
_OF_PACKAGE = re.compile(rf"(?<=\b{PACKAGE}\.)\w+")
_ANY = "_"  # stands for every argument that no call names
ENTRY = f"{PACKAGE}/__init__.py"
# What main.py calls by name, `import cwmp` at the prompt, and what applications may use of the
# agent (docs/data-model.md).
PUBLIC = frozenset({"main", "cwmp", "changed", "log", "now"})


def rom_names() -> list[str]:
    """Names in the ROM of an official image."""
    lines = ROM_NAMES.read_text().splitlines()
    return " ".join(line for line in lines if not line.startswith("#")).split()


class _Names(ast.NodeVisitor):
    """`own`: what these sources define and compiled code names; `arguments`: names of arguments;
    `foreign`: must stay; `used`: any that occurs; `keywords`: in calls.
    """

    def __init__(self) -> None:
        self.own: set[str] = set()
        self.arguments: set[str] = set()
        self.foreign: set[str] = set()
        self.used: set[str] = set()
        self.keywords: set[str] = set()
        self.lent: set[str] = set()  # set on an object of whoever it is
        self.bases: set[str] = set()  # of classes
        self._modules: set[str] = set()
        self._depth = 0  # functions that we are in: their variables have no names in the end

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.foreign.update(alias.name.split("."))
            self._modules.add((alias.asname or alias.name).partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level == 0:
            self.foreign.update((node.module or "").split("."))
        for alias in node.names:
            if node.level == 0:
                self.foreign.add(alias.name)
            self.used.add(alias.name)
            if alias.asname:
                self.own.add(alias.asname)

    def visit_Name(self, node: ast.Name) -> None:
        self.used.add(node.id)
        if not isinstance(node.ctx, ast.Load) and not self._depth:
            self.own.add(node.id)

    def visit_Global(self, node: ast.Global) -> None:
        self.own.update(node.names)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.used.add(node.attr)
        if not isinstance(node.ctx, ast.Load):
            self.own.add(node.attr)
            if not isinstance(node.value, ast.Name) or node.value.id != "self":
                self.lent.add(node.attr)
        if isinstance(node.value, ast.Name) and node.value.id in self._modules:
            self.foreign.add(node.attr)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self.arguments.add(node.arg)

    def visit_keyword(self, node: ast.keyword) -> None:
        self.keywords.add(node.arg or "")
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.own.add(node.name)
        for base in node.bases:
            self.bases.add(base.attr if isinstance(base, ast.Attribute) else ast.unparse(base))
        depth, self._depth = self._depth, 0
        self.generic_visit(node)
        self._depth = depth

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.own.add(node.name)
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_Constant(self, node: ast.Constant) -> None:
        # A text may be data, an attribute's name or both: it stays what it is.
        if isinstance(node.value, str):
            self.foreign.add(node.value)
        elif isinstance(node.value, bytes):
            self.foreign.add(node.value.decode("latin-1"))


def _families(parts: Mapping[str, _Names]) -> dict[str, str]:
    """Return {path: name of its family}: modules whose classes inherit from each other's."""
    family = {path: path for path in parts}
    for path, names in parts.items():
        for other, theirs in parts.items():
            if other != path and names.bases & theirs.own:
                one, two = family[path], family[other]
                family = {key: one if value == two else value for key, value in family.items()}
    return family


def room(count: int) -> int:
    """How many names to choose from: some more, in steps, so that most can stay what they are."""
    return -(-count * 9 // 8 // 64) * 64


def chosen(own: set[str], free: list[str]) -> dict[str, str]:
    """Give each of `own` one of `free`; when others come or go most keep theirs."""
    left: list[str | None] = list(free)
    result = {}
    for name in sorted(own):
        at = zlib.crc32(name.encode()) % len(left)
        while left[at] is None:
            at = (at + 1) % len(left)
        found, left[at] = left[at], None
        assert found is not None
        result[name] = found
    return result


def short_names(sources: Mapping[str, str]) -> dict[str, str]:
    """Return {own name: name to use} for sources by path; the same for the same sources.

    Names that several modules know differ from all others; those that one module alone knows
    differ within it, and within what it inherits from. A name keeps its short form when others
    come or go, nearly always: what did not change need not be flashed again. Arguments that no
    call names need no name of their own.
    """
    names = _Names()
    parts = {}
    known: dict[str, set[str]] = {}  # name: modules
    for path, text in sources.items():
        tree = ast.parse(text)
        names.visit(tree)
        part = parts[path] = _Names()
        part.visit(tree)
        for name in part.own | part.arguments | part.used | part.keywords:
            known.setdefault(name, set()).add(path)
    modules = {part for path in sources for part in Path(path).with_suffix("").parts}
    rom = rom_names()
    keep = names.foreign | modules | PUBLIC | set(rom)
    own = (names.own | names.arguments & names.keywords) - keep
    own = {name for name in own if not name.startswith("__") and len(name) > 2}
    unnamed = names.arguments - names.own - names.keywords - keep
    taken = names.own | names.arguments | names.used | names.keywords | names.foreign
    free = [name for name in rom if name not in taken and not keyword.iskeyword(name)]
    free.sort(key=lambda name: (len(name), name))
    # What the package itself defines stands beside its modules.
    beside = sorted(own & parts[ENTRY].own) if ENTRY in parts else []
    result = dict(zip(beside, (name for name in free if name not in modules), strict=False))
    own -= result.keys()
    free = [name for name in free if name not in result.values()]

    family = _families(parts)
    shared = {name for name in own if len(known[name]) > 1 or name in names.lent}
    private: dict[str, set[str]] = {}
    for name in own - shared:
        private.setdefault(family[min(known[name])], set()).add(name)
    own_room = max((room(len(group)) for group in private.values()), default=0)
    wide = room(len(shared))
    if len(free) < wide + own_room:  # less to choose from, rather than names that cost RAM
        wide = max(len(shared), (len(free) - own_room) // 64 * 64)
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = (a + b + c for a in letters for b in letters for c in ("", *letters))
    reserve = (name for name in made if name not in taken and name not in rom)
    while len(free) < wide + own_room:  # the ROM of another chip may be small
        free.append(next(reserve))
    result |= dict.fromkeys(unnamed, _ANY)
    result.update(chosen(shared, free[:wide]))
    for group in private.values():
        result.update(chosen(group, free[wide:][: room(len(group))]))
    return result


def number(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return a number of a .mpy and where it ends."""
    value = 0
    while True:
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at


def encoded(value: int) -> bytes:
    """Return a number as a .mpy has it."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def renamed(mpy: bytes, names: Mapping[str, str]) -> bytes:
    """Return a compiled module (.mpy version 6) with its table of names changed by `names`.

    Code refers to the table by index, so nothing else changes. `Failed` for another version.
    """
    if mpy[:2] != b"M\x06" or mpy[2] & 0x40:
        raise Failed("mpy-cross wrote a .mpy of a version whose names are not known here")
    count, at = number(mpy, 4)
    objects, at = number(mpy, at)
    table = bytearray(mpy[:4] + encoded(count) + encoded(objects))
    for _ in range(count):
        start = at
        size, at = number(mpy, at)
        if not size & 1:  # odd: a name that every MicroPython has, by its number
            text = mpy[at : at + (size >> 1)].decode()
            at += (size >> 1) + 1
            if text in names:
                new = names[text].encode()
                table += encoded(len(new) << 1) + new + b"\0"
                continue
        table += mpy[start:at]
    return bytes(table) + mpy[at:]


def for_board(script: str, names: Mapping[str, str]) -> str:
    """Return a script for the board, written with the names of the sources, with theirs."""

    def translated(word: re.Match[str]) -> str:
        short = names.get(word[0], word[0])
        return word[0] if short == _ANY else short  # in a source, two arguments need two names

    return _WORD.sub(translated, script)


def read_back(
    text: str,
    names: Mapping[str, str],
    sources: Mapping[str, str],
    modules: Mapping[str, str] | None = None,
) -> str:
    """Put the names of the sources into the lines of a traceback. `sources` gave the `names`;
    `modules`: `room.name` -> name on the board.
    """
    rooms = {short: name for name, short in (modules or {}).items()}
    back: dict[str, dict[str, str]] = {}  # by the name that the traceback gives a module
    for path, source in sources.items():
        words = set(re.findall(r"\w+", source))
        of_module = back.setdefault(Path(path).stem, {})
        of_module.update(
            (short, name) for name, short in names.items() if short != _ANY and name in words
        )
    lines = []
    for line in text.splitlines(keepends=True):
        found = re.search(r'File "(?:[^"]*/)?(\w+)(?:\.m?py)?".*, in (\w+)', line)
        if found and found[1] in back:
            name = back[found[1]].get(found[2], found[2])
            line = line[: found.start(2)] + name + line[found.end(2) :]
            if found[1] in rooms:
                path = f"{PACKAGE}/{rooms[found[1]].replace('.', '/')}.py"
                at = line.index('"') + 1
                line = line[:at] + path + line[line.index('"', at) :]
        lines.append(_OF_PACKAGE.sub(lambda word: rooms.get(word[0], word[0]), line))
    return "".join(lines)


def command(
    board: Annotated[str, typer.Option(help="The board that it comes from.")] = "esp32_generic",
) -> None:
    """Read a device's log or traceback from standard input and put the sources' names into it.

    Example: python -m host_tools names --board unix < out/unix/serial.log
    """
    from host_tools import boards
    from host_tools.image import FIRMWARE
    from host_tools.package import package

    made = package(boards.load(board), FIRMWARE)
    sys.stdout.write(read_back(sys.stdin.read(), made.names, made.sources, made.modules))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("names")(command)
