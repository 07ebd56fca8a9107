"""CPython, bytecode of MicroPython and viper code make the same of the same damage."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from host_tools.image import EMITTER
from host_tools.targets.unix import find_interpreter

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "tests" / "host" / "digests.py"
PARSERS = ("request", "stun", "xml", "soap", "http")
COUNT = 1500
SOAK = 100_000


@functools.cache
def outcomes(interpreter: tuple[str, ...], firmware: str, seed: int, count: int) -> list[str]:
    done = subprocess.run(
        [*interpreter, str(SCRIPT), firmware, str(seed), str(count)],
        capture_output=True,
        text=True,
        timeout=3600,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The firmware without the viper emitter, as it is on a board that has none."""
    folder = tmp_path_factory.mktemp("bytecode")
    stripped = 0
    for path in (ROOT / "firmware" / "cwmp").rglob("*.py"):
        copy = folder / path.relative_to(ROOT / "firmware")
        copy.parent.mkdir(parents=True, exist_ok=True)
        code, found = EMITTER.subn(b"", path.read_bytes())
        copy.write_bytes(code)
        stripped += found
    assert stripped >= 5
    return str(folder)


def micropython() -> tuple[str, ...]:
    return find_interpreter(), "-X", "heapsize=4M"


def compare(seed: int, count: int, bytecode: str, parser: str) -> None:
    firmware = str(ROOT / "firmware")
    want = [
        line
        for line in outcomes((sys.executable,), firmware, seed, count)
        if line.startswith(parser)
    ]
    assert len(want) == count // 100 and not [line for line in want if "UNEXPECTED" in line], want
    # `digests.py FIRMWARE SEED COUNT PARSER FIRST LAST` shows the cases of a chunk that differs.
    for folder in (firmware, bytecode):
        got = outcomes(micropython(), folder, seed, count)
        assert [line for line in got if line.startswith(parser)] == want


@pytest.mark.parametrize("parser", PARSERS)
def test_b6_b11_same_outcomes_for_the_same_damage(parser: str, bytecode: str) -> None:
    compare(1, COUNT, bytecode, parser)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 5))
@pytest.mark.parametrize("parser", PARSERS)
def test_soak_b6_b11_same_outcomes_for_the_same_damage(
    parser: str, seed: int, bytecode: str
) -> None:
    compare(seed, SOAK, bytecode, parser)


def test_a_difference_would_show(bytecode: str) -> None:
    # The other seed is other damage: equal digests are no accident.
    firmware = str(ROOT / "firmware")
    one, other = (outcomes((sys.executable,), firmware, seed, COUNT) for seed in (1, 9))
    assert len(one) == len(other) == len(PARSERS) * COUNT // 100
    assert not set(one) & set(other)
