"""Values of CWMP parameters as texts (CWMP-15): what reading takes. Writing: `cwmp_parse`."""

UNKNOWN_TIME = "0001-01-01T00:00:00Z"

# By the letter that a declaration such as DEVICE2 has for them.
TYPES = {
    "s": "string",
    "b": "boolean",
    "i": "int",
    "u": "unsignedInt",
    "l": "long",
    "v": "unsignedLong",
    "t": "dateTime",
    "h": "hexBinary",
    "x": "base64",
}
_NUMBERS = ("int", "unsignedInt", "long", "unsignedLong")


def to_native(xsd_type, text):
    """Return the int, bool or str that a canonical text stands for."""
    if xsd_type in _NUMBERS:
        return int(text)
    return text == "1" if xsd_type == "boolean" else text


def to_text(xsd_type, value):
    """Return the canonical text of a native value."""
    if xsd_type == "boolean":
        return "1" if value else "0"
    return value if isinstance(value, str) else str(value)


def unix_to_iso(unix):
    """Return `unix` seconds as dateTime in UTC; None, the clock that was never set, is the unknown
    time.
    """
    if unix is None:
        return UNKNOWN_TIME
    days, seconds = divmod(unix, 86400)
    # Years that start in March: the leap day is then the last one (days counted from 0000-03-01).
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month += 3 if month < 10 else -9
    year += era * 400 + (1 if month <= 2 else 0)
    return "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}Z".format(
        year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60
    )
