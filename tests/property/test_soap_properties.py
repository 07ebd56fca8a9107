"""Envelopes of any shape: EnvelopeReader, RPCs and sessions raise only what they document."""

import itertools

from cwmp_device import Device, bytes_of, envelope, inform_response
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cwmp.core import rpc
from cwmp.core.fault import CwmpFault
from cwmp.core.rpc_device import methods
from cwmp.core.session import SessionError
from cwmp.wire.envelope import SOAP_ENV, EnvelopeReader
from cwmp.wire.soap import CWMP
from cwmp.wire.xml_error import SoapError, XmlError

XSI = "http://www.w3.org/2001/XMLSchema-instance"
OTHER = "urn:other"
SPACES = st.sampled_from([SOAP_ENV, SOAP_ENV, CWMP + "2", CWMP + "0", CWMP + "9", OTHER, None])
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "1",
            "0",
            "true",
            " 1 ",
            "8005",
            "-1",
            "99999999999",
            "٣",
            "1.2",
            "1.9",
            "xsd:int",
            "é",
        ]
    ),
    st.text(
        st.characters(codec="utf-8", min_codepoint=32, exclude_categories=["Cs", "Cn"]),
        max_size=12,
    ),
    st.integers(200, 300).map(lambda size: "i" * size),
)
LOCALS = st.sampled_from(
    [
        "Envelope",
        "Header",
        "Body",
        "Fault",
        "ID",
        "HoldRequests",
        "SessionTimeout",
        "UseCWMPVersion",
        "NoMoreRequests",
    ]
    + [
        "detail",
        "FaultCode",
        "FaultString",
        "faultstring",
        "InformResponse",
        "MaxEnvelopes",
        "Name",
        "Value",
        "string",
    ]
    + [
        "ParameterKey",
        "ParameterList",
        "ParameterNames",
        "ParameterValueStruct",
        "ParameterPath",
        "NextLevel",
        "CommandKey",
    ]
    + [
        "SetParameterAttributesStruct",
        "Notification",
        "NotificationChange",
        "AccessListChange",
        "AccessList",
        "ObjectName",
    ]
    + [*methods(), "Nonsense"]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            f"{{{SOAP_ENV}}}mustUnderstand",
            f"{{{SOAP_ENV}}}actor",
            f"{{{XSI}}}type",
            "type",
            f"{{{OTHER}}}x",
        ]
    ),
    TEXTS,
    max_size=2,
)


def made(space, local, attributes, text, children) -> etree._Element:
    element = etree.Element(f"{{{space}}}{local}" if space else local, attributes)
    if children:
        element.extend(children)
    else:
        element.text = text
    return element


ELEMENTS = st.recursive(
    st.builds(made, SPACES, LOCALS, ATTRIBUTES, TEXTS, st.just(())),
    lambda inner: st.builds(
        made, SPACES, LOCALS, ATTRIBUTES, st.just(""), st.lists(inner, max_size=4)
    ),
    max_leaves=10,
)
HEADERS = st.lists(
    st.builds(
        made,
        st.sampled_from([CWMP + "2", CWMP + "2", OTHER]),
        LOCALS,
        ATTRIBUTES,
        TEXTS,
        st.just(()),
    ),
    max_size=3,
)
METHODS = st.builds(
    made,
    st.sampled_from([CWMP + "2", CWMP + "2", CWMP + "0", SOAP_ENV, OTHER]),
    LOCALS,
    ATTRIBUTES,
    st.just(""),
    st.lists(ELEMENTS, max_size=4),
)


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    """Mostly the frame of an envelope with anything in it, sometimes any tree at all."""
    if draw(st.integers(0, 9)) == 0:
        return etree.tostring(draw(ELEMENTS))
    parts = []
    if draw(st.booleans()):
        parts.append(made(SOAP_ENV, "Header", {}, "", draw(HEADERS)))
    bodies = draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
    parts += [
        made(
            SOAP_ENV,
            "Body",
            {},
            "",
            draw(st.lists(METHODS, min_size=bodies, max_size=bodies)),
        )
        for _ in range(draw(st.sampled_from([1, 1, 1, 1, 0, 2])))
    ]
    parts += draw(st.lists(ELEMENTS, max_size=1)) if draw(st.integers(0, 9)) == 0 else []
    return etree.tostring(made(SOAP_ENV, "Envelope", {}, "", parts))


class Recorder:
    """A collector that keeps all that it is given."""

    def __init__(self, seen: list) -> None:
        self.seen = seen

    def leaf(self, parent, local, text, xsi_type) -> None:
        assert all(isinstance(item, str) for item in (parent, local, text, xsi_type))
        self.seen.append((parent, local, text, xsi_type))

    def end(self, local) -> None:
        self.seen.append(local)


def read(data: bytes, cuts: list[int]) -> object:
    """All that can be seen of an envelope, or the text of its error."""
    seen: list = []
    reader = EnvelopeReader(lambda method: seen.append(method) or Recorder(seen))
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    try:
        for start, end in itertools.pairwise(edges):
            reader.feed(memoryview(data)[start:end])
        said = reader.close()
    except (SoapError, XmlError) as error:
        return str(error)
    return (
        said.message_id,
        said.hold_requests,
        said.use_cwmp_version,
        said.must_understand_unknown,
        said.cwmp_uri,
        said.method,
        said.fault_code,
        said.fault_string,
        seen,
    )


CUTS = st.lists(st.integers(0, 2**12), max_size=6)
DAMAGE = st.lists(
    st.tuples(st.integers(0, 2**12), st.integers(0, 12), st.binary(max_size=4)), max_size=3
)


def damaged(data: bytes, damage: list) -> bytes:
    out = bytearray(data)
    for place, length, replacement in damage:
        at = place % (len(out) + 1)
        out[at : at + length] = replacement
    return bytes(out)


@given(envelopes(), DAMAGE, CUTS)
@settings(max_examples=200, deadline=None)
def test_cwmp_10_any_envelope_reads_alike_in_any_pieces(
    data: bytes, damage: list, cuts: list[int]
) -> None:
    data = damaged(data, damage)
    whole = read(data, [])
    assert whole == read(data, cuts)
    if isinstance(whole, tuple):
        try:
            root = etree.fromstring(data)
        except etree.XMLSyntaxError as error:
            assert "is not a valid URI" in str(error)  # names of namespaces are no concern of ours
            return
        method = root.find(f"{{{SOAP_ENV}}}Body")[0]
        assert whole[5] == etree.QName(method).localname
        assert len(whole[0] or "") <= 256
        assert whole[6] is None or isinstance(whole[6], int)


@given(st.lists(st.tuples(envelopes(), DAMAGE), min_size=1, max_size=4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_cwmp_21_any_envelope_leaves_a_session_that_goes_on_or_failed(
    bodies: list, accepted: bool
) -> None:
    device = Device()
    device.events.add("1 BOOT")
    device.events.add("M Reboot", "why")
    told = device.events.for_inform()
    assert len(told) == 2
    session = device.accepted() if accepted else device.session()
    if not accepted:
        session.begin()
    model = device.model.snapshot()["values"]
    for data, damage in bodies:
        try:
            if body := damaged(data, damage):
                session.sink()(body)
            message = session.received(200)
        except (SessionError, XmlError, SoapError) as error:
            assert 0 < len(str(error)) < 80 and not isinstance(error, CwmpFault)
            device.events.failed()
            break
        if message is None:
            break
        answer = bytes_of(message)
        if answer:
            root = etree.fromstring(answer)
            assert root.tag == f"{{{SOAP_ENV}}}Envelope"
            if b"cwmp:Fault>" in answer:
                assert device.model.snapshot()["values"] == model
        model = device.model.snapshot()["values"]
    # Whatever was said, another session can begin, and what it has to tell is still there.
    again = device.session()
    first = again.begin()
    assert etree.fromstring(bytes_of(first)).find(".//{*}Inform") is not None
    if not session.inform_accepted:
        assert device.events.for_inform() == told


@given(st.sampled_from(methods()), st.lists(ELEMENTS, max_size=5))
@settings(max_examples=200, deadline=None)
def test_cwmp_50_any_arguments_are_answered_or_refused_with_a_fault(
    method: str, children: list
) -> None:
    device = Device()
    session = device.accepted()
    body = etree.tostring(made(CWMP + "2", method, {}, "", children))
    reader = EnvelopeReader(rpc.collector)
    reader.feed(envelope(body.decode()))
    try:
        pieces, *arguments = rpc.call(session, method, reader.close().arguments)
        written = b"".join(bytes(piece) for piece in pieces(*arguments))
    except CwmpFault as fault:
        assert 9000 <= fault.code <= 9032
        return
    assert written.startswith(f"<cwmp:{method}Response>".encode())


def test_cwmp_20_the_generator_reaches_good_answers() -> None:
    # Without this the tests above might see nothing but refusals.
    assert read(inform_response(), [])[5] == "InformResponse"
    seen = set()

    @given(envelopes())
    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    def look(data: bytes) -> None:
        found = read(data, [])
        seen.add("read" if isinstance(found, tuple) else found)

    look()
    assert {
        "read",
        "SOAP body is empty",
        "SOAP body is not CWMP",
        "SOAP body has two elements",
    } <= seen
