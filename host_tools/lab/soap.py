"""CWMP envelopes: writing them in any dialect an ACS may use, reading what a CPE sends.

Writing goes through a small tree of `Node` whose names carry the five fixed prefixes below; a
`Dialect` decides which prefixes and which CWMP namespace reach the wire. Reading goes through
lxml, without DTD, entities or network.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

ENV = "http://schemas.xmlsoap.org/soap/envelope/"
ENC = "http://schemas.xmlsoap.org/soap/encoding/"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CWMP_1_0 = "urn:dslforum-org:cwmp-1-0"
CWMP_1_1 = "urn:dslforum-org:cwmp-1-1"
CWMP_1_2 = "urn:dslforum-org:cwmp-1-2"
CWMP_NAMESPACES = (CWMP_1_0, CWMP_1_1, CWMP_1_2)


class EnvelopeError(ValueError):
    """What arrived is not a SOAP 1.1 envelope with one CWMP message in it."""


@dataclass(frozen=True)
class Dialect:
    """The prefixes and the CWMP namespace an envelope is written with; '' = default namespace."""

    cwmp: str = CWMP_1_2
    prefixes: tuple[tuple[str, str], ...] = (
        ("env", "soap-env"),
        ("enc", "soap-enc"),
        ("xsd", "xsd"),
        ("xsi", "xsi"),
        ("cwmp", "cwmp"),
    )
    declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\n'
    indent: bool = False

    def prefix(self, space: str) -> str:
        """Return the prefix on the wire for one of env, enc, xsd, xsi, cwmp."""
        return dict(self.prefixes)[space]

    def name(self, name: str) -> str:
        """Return `space:local` as it stands on the wire."""
        space, colon, local_name = name.partition(":")
        if not colon:
            return name
        prefix = self.prefix(space)
        return f"{prefix}:{local_name}" if prefix else local_name

    def attribute(self, name: str) -> str:
        """Like `name`, for attributes and QName values: those have no default namespace."""
        space, colon, local_name = name.partition(":")
        return f"{self.prefix(space) or 'ns-' + space}:{local_name}" if colon else name

    def declarations(self) -> str:
        """Return the xmlns attributes of the root element."""
        uris = {"env": ENV, "enc": ENC, "xsd": XSD, "xsi": XSI, "cwmp": self.cwmp}
        text = ""
        for space, prefix in self.prefixes:
            if not prefix:
                text += f' xmlns="{uris[space]}"'
            text += f' xmlns:{prefix or "ns-" + space}="{uris[space]}"'
        return text


@dataclass(frozen=True)
class Ref:
    """An attribute value that is a qualified name, with what follows it: xsd:string, [2]."""

    name: str
    suffix: str = ""


@dataclass(frozen=True)
class Node:
    """One element: `space:Local` or plain name, children or text, attributes."""

    name: str
    children: tuple["Node | str", ...] = ()
    attributes: dict[str, str | Ref] = field(default_factory=dict)


def node(name: str, *children: Node | str, **attributes: str) -> Node:
    """Return an element; plain text children are escaped when it is written."""
    return Node(name, children, dict(attributes))


def array(name: str, item_type: str, items: list[Node]) -> Node:
    """Return a SOAP array element with its arrayType, e.g. cwmp:EventStruct[2] (CWMP-14)."""
    return Node(name, tuple(items), {"enc:arrayType": Ref(item_type, f"[{len(items)}]")})


def strings(name: str, values: list[str]) -> Node:
    """Return an array of xsd:string."""
    return array(name, "xsd:string", [node("string", value) for value in values])


def typed(name: str, xsd_type: str, text: str) -> Node:
    """Return an element with xsi:type; `xsd_type` is a local name such as unsignedInt."""
    return Node(name, (text,), {"xsi:type": Ref(f"xsd:{xsd_type}")})


def header(name: str, text: str, must_understand: bool = True) -> Node:
    """Return a SOAP header element."""
    return Node(name, (text,), {"env:mustUnderstand": "1" if must_understand else "0"})


@dataclass(frozen=True)
class Envelope:
    """One message to a CPE: the method element, the ID header (None: without) and more headers."""

    body: Node
    id: str | None = None
    headers: tuple[Node, ...] = ()
    dialect: Dialect = Dialect()

    def to_bytes(self) -> bytes:
        """Return the XML document, UTF-8."""
        headers = list(self.headers)
        if self.id is not None:
            headers.insert(0, header("cwmp:ID", self.id))
        parts = [node("env:Header", *headers)] if headers else []
        root = node("env:Envelope", *parts, node("env:Body", self.body))
        text = "".join(_write(root, self.dialect, 0, self.dialect.declarations()))
        return (self.dialect.declaration + text).encode()


def _write(element: Node, dialect: Dialect, depth: int, declarations: str) -> Iterator[str]:
    name = dialect.name(element.name)
    yield "\n" + "  " * depth if dialect.indent and depth else ""
    yield f"<{name}{declarations}"
    for key, value in element.attributes.items():
        if isinstance(value, Ref):
            value = dialect.attribute(value.name) + value.suffix
        yield f" {dialect.attribute(key)}={quoteattr(value)}"
    yield ">"
    # Children of a method are unqualified: a default namespace has to be taken off them again.
    default = any(prefix == "" for _, prefix in dialect.prefixes)
    for child in element.children:
        if isinstance(child, str):
            yield escape(child, {'"': "&quot;", "'": "&apos;"})
        else:
            off = default and ":" not in child.name and ":" in element.name
            yield from _write(child, dialect, depth + 1, ' xmlns=""' if off else "")
    if dialect.indent and any(isinstance(child, Node) for child in element.children):
        yield "\n" + "  " * depth
    yield f"</{name}>"


def fault(code: int, text: str, soap_code: str = "Server") -> Node:
    """Return a SOAP fault with a CWMP fault in it (CWMP-17)."""
    return node(
        "env:Fault",
        node("faultcode", soap_code),
        node("faultstring", "CWMP fault"),
        node(
            "detail",
            node("cwmp:Fault", node("FaultCode", str(code)), node("FaultString", text)),
        ),
    )


class CwmpFaultError(Exception):
    """A CPE answered with a fault: its code, text, and (name, code, text) per bad parameter."""

    def __init__(self, code: int, text: str, parameters: list[tuple[str, int, str]]) -> None:
        super().__init__(f"CWMP fault {code} {text}".rstrip())
        self.code = code
        self.text = text
        self.parameters = parameters


@dataclass(frozen=True)
class Received:
    """One message from a CPE. `element` is the method element, or soap:Fault."""

    method: str
    element: etree._Element
    id: str | None
    cwmp: str
    headers: dict[str, str]

    @property
    def is_response(self) -> bool:
        """True for an answer to a request of the ACS, a fault included."""
        return self.method == "Fault" or self.method.endswith("Response")


def local(element: etree._Element) -> str:
    """Return the name of an element without its namespace."""
    return etree.QName(element).localname


def children(element: etree._Element | None) -> list[etree._Element]:
    """Return the child elements, without comments and the like; [] of None."""
    return [] if element is None else [item for item in element if isinstance(item.tag, str)]


def child(element: etree._Element | None, name: str) -> etree._Element | None:
    """Return the first child of that local name, whatever its namespace."""
    return next((item for item in children(element) if local(item) == name), None)


def text(element: etree._Element | None, name: str = "") -> str:
    """Return the text of an element, or of its child of that name; '' when there is none."""
    found = child(element, name) if name else element
    return "" if found is None else (found.text or "")


def parse_xml(document: bytes) -> etree._Element:
    """Parse without DTD, entities or network; EnvelopeError when it is not well-formed."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise EnvelopeError(f"not well-formed XML: {error}") from error
    info: etree.DocInfo = root.getroottree().docinfo
    if info.internalDTD is not None:
        raise EnvelopeError("a DOCTYPE")
    return root


def parse(document: bytes) -> Received:
    """Read one envelope; EnvelopeError says what is wrong."""
    root = parse_xml(document)
    if root.tag != f"{{{ENV}}}Envelope":
        raise EnvelopeError(f"the root is {root.tag}, not a SOAP 1.1 Envelope")
    methods = children(root.find(f"{{{ENV}}}Body"))
    if len(methods) != 1:
        raise EnvelopeError(f"Body holds {len(methods)} messages, not one")
    headers = {local(item): text(item).strip() for item in children(root.find(f"{{{ENV}}}Header"))}
    space = next((uri for uri in root.nsmap.values() if "cwmp" in uri), "")
    space = etree.QName(methods[0]).namespace if local(methods[0]) != "Fault" else space
    return Received(local(methods[0]), methods[0], headers.get("ID"), space or "", headers)


def read_fault(element: etree._Element) -> CwmpFaultError:
    """Read a soap:Fault; one without a CWMP fault inside gets code 0 and the SOAP text."""
    detail = child(child(element, "detail"), "Fault")
    if detail is None:
        return CwmpFaultError(0, text(element, "faultstring"), [])
    parameters = [
        (text(item, "ParameterName"), _code(item), text(item, "FaultString"))
        for item in children(detail)
        if local(item) == "SetParameterValuesFault"
    ]
    return CwmpFaultError(_code(detail), text(detail, "FaultString"), parameters)


def _code(element: etree._Element) -> int:
    digits = text(element, "FaultCode").strip()
    return int(digits) if digits.isdecimal() else 0
