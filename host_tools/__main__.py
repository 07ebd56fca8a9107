"""`python -m host_tools`."""

import sys

try:
    import typer  # noqa: F401
except ImportError:
    sys.exit("error: the host tools are not installed: run `make venv`, then use .venv/bin/python")

from host_tools.cli import main

sys.exit(main())
