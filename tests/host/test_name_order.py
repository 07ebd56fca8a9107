"""The order of names in compiled code: the program stays, the most used names come first."""

from pathlib import Path

from host_tools.image import compile_one
from host_tools.name_order import frequent, ordered

SOURCE = '''
"""A module."""
import machine


class Counter:
    def __init__(self, start):
        self.often = start

    def more(self, step):
        local = step + step
        self.often = self.often + local
        return lambda extra: self.often + extra + local


def rarely(counter):
    counter.more(1)
    counter.more(step=2)
    return machine.sometimes + machine.sometimes
'''


def test_what_functions_name_most_comes_first() -> None:
    assert frequent(SOURCE) == ["often", "more", "sometimes", "machine"]
    # Variables have no names; what a module does once, when it is loaded, does not count.
    assert "local" not in frequent(SOURCE) and "Counter" not in frequent(SOURCE)


def test_code_with_many_names_becomes_smaller(tmp_path: Path) -> None:
    rare = "\n".join(f"def once_{number}(): return only_{number}" for number in range(150))
    often = "def many(a):\n" + "\n".join(["    a.often(a.used.again)"] * 40)
    source = f"{rare}\n{often}\n"

    def size(text: str) -> int:
        return len(compile_one(text.encode(), Path("m.py"), tmp_path / "m.mpy", ""))

    assert size(ordered(source)) < size(source) - 3 * 40 + 30


def test_a_module_without_functions_stays_as_it_is() -> None:
    assert ordered("A = 1\n") == "A = 1\n"
