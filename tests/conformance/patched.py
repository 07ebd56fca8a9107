"""A board whose firmware is changed before it starts: by a boot.py on its flash, as anybody could
do it.
"""

import keyword
import re

from host_tools.image import FIRMWARE
from host_tools.names import firmware_sources, short_names
from tests.cpe import Cpe


def boot_first(cpe: Cpe, script: str) -> None:
    """Let `script` run at power-up before main.py; it uses the names of the sources."""
    short = short_names(firmware_sources(FIRMWARE))
    text = re.sub(r"\w+", lambda word: short.get(word[0], word[0]), script)
    # A short name may be a keyword: compiled code does not mind.
    words = "|".join(keyword.kwlist)
    text = re.sub(rf"([\w.]+)\.({words})\b", r'getattr(\1, "\2")', text)
    usual = cpe.image.files.get("boot.py", b"")
    cpe.target.write_file("boot.py", usual + b"\n" + text.encode())


def boot_as_usual(cpe: Cpe) -> None:
    """Take that back."""
    cpe.target.write_file("boot.py", cpe.image.files.get("boot.py"))
