"""Push parser for XML 1.0 with namespaces; fed in any pieces, it keeps one tag or one text.

A handler has two methods:
  start(uri, local, attributes)  attributes: sequence of (uri, local, value), no xmlns among them
  end(uri, local, text)          text: str of a leaf, None for an element with child elements
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
_PROLOG = const(9)  # bytes that tell a byte order mark and a declaration from anything else

_BOM = b"\xef\xbb\xbf"
_COMMENT = b"<!--"
_CDATA = b"<![CDATA["
_XML_URI = "http://www.w3.org/XML/1998/namespace"
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class XmlError(ValueError):
    """Not well-formed, or beyond a bound."""


class XmlReader:
    """`feed` pieces, then `close`; spent after an `XmlError`. `max_text`: bytes in one element."""

    def __init__(self, handler, max_text=4096):
        self._handler = handler
        self._max_text = max_text
        self._rest = b""  # the beginning of a tag whose end did not arrive yet
        self._until = None  # what ends the comment, instruction or CDATA section under way
        self._cdata = False
        self._begun = False
        self._done = False
        self._leaf = False  # no child so far in the innermost open element
        self._text = b""  # its characters, still escaped
        self._stack = []  # (qualified name, uri, local, bindings before it)
        self._bindings = [(b"xml", _XML_URI)]  # (prefix, uri), innermost last

    def feed(self, data):
        buf = self._rest + data if self._rest else bytes(data)
        at = 0
        if not self._begun:
            if len(buf) < _PROLOG:
                self._rest = buf
                return
            at = self._prolog(buf)
        self._keep(buf, self._parse(buf, at) if self._begun else at)

    def close(self):
        """The document must be complete here."""
        if not self._begun:
            buf = self._rest
            self._begun = True
            self._keep(buf, self._parse(buf, 3 if buf.startswith(_BOM) else 0))
        if self._rest or self._until or not self._done:
            raise XmlError("XML ends too early")

    def _keep(self, buf, at):
        self._rest = buf[at:]
        if len(self._rest) > _MAX_TAG:
            raise XmlError("XML tag too long")

    def _prolog(self, buf):
        at = 3 if buf.startswith(_BOM) else 0
        if buf[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in buf[:4]:
            raise XmlError("XML encoding not supported")
        if buf[at : at + 5] == b"<?xml" and buf[at + 5 : at + 6].isspace():
            end = buf.find(b"?>", at)
            if end < 0:
                return 0
            if end + 1 - at > _MAX_TAG:
                raise XmlError("XML tag too long")
            for name, value in _attributes(_spaces(buf[at + 5 : end]).strip()):
                if name == b"encoding" and value.lower() not in (
                    "utf-8",
                    "utf8",
                    "us-ascii",
                    "ascii",
                ):
                    raise XmlError("XML encoding not supported")
            at = end + 2
        self._begun = True
        return at

    def _parse(self, buf, at):
        # Returns where the part begins that needs more bytes.
        size = len(buf)
        while at < size:
            if self._until:
                end = buf.find(self._until, at)
                stop = end if end >= 0 else max(at, size - len(self._until) + 1)
                if self._cdata and stop > at:
                    self._characters(buf[at:stop].replace(b"&", b"&amp;"))
                if end < 0:
                    return stop
                at = end + len(self._until)
                self._until = None
                continue
            tag = buf.find(b"<", at)
            if tag != at:
                self._characters(buf[at:tag] if tag > 0 else buf[at:])
                if tag < 0:
                    return size
                at = tag
            # Indexed, not sliced, where every tag passes: a slice allocates.
            kind = buf[at + 1] if at + 1 < size else 0
            if kind == _BANG:
                head = buf[at : at + 9]
                self._cdata = head == _CDATA
                if self._cdata:
                    self._until = b"]]>"
                    at += 9
                    self._characters(b"")
                elif head.startswith(_COMMENT):
                    self._until = b"-->"
                    at += 4
                elif _COMMENT.startswith(head) or _CDATA.startswith(head):
                    return at
                else:
                    raise XmlError("XML document type refused")
            elif kind == _QUESTION:
                self._cdata = False
                self._until = b"?>"
                at += 2
            else:
                end = buf.find(b">", at) if kind == _SLASH else _tag_end(buf, at)
                if end < 0:
                    return at
                if end - at > _MAX_TAG:
                    raise XmlError("XML tag too long")
                if kind == _SLASH:
                    self._close(buf[at + 2 : end].rstrip())
                else:
                    self._open(buf[at + 1 : end])
                at = end + 1
        return at

    def _characters(self, piece):
        if not self._stack:
            if piece.strip() or self._cdata and self._until:
                raise XmlError("XML text outside the root element")
        elif self._leaf:
            if len(self._text) + len(piece) > self._max_text:
                raise XmlError("XML text too long")
            self._text = self._text + piece if self._text else piece

    def _open(self, tag):
        empty = tag.endswith(b"/")
        if empty:
            tag = tag[:-1]
        if self._done:
            raise XmlError("XML has two root elements")
        if len(self._stack) >= _MAX_DEPTH:
            raise XmlError("XML too deep")
        if b"<" in tag:
            raise XmlError("XML tag malformed")
        name = _spaces(tag)
        mark = len(self._bindings)
        attributes = ()
        space = name.find(b" ")
        if space >= 0:
            rest = name[space:].strip()
            name = name[:space]
            if rest:
                attributes = self._bind(_attributes(rest))
        _check_name(name)
        uri, local = self._resolve(name, True)
        self._text = b""
        self._leaf = True
        self._stack.append((name, uri, local, mark))
        self._handler.start(uri, local, attributes)
        if empty:
            self._close(name)

    def _close(self, name):
        if not self._stack or self._stack[-1][0] != name:
            raise XmlError("XML end tag does not match")
        _, uri, local, mark = self._stack.pop()
        text = _decode(self._text) if self._leaf else None
        self._text = b""
        self._leaf = False
        if len(self._bindings) > mark:
            del self._bindings[mark:]
        self._done = not self._stack
        self._handler.end(uri, local, text)

    def _bind(self, attributes):
        # Takes the namespace declarations out, returns the others resolved.
        others = []
        for name, value in attributes:
            if name == b"xmlns":
                self._bindings.append((b"", value))
            elif name.startswith(b"xmlns:"):
                if (
                    not value
                    or name == b"xmlns:xmlns"
                    or (name == b"xmlns:xml") != (value == _XML_URI)
                ):
                    raise XmlError("XML namespace malformed")
                self._bindings.append((name[6:], value))
            else:
                others.append((name, value))
        if len(self._bindings) > _MAX_BINDINGS:
            raise XmlError("XML has too many namespaces")
        for i in range(len(others)):
            name, value = others[i]
            uri, local = self._resolve(name, False)
            for j in range(i):
                if others[j][1] == local and others[j][0] == uri:
                    raise XmlError("XML attribute twice")
            others[i] = (uri, local, value)
        return others

    def _resolve(self, name, element):
        colon = name.find(b":")
        prefix, local = b"", name
        if colon >= 0:
            prefix, local = name[:colon], name[colon + 1 :]
            if not prefix or not local or b":" in local:
                raise XmlError("XML name malformed")
        elif not element:
            return "", _decode(name)
        bindings = self._bindings
        for i in range(len(bindings) - 1, -1, -1):
            if bindings[i][0] == prefix:
                return bindings[i][1], _decode(local)
        if prefix:
            raise XmlError("XML namespace prefix not declared")
        return "", _decode(local)


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
        if single < 0 or 0 <= double < single:
            at = buf.find(b'"', double + 1) + 1
        else:
            at = buf.find(b"'", single + 1) + 1
        if at <= 0:
            return -1


def _spaces(tag):
    # Line ends and tabs mean a space both between attributes and inside their values.
    if tag and min(tag) < 0x20:
        tag = (
            tag.replace(b"\r\n", b" ")
            .replace(b"\n", b" ")
            .replace(b"\r", b" ")
            .replace(b"\t", b" ")
        )
    return tag


def _attributes(rest):
    found = []
    while rest:
        equals = rest.find(b"=")
        name = rest[: max(equals, 0)].rstrip()
        _check_name(name)
        rest = rest[equals + 1 :].lstrip()
        quote = rest[:1]
        end = rest.find(quote, 1) if quote in (b'"', b"'") else -1
        if end < 0 or rest[end + 1 : end + 2] not in (b"", b" "):
            raise XmlError("XML attribute malformed")
        if len(found) >= _MAX_ATTRIBUTES:
            raise XmlError("XML has too many attributes")
        for other, _ in found:
            if other == name:
                raise XmlError("XML attribute twice")
        found.append((name, _decode(rest[1:end])))
        rest = rest[end + 1 :].lstrip()
    return found


def _check_name(name):
    if len(name) > _MAX_NAME:
        raise XmlError("XML name too long")
    # No blank, quote, or other separator; a digit, '-' or '.' does not begin a name.
    first = name[0] if name else 0
    if not (0x41 <= first <= 0x5A or 0x61 <= first <= 0x7A or first == 0x5F or first >= 0x80) or (
        min(name) < 0x2D or b"/" in name
    ):
        raise XmlError("XML name malformed")


def _decode(raw):
    # bytes as they stood -> str; `min` and `max` run in C, so that plain ASCII costs no loop.
    if not raw:
        return ""
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
