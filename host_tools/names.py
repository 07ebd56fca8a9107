"""Short names for the firmware's own identifiers: on a board a name takes RAM while it runs.

MicroPython keeps every name that is not in its ROM once, for ever: a thousand of ours are 20 KB of
an ESP32's 165 KB, and unloading a module does not give them back. So a compiled module gets, in
place of each name that is the firmware's own, one that MicroPython's ROM has anyway. The program
is the same; `python -m host_tools names` reads a traceback back into the names of the sources.
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

ROM_NAMES = Path(__file__).with_name("rom_names.txt")
# A name, or a text or comment, which is no name.
_WORD = re.compile(r'"""[\s\S]*?"""|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*|\w+')
_ANY = "_"  # stands for every argument that no call names
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
        self._modules: set[str] = set()
        self._depth = 0  # functions that we are in: their variables have no names in the end

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.foreign.update(alias.name.split("."))
            self._modules.add((alias.asname or alias.name).partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
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


def short_names(sources: Mapping[str, str]) -> dict[str, str]:
    """Return {own name: name to use} for sources by path; the same for the same sources.

    A name keeps its short form when others come or go, nearly always: what did not change need
    not be flashed again. Arguments that no call names need no name of their own.
    """
    names = _Names()
    for text in sources.values():
        names.visit(ast.parse(text))
    modules = {part for path in sources for part in Path(path).with_suffix("").parts}
    rom = rom_names()
    keep = names.foreign | modules | PUBLIC | set(rom)
    own = (names.own | names.arguments & names.keywords) - keep
    own = {name for name in own if not name.startswith("__") and len(name) > 2}
    unnamed = names.arguments - names.own - names.keywords - keep
    taken = names.own | names.arguments | names.used | names.keywords | names.foreign | modules
    free = [name for name in rom if name not in taken and not keyword.iskeyword(name)]
    free.sort(key=lambda name: (len(name), name))
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = (a + b + c for a in letters for b in letters for c in ("", *letters))
    reserve = (name for name in made if name not in taken and name not in rom)
    while len(free) < len(own):
        free.append(next(reserve))
    left: list[str | None] = list(free[: len(own) * 9 // 8])  # short ones, with room to stay put
    result = dict.fromkeys(unnamed, _ANY)
    for name in sorted(own):
        at = zlib.crc32(name.encode()) % len(left)
        while left[at] is None:
            at = (at + 1) % len(left)
        chosen, left[at] = left[at], None
        assert chosen is not None
        result[name] = chosen
    return result


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while True:
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at


def _encoded(value: int) -> bytes:
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
    count, at = _number(mpy, 4)
    objects, at = _number(mpy, at)
    table = bytearray(mpy[:4] + _encoded(count) + _encoded(objects))
    for _ in range(count):
        start = at
        size, at = _number(mpy, at)
        if not size & 1:  # odd: a name that every MicroPython has, by its number
            text = mpy[at : at + (size >> 1)].decode()
            at += (size >> 1) + 1
            if text in names:
                new = names[text].encode()
                table += _encoded(len(new) << 1) + new + b"\0"
                continue
        table += mpy[start:at]
    return bytes(table) + mpy[at:]


def for_board(script: str, names: Mapping[str, str]) -> str:
    """Return a script for the board, written with the names of the sources, with theirs."""

    def translated(word: re.Match[str]) -> str:
        short = names.get(word[0], word[0])
        return word[0] if short == _ANY else short  # in a source, two arguments need two names

    return _WORD.sub(translated, script)


def read_back(text: str, names: Mapping[str, str]) -> str:
    """Put the names of the sources into the lines of a traceback."""
    back = {short: name for name, short in names.items() if short != _ANY}
    lines = []
    for line in text.splitlines(keepends=True):
        head, found, name = line.rpartition(", in ")
        word = name.strip()
        if found and word in back:
            line = head + found + name.replace(word, back[word])
        lines.append(line)
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

    names = package(boards.load(board), FIRMWARE).names
    sys.stdout.write(read_back(sys.stdin.read(), names))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("names")(command)
