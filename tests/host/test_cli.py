"""The command line: rooms, exit statuses, and the table of requirements."""

import subprocess
import sys
import types
from pathlib import Path

import pytest
import typer

from host_tools import cli, id_table
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


def test_ids_at_the_head_of_a_test_name() -> None:
    assert id_table.requirements("test_ucr_20_equal_ts_new_id") == ["UCR-20"]
    assert id_table.requirements("test_b1_ucr_11_every_digit") == ["B1", "UCR-11"]
    assert id_table.requirements("test_x7_y") == ["X7"]
    assert id_table.requirements("test_udp_request_2_copies") == []
    assert id_table.requirements("test_boot") == []


def test_table_of_ids(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_a.py").write_text(
        "def test_ucr_10_b(): pass\nasync def test_ucr_9_a(): pass\ndef helper_b3_c(): pass\n"
    )
    found = id_table.collect(tests)
    assert found == {
        "UCR-10": ["tests/test_a.py::test_ucr_10_b"],
        "UCR-9": ["tests/test_a.py::test_ucr_9_a"],
    }
    text = id_table.table(found)
    assert text.index("| UCR-9 |") < text.index("| UCR-10 |")
