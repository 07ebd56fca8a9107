"""The types of CWMP parameters (CWMP-15): texts checked and made canonical, times without a clock
or an epoch (B19).
"""

UNKNOWN_TIME = "0001-01-01T00:00:00Z"

_RANGES = {
    "int": (-2147483648, 2147483647),
    "unsignedInt": (0, 4294967295),
    "long": (-9223372036854775808, 9223372036854775807),
    "unsignedLong": (0, 18446744073709551615),
}
_DIGITS = "0123456789"
_HEX = "0123456789ABCDEFabcdef"
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Days of a year before its months.
_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def local_name(xsd_type):
    """Return the type without its namespace prefix: "xsd:int" -> "int"."""
    return xsd_type[xsd_type.rfind(":") + 1 :]


def parse(xsd_type, text):
    """Return the canonical form of `text`; ValueError: it is no `xsd_type` (prefix allowed)."""
    xsd_type = local_name(xsd_type)
    if xsd_type == "string":
        return text
    text = text.strip()
    if xsd_type in _RANGES:
        return str(_integer(xsd_type, text))
    if xsd_type == "boolean":
        if text in ("1", "true"):
            return "1"
        if text in ("0", "false"):
            return "0"
        raise ValueError("not a boolean")
    if xsd_type == "dateTime":
        return _canonical_time(text)
    if xsd_type == "hexBinary":
        if len(text) % 2 or not _only(text, _HEX):
            raise ValueError("not hexBinary")
        return text.upper()
    if xsd_type == "base64" or xsd_type == "base64Binary":
        text = "".join(text.split())
        bare = text[:-2] + text[-2:].replace("=", "") if len(text) > 1 else text
        if len(text) % 4 or not _only(bare, _BASE64) or text[-2:-1] == "=" != text[-1:]:
            raise ValueError("not base64")
        return text
    raise ValueError("unknown type")


def to_native(xsd_type, text):
    """Return the int, bool or str that a canonical text stands for."""
    if xsd_type in _RANGES:
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


def iso_to_unix(text):
    """Return Unix seconds of a dateTime (fractions dropped, Z or offset, none = UTC), None for
    years below 1000.

    ValueError when it is no dateTime.
    """
    year, days, seconds = _time(text)
    return None if year < 1000 else days * 86400 + seconds


def _canonical_time(text):
    year, days, seconds = _time(text)
    if year < 1000:
        # A relative time of a CPE without clock: kept, but for its fraction and offset.
        return text[:19] + "Z"
    if year == 9999 and days * 86400 + seconds > 253402300799:
        raise ValueError("year above 9999")
    return unix_to_iso(days * 86400 + seconds)


def _time(text):
    if (
        len(text) < 19
        or len(text) > 40
        or text[4] + text[7] + text[10] + text[13] + text[16] != "--T::"
    ):
        raise ValueError("not a dateTime")
    year, month, day = _number(text[0:4]), _number(text[5:7]), _number(text[8:10])
    hour, minute, second = _number(text[11:13]), _number(text[14:16]), _number(text[17:19])
    if not 1 <= month <= 12 or not 1 <= day <= _month_days(year, month) or not year:
        raise ValueError("no such day")
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("no such time of day")
    at = 19
    if text[at : at + 1] == ".":
        at += 1
        while text[at : at + 1] in _DIGITS and at < len(text):
            at += 1
        if text[at - 1] == ".":
            raise ValueError("not a dateTime")
    seconds = hour * 3600 + minute * 60 + second - _offset(text[at:])
    before = year - 1
    days = (
        before * 365 + before // 4 - before // 100 + before // 400 + _BEFORE[month - 1] + day - 1
    )
    if month > 2 and _leap(year):
        days += 1
    return year, days - 719162, seconds


def _offset(zone):
    # Seconds east of Greenwich.
    if zone in ("", "Z"):
        return 0
    if len(zone) != 6 or zone[0] not in "+-" or zone[3] != ":":
        raise ValueError("not a time zone")
    hours, minutes = _number(zone[1:3]), _number(zone[4:6])
    if hours > 14 or minutes > 59 or (hours == 14 and minutes):
        raise ValueError("not a time zone")
    offset = hours * 3600 + minutes * 60
    return -offset if zone[0] == "-" else offset


def _leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _month_days(year, month):
    if month == 2:
        return 29 if _leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _integer(xsd_type, text):
    digits = text[1:] if text[:1] in ("-", "+") else text
    # int() alone would take more than XML Schema does; 40 digits are more than any type holds.
    if not digits or len(digits) > 40 or not _only(digits, _DIGITS):
        raise ValueError("not a number")
    value = int(text)
    low, high = _RANGES[xsd_type]
    if not low <= value <= high:
        raise ValueError("number out of range")
    return value


def _number(text):
    if not _only(text, _DIGITS):
        raise ValueError("not a dateTime")
    return int(text)


def _only(text, allowed):
    for character in text:
        if character not in allowed:
            return False
    return True
