"""Push parser for XML 1.0 with namespaces; fed in any pieces, it keeps one tag or one text.

A handler has two methods:
  start(uri, local, attributes)  attributes: sequence of (uri, local, value), no xmlns among them
  end(uri, local, text)          text: str of a leaf, None for an element with child elements;
                                 1,025 times "\\3" for one beyond `max_text`
`uri` is "" where there is no namespace. Comments and processing instructions are dropped, CDATA
is text. DTDs, and with them custom entities, are refused (CWMP-16), and so are encodings other
than UTF-8 and ASCII. Names are checked loosely; depth, sizes and counts are bounded; what is
broken raises `XmlError` with a fixed text.
"""

from micropython import const

_MAX_DEPTH = const(32)
_MAX_TAG = const(2048)  # bytes of one tag: an Envelope may declare half a dozen namespaces
_MAX_NAME = const(128)
_MAX_ATTRIBUTES = const(24)
_MAX_BINDINGS = const(64)
_SLASH = const(0x2F)
_BANG = const(0x21)
_QUESTION = const(0x3F)
_AND = const(0x26)
_PROLOG = const(9)  # bytes that tell a byte order mark and a declaration from anything else

# Why a document is refused; the words stand in xml_error.py.
_TAG_TOO_LONG = const(0)
_TOO_EARLY = const(1)
_OUTSIDE = const(2)
_TWO_ROOTS = const(4)
_TOO_DEEP = const(5)
_BAD_TAG = const(6)
_END_TAG = const(7)
_BAD_NAMESPACE = const(8)
_NAMESPACES = const(9)
_TWICE = const(10)
_BAD_NAME = const(11)
_NO_PREFIX = const(12)
_BAD_ATTRIBUTE = const(13)
_ATTRIBUTES = const(14)
_NAME_TOO_LONG = const(15)

_OVERLONG = const(2)  # of `_leaf`
# What then stands for the text: no document can hold it, it fits no type, and no argument is as
# long. Whoever asked for it to be written gets the fault of his value, not a session that fails.
_TOO_LONG = const(1025)

_DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>'
_XML_URI = "http://www.w3.org/XML/1998/namespace"


class XmlReader:
    """`feed` pieces, then `close`; spent after an `XmlError`. `max_text`: bytes in one element."""

    def __init__(self, handler, max_text=4096):
        self._handler = handler
        self._max_text = max_text
        self._rest = b""  # the beginning of a tag whose end did not arrive yet
        self.until = None  # what ends the comment, instruction or CDATA section under way
        self._begun = False
        self._done = False
        self._leaf = False  # no child so far in the innermost open element
        self._text = b""  # its characters, still escaped
        self.stack = []  # (qualified name, uri, local, bindings before it)
        self._bindings = [(b"xml", _XML_URI)]  # (prefix, uri), innermost last

    def feed(self, data, last=False):
        """Take bytes; `last`: there will be no more."""
        buf = self._rest + data if self._rest else bytes(data)
        at = 0
        if not self._begun and (last or len(buf) >= _PROLOG):
            at = self._begin(buf)
        if self._begun:
            at = self._parse(buf, at)
        self._rest = buf[at:]
        if len(self._rest) > _MAX_TAG:
            raise refused(_TAG_TOO_LONG)

    def close(self):
        """The document must be complete here."""
        self.feed(b"", True)
        if self._rest or self.until or not self._done:
            raise refused(_TOO_EARLY)

    def _begin(self, buf):
        # Returns where the document begins behind byte order mark and declaration.
        at = end = 3 if buf[:3] == b"\xef\xbb\xbf" else 0
        if buf[at : at + 5] == b"<?xml" and buf[at + 5 : at + 6].isspace():
            end = buf.find(b"?>", at) + 2
            if end < 2:
                return 0
        declaration = buf[at:end].lower()
        if declaration not in (b"", _DECLARATION) or buf[:1] > b"\xef" or b"\0" in buf[:4]:
            from .xml_odd import check_encoding  # noqa: PLC0415

            check_encoding(buf, declaration)
        self._begun = True
        return end

    def _parse(self, buf, at):
        # Returns where the part begins that needs more bytes.
        size = len(buf)
        while at < size:
            if not self.until:
                tag = buf.find(b"<", at)
                if tag != at:
                    self.characters(buf[at:tag] if tag > 0 else buf[at:])
                    if tag < 0:
                        return size
                    at = tag
            # Indexed, not sliced, where every tag passes: a slice allocates.
            kind = buf[at + 1] if at + 1 < size else 0
            if self.until or kind == _BANG or kind == _QUESTION:
                from .xml_odd import skip  # noqa: PLC0415

                end = skip(self, buf, at)
                if self.until or end == at:
                    return end
                at = end
                continue
            end = buf.find(b">", at) if kind == _SLASH else _tag_end(buf, at)
            if end < 0:
                break
            if end - at > _MAX_TAG:
                raise refused(_TAG_TOO_LONG)
            if kind == _SLASH:
                self._close(buf[at + 2 : end].rstrip())
            else:
                self._open(buf[at + 1 : end])
            at = end + 1
        return at

    def characters(self, piece):
        """Take characters, still escaped."""
        if not self.stack:
            if piece.strip():
                raise refused(_OUTSIDE)
        elif self._leaf:
            if self._leaf == _OVERLONG or len(self._text) + len(piece) > self._max_text:
                self._leaf = _OVERLONG
                self._text = b""
            else:
                self._text = self._text + piece if self._text else piece

    def _open(self, tag):
        empty = tag.endswith(b"/")
        if empty:
            tag = tag[:-1]
        if self._done:
            raise refused(_TWO_ROOTS)
        if len(self.stack) >= _MAX_DEPTH:
            raise refused(_TOO_DEEP)
        if b"<" in tag:
            raise refused(_BAD_TAG)
        if tag and min(tag) < 0x20:
            from .xml_odd import spaces  # noqa: PLC0415

            tag = spaces(tag)
        name, _, rest = tag.partition(b" ")
        mark = len(self._bindings)
        attributes = self._attributes(rest.strip()) if rest else ()
        check_name(name)
        uri, local = self._resolve(name, True)
        self._text = b""
        self._leaf = True
        self.stack.append((name, uri, local, mark))
        self._handler.start(uri, local, attributes)
        if empty:
            self._close(name)

    def _close(self, name):
        if not self.stack or self.stack[-1][0] != name:
            raise refused(_END_TAG)
        _, uri, local, mark = self.stack.pop()
        text = _decode(self._text) if self._leaf else None
        if self._leaf == _OVERLONG:
            text = "\3" * _TOO_LONG
        self._text = b""
        self._leaf = False
        if len(self._bindings) > mark:
            del self._bindings[mark:]
        self._done = not self.stack
        self._handler.end(uri, local, text)

    def _attributes(self, rest):
        # Takes the namespace declarations out, returns the others resolved.
        found = read_attributes(rest)
        bindings = self._bindings
        others = []
        for name, value in found:
            prefix, _, local = name.partition(b":")
            if prefix != b"xmlns":
                others.append((name, value))
                continue
            if local and (
                not value or local == b"xmlns" or (local == b"xml") != (value == _XML_URI)
            ):
                raise refused(_BAD_NAMESPACE)
            bindings.append((local, value))
        if len(bindings) > _MAX_BINDINGS:
            raise refused(_NAMESPACES)
        names = [name for name, _ in found]
        for i in range(len(others)):
            name = self._resolve(others[i][0], False)
            names.append(name)
            others[i] = name + (others[i][1],)
        if len(set(names)) < len(names):
            raise refused(_TWICE)
        return others

    def _resolve(self, name, element):
        prefix, colon, local = name.partition(b":")
        if not colon:
            if not element:
                return "", _decode(name)
            prefix, local = b"", name
        elif not prefix or not local or b":" in local:
            raise refused(_BAD_NAME)
        for bound, uri in reversed(self._bindings):
            if bound == prefix:
                return uri, _decode(local)
        if prefix:
            raise refused(_NO_PREFIX)
        return "", _decode(local)


def refused(why):
    """Return the XmlError or SoapError to raise."""
    from .xml_error import error  # noqa: PLC0415 - nobody needs the words of what is not wrong

    return error(why)


def _tag_end(buf, at):
    # Index of the '>' that is not inside quotes, -1 when it did not arrive yet.
    while True:
        end = buf.find(b">", at)
        if end < 0:
            return -1
        double = buf.find(b'"', at, end)
        single = buf.find(b"'", at, end)
        if double < 0 and single < 0:
            return end
        at = double if single < 0 or 0 <= double < single else single
        at = buf.find(buf[at : at + 1], at + 1) + 1
        if at <= 0:
            return -1


def read_attributes(rest):
    """Split what follows the name in a tag into [(name as bytes, value as text)]."""
    found = []
    while rest:
        name, _, rest = rest.partition(b"=")
        name = name.rstrip()
        check_name(name)
        rest = rest.lstrip()
        quote = rest[:1]
        end = rest.find(quote, 1) if quote in (b'"', b"'") else -1
        if end < 0 or rest[end + 1 : end + 2] not in b" ":
            raise refused(_BAD_ATTRIBUTE)
        if len(found) >= _MAX_ATTRIBUTES:
            raise refused(_ATTRIBUTES)
        found.append((name, _decode(rest[1:end])))
        rest = rest[end + 1 :].lstrip()
    return found


def check_name(name):
    """Raise XmlError unless `name`, bytes, may be one: loosely."""
    if len(name) > _MAX_NAME:
        raise refused(_NAME_TOO_LONG)
    # No blank, quote, or other separator; a digit, '-' or '.' does not begin a name.
    first = name[0] if name else 0
    if not (0x61 <= first | 0x20 <= 0x7A or first == 0x5F or first >= 0x80) or (
        min(name) < 0x2D or b"/" in name
    ):
        raise refused(_BAD_NAME)


def _decode(raw):
    # bytes as they stood -> str; `min` and `max` run in C, so that plain ASCII costs no loop.
    if raw and (min(raw) < 0x20 or max(raw) >= 0x80 or _AND in raw):
        from .xml_odd import decode  # noqa: PLC0415

        return decode(raw)
    return str(raw, "utf-8")
