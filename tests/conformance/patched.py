"""A board whose firmware is changed before it starts: by a boot.py on its flash, as anybody could
do it.
"""

from host_tools.image import FIRMWARE
from host_tools.names import firmware_sources, for_board, short_names
from tests.cpe import Cpe


def boot_first(cpe: Cpe, script: str) -> None:
    """Let `script` run at power-up before main.py; it uses the names of the sources."""
    text = for_board(script, short_names(firmware_sources(FIRMWARE)))
    usual = cpe.image.files.get("boot.py", b"")
    cpe.target.write_file("boot.py", usual + b"\n" + text.encode())


def boot_as_usual(cpe: Cpe) -> None:
    """Take that back."""
    cpe.target.write_file("boot.py", cpe.image.files.get("boot.py"))
