"""Where main.py begins. It may be older than the application that it starts: this name stays."""

from .runtime.boot import main  # noqa: F401
