"""Gives the text of a module the names that things have after linking (see `link`)."""

import ast
from typing import TYPE_CHECKING

from host_tools.errors import Failed
from host_tools.link_names import PACKAGE, ModuleNames, Origin, absolute

if TYPE_CHECKING:
    from host_tools.link import Linked


class Rewriter(ast.NodeTransformer):
    """Gives the names of one module those that they have after linking."""

    def __init__(self, linked: "Linked", module: ModuleNames, here: str) -> None:
        self._linked = linked
        self.module = module
        self._here = here  # the module that its text becomes part of
        self._in_class: list[set[str]] = []
        self.final = linked.final_names(module)

    # Names

    def _constant(self, origin: Origin) -> ast.Constant | None:
        value = self._linked.constant(origin)
        return None if value is None else ast.Constant(value)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        target = self.module.modules.get(node.id)
        if target in self._linked.linked and self._here:
            raise Failed(f"{self.module.name}: {node.id} is no module of its own when linked")
        if self._in_class and node.id in self._in_class[-1]:
            return node
        if isinstance(node.ctx, ast.Load) and node.id in self.module.names:
            constant = self._constant(self.module.names[node.id])
            if constant is not None:
                return constant
        node.id = self.final.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        value = node.value
        if isinstance(value, ast.Name) and value.id in self.module.modules:
            target = self.module.modules[value.id]
            origin = self._linked.origin(target, node.attr)
            constant = self._constant(origin)
            if constant is not None and isinstance(node.ctx, ast.Load):
                return constant
            name = self._linked.final(origin)
            if self._linked.head_of(target) == self._here:
                if not isinstance(node.ctx, ast.Load):
                    raise Failed(f"{self.module.name}: assigns to {ast.unparse(node)}")
                return ast.Name(name, node.ctx)
            node.attr = name
            return node
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        new = self.final.get(node.arg, node.arg)
        if new != node.arg and node.arg in self._linked.keywords:
            raise Failed(f"{self.module.name}: the argument {node.arg} has a module's name")
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
        target = absolute(self.module.name, node)
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
        target = self.module.modules[alias]
        for node in ast.walk(ast.parse(self._linked.texts[self.module.name])):
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
