"""Short texts of modules that are dropped are no names once compiled; programs stay the same."""

import os
import subprocess
from pathlib import Path

import pytest

from host_tools import boards, image
from host_tools.image import compile_one
from host_tools.names import number
from host_tools.package import package
from host_tools.targets.unix import find_interpreter
from host_tools.texts import without_passing_names

COMES = """
import stays

class Small_one:
    kind = "kind-text"
    def told(self, *, key_word="dflt-text", other=None):
        return "{}+{}".format(key_word, other)

def closed(number):
    text = "closed-in"
    def inner(more):
        nonlocal number
        number += more
        return text, number
    return inner

def walk(values):
    out = []
    for value in values:
        try:
            if value == "stop-here" or not value:
                break
            elif value in ("skip-this", "and-that"):
                continue
            out.append({"key-text": value, "shared-it": 1})
        finally:
            out.append("finally-it")
    else:
        out.append("else-text")
    while len(out) < 6:
        out += ["more-text"] if len(out) & 1 else ("less-text",)
    return out

def made(*arguments, **named):
    yield "y-text"
    yield sorted(named)
    yield "attr_name" if hasattr(stays, "attr_name") else "no-attr"

def main():
    add = closed(2)
    print(Small_one.kind, Small_one().told(key_word="given-it", other="o-text"), add(3), add(4))
    print(walk(["a-text", "skip-this", "b-text"]), walk(["stop-here"]), walk([]))
    print(list(made(1, named_arg="n-text")), stays.here("shared-it"), type(Small_one()).__name__)
    print("x-text" < "y-text", "text" in "some-text", {"y-text": 5}["y-text"], "é-text")
"""
STAYS = """
attr_name = "stays-text"
def here(text):
    return [text == "shared-it", attr_name]
"""
SAID = """kind-text given-it+o-text ('closed-in', 5) ('closed-in', 9)
"""
GO = ("kind-text", "dflt-text", "closed-in", "stop-here", "finally-it", "y-text", "é-text")
STAY = ("shared-it", "attr_name", "Small_one", "key_word", "named_arg")


def compiled(folder: Path, **sources: str) -> dict[str, bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return {
        f"{name}.py": compile_one(text.encode(), Path(f"{name}.py"), folder / f"{name}.mpy", "")
        for name, text in sources.items()
    }


def run(folder: Path, files: dict[str, bytes], code: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).with_suffix(".mpy").write_bytes(content)
    done = subprocess.run(
        [find_interpreter(), "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "MICROPYPATH": ".frozen:."},
        check=False,
    )
    return done.stdout + done.stderr


def names_in(mpy: bytes) -> list[str]:
    count, at = number(mpy, 4)
    _, at = number(mpy, at)
    found = []
    for _ in range(count):
        size, at = number(mpy, at)
        if not size & 1:
            found.append(mpy[at : at + (size >> 1)].decode())
            at += (size >> 1) + 1
    return found


def test_program_is_the_same_and_the_texts_are_no_names(tmp_path: Path) -> None:
    before = compiled(tmp_path, comes=COMES, stays=STAYS)
    assert set(GO + STAY) <= set(names_in(before["comes.py"]))
    after = without_passing_names(before, {"stays.py"}, {"key_word", "named_arg", "other"})
    assert after["stays.py"] == before["stays.py"]
    left = names_in(after["comes.py"])
    assert not set(GO) & set(left) and set(STAY) <= set(left)
    said = run(tmp_path / "before", before, "import comes; comes.main()")
    assert said.startswith(SAID) and said.count("\n") == 4, said
    assert run(tmp_path / "after", after, "import comes; comes.main()") == said


def test_micropython_makes_no_names_of_them(tmp_path: Path) -> None:
    before = compiled(tmp_path, comes=COMES, stays=STAYS)
    after = without_passing_names(before, {"stays.py"}, {"key_word", "named_arg", "other"})
    code = "import comes, micropython; micropython.qstr_info(1)"
    for files, there in ((before, True), (after, False)):
        said = run(tmp_path / str(there), files, code)
        assert "Q(shared-it)" in said
        assert all((f"Q({text})" in said) == there for text in GO[:-1]), said


@pytest.mark.parametrize("count", [100, 140, 400])
def test_texts_with_numbers_of_one_byte_and_of_two(tmp_path: Path, count: int) -> None:
    """What has no room for the number of an object stays a name."""
    lines = [f"    out.append('t-{number}' + str(a{number}))" for number in range(count)]
    globals_ = "\n".join(f"a{number} = {number}" for number in range(count))
    text = f"{globals_}\ndef main():\n    out = []\n" + "\n".join(lines) + "\n    print(out)\n"
    before = compiled(tmp_path, many=text)
    after = without_passing_names(before, (), ())
    gone = len(names_in(before["many.py"])) - len(names_in(after["many.py"]))
    assert min(count, 200) <= gone <= count
    said = run(tmp_path / "before", before, "import many; many.main()")
    assert said.count("t-") == count
    assert run(tmp_path / "after", after, "import many; many.main()") == said


@pytest.mark.parametrize("name", ["unix", "esp32_generic"])
def test_of_the_firmware_what_stays_keeps_its_names(name: str) -> None:
    made = package(boards.load(name), image.FIRMWARE)
    assert made.staying - {"cwmp/runtime/boot.py"} <= made.sources.keys()
    code = image.modules(boards.load(name))
    there = {path: names_in(mpy) for path, mpy in code.items()}
    agent = made.module("runtime.agent").replace(".", "/")
    assert "internal" in there[f"lib/{agent}.mpy"]
    settings = made.module("core.settings").replace(".", "/")
    assert b"one of \0" in code[f"lib/{settings}.mpy"]
    assert "one of " not in there[f"lib/{settings}.mpy"]
