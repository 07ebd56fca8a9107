"""A week in which something happens every hour, with the core in the interpreter of the board."""

import re
import subprocess
from pathlib import Path

from host_tools.targets.unix import find_interpreter

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "host_tools" / "sim" / "churn.py"
DAYS = 8  # the first one warms up
SLACK = 4096  # bytes: what is under way at midnight is not always the same


def test_b12_a_week_of_churn_does_not_grow_the_heap():
    done = subprocess.run(
        [find_interpreter(), "-X", "heapsize=1M", str(SCRIPT), str(ROOT), str(DAYS)],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    heap = [int(text) for text in re.findall(r"^heap \d+ (\d+)$", done.stdout, re.MULTILINE)]
    assert len(heap) == DAYS
    assert max(heap[4:]) <= max(heap[1:4]) + SLACK, heap
    did = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", done.stdout)}
    assert did["changes"] > 50 and did["failures"] > 500 and did["probes"] > 300
    assert did["sessions"] > 500 and did["rings"] > 500
    assert "well True 0" in done.stdout  # and after all of it an ACS can ring
