"""Where main.py begins. A board's main.py may be older than the application that it downloads: this
name stays.
"""

from .runtime.boot import main  # noqa: F401
