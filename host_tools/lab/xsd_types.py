"""Lexical rules of the value types CWMP uses (CWMP-15), each as a check of one text."""

import re
from collections.abc import Callable
from datetime import datetime

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def is_int(text: str, low: int, high: int) -> bool:
    """True for decimal digits, perhaps with a minus sign, within the range."""
    return bool(re.fullmatch(r"-?[0-9]{1,20}", text)) and low <= int(text) <= high


def is_unsigned(text: str) -> bool:
    """True for an unsignedInt, 0 to 2^32-1."""
    return is_int(text, 0, 2**32 - 1) and not text.startswith("-")


def is_boolean(text: str) -> bool:
    """True for 0, 1, false, true."""
    return text in ("0", "1", "false", "true")


def is_date_time(text: str) -> bool:
    """True for an ISO 8601 time with date, seconds and optional fraction and zone."""
    match = _DATE_TIME.fullmatch(text)
    if not match:
        return False
    try:
        datetime(*(int(match[place]) for place in range(1, 7)))  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


TYPES: dict[str, Callable[[str], bool]] = {
    "string": lambda text: True,
    "int": lambda text: is_int(text, -(2**31), 2**31 - 1),
    "unsignedInt": is_unsigned,
    "long": lambda text: is_int(text, -(2**63), 2**63 - 1),
    "unsignedLong": lambda text: is_int(text, 0, 2**64 - 1) and not text.startswith("-"),
    "boolean": is_boolean,
    "dateTime": is_date_time,
    "base64": lambda text: bool(_BASE64.fullmatch(re.sub(r"\s", "", text))),
    "base64Binary": lambda text: bool(_BASE64.fullmatch(re.sub(r"\s", "", text))),
    "hexBinary": lambda text: bool(re.fullmatch(r"(?:[0-9A-Fa-f]{2})*", text)),
}
