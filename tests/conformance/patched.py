"""A board whose firmware is changed before it starts: by a boot.py on its flash, as anybody could
do it.
"""

from host_tools import boards
from host_tools.image import FIRMWARE
from host_tools.package import package
from tests.cpe import Cpe


def boot_first(cpe: Cpe, script: str) -> None:
    """Let `script` run at power-up before main.py; it uses the names of the sources."""
    text = package(boards.load(cpe.image.board), FIRMWARE).script(script)
    usual = cpe.image.files.get("boot.py", b"")
    cpe.target.write_file("boot.py", usual + b"\n" + text.encode())


def boot_as_usual(cpe: Cpe) -> None:
    """Take that back."""
    cpe.target.write_file("boot.py", cpe.image.files.get("boot.py"))
