"""Links modules of the firmware that are always in memory together into one, for a board.

On an ESP32 each module costs some hundred bytes besides its code: its dict, its table of names,
its entries elsewhere, an import and a name for whatever another module uses of it. The sources
stay small rooms; what goes onto a chip is one module per `Group`, at the place of its head, with
the same program. Constants become numbers. Imports elsewhere, and those of scripts that
`Linked.script` translates, are led to the head.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from host_tools.link_names import (
    ModuleNames,
    Origin,
    absolute,
    path_of,
    read_module,
    top_statements,
)
from host_tools.link_rewrite import Rewriter

# What the viper emitter knows by name. A module defines it for bytecode, each in the same way.
EMITTER_NAMES = frozenset({"ptr8", "ptr16", "ptr32"})


@dataclass(frozen=True)
class Group:
    """Modules, as `room.name`, that are loaded together; `head`: the one others import first."""

    head: str
    members: Sequence[str]


class Linked:
    """The package for one board: `sources`, path -> text. `texts`: what was read, by module."""

    def __init__(self, sources: Mapping[str, str], groups: Sequence[Group]) -> None:
        self.texts: dict[str, str] = {}
        untouched = {}
        for path, text in sources.items():
            name = ".".join(PurePosixPath(path).with_suffix("").parts[1:])
            if name.endswith("__init__"):
                untouched[path] = text
            else:
                self.texts[name] = text
        self.known = set(self.texts)
        self._modules = {
            name: read_module(name, text, self.known) for name, text in self.texts.items()
        }
        self.linked = {name for group in groups for name in group.members}
        self._heads = {name: group.head for group in groups for name in group.members}
        self._finals: dict[Origin, str] = {}
        self.keywords = {
            node.arg
            for module in self._modules.values()
            for node in ast.walk(module.tree)
            if isinstance(node, ast.keyword)
        }
        for group in groups:
            self._name(group)
        self.sources = dict(untouched)
        for group in groups:
            self.sources[path_of(group.head)] = self._joined(group)
        for name in self.texts:
            if name not in self._heads:
                rewriter = Rewriter(self, self._fresh(name), name)
                tree = rewriter.visit(rewriter.module.tree)
                self.sources[path_of(name)] = _text(tree.body)
        self.sources = dict(sorted(self.sources.items()))

    def _fresh(self, name: str) -> ModuleNames:
        return read_module(name, self.texts[name], self.known)

    # What others ask

    def head_of(self, module: str) -> str:
        """The module that it has become part of."""
        return self._heads.get(module, module)

    def origin(self, module: str, name: str) -> Origin:
        """Where that name of a module was defined."""
        while module in self._modules and name in self._modules[module].names:
            origin = self._modules[module].names[name]
            if not origin[0]:
                break
            module, name = origin
        return module, name

    def constant(self, origin: Origin) -> int | None:
        """The value of a constant of a module that is linked."""
        module, name = self.origin(*origin)
        if module not in self._heads or module not in self._modules:
            return None
        return self._modules[module].constants.get(name)

    def final(self, origin: Origin) -> str:
        """The name it has after linking."""
        return self._finals.get(origin, origin[1])

    def final_names(self, module: ModuleNames) -> dict[str, str]:
        """Identifier -> name after linking, for those of a module's top that change."""
        names = {}
        if module.name in self._heads:
            for name in module.own:
                names[name] = self.final((module.name, name))
            for bound, origin in module.names.items():
                there, name = self.origin(*origin) if origin[0] else origin
                if not there:
                    names[bound] = self._finals[(self.head_of(module.name), name)]
                elif self.head_of(there) == self.head_of(module.name):
                    names[bound] = self.final((there, name))
                else:
                    names[bound] = self._finals[(self.head_of(module.name), f"{there}:{name}")]
        return {old: new for old, new in names.items() if old != new}

    def script(self, text: str) -> str:
        """Return a script for the board, its imports of the package led to where things are."""
        module = read_module("", text, self.known)
        self.texts[""] = text
        rewriter = Rewriter(self, module, "")
        done = _text(rewriter.visit(module.tree).body)
        del self.texts[""]
        return done

    # Linking

    def _name(self, group: Group) -> None:
        """Choose the final names of a group: the same as before, unless two modules differ."""
        users: dict[str, set[Origin]] = {}
        wanted: dict[Origin, tuple[str, str]] = {}
        for name in group.members:
            module = self._modules[name]
            meaning: dict[str, Origin] = {own: (name, own) for own in module.own}
            for bound, origin in module.names.items():
                there, what = self.origin(*origin) if origin[0] else origin
                if there and self.head_of(there) == group.head:
                    meaning[bound] = (there, what)
                else:
                    meaning[bound] = (group.head, f"{there}:{what}" if there else what)
            for used in module.used | module.own:
                users.setdefault(used, set()).add(meaning.get(used, (name, f"local {used}")))
            for used, origin in meaning.items():
                wanted.setdefault(origin, (name, used))
        taken: set[str] = set(users)
        for origin, (name, used) in wanted.items():
            hidden = origin[0] in self._modules and origin[1] in self._modules[origin[0]].constants
            final = used
            if used in EMITTER_NAMES:
                self._finals[origin] = used
                continue
            if users[used] != {origin} or (hidden and not used.startswith("_")):
                stem = name.rpartition(".")[2].strip("_")
                final = f"{'_' if used.startswith('_') or hidden else ''}{stem}_{used.strip('_')}"
                while final in taken:
                    final += "_"
            taken.add(final)
            self._finals[origin] = final

    def _joined(self, group: Group) -> str:
        imports: dict[str, None] = {}
        body: list[ast.stmt] = []
        for name in self._in_order(group):
            rewriter = Rewriter(self, self._fresh(name), group.head)
            tree = rewriter.visit(rewriter.module.tree)
            for node in tree.body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    for alias in node.names:
                        one = (
                            ast.Import([alias])
                            if isinstance(node, ast.Import)
                            else ast.ImportFrom(node.module, [alias], node.level)
                        )
                        imports[ast.unparse(one)] = None
                else:
                    body.append(node)
        return "\n".join(imports) + "\n" + _text(body)

    def _in_order(self, group: Group) -> list[str]:
        """What a module imports at its top comes before it."""
        order: list[str] = []

        def add(name: str, above: tuple[str, ...]) -> None:
            if name in order or name in above:
                return
            for node in top_statements(self._modules[name].tree.body):
                if isinstance(node, ast.ImportFrom):
                    target = absolute(name, node) or ""
                    for alias in node.names:
                        for there in (f"{target}.{alias.name}", target):
                            if there in group.members:
                                add(there, (*above, name))
            order.append(name)

        for name in group.members:
            add(name, ())
        return order


def _text(body: Sequence[ast.stmt]) -> str:
    module = ast.Module(list(body), [])
    ast.fix_missing_locations(module)
    return ast.unparse(module) + "\n"
