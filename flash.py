"""Build the firmware for a board and put it there: `python flash.py --board unix --config
site.toml`.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

try:
    import typer
except ImportError:
    beside = HERE / ".venv" / "bin" / "python"
    if not beside.exists() or Path(sys.prefix) == beside.parent.parent:
        sys.exit("error: the host tools are not installed: run `make venv`, then try again")
    os.execv(beside, [str(beside), *sys.argv])

sys.path.insert(0, str(HERE))

from host_tools.cli import run  # noqa: E402
from host_tools.flashing import command  # noqa: E402

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(command)

if __name__ == "__main__":
    sys.exit(run(app))
