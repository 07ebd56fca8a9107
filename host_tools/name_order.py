"""Often used names first in a compiled module's table: their numbers then take one byte of code.

Code names things by their place in the table, and mpy-cross gives places in the order in which it
meets the names. From the 128th on a number takes two bytes, in RAM on a board. So a module begins
with an expression that is never evaluated and has its names in the order of their use.
"""

import ast
from collections import Counter

_FIRST = 125  # names of one byte, less the module's own and the two of the expression
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)


class _Scope(ast.NodeVisitor):
    """Counts in `uses` the names that the code of one scope, and of those within it, refers to."""

    def __init__(self, uses: Counter[str], weight: int, outer: frozenset[str]) -> None:
        self._uses = uses
        self._weight = weight  # code of a module or class is run once, and forgotten
        self._local = outer  # variables of functions: they have no names

    def visit_Name(self, node: ast.Name) -> None:
        if node.id not in self._local:
            self._uses[node.id] += self._weight

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._uses[node.attr] += self._weight
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg:
            self._uses[node.arg] += self._weight
        self.generic_visit(node)

    def _enter(self, node: ast.AST) -> None:
        if not isinstance(node, _FUNCTIONS):
            scope = _Scope(self._uses, 0, frozenset())
        else:
            scope = _Scope(self._uses, 1, self._local | _variables(node))
            if not isinstance(node, ast.Lambda):
                self._uses[node.name] += 1
        for child in ast.iter_child_nodes(node):
            scope.visit(child)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = _enter


def _variables(function: ast.AST) -> frozenset[str]:
    """Return the names that are local to a function."""
    local: set[str] = set()
    outer: set[str] = set()
    left = list(ast.iter_child_nodes(function))
    while left:
        node = left.pop()
        match node:
            case ast.arg(arg=name):
                local.add(name)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                local.add(name)
            case ast.ExceptHandler(name=str(name)):
                local.add(name)
            case ast.alias(name=name, asname=other):
                local.add(other or name.partition(".")[0])
            case ast.Global(names=names):
                outer.update(names)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            local.add(node.name)
        if not isinstance(node, _SCOPES):
            left.extend(ast.iter_child_nodes(node))
    return frozenset(local - outer)


def frequent(source: str) -> list[str]:
    """Return the names that functions of `source` use more than once, the most used first."""
    uses: Counter[str] = Counter()
    _Scope(uses, 0, frozenset()).visit(ast.parse(source))
    return [name for name, count in sorted(uses.items(), key=lambda use: -use[1]) if count > 1]


def ordered(source: str) -> str:
    """Return `source`, the same program, so that its names come in that order."""
    first = frequent(source)[:_FIRST]
    # `__name__` is never empty, and mpy-cross does not know that.
    return f"__name__ or _.{'.'.join(first)}\n{source}" if first else source
