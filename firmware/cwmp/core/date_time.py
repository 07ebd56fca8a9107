"""Reading dateTime (CWMP-15), without a clock or an epoch (B19)."""

from .cwmp_types import unix_to_iso

_DIGITS = "0123456789"


def iso_to_unix(text):
    """Return Unix seconds of a dateTime (fractions dropped, Z or offset, none = UTC), None for
    years below 1000.

    ValueError when it is no dateTime.
    """
    year, seconds = _time(text)
    return None if year < 1000 else seconds


def canonical_time(text):
    """Return the canonical form of a dateTime; ValueError."""
    year, seconds = _time(text)
    if year < 1000:
        # A relative time of a CPE without clock: kept, but for its fraction and offset.
        return text[:19] + "Z"
    if year == 9999 and seconds > 253402300799:
        raise ValueError("year above 9999")
    return unix_to_iso(seconds)


def _time(text):
    # -> year as written, Unix seconds
    marks = text[4:5] + text[7:8] + text[10:11] + text[13:14] + text[16:17]
    if not 19 <= len(text) <= 40 or marks != "--T::":
        raise ValueError("not a dateTime")
    year, month, day = _number(text[0:4]), _number(text[5:7]), _number(text[8:10])
    hour, minute, second = _number(text[11:13]), _number(text[14:16]), _number(text[17:19])
    # Years that start in March, see `unix_to_iso`.
    march = year - 1 if month < 3 else year
    days = march * 365 + march // 4 - march // 100 + march // 400
    days += (153 * ((month + 9) % 12) + 2) // 5 + day - 719469
    if not year or unix_to_iso(days * 86400)[:10] != text[:10]:
        raise ValueError("no such day")
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("no such time of day")
    at = 19
    if text[at : at + 1] == ".":
        at += 1
        while text[at : at + 1] in _DIGITS and at < len(text):
            at += 1
        if text[at - 1 : at] == ".":
            raise ValueError("not a dateTime")
    return year, days * 86400 + hour * 3600 + minute * 60 + second - _offset(text[at:])


def _offset(zone):
    # Seconds east of Greenwich.
    if zone in ("", "Z"):
        return 0
    if len(zone) != 6 or zone[:1] not in "+-" or zone[3:4] != ":":
        raise ValueError("not a time zone")
    hours, minutes = _number(zone[1:3]), _number(zone[4:6])
    if hours > 14 or minutes > 59 or (hours == 14 and minutes):
        raise ValueError("not a time zone")
    offset = hours * 3600 + minutes * 60
    return -offset if zone[:1] == "-" else offset


def _number(text):
    for byte in text.encode():  # a character that is taken out of a text becomes a name for ever
        if not 48 <= byte <= 57:
            raise ValueError("not a dateTime")
    return int(text)
