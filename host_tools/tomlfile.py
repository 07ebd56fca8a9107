"""TOML files that people write: errors that name the file, the line and the key."""

import re
import tomllib
from pathlib import Path
from typing import Any

from host_tools.errors import UserError


def read_toml(path: Path) -> dict[str, Any]:
    """Return the parsed file; raises `UserError` as `file:line: what is wrong`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        line = place[1] if place else str(text.count("\n") + 1)  # otherwise: at end of document
        reason = re.sub(r" \(at .*\)$", "", str(error))
        raise UserError(f"{path}:{line}: {reason[:1].lower()}{reason[1:]}") from None


def line_of(path: Path, section: str, key: str = "") -> int:
    """Return the line where `key` of `section` is set ("" as section: the top of the file), 1 if
    it is not found.
    """
    current, start = "", 1
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        if header:
            current = re.sub(r"[\"'\s]", "", header[1])
            start = number if current == section else start
            continue
        name = re.match(r"\s*([A-Za-z0-9_\-.\"']+)\s*=", line)
        if not name:
            continue
        dotted = name[1].replace('"', "").replace("'", "")
        full = f"{current}.{dotted}" if current else dotted
        wanted = f"{section}.{key}" if section and key else section or key
        if full == wanted:
            return number
    return start
