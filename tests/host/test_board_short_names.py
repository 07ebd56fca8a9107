"""Short names on a board: different where two could meet, the same again where they cannot."""

from host_tools.link_names import PACKAGE
from host_tools.names import read_back, rom_names, short_names

ONE = """
from .two import Base

class Derived(Base):
    def prepare_it(self):
        self._only_one = 1
        return self.common_name
"""
TWO = """
class Base:
    def __init__(self):
        self._only_two = 2
        self.common_name = 3
"""
APART = """
class Alone:
    def __init__(self, other):
        self._elsewhere = 4
        self._as_well = 5
        other.handed_over = 6
"""


def many(module: str, count: int) -> str:
    lines = [f"        self._{module}_{number} = 0" for number in range(count)]
    return "\n".join([f"class {module.title()}:", "    def __init__(self):", *lines]) + "\n"


def test_what_one_module_alone_knows_is_given_again_in_the_next() -> None:
    count = len(rom_names()) // 3
    sources = {f"{PACKAGE}/{name}.py": many(name, count) for name in ("p", "q", "r", "s", "t")}
    names = short_names(sources)
    rom = set(rom_names())
    for module in "pqrst":
        own = [names[f"_{module}_{number}"] for number in range(count)]
        assert len(set(own)) == count
        assert set(own) <= rom


def test_names_that_could_meet_on_one_object_differ() -> None:
    sources = {"cwmp/one.py": ONE, "cwmp/two.py": TWO, "cwmp/apart.py": APART}
    names = short_names(sources)
    inherited = [names[name] for name in ("_only_one", "_only_two", "common_name", "prepare_it")]
    assert len(set(inherited)) == 4
    # What is set on an object of somebody else's class differs from whatever that may have.
    assert names["handed_over"] not in [names[key] for key in names if key != "handed_over"]


def test_a_traceback_is_read_back_with_the_names_of_its_own_module() -> None:
    sources = {
        "cwmp/p.py": "def first_one():\n    pass\n",
        "cwmp/q.py": "def other_one():\n    pass\n",
    }
    names = {"first_one": "freq", "other_one": "freq"}
    said = (
        '  File "p", line 1, in freq\n  File "q", line 2, in freq\n  File "x", line 3, in freq\n'
    )
    assert read_back(said, names, sources) == (
        '  File "p", line 1, in first_one\n'
        '  File "q", line 2, in other_one\n'
        '  File "x", line 3, in freq\n'
    )
