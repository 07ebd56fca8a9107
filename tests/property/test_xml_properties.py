"""The push parser against lxml: generated documents, any split, random damage (CWMP-16)."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cwmp.wire.xml import XmlReader
from cwmp.wire.xml_error import XmlError

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,11}", fullmatch=True).filter(
    lambda name: not name.lower().startswith("xml")
)
URIS = st.sampled_from(
    ["urn:a", "urn:b", "http://example.net/ns?x=1&y", "urn:dslforum-org:cwmp-1-2"]
)
# What XML 1.0 can carry.
CHARACTERS = st.characters(
    codec="utf-8", exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"
).filter(lambda char: char >= " " or char in "\t\n\r")
TEXTS = st.text(CHARACTERS, max_size=40)
QNAMES = st.tuples(st.one_of(st.none(), URIS), NAMES).map(
    lambda pair: f"{{{pair[0]}}}{pair[1]}" if pair[0] else pair[1]
)


def leaf(name: str, attributes: dict[str, str], text: str, cdata: bool) -> etree._Element:
    element = etree.Element(name, attributes)
    element.text = etree.CDATA(text) if cdata and "]]>" not in text and "\r" not in text else text
    return element


def parent(name: str, attributes: dict[str, str], children: list[etree._Element], between: str):
    element = etree.Element(name, attributes)
    element.text = between
    for child in children:
        element.append(etree.Comment(" <c> & "))
        element.append(child)
        child.tail = between
        element.append(etree.ProcessingInstruction("pi", "a > b"))
    return element


ATTRIBUTES = st.dictionaries(QNAMES, TEXTS, max_size=4)
LEAVES = st.builds(leaf, QNAMES, ATTRIBUTES, TEXTS, st.booleans())


def trees(children):
    return st.builds(
        parent,
        QNAMES,
        ATTRIBUTES,
        st.lists(children, max_size=3),
        st.sampled_from(["", "\n  ", "x & y"]),
    )


TREES = st.recursive(LEAVES, trees, max_leaves=8)
FORMS = st.sampled_from(
    [
        {"encoding": "UTF-8", "xml_declaration": True},
        {"encoding": "UTF-8", "xml_declaration": False},
        {"encoding": "US-ASCII", "xml_declaration": True},
        {"encoding": "UTF-8", "pretty_print": True},
    ]
)
DOCUMENTS = st.builds(lambda tree, form: etree.tostring(tree, **form), TREES, FORMS)


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple] = []

    def start(self, uri, local, attributes) -> None:
        self.events.append(("start", uri, local, sorted(attributes)))

    def end(self, uri, local, text) -> None:
        self.events.append(("end", uri, local, text))


def parse(pieces) -> list[tuple]:
    recorder = Recorder()
    reader = XmlReader(recorder)
    for piece in pieces:
        reader.feed(piece)
    reader.close()
    return recorder.events


def split(name: str) -> tuple[str, str]:
    qname = etree.QName(name)
    return qname.namespace or "", qname.localname


def events_of(element: etree._Element) -> list[tuple]:
    """What the handler must hear, from lxml's tree of the same bytes."""
    uri, local = split(element.tag)
    attributes = sorted((*split(name), value) for name, value in element.attrib.items())
    events: list[tuple] = [("start", uri, local, attributes)]
    children = [child for child in element if isinstance(child.tag, str)]
    for child in children:
        events += events_of(child)
    text = None if children else "".join(element.xpath("text()"))
    return [*events, ("end", uri, local, text)]


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(DOCUMENTS)
@settings(max_examples=150, deadline=None)
def test_cwmp_16_same_events_as_lxml(document: bytes) -> None:
    assert parse([document]) == events_of(etree.fromstring(document))


@given(DOCUMENTS, st.lists(st.integers(0, 2**16), max_size=8))
@settings(max_examples=100, deadline=None)
def test_cwmp_16_any_split_gives_the_same_events(document: bytes, cuts: list[int]) -> None:
    whole = parse([document])
    assert parse(pieces_of(document, cuts)) == whole
    assert parse([document[at : at + 1] for at in range(len(document))]) == whole
    assert parse([memoryview(document)]) == whole


def outcome(pieces: list[bytes]) -> object:
    try:
        return parse(pieces)
    except XmlError as error:
        return str(error)


@given(
    DOCUMENTS,
    st.lists(
        st.tuples(st.integers(0, 2**16), st.integers(0, 3), st.binary(max_size=4)),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.integers(0, 2**16), max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_cwmp_16_damage_raises_only_xml_error(
    document: bytes, damage: list, cuts: list[int]
) -> None:
    data = bytearray(document)
    for place, length, replacement in damage:
        at = place % (len(data) + 1)
        data[at : at + length] = replacement
    # Whether it is refused does not depend on the split, and nothing but XmlError comes out.
    assert outcome([bytes(data)]) == outcome(pieces_of(bytes(data), cuts))


MARKUP = st.lists(
    st.sampled_from(
        [
            "<a>",
            "</a>",
            "<a",
            ">",
            "/>",
            "<",
            "&",
            ";",
            "&amp;",
            "'",
            '"',
            "=",
            " b",
            "<!--",
            "-->",
            "<![CDATA[",
        ]
        + [
            "]]>",
            "<?",
            "?>",
            "<?xml ",
            "xmlns",
            ":",
            "xmlns:p='u'",
            "<p:c/>",
            "\n",
            "x",
            "<!DOCTYPE",
            "#",
            "é",
        ]
    ),
    max_size=40,
).map("".join)


@given(MARKUP)
@settings(max_examples=200, deadline=None)
def test_cwmp_16_markup_soup_raises_only_xml_error(soup: str) -> None:
    data = soup.encode()
    whole = outcome([data])
    assert whole == outcome([data[at : at + 1] for at in range(len(data))])
    if isinstance(whole, str):
        return
    # What both accept is understood alike; lxml checks names and comments more strictly.
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError:
        return
    assert whole == events_of(root)


@given(st.integers(1, 60), st.integers(0, 6000), st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_cwmp_16_bounds(depth: int, size: int, attributes: int) -> None:
    head = " ".join(f"a{number}='v'" for number in range(attributes))
    document = ("<d>" * (depth - 1) + f"<d {head}>" + "x" * size + "</d>" * depth).encode()
    result = outcome([document[at : at + 500] for at in range(0, len(document), 500)])
    assert isinstance(result, list) == (depth <= 32 and attributes <= 24)
    if isinstance(result, list):
        (text,) = {event[-1] for event in result if event[0] == "end" and event[-1] is not None}
        assert text == ("x" * size if size <= 4096 else "\3" * 1025)
