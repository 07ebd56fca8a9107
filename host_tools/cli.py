"""The command line `python -m host_tools ...`: every room brings its own commands.

To add one, write `def register(app: typer.Typer) -> None` and name command and module in ROOMS; a
module without it brings the `typer.Typer` that is named like the command. Commands raise
`UserError` (a line for people, exit status 2) or `Failed` (1); what else they raise is a defect
and shows a traceback.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping

import typer

from host_tools.errors import UserError

ROOMS = {
    "board": "host_tools.targets.commands",
    "fetch": "host_tools.fetch",
    "console": "host_tools.console_command",
    "names": "host_tools.names",
    "wake": "host_tools.wake",
    "lab": "host_tools.lab.commands",
    "capture": "host_tools.capture.commands",
    "demo": "host_tools.demo.commands",
    "bench": "host_tools.bench.commands",
    "sim": "host_tools.sim.commands",
    "memory": "host_tools.bench.esp32",
    "id-table": "host_tools.id_table",
    "junit-table": "host_tools.junit_table",
    "bundle": "host_tools.bundle",
    "mip-package": "host_tools.mip_package",
}
HELP = """The lab around esp-cwmp: boards, servers, captures.

\b
Examples:
  python flash.py --board unix --config site.toml   build, flash and start a board
  python -m host_tools board list                   the boards that run here
  python -m host_tools console /dev/pts/3           a serial console, Ctrl-] leaves
  python -m host_tools COMMAND --help               more about one command

Exit status: 0 done, 1 tried and failed, 2 asked for something that cannot be.
"""


def make_app(rooms: Mapping[str, str] = ROOMS, wanted: str = "") -> typer.Typer:
    """Build the app, for the command `wanted` alone when it is one: the others need not be loaded.

    A room that is not there is left out; one that is there and broken raises.
    """
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback(help=HELP)(lambda: None)
    for name, room in rooms.items():
        if (wanted in rooms and wanted != name) or not _exists(room):
            continue
        module = importlib.import_module(room)
        if hasattr(module, "register"):
            module.register(app)
        else:
            app.add_typer(getattr(module, name), name=name)
    return app


def _exists(module: str) -> bool:
    package, _, _ = module.rpartition(".")
    try:
        return (
            importlib.util.find_spec(package) is not None
            and importlib.util.find_spec(module) is not None
        )
    except ModuleNotFoundError:
        return False


def run(app: Callable[[], object]) -> int:
    """Run a typer app (or any callable) and return the exit status; `UserError` becomes its one
    line.
    """
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output, head for one, has seen enough
        sys.stderr.close()
        return 1
    return 0


def main() -> int:
    return run(make_app(wanted=sys.argv[1] if len(sys.argv) > 1 else ""))
