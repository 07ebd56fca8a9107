"""What README.md promises: tables in step with the firmware, commands that work as they stand."""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from host_tools import boards
from host_tools.demo.loopback import free_udp_port
from host_tools.image import read_site, settings_of

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "boards" / "unix" / "example-site.toml"
BAR = r"\|"  # inside a table of Markdown


def blocks(kind: str) -> list[str]:
    """The fenced blocks of that kind, '' for those without one."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for given, text in found if given == kind]


def commands() -> list[list[str]]:
    lines = "".join(blocks("sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def rows(settings: Sequence[tuple]) -> list[str]:
    """The rows of the table of settings, made from the firmware's own table."""
    found = []
    for section, key, _, default, _, _, text in settings:
        shown = f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"
        found.append(f"| `{section}.{key}` | {shown if default != '' else ''} | {text} |")
    return found


def console_commands() -> list[tuple[str, str]]:
    """What the firmware's `help` prints: read, because only MicroPython can import it."""
    source = (ROOT / "firmware" / "cwmp" / "runtime" / "commands.py").read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HELP":
            return list(ast.literal_eval(node.value))
    raise AssertionError("_HELP is not there any more")


def test_every_setting_is_in_the_table_as_it_is() -> None:
    settings = settings_of()
    wanted = rows(settings.SETTINGS)
    for extra in settings.NETWORKS.values():
        wanted += rows(extra)
    shown = [line for line in README.splitlines() if re.match(r"\| `\w+\.\w+` \|", line)]
    assert shown == wanted


def test_every_console_command_is_in_the_table_as_it_is() -> None:
    wanted = [f"| `{usage.replace('|', BAR)}` | {text} |" for usage, text in console_commands()]
    table = README.partition("| command | |\n|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == wanted


def test_every_file_it_names_is_there() -> None:
    tree = next(block for block in blocks("") if block.startswith("flash.py "))
    path = [Path(), Path()]
    for line in tree.splitlines():
        name = line.split()[0]
        depth = 1 if line.startswith("  ") else 0
        path[depth] = Path(name)
        full = name if depth == 0 else str(path[0] / name)
        if "<" not in full:
            assert (ROOT / full).exists(), full
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link


def test_every_command_line_it_shows_is_known() -> None:
    makefile = (ROOT / "Makefile").read_text()
    checked = 0
    for words in commands():
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), words
            continue
        assert words[0] == "python", words
        start = 3 if words[1] == "-m" else 2
        known = subprocess.run(
            [sys.executable, *words[1:start], *_names(words[start:]), "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert known.returncode == 0, (words, known.stderr)
        for option in [word.partition("=")[0] for word in words if word.startswith("--")]:
            assert option in known.stdout, (words, option)
        checked += 1
    assert checked >= 10


def _names(words: Sequence[str]) -> list[str]:
    """The subcommands a line begins with."""
    depth = {"lab": 2, "board": 2, "capture": 2, "wake": 1, "console": 1, "demo": 1}
    return list(words[: depth.get(words[0], 0)]) if words else []


def test_the_example_configuration_is_good() -> None:
    site = read_site(EXAMPLE)
    words = next(words for words in commands() if words[2:5] == ["host_tools", "lab", "acs"])
    assert site["acs"]["url"] == "http://127.0.0.1:7547/acs"
    assert words[words.index("--username") + 1] == site["acs"]["username"]
    assert words[words.index("--password") + 1] == site["acs"]["password"]


def test_each_board_has_notes_and_is_named() -> None:
    for name in boards.names():
        assert (ROOT / "boards" / name / "README.md").exists()
        assert f"boards/{name}" in README


@pytest.mark.timeout(120)
def test_flash_and_ring_as_it_says(tmp_path: Path) -> None:
    """The lab ACS with its own STUN server, a board that is flashed beside it, two rings."""
    acs_line = [sys.executable, "-m", "host_tools", "lab", "acs", "--port", "0", "--stun-port"]
    acs_line += ["0", "--username", "cpe", "--password", "example", "--wait", "30"]
    for typed in ("get Device.DeviceInfo.", "ring", "ring genieacs", "violations"):
        acs_line += ["--run", typed]
    state = tmp_path / "unix"
    with subprocess.Popen(acs_line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as acs:
        try:
            assert acs.stdout is not None
            acs.stdout.readline()
            url = acs.stdout.readline().split()[-1]
            site = tmp_path / "site.toml"
            text = EXAMPLE.read_text().replace("http://127.0.0.1:7547/acs", url)
            site.write_text(text.replace("port = 7548", f"port = {free_udp_port()}"))
            flash = [sys.executable, "flash.py", "--board", "unix", "--config", str(site)]
            done = _run([*flash, "--state", str(state)])
            assert "board=unix" in done and "attach    python -m host_tools console" in done
            said = acs.stdout.read()
            assert acs.wait() == 0, said
            assert said.count("woken after") == 2 and said.splitlines()[-1] == "none"
            port = re.search(r"^port +(\S+)$", done, re.MULTILINE)
            assert port is not None
            console = [sys.executable, "-m", "host_tools", "console", port[1]]
            status = _run(console, "status\n")
            assert "wake      ready: an ACS can ring at 127.0.0.1:" in status
            assert "accepted=" in status and status.rstrip().endswith("ok")
            _run([sys.executable, "flash.py", "--board", "unix", "--state", str(state)])
            assert str(state) in _run([sys.executable, "-m", "host_tools", "board", "list"])
        finally:
            acs.kill()
            stop = ["board", "stop", "unix", "--state", str(state)]
            _run([sys.executable, "-m", "host_tools", *stop])
    assert not (state / "board.json").exists()


def _run(command: list[str], typed: str = "") -> str:
    done = subprocess.run(command, cwd=ROOT, input=typed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
