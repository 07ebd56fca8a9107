"""Everything the session posts, read by lxml: well-formed, right namespaces, counts and order."""

import re

from cwmp_device import Device, bytes_of, envelope, inform_response
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from transcript import load

from cwmp.core.fault import CwmpFault
from cwmp.core.prepared_inform import PreparedInform
from cwmp.core.session import SessionError

ENV = "http://schemas.xmlsoap.org/soap/envelope/"
ENC = "http://schemas.xmlsoap.org/soap/encoding/"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
PREFIXES = {"soap-env": ENV, "soap-enc": ENC, "xsd": XSD, "xsi": XSI}
MS = "Device.ManagementServer."

# The children of each element, in order; a list stands for the items of an array.
SHAPES: dict[str, list[str]] = {
    "Inform": ["DeviceId", "Event", "MaxEnvelopes", "CurrentTime", "RetryCount", "ParameterList"],
    "DeviceId": ["Manufacturer", "OUI", "ProductClass", "SerialNumber"],
    "EventStruct": ["EventCode", "CommandKey"],
    "ParameterValueStruct": ["Name", "Value"],
    "ParameterInfoStruct": ["Name", "Writable"],
    "ParameterAttributeStruct": ["Name", "Notification", "AccessList"],
    "GetRPCMethodsResponse": ["MethodList"],
    "GetParameterValuesResponse": ["ParameterList"],
    "GetParameterNamesResponse": ["ParameterList"],
    "GetParameterAttributesResponse": ["ParameterList"],
    "SetParameterValuesResponse": ["Status"],
    "SetParameterAttributesResponse": [],
    "RebootResponse": [],
    "FactoryResetResponse": [],
    "SetParameterValuesFault": ["ParameterName", "FaultCode", "FaultString"],
}
ARRAYS = {"Event", "ParameterList", "MethodList", "AccessList"}


def check(data: bytes, uri: str, message_id: str | None) -> etree._Element:
    """Assert what every envelope of ours must be; return the child of its Body."""
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    root = etree.fromstring(data)
    assert root.nsmap == {**PREFIXES, "cwmp": uri}
    assert root.tag == f"{{{ENV}}}Envelope"
    *header, body = root
    assert body.tag == f"{{{ENV}}}Body" and len(body) == 1
    if message_id is None:
        assert header == []
    else:
        [only] = header
        [element] = only
        assert (only.tag, element.tag) == (f"{{{ENV}}}Header", f"{{{uri}}}ID")
        assert (element.text or "") == message_id and dict(element.attrib) == {
            f"{{{ENV}}}mustUnderstand": "1"
        }
    method = body[0]
    assert etree.QName(method).namespace == (
        ENV if etree.QName(method).localname == "Fault" else uri
    )
    for element in method.iterdescendants():
        check_element(element, uri)
    check_shape(method)
    return method


def check_element(element: etree._Element, uri: str) -> None:
    name = etree.QName(element)
    assert name.namespace == (uri if name.localname == "Fault" else None)
    allowed = {f"{{{ENC}}}arrayType"} if name.localname in ARRAYS else set()
    if name.localname == "Value":
        allowed = {f"{{{XSI}}}type"}
        assert re.fullmatch(
            "xsd:(string|int|unsignedInt|boolean|dateTime)", element.get(f"{{{XSI}}}type")
        )
    assert set(element.keys()) == allowed
    if name.localname in ARRAYS:
        kind, count = re.fullmatch(r"(.+)\[(\d+)\]", element.get(f"{{{ENC}}}arrayType")).groups()
        assert int(count) == len(element)
        prefix, _, item = kind.partition(":")
        assert prefix == ("xsd" if item == "string" else "cwmp")
        assert {child.tag for child in element} <= {item}
    check_shape(element)


def check_shape(element: etree._Element) -> None:
    name = etree.QName(element).localname
    children = [etree.QName(child).localname for child in element]
    if name in SHAPES:
        assert children == SHAPES[name]
    elif name == "Fault" and etree.QName(element).namespace == ENV:
        assert children in (["faultcode", "faultstring", "detail"], ["faultcode", "faultstring"])
    elif name == "Fault":
        assert children[:2] == ["FaultCode", "FaultString"]
        assert set(children[2:]) <= {"SetParameterValuesFault"}
        assert element.getparent().getparent().find("faultstring").text == "CWMP fault"
        assert element.getparent().getparent().find("faultcode").text in ("Client", "Server")
    elif name == "detail":
        assert children == ["Fault"]
    else:
        assert name in ARRAYS or not children


def feed(session, data: bytes | None, status: int = 200, step: int = 97):
    if data:
        take = session.sink()
        for at in range(0, len(data), step):
            take(memoryview(data)[at : at + step])
    return session.received(status)


def test_cwmp_10_transcripts_are_valid() -> None:
    count = 0
    for name in ("bootstrap", "wake", "faults"):
        parts = load(name)
        asked = None
        for who, _, text in parts:
            if who == "ACS":
                asked = etree.fromstring(text.encode()) if text else None
            elif text:
                uri = asked.nsmap["cwmp"] if asked is not None else "urn:dslforum-org:cwmp-1-2"
                check(text.encode(), uri, asked.findtext(".//{*}ID") if asked is not None else "1")
                count += 1
    assert count > 15


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=64)
CARRIED = TEXTS.filter(
    lambda text: not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text)
)


@given(
    st.tuples(CARRIED, CARRIED, CARRIED),
    st.lists(
        st.sampled_from(["1 BOOT", "2 PERIODIC", "6 CONNECTION REQUEST", "M Reboot"]), unique=True
    ),
    CARRIED.map(lambda text: text[:32]),
    st.one_of(st.none(), st.integers(0, 2**33)),
    st.integers(0, 10**6),
)
@settings(max_examples=100, deadline=None)
def test_cwmp_30_inform_carries_what_the_device_is(texts, codes, key, unix, retry_count) -> None:
    device = Device()
    device.events.restore({"acs": "http://acs.example/cwmp"})
    for name, text in zip(("manufacturer", "product_class", "serial_number"), texts, strict=True):
        device.model.settings["device"][name] = (
            text  # past the checks of the settings: anything goes
        )
    for code in codes:
        device.events.add(code, key if code == "M Reboot" else "")
    listed = device.events.for_inform()
    message = device.session(unix, retry_count=retry_count).begin()
    method = check(bytes_of(message), "urn:dslforum-org:cwmp-1-2", "1")
    assert message.length == len(bytes_of(message))
    identity = method.find("DeviceId")
    assert [
        identity.findtext(tag) for tag in ("Manufacturer", "ProductClass", "SerialNumber")
    ] == list(texts)
    assert re.fullmatch("[0-9A-F]{6}", identity.findtext("OUI"))
    events = [
        (event.findtext("EventCode"), event.findtext("CommandKey"))
        for event in method.find("Event")
    ]
    # With nothing to tell it lists a vendor's own event: the array must not be empty (CWMP-30).
    assert events == (listed or [("X 020000 SESSION", "")])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", method.findtext("CurrentTime"))
    assert method.findtext("RetryCount") == str(retry_count)
    values = {
        item.findtext("Name"): item.findtext("Value") for item in method.find("ParameterList")
    }
    assert values == {name: device.model.get(name)[0] for name in device.model.forced_inform()}


@given(st.integers(0, 2**33))
@settings(max_examples=30, deadline=None)
def test_cwmp_30_prepared_inform_is_valid_at_any_time(unix: int) -> None:
    device = Device()
    prepared = PreparedInform(device.model, 17)
    assert prepared.refresh()
    method = check(bytes_of(prepared.message(unix)), "urn:dslforum-org:cwmp-1-2", "17")
    assert method.findtext("CurrentTime")[:4] >= "1970"


NAMES = st.one_of(
    st.sampled_from(
        [
            "",
            "Device.",
            "Device.DeviceInfo.",
            MS,
            "Device.DeviceInfo.UpTime",
            MS + "URL",
            MS + "STUNEnable",
        ]
        + [
            "Device.DeviceInfo.ProvisioningCode",
            MS + "ParameterKey",
            MS + "PeriodicInformTime",
            "Device.X.",
            ".",
        ]
    ),
    CARRIED,
)
TYPES = st.sampled_from(
    ["string", "boolean", "unsignedInt", "int", "dateTime", "base64", "nonsense"]
)


def tag(name: str, *content, **attributes: str) -> etree._Element:
    element = etree.Element(name, {f"{{{XSI}}}{key}": value for key, value in attributes.items()})
    for item in content:
        if isinstance(item, str):
            element.text = item
        else:
            element.append(item)
    return element


def strings(name: str, texts: list[str]) -> etree._Element:
    return tag(name, *[tag("string", text) for text in texts])


STRUCTS = st.lists(st.tuples(NAMES, CARRIED, TYPES), max_size=4)
BOOLEANS = st.sampled_from(["0", "1", "true", "false", "", "x"])
NUMBERS = st.sampled_from(["0", "1", "2", "3", "6", "7", "-1", "", "99999999999"])


def set_values(items, key) -> etree._Element:
    structs = [
        tag("ParameterValueStruct", tag("Name", name), tag("Value", text, type="xsd:" + kind))
        for name, text, kind in items
    ]
    return tag("SetParameterValues", tag("ParameterList", *structs), tag("ParameterKey", key))


def set_attributes(items) -> etree._Element:
    structs = [
        tag(
            "SetParameterAttributesStruct",
            tag("Name", name),
            tag("NotificationChange", change),
            tag("Notification", number),
            tag("AccessListChange", access_change),
            strings("AccessList", access),
        )
        for name, change, number, access_change, access in items
    ]
    return tag("SetParameterAttributes", tag("ParameterList", *structs))


REQUESTS = st.one_of(
    st.just(tag("GetRPCMethods")),
    st.builds(
        lambda names: tag("GetParameterValues", strings("ParameterNames", names)),
        st.lists(NAMES, max_size=4),
    ),
    st.builds(
        lambda names: tag("GetParameterAttributes", strings("ParameterNames", names)),
        st.lists(NAMES, max_size=4),
    ),
    st.builds(
        lambda path, level: tag(
            "GetParameterNames", tag("ParameterPath", path), tag("NextLevel", level)
        ),
        NAMES,
        BOOLEANS,
    ),
    st.builds(set_values, STRUCTS, CARRIED),
    st.builds(
        set_attributes,
        st.lists(
            st.tuples(NAMES, BOOLEANS, NUMBERS, BOOLEANS, st.lists(CARRIED, max_size=2)),
            max_size=3,
        ),
    ),
    st.builds(
        lambda method, name, key: tag(method, tag("ObjectName", name), tag("ParameterKey", key)),
        st.sampled_from(["AddObject", "DeleteObject"]),
        NAMES,
        CARRIED,
    ),
    st.builds(lambda key: tag("Reboot", tag("CommandKey", key)), CARRIED),
    st.sampled_from(["FactoryReset", "Download", "Nonsense"]).map(tag),
)


def body_of(request: etree._Element) -> str:
    # Only the method element is qualified (CWMP-10).
    text = etree.tostring(request, encoding="unicode")
    return re.sub(
        rf"^<{request.tag}|</{request.tag}>$",
        lambda match: match[0].replace(request.tag, "c:" + request.tag),
        text,
    )


@given(st.lists(st.tuples(REQUESTS, CARRIED, st.sampled_from("0123")), max_size=5))
@settings(max_examples=150, deadline=None)
def test_cwmp_50_every_answer_is_valid_whatever_is_asked(requests) -> None:
    device = Device()
    session = device.session()
    session.begin()
    assert feed(session, inform_response()).length == 0
    for request, message_id, digit in requests:
        uri = "urn:dslforum-org:cwmp-1-" + digit
        quoted = (
            etree.tostring(tag("a", message_id), encoding="unicode")[3:-4] if message_id else ""
        )
        before = device.model.snapshot()["values"]
        message = feed(session, envelope(body_of(request), quoted, uri))
        data = bytes_of(message)
        assert message.length in (None, len(data)) and bytes_of(message) == data
        method = check(data, uri, message_id)
        name = etree.QName(method).localname
        assert name in ("Fault", request.tag + "Response")
        if name == "Fault":
            assert device.model.snapshot()["values"] == before
        if name == "GetParameterValuesResponse":
            for item in method[0]:
                text, kind = device.model.get(item.findtext("Name"))
                assert (item.findtext("Value"), item.find("Value").get(f"{{{XSI}}}type")) == (
                    text,
                    "xsd:" + kind,
                )
    assert feed(session, None, 204) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 2**16), st.integers(0, 3), st.binary(max_size=4)), max_size=4
    ),
    REQUESTS,
)
@settings(max_examples=150, deadline=None)
def test_cwmp_16_damaged_envelopes_never_break_the_session(damage, request) -> None:
    device = Device()
    session = device.session()
    session.begin()
    feed(session, inform_response())
    data = bytearray(envelope(body_of(request)))
    for place, length, replacement in damage:
        at = place % (len(data) + 1)
        data[at : at + length] = replacement
    try:
        message = feed(session, bytes(data))
    except (SessionError, ValueError) as error:
        assert not isinstance(error, (UnicodeError, CwmpFault)) and len(str(error)) < 60
        return
    if message is not None and message.length != 0:
        etree.fromstring(bytes_of(message))
