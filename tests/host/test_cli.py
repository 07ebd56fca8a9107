"""The command line: rooms, exit statuses, and the table of requirements."""

import subprocess
import sys
import types
from pathlib import Path

import pytest
import typer

from host_tools import cli
from host_tools.errors import Failed, UserError

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "host_tools", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


def test_help_names_every_room_that_is_there() -> None:
    done = run("--help")
    assert done.returncode == 0
    there = [name for name, module in cli.ROOMS.items() if cli._exists(module)]
    assert {"board", "console"} <= set(there)
    for name in there:
        assert f"\n  {name} " in done.stdout
    assert "python flash.py --board unix --config site.toml" in done.stdout


@pytest.mark.parametrize("name", [name for name, room in cli.ROOMS.items() if cli._exists(room)])
def test_every_room_has_help_when_loaded_alone(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = cli.make_app(wanted=name)
    assert cli.run(lambda: app([name, "--help"], prog_name="host_tools")) == 0
    assert f"Usage: host_tools {name} " in capsys.readouterr().out


def test_wrong_usage_is_status_2() -> None:
    assert run("nonsense").returncode == 2
    for arguments in (["board", "nonsense"], ["console"], ["board", "list", "--nonsense"]):
        app = cli.make_app(wanted=arguments[0])
        assert cli.run(lambda app=app, arguments=arguments: app(arguments)) == 2


@pytest.mark.parametrize(("kind", "status"), [(UserError, 2), (Failed, 1)])
def test_error_for_people_is_one_line(
    kind: type[UserError], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise kind("what is wrong")

    assert cli.run(command) == status
    assert capsys.readouterr().err == "error: what is wrong\n"


def test_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        cli.run(lambda: 1 / 0)


def test_broken_room_is_not_hidden_but_a_missing_one_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = cli.make_app({"a": "host_tools.nothing", "b": "host_tools.nothing.commands"})
    assert isinstance(app, typer.Typer)
    broken = types.ModuleType("host_tools.broken")
    broken.__spec__ = cli.importlib.util.spec_from_loader("host_tools.broken", None)
    monkeypatch.setitem(sys.modules, "host_tools.broken", broken)
    with pytest.raises(AttributeError):
        cli.make_app({"broken": "host_tools.broken"})
