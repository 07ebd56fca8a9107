"""Every unit test once more, in the MicroPython interpreter that the unix target runs."""

import ast
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parent / "unit"
INTERPRETER = os.environ.get("MICROPYTHON", str(Path(sys.executable).parent / "micropython"))


def cases():
    for path in sorted(UNIT.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield pytest.param(path, node.name, id=f"{path.stem}.{node.name}")


@functools.cache
def run(path: Path) -> str:
    done = subprocess.run(
        [INTERPRETER, "-X", "heapsize=2M", str(UNIT / "run.py"), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(("path", "name"), list(cases()))
def test_unit(path: Path, name: str) -> None:
    output = run(path)
    assert f"ok {path.stem}.{name}\n" in output, output[-4000:]
