"""Links modules of the firmware that are always in memory together into one, for a board.

On an ESP32 each module costs some hundred bytes besides its code: its dict, its table of names,
its entries elsewhere, an import and a name for whatever another module uses of it. The sources
stay small rooms; what goes onto a chip is one module per `Group`, at the place of its head, with
the same program. Constants become numbers. Imports elsewhere, and those of scripts that
`Linked.script` translates, are led to the head.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from host_tools.errors import Failed

PACKAGE = "cwmp"
# What the viper emitter knows by name. A module defines it for bytecode, each in the same way.
EMITTER_NAMES = frozenset({"ptr8", "ptr16", "ptr32"})


@dataclass(frozen=True)
class Group:
    """Modules, as `room.name`, that are loaded together; `head`: the one others import first."""

    head: str
    members: Sequence[str]


# A name at the top of a module: where it is defined (a module of the package, or "" for what is
# imported from elsewhere), and its name there or the statement that imports it.
_Origin = tuple[str, str]


@dataclass
class _Module:
    name: str
    tree: ast.Module
    own: set[str] = field(default_factory=set)  # what it defines at its top
    constants: dict[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)  # every identifier, local variables too
    names: dict[str, _Origin] = field(default_factory=dict)  # imported
    modules: dict[str, str] = field(default_factory=dict)  # alias -> module of the package


def _path_of(name: str) -> str:
    return f"{PACKAGE}/{name.replace('.', '/')}.py"


def absolute(module: str, node: ast.ImportFrom) -> str | None:
    """What `from ... import` names, below the package; None: something else."""
    if node.level:
        base = [PACKAGE, *module.split(".")]
        parts = base[: len(base) - node.level] + (node.module or "").split(".")
    else:
        parts = (node.module or "").split(".")
    parts = [part for part in parts if part]
    return ".".join(parts[1:]) if parts[:1] == [PACKAGE] else None


def _top(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is loaded, also those below an `if` or `try`."""
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.For | ast.While | ast.With):
                yield from _top(getattr(node, part, ()))


def _read(name: str, text: str, known: set[str]) -> _Module:
    try:
        module = _Module(name, ast.parse(text))
    except SyntaxError as error:
        place = f"{_path_of(name) if name else 'script'}, line {error.lineno}"
        raise Failed(f"{place}: SyntaxError: {error.msg}") from None
    several: dict[str, set[_Origin]] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            module.used.add(node.id)
        elif isinstance(node, ast.arg):
            module.used.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            module.used.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            target = absolute(name, node)
            for alias in node.names:
                bound = alias.asname or alias.name
                module.used.add(bound)
                whole = f"{target}.{alias.name}" if target else alias.name
                if target is not None and whole in known:
                    module.modules[bound] = whole
                    origin = (whole, "")
                elif target is not None and target in known:
                    origin = (target, alias.name)
                else:
                    origin = ("", f"{node.module or ''}:{node.level}:{alias.name}")
                several.setdefault(bound, set()).add(origin)
    for bound, origins in several.items():
        if len(origins) == 1 and bound not in module.modules:
            module.names[bound] = origins.pop()
    for node in _top(module.tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            module.own.add(node.name)
            module.used.add(node.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                module.used.add(alias.asname or alias.name)
                module.names[alias.asname or alias.name] = ("", f"import:{alias.name}")
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.For):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target_node in targets:
                for part in ast.walk(target_node):
                    if isinstance(part, ast.Name):
                        module.own.add(part.id)
            if isinstance(node, ast.Assign) and isinstance(targets[0], ast.Name):
                value = node.value
                if isinstance(value, ast.Call) and ast.unparse(value.func) == "const":
                    try:
                        number = ast.literal_eval(value.args[0])
                    except ValueError:
                        continue
                    if isinstance(number, int):
                        module.constants[targets[0].id] = number
    # What is imported in one of several ways is a variable of the module, like any other.
    for bound, origins in several.items():
        if len(origins) > 1:
            module.names.pop(bound, None)
            module.own.add(bound)
    return module


class _Rewriter(ast.NodeTransformer):
    """Gives the names of one module those that they have after linking."""

    def __init__(self, linked: "Linked", module: _Module, here: str) -> None:
        self._linked = linked
        self._module = module
        self._here = here  # the module that its text becomes part of
        self._in_class: list[set[str]] = []
        self.final = linked.final_names(module)

    # Names

    def _constant(self, origin: _Origin) -> ast.Constant | None:
        value = self._linked.constant(origin)
        return None if value is None else ast.Constant(value)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        target = self._module.modules.get(node.id)
        if target in self._linked.linked and self._here:
            raise Failed(f"{self._module.name}: {node.id} is no module of its own when linked")
        if self._in_class and node.id in self._in_class[-1]:
            return node
        if isinstance(node.ctx, ast.Load) and node.id in self._module.names:
            constant = self._constant(self._module.names[node.id])
            if constant is not None:
                return constant
        node.id = self.final.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        value = node.value
        if isinstance(value, ast.Name) and value.id in self._module.modules:
            target = self._module.modules[value.id]
            origin = self._linked.origin(target, node.attr)
            constant = self._constant(origin)
            if constant is not None and isinstance(node.ctx, ast.Load):
                return constant
            name = self._linked.final(origin)
            if self._linked.head_of(target) == self._here:
                if not isinstance(node.ctx, ast.Load):
                    raise Failed(f"{self._module.name}: assigns to {ast.unparse(node)}")
                return ast.Name(name, node.ctx)
            node.attr = name
            return node
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        new = self.final.get(node.arg, node.arg)
        if new != node.arg and node.arg in self._linked.keywords:
            raise Failed(f"{self._module.name}: the argument {node.arg} has a module's name")
        node.arg = new
        self.generic_visit(node)
        return node

    def visit_Global(self, node: ast.Global) -> ast.Global:
        node.names = [self.final.get(name, name) for name in node.names]
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        if node.name:
            node.name = self.final.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.name = self.final.get(node.name, node.name)
        node.bases = [self.visit(base) for base in node.bases]
        stored = {
            part.id
            for statement in node.body
            if isinstance(statement, ast.Assign)
            for part in ast.walk(statement)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        stored |= {
            statement.name
            for statement in node.body
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self._in_class.append(stored)
        node.body = [self._member(statement) for statement in node.body]
        self._in_class.pop()
        return node

    def _member(self, node: ast.stmt) -> ast.stmt:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = node.name
            self._function(node)
            node.name = name
            return node
        done = self.visit(node)
        assert isinstance(done, ast.stmt)
        return done

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
        node.name = self.final.get(node.name, node.name)
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        self._in_class.append(set())
        node.args = self.visit(node.args)
        node.body = self._block(node.body)
        self._in_class.pop()
        return node

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        block = ast.Module(body, [])
        self.generic_visit(block)
        return block.body or [ast.Pass()]

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While) and not node.body:
            node.body = [ast.Pass()]
        return node

    # Imports

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        target = absolute(self._module.name, node)
        if target is None:
            return [self._outside(node)]
        out: list[ast.stmt] = []
        for alias in node.names:
            bound = alias.asname or alias.name
            new = self.final.get(bound, bound)
            whole = f"{target}.{alias.name}" if target else alias.name
            if whole in self._linked.known:  # a module
                head = self._linked.head_of(whole)
                if head != self._here and not self._only_constants(bound):
                    out.append(self._from(head.rpartition(".")[0], head.rpartition(".")[2], bound))
                continue
            origin = self._linked.origin(target, alias.name)
            if target not in self._linked.known:  # of a package
                out.append(self._from(target, alias.name, new))
            elif self._linked.head_of(target) != self._here:
                if self._constant(origin) is None:
                    head = self._linked.head_of(target)
                    out.append(self._from(head, self._linked.final(origin), new))
            elif new != self._linked.final(origin):
                value = ast.Name(self._linked.final(origin), ast.Load())
                out.append(ast.Assign([ast.Name(new, ast.Store())], value, lineno=0))
        return out

    def _only_constants(self, alias: str) -> bool:
        target = self._module.modules[alias]
        for node in ast.walk(ast.parse(self._linked.texts[self._module.name])):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == alias
                and self._linked.constant((target, node.attr)) is None
            ):
                return False
        return True

    def _from(self, target: str, name: str, bound: str) -> ast.ImportFrom:
        alias = ast.alias(name, None if name == bound else bound)
        if not self._here:  # a script
            return ast.ImportFrom(f"{PACKAGE}.{target}".rstrip("."), [alias], 0)
        here, there = self._here.split(".")[:-1], target.split(".") if target else []
        while here and there and here[0] == there[0]:
            here, there = here[1:], there[1:]
        return ast.ImportFrom(".".join(there) or None, [alias], len(here) + 1)

    def _outside(self, node: ast.ImportFrom) -> ast.ImportFrom:
        names = []
        for alias in node.names:
            bound = alias.asname or alias.name
            new = self.final.get(bound, bound)
            names.append(ast.alias(alias.name, None if new == alias.name else new))
        return ast.ImportFrom(node.module, names, node.level)

    def visit_Import(self, node: ast.Import) -> ast.Import:
        for alias in node.names:
            bound = alias.asname or alias.name
            new = self.final.get(bound, bound)
            if new != bound:
                alias.asname = new
        return node


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
        self._modules = {name: _read(name, text, self.known) for name, text in self.texts.items()}
        self.linked = {name for group in groups for name in group.members}
        self._heads = {name: group.head for group in groups for name in group.members}
        self._finals: dict[_Origin, str] = {}
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
            self.sources[_path_of(group.head)] = self._joined(group)
        for name in self.texts:
            if name not in self._heads:
                rewriter = _Rewriter(self, self._fresh(name), name)
                tree = rewriter.visit(rewriter._module.tree)
                self.sources[_path_of(name)] = _text(tree.body)
        self.sources = dict(sorted(self.sources.items()))

    def _fresh(self, name: str) -> _Module:
        return _read(name, self.texts[name], self.known)

    # What others ask

    def head_of(self, module: str) -> str:
        """The module that it has become part of."""
        return self._heads.get(module, module)

    def origin(self, module: str, name: str) -> _Origin:
        """Where that name of a module was defined."""
        while module in self._modules and name in self._modules[module].names:
            origin = self._modules[module].names[name]
            if not origin[0]:
                break
            module, name = origin
        return module, name

    def constant(self, origin: _Origin) -> int | None:
        """The value of a constant of a module that is linked."""
        module, name = self.origin(*origin)
        if module not in self._heads or module not in self._modules:
            return None
        return self._modules[module].constants.get(name)

    def final(self, origin: _Origin) -> str:
        """The name it has after linking."""
        return self._finals.get(origin, origin[1])

    def final_names(self, module: _Module) -> dict[str, str]:
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
        module = _read("", text, self.known)
        self.texts[""] = text
        rewriter = _Rewriter(self, module, "")
        done = _text(rewriter.visit(module.tree).body)
        del self.texts[""]
        return done

    # Linking

    def _name(self, group: Group) -> None:
        """Choose the final names of a group: the same as before, unless two modules differ."""
        users: dict[str, set[_Origin]] = {}
        wanted: dict[_Origin, tuple[str, str]] = {}
        for name in group.members:
            module = self._modules[name]
            meaning: dict[str, _Origin] = {own: (name, own) for own in module.own}
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
            rewriter = _Rewriter(self, self._fresh(name), group.head)
            tree = rewriter.visit(rewriter._module.tree)
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
            for node in _top(self._modules[name].tree.body):
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
