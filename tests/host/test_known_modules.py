"""MicroPython's own modules are known by name before the firmware imports them."""

import ast
import re
import subprocess

from host_tools.image import FIRMWARE
from tests.host.test_same_on_both import micropython
from tests.host.test_slices import CWMP

# Those that no file can extend, and `ssl`: only an ACS with https is worth its memory.
OTHERS = {"_thread", "esp32", "gc", "micropython", "network", "ssl", "sys"}
ASYNCIO = {"io"}  # what its own modules import


def known() -> set[str]:
    (names,) = re.findall(r'_know\("(.*)"\)', (CWMP / "__init__.py").read_text())
    return set(names.split())


def test_all_that_the_firmware_imports_is_known():
    found = set()
    for path in CWMP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    assert found - OTHERS | ASYNCIO == known()


def test_the_path_is_as_before_and_nothing_is_looked_for_any_more():
    script = (
        f"import sys; sys.path.insert(0, {str(FIRMWARE)!r}); before = sys.path[:];"
        "import cwmp; print(sys.path == before, sorted(sys.modules))"
    )
    done = subprocess.run([*micropython(), "-c", script], capture_output=True, text=True)
    assert done.stdout.startswith("True "), done
    assert known() <= set(re.findall(r"'(\w+)'", done.stdout))
