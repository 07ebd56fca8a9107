"""Puts the modules of a linked package beside each other, under short names, for a board.

MicroPython keeps of each module that was ever loaded its full name, the last part of that and the
path of its file, for ever: a hundred bytes of an ESP32's RAM for `cwmp.runtime.session_runner`,
some forty for `cwmp.dt`, whose last part its ROM has anyway. And each package is a module as well.

In the sources a string names a module as `room.name`, alone, as a word of a text, or behind
`cwmp.`: this is what is translated. A string that names a module in another way is refused, as far
as can be seen: what is not translated would be missed by the board, perhaps years later. Modules
that lie in the package itself are the way in, and keep their names.
"""

import ast
import keyword
import re
from pathlib import PurePosixPath

from host_tools.errors import Failed
from host_tools.link import Linked
from host_tools.link_names import PACKAGE, absolute
from host_tools.names import chosen, rom_names, room

# main.py of older boards asks for it there; it leads to the one that stays.
OLD_ENTRIES = {"runtime.boot": "boot"}
# What takes a module's name.
_LOADERS = frozenset({"borrow", "drop", "drop_all", "later", "__import__"})


def _name_of(path: str) -> str:
    return ".".join(PurePosixPath(path).with_suffix("").parts[1:])


class Flat:
    """`sources`: path -> text. `modules`: `room.name` -> name on the board."""

    def __init__(self, linked: Linked) -> None:
        self._linked = linked
        self._trees: dict[str, ast.Module] = {}
        packages = {}
        for path, text in linked.sources.items():
            name = _name_of(path)
            if name.endswith("__init__"):
                packages[name.removesuffix("__init__").rstrip(".")] = text
            else:
                self._trees[name] = ast.parse(text)
        self.rooms = {name.partition(".")[0] for name in linked.known if "." in name}
        for name in self.rooms & packages.keys():
            if packages[name].strip():
                raise Failed(f"{PACKAGE}/{name}/__init__.py: a room is no module on a board")
        self._word = re.compile(
            rf"(?<![\w./@-])({PACKAGE}\.)?((?:{'|'.join(sorted(self.rooms))})\.[a-z]\w*)(?![\w./(])"
        )
        self.modules = self._named()
        for name, text in linked.texts.items():
            self._check(name, ast.parse(text))
        self.sources = {}
        if "" in packages:
            self._trees["__init__"] = ast.parse(packages[""])
        for name, tree in self._trees.items():
            done = _Mover(self, name).visit(tree)
            path = f"{PACKAGE}/{self.modules.get(name, name)}.py"
            self.sources[path] = ast.unparse(ast.fix_missing_locations(done)) + "\n"
        for old, new in OLD_ENTRIES.items():
            if new in self._trees:
                dots = "." * (old.count(".") + 1)
                text = f"from {dots}{new} import main\n"
                self.sources[f"{PACKAGE}/{old.replace('.', '/')}.py"] = text
        self.sources = dict(sorted(self.sources.items()))

    def _named(self) -> dict[str, str]:
        own = {name for name in self._trees if "." in name}
        taken = {*self.rooms, *self._trees, PACKAGE}
        for text in self._linked.texts.values():
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Import):
                    taken.update(part for one in node.names for part in one.name.split("."))
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    taken.update((node.module or "").split("."))
        # In small letters, since not every file system tells them from capitals.
        free = [
            name
            for name in rom_names()
            if re.fullmatch(r"[a-z][a-z0-9]*", name)
            and name not in taken
            and not keyword.iskeyword(name)
        ]
        free.sort(key=lambda name: (len(name), name))
        if len(free) < len(own):
            raise Failed(f"MicroPython's ROM has {len(free)} names for {len(own)} modules")
        return chosen(own, free[: room(len(own))])

    # What the sources say

    def _check(self, module: str, tree: ast.Module) -> None:
        """Refuse names of modules that would not be translated."""
        lasts = {name.rpartition(".")[2]: name for name in self.modules}
        docstrings = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }

        def refuse(said: str, name: str) -> None:
            raise Failed(
                f"{module}: the string {said!r} names a module: it has to be {name!r} there,"
                " so that it can be translated for a board"
            )

        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) in docstrings:
                    continue
                for word in node.value.split():
                    if word.strip(".") in self.rooms and "." in word:
                        refuse(node.value, f"{word.strip('.')}.name")
                    if "_" in word and word in lasts:
                        refuse(node.value, lasts[word])
            elif isinstance(node, ast.Call) and _called(node) in _LOADERS:
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        for word in part.value.split():
                            if word.strip(".") in lasts:
                                refuse(part.value, lasts[word.strip(".")])

    def text(self, module: str, text: str) -> str:
        """Return a string of a module with the modules that it names as they are on the board. One
        that has become part of another has no name any more: it goes where a list has it.
        """
        if not self.rooms or not self._word.search(text):
            return text

        def translated(found: re.Match[str]) -> str:
            package, name = found[1] or "", found[2]
            if name in self.modules:
                return package + self.modules[name]
            if not module:  # a script's own text
                return found[0]
            if name not in self._linked.known:
                raise Failed(f"{module}: {name} in a string is no module of {PACKAGE}")
            if not is_list:
                raise Failed(f"{module}: {name} in a string is no module of its own when linked")
            return ""

        words = text.split()
        is_list = len(words) > 1 and all(self._word.fullmatch(word) for word in words)
        done = self._word.sub(translated, text)
        if not is_list:
            return done
        return " " * (text[0] in " \n") + " ".join(done.split())

    def script(self, text: str) -> str:
        """Return a script that uses the linked package as one for the board."""
        tree = _Mover(self, "").visit(ast.parse(text))
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


class _Mover(ast.NodeTransformer):
    """Gives one module's imports and strings the names that modules have on the board."""

    def __init__(self, flat: Flat, module: str) -> None:
        self._flat = flat
        self._module = module  # "": a script

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | list[ast.stmt]:
        target = absolute(self._module, node)
        if target is None:
            return node
        known = self._flat.modules
        out: list[ast.stmt] = []
        for alias in node.names:
            whole = f"{target}.{alias.name}" if target else alias.name
            if whole in known:
                there, name = "", known[whole]
            elif whole in self._flat.rooms or target in self._flat.rooms:
                raise Failed(f"{self._module or 'script'}: {whole} is no module on a board")
            else:
                there, name = known.get(target, target), alias.name
            bound = alias.asname or alias.name
            new = ast.alias(name, None if bound == name else bound)
            if self._module:
                out.append(ast.ImportFrom(there or None, [new], 1))
            else:
                out.append(ast.ImportFrom(f"{PACKAGE}.{there}".rstrip("."), [new], 0))
        return out

    def visit_Import(self, node: ast.Import) -> ast.Import:
        for alias in node.names:
            package, _, name = alias.name.partition(".")
            if package == PACKAGE and name in self._flat.modules:
                alias.name = f"{package}.{self._flat.modules[name]}"
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            return ast.Constant(self._flat.text(self._module, node.value))
        return node
