"""Texts that an ACS or the console gives, checked and made canonical (CWMP-15)."""

_RANGES = {
    "int": (-2147483648, 2147483647),
    "unsignedInt": (0, 4294967295),
    "long": (-9223372036854775808, 9223372036854775807),
    "unsignedLong": (0, 18446744073709551615),
}
_DIGITS = b"0123456789"
_HEX = b"0123456789ABCDEFabcdef"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def local_name(xsd_type):
    """Return the type without its namespace prefix: "xsd:int" -> "int"."""
    return xsd_type[xsd_type.rfind(":") + 1 :]


def parse(xsd_type, text):
    """Return the canonical form of `text`; ValueError: it is no `xsd_type` (prefix allowed)."""
    xsd_type = local_name(xsd_type)
    if xsd_type == "string":
        if text[:1] == "\3":  # no text that arrived, see `wire.xml`
            raise ValueError("too long")
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
        from .date_time import canonical_time  # noqa: PLC0415 - hardly ever written

        return canonical_time(text)
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


def _only(text, allowed):
    # By bytes: a character that is taken out of a text becomes a name for ever.
    for byte in text.encode():
        if byte not in allowed:
            return False
    return True
