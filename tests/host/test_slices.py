"""What a session loads is named where it is dropped: what is forgotten there stays in memory."""

import ast
import re
from pathlib import Path

from host_tools import package

CWMP = Path(__file__).resolve().parents[2] / "firmware" / "cwmp"


def top_imports(name: str) -> set[str]:
    """-> modules of the firmware that a module imports when it is loaded."""
    path = CWMP / (name.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return imported(name, tree)


def named() -> tuple[set[str], set[str]]:
    """-> (PARTS, and SLICE besides)"""
    texts = {}
    for lists in ("slices", "slice_names"):
        for node in ast.parse((CWMP / f"runtime/{lists}.py").read_text()).body:
            if isinstance(node, ast.Assign):
                texts[node.targets[0].id] = node.value
    parts, rest = (set(ast.literal_eval(texts[name]).split()) for name in ("PARTS", "SLICE"))
    return parts, parts | rest


def imported(name: str, tree: ast.Module | None = None) -> set[str]:
    """-> modules of the firmware that module `room.name` imports, wherever in its text."""
    path = CWMP / (name.replace(".", "/") + ".py")
    found = set()
    for node in ast.walk(tree or ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            room = name.partition(".")[0] if node.level == 1 else ""
            base = ".".join(filter(None, (room, node.module or "")))
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {one for one in found if (CWMP / (one.replace(".", "/") + ".py")).exists()}


def test_every_module_named_exists() -> None:
    for name in named()[1]:
        assert (CWMP / (name.replace(".", "/") + ".py")).exists(), name


def test_all_that_a_session_loads_is_dropped() -> None:
    parts, whole = named()
    always = set((package.BOOT + package.AGENT).split())
    assert not always & whole
    for name in whole:
        if name.startswith("core."):
            assert imported(name) <= whole | always, name
    methods = re.findall(
        r"^(core\.rpc_\w+) [A-Z]", (CWMP / "core/rpc.py").read_text(), re.MULTILINE
    )
    assert len(methods) > 4 and set(methods) <= parts


def test_what_outlives_a_step_of_a_session_imports_it_where_it_is_used() -> None:
    for node in ast.parse((CWMP / "runtime/session_runner.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_STEPS":
            steps = set(ast.literal_eval(node.value).split())
    assert "wire.xml" in steps and steps <= named()[1]
    stay = {f"core.{path.stem}" for path in (CWMP / "core").glob("rpc_*.py")} - steps
    for group in (package.BOOT, package.AGENT, package.MANAGEMENT, package.VISIT):
        stay |= set(group.split())
    assert not stay & steps
    for name in stay:
        assert not top_imports(name) & steps, name
