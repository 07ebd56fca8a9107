"""SOAP 1.1 envelopes of CWMP: a streaming reader, and writers that never hold a long one whole.

CWMP-10..14 namespaces, header elements, arrays; CWMP-16 escaping; CWMP-17 faults.
"""

from micropython import const

from .xml import XmlReader, refused

SOAP_ENV = "http://schemas.xmlsoap.org/soap/envelope/"
CWMP = "urn:dslforum-org:cwmp-1-"
CWMP_1_2 = "urn:dslforum-org:cwmp-1-2"  # 1.3 and 1.4 have no namespace of their own

_GROWTH = const(768)
_MAX_ID = const(256)

# Why an envelope is refused; the words stand in xml_error.py.
_NO_BODY = const(16)
_NO_ENVELOPE = const(17)
_BAD_ENVELOPE = const(18)
_TWO_BODIES = const(19)
_NO_CWMP = const(20)
_ID_TOO_LONG = const(21)

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NOTHING = ("NoMoreRequests", "SessionTimeout", "SupportedCWMPVersions")  # known, not obeyed
_ESCAPES = (b"&amp;", b"<lt;", b">gt;", b'"quot;', b"'apos;", b"\r#13;")  # "<" as "&lt;" ...
_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"'
    b' xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/"'
    b' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="'
)


class EnvelopeReader:
    """One envelope: `feed` bytes, `close`, then read the attributes.

    `method` is the local name of the Body's child. The arguments of a method go to what
    `collector(method)` returns (None: dropped): `leaf(parent, local, text, xsi_type)` for each
    element without children, `end(local)` for the others. xsi_type: "int" for "xsd:int", or "".
    """

    def __init__(self, collector, max_text=4096):
        self.message_id = None
        self.hold_requests = False
        self.use_cwmp_version = None
        self.must_understand_unknown = None  # a header that we had to know and do not
        self.cwmp_uri = self.method = None
        self.fault_code = None
        self.fault_string = ""
        self.arguments = None  # the collector
        self.empty = True  # no byte came
        self._collector = collector
        self._xml = XmlReader(self, max_text)
        self._path = []
        self._attributes = ()  # of the header element, or of the last one in the Body

    def feed(self, data):
        if len(data):
            self.empty = False
            self._xml.feed(data)

    def close(self):
        """Raise `XmlError` or `SoapError` unless one whole envelope was fed."""
        self._xml.close()
        if not self.method:
            raise refused(_NO_BODY)

    def start(self, uri, local, attributes):
        path = self._path
        depth = len(path)
        if depth == 0:
            if local != "Envelope" or uri != SOAP_ENV:
                raise refused(_NO_ENVELOPE)
        elif depth == 1:
            if uri != SOAP_ENV or local != "Body" and (local != "Header" or self.method):
                raise refused(_BAD_ENVELOPE)
        elif depth == 2 and path[1] == "Body":
            if self.method:
                raise refused(_TWO_BODIES)
            self.method = local
            if uri.startswith(CWMP):
                self.cwmp_uri = uri
                self.arguments = self._collector(local)
            elif local == "Fault" and uri == SOAP_ENV:
                from .soap_fault import AcsFault  # noqa: PLC0415

                self.arguments = AcsFault(self)
            else:
                raise refused(_NO_CWMP)
        elif depth == 2 or path[1] == "Body":
            self._attributes = attributes
        path.append(local)

    def end(self, uri, local, text):
        path = self._path
        path.pop()
        depth = len(path)
        if depth < 2:
            return
        if path[1] == "Body":
            if depth == 2 or self.arguments is None:
                return
            if text is None:
                self.arguments.end(local)
                return
            kind = ""
            for name_uri, name, value in self._attributes:
                if name == "type" and name_uri == _XSI:
                    kind = value[value.find(":") + 1 :].strip()
            self.arguments.leaf(path[-1], local, text, kind)
        elif depth == 2:
            text = text or ""
            name = local if uri.startswith(CWMP) else ""
            if name == "ID":
                if len(text) > _MAX_ID:
                    raise refused(_ID_TOO_LONG)
                self.message_id = text  # as it stands: the answer repeats it
            elif name == "HoldRequests":
                self.hold_requests = text.strip() in ("1", "true")
            elif name == "UseCWMPVersion":
                self.use_cwmp_version = text.strip()
            # SessionTimeout is a wish in a CPE's Inform: from an ACS it means nothing (CWMP-12).
            elif self._attributes and name not in _NOTHING:
                from .soap_fault import must_understand  # noqa: PLC0415

                if must_understand(self._attributes):
                    self.must_understand_unknown = local


def integer(text):
    """Value of a text of up to ten digits, else None."""
    text = text.strip()
    return int(text) if text.isdigit() and len(text) <= 10 else None


def uri_of_version(version):
    """Namespace of a UseCWMPVersion value, None when it is not one that we speak (CWMP-12)."""
    if version not in ("1.0", "1.1", "1.2", "1.3", "1.4"):
        return None
    return CWMP + min(version[2], "2")


def escape(text):
    """Text or attribute value as bytes; a character XML cannot carry becomes '?' (CWMP-16)."""
    data = text.encode()
    if not data:
        return data
    if min(data) < 0x20:
        data = bytes([c if c >= 0x20 or c in (9, 10, 13) else 0x3F for c in data])
    if max(data) >= 0xEF:
        data = data.replace(b"\xef\xbf\xbe", b"?").replace(b"\xef\xbf\xbf", b"?")
    for entity in _ESCAPES:
        if entity[0] in data:
            data = data.replace(entity[:1], b"&" + entity[1:])
    return data


_root = ""  # of the data model, where that is not "Device"


def set_root(name):
    """Speak of the data model as one below `name` (CWMP-32)."""
    global _root
    _root = "" if name == "Device" else name


def path(name):
    """A name of the data model, as bytes, as the ACS knows it."""
    if _root:
        name = _root + name[6:] if name.startswith("Device.") else name[1:]
    return escape(name)


def own(path):
    """A name that the ACS sent, as the data model has it."""
    if not _root or not path:
        return path
    # "-" makes a name that is none of ours.
    return "Device" + path[len(_root) :] if path.startswith(_root + ".") else "-" + path


def envelope(uri, message_id, body, *arguments):
    """Pieces of an envelope; `body(*arguments)` gives the Body's. No `message_id`, no Header."""
    yield _HEAD
    yield escape(uri)
    yield b'">'
    if message_id is not None:
        yield b'<soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">'
        yield escape(message_id)
        yield b"</cwmp:ID></soap-env:Header>"
    yield b"<soap-env:Body>"
    yield from body(*arguments)
    yield b"</soap-env:Body></soap-env:Envelope>"


def array_head(name, item_type, count):
    """Start tag of an array, as one piece: `array_head("Event", "cwmp:EventStruct", 2)`."""
    return f'<{name} soap-enc:arrayType="{item_type}[{count}]">'.encode()


def parameter_value(name, text, xsd_type):
    """One ParameterValueStruct as one piece; xsd_type: "string", "boolean", ..."""
    return b"".join(
        (
            b"<ParameterValueStruct><Name>",
            path(name),
            b'</Name><Value xsi:type="xsd:',
            xsd_type.encode(),
            b'">',
            escape(text),
            b"</Value></ParameterValueStruct>",
        )
    )


class Message:
    """Body of one HTTP request. `pieces(*arguments)` gives its bytes, and can do so again.

    `length` in bytes when that is at most `limit`: it is then rendered here, once, at the start of
    `buffer`. Else None: send it chunked. `chunks()` gives the bytes-like pieces, and gives them
    again for a 401 or a redirect.
    """

    def __init__(self, limit, pieces, *arguments):
        self._pieces = pieces
        self._arguments = arguments
        self.length = None
        self.buffer = buffer = bytearray()
        size = 0
        for piece in pieces(*arguments):
            end = size + len(piece)
            try:
                while limit >= end > len(buffer):
                    buffer.extend(bytes(_GROWTH))
            except MemoryError:  # then it goes out in pieces
                limit = 0
            if end > limit:
                self.buffer = None
                return
            buffer[size:end] = piece
            size = end
        self.length = size

    def chunks(self):
        if self.length is None:
            return self._pieces(*self._arguments)
        return (memoryview(self.buffer)[: self.length],) if self.length else ()


EMPTY = Message(0, tuple)  # the POST without a body
