"""What an ordinary answer of an ACS does not have in its XML: references, text that is not plain
ASCII, comments, CDATA, another declaration. Loaded when it comes.
"""

from micropython import const

from .xml import read_attributes
from .xml_error import XmlError

_MAX_TAG = const(2048)
_COMMENT = b"<!--"
_CDATA = b"<![CDATA["
_CDATA_END = b"]]>"
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def check_encoding(buf, declaration):
    """Raise XmlError unless a document that begins with `buf` is in UTF-8 or ASCII."""
    good = buf[:2] not in (b"\xff\xfe", b"\xfe\xff") and b"\0" not in buf[:4]
    if len(declaration) > _MAX_TAG + 1:
        raise XmlError("XML tag too long")
    for name, value in read_attributes(spaces(declaration[5:-2]).strip()):
        if name == b"encoding":
            good = good and value in ("utf-8", "utf8", "us-ascii", "ascii")
    if not good:
        raise XmlError("XML encoding not supported")


def skip(reader, buf, at):
    """Take a comment, an instruction or CDATA at `at`, or what goes on there of one.

    Return where it ends and `reader.until` None, or where the bytes begin that are wanted again.
    """
    if not reader.until:
        head = buf[at : at + 9]
        if head[1:2] == b"?":
            reader.until = b"?>"
            at += 2
        elif head == _CDATA:
            if not reader.stack:
                raise XmlError("XML text outside the root element")
            reader.until = _CDATA_END
            at += 9
        elif head.startswith(_COMMENT):
            reader.until = b"-->"
            at += 4
        elif _COMMENT.startswith(head) or _CDATA.startswith(head):
            return at
        else:
            raise XmlError("XML document type refused")
    until = reader.until
    end = buf.find(until, at)
    stop = end if end >= 0 else max(at, len(buf) - len(until) + 1)
    if until == _CDATA_END:
        reader.characters(buf[at:stop].replace(b"&", b"&amp;"))
    if end < 0:
        return stop
    reader.until = None
    return end + len(until)


def spaces(tag):
    """Line ends and tabs mean a space both between attributes and inside their values."""
    for blank in (b"\r\n", b"\n", b"\r", b"\t"):
        tag = tag.replace(blank, b" ")
    return tag


def decode(raw):
    """Bytes as they stood in the document -> str."""
    plain = min(raw) >= 0x20 and max(raw) < 0x80
    if not plain:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        text = str(raw, "utf-8")
    except ValueError:
        raise XmlError("XML text is not UTF-8")
    if not plain:
        # MicroPython decodes overlong forms and surrogates; an ACS would not take them back.
        size = 0
        for char in text:
            code = ord(char)
            _check_code(code)
            size += 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
        if size != len(raw):
            raise XmlError("XML text is not UTF-8")
    if "&" not in text:
        return text
    parts = text.split("&")
    for i in range(1, len(parts)):
        name, end, after = parts[i].partition(";")
        if not end:
            raise XmlError("XML entity malformed")
        parts[i] = _entity(name) + after
    return "".join(parts)


def _entity(name):
    char = _ENTITIES.get(name)
    if char:
        return char
    digits, base = (name[2:], 16) if name.startswith("#x") else (name[1:], 10)
    # int() alone would take signs, blanks and underscores.
    if not name.startswith("#") or not 0 < len(digits) <= 8:
        raise XmlError("XML entity not known")
    for digit in digits:
        if digit not in ("0123456789" if base == 10 else "0123456789abcdefABCDEF"):
            raise XmlError("XML entity not known")
    code = int(digits, base)
    _check_code(code)
    return chr(code)


def _check_code(code):
    if (
        (code < 0x20 and code not in (9, 10, 13))
        or 0xD800 <= code <= 0xDFFF
        or code in (0xFFFE, 0xFFFF)
        or code > 0x10FFFF
    ):
        raise XmlError("XML character not allowed")
