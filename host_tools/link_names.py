"""What `link` knows of a module of the firmware before it changes anything: names and imports."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from host_tools.errors import Failed

PACKAGE = "cwmp"

# A name at the top of a module: where it is defined (a module of the package, or "" for what is
# imported from elsewhere), and its name there or the statement that imports it.
Origin = tuple[str, str]


@dataclass
class ModuleNames:
    """A module below the package; `name` as `room.name`, "" for a script."""

    name: str
    tree: ast.Module
    own: set[str] = field(default_factory=set)  # what it defines at its top
    constants: dict[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)  # every identifier, local variables too
    names: dict[str, Origin] = field(default_factory=dict)  # imported
    modules: dict[str, str] = field(default_factory=dict)  # alias -> module of the package


def path_of(name: str) -> str:
    """The file of a module, `room.name`, as `Linked.sources` has it."""
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


def top_statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is loaded, also those below an `if` or `try`."""
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.For | ast.While | ast.With):
                yield from top_statements(getattr(node, part, ()))


def read_module(name: str, text: str, known: set[str]) -> ModuleNames:
    """Read a module\'s text; `known`: all modules of the package. Raises `Failed`: no Python."""
    try:
        module = ModuleNames(name, ast.parse(text))
    except SyntaxError as error:
        place = f"{path_of(name) if name else 'script'}, line {error.lineno}"
        raise Failed(f"{place}: SyntaxError: {error.msg}") from None
    several: dict[str, set[Origin]] = {}
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
    for node in top_statements(module.tree.body):
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
