"""Envelopes: reading what ACSs send, writing what they want (CWMP-10 to 17)."""

from cwmp_device import FAULT_8005, bytes_of, text_of
from cwmp_device import envelope as acs
from support import raises

from cwmp.wire import soap
from cwmp.wire.envelope import EnvelopeReader
from cwmp.wire.envelope_odd import uri_of_version
from cwmp.wire.soap import (
    CWMP_1_2,
    EMPTY,
    Message,
    array_head,
    envelope,
    escape,
    parameter_value,
)
from cwmp.wire.soap_fault import cwmp_fault, must_understand_fault
from cwmp.wire.xml_error import SoapError, XmlError

ENV = "http://schemas.xmlsoap.org/soap/envelope/"


class Collected:
    def __init__(self, method):
        self.method = method
        self.calls = []

    def leaf(self, parent, local, text, xsi_type):
        self.calls.append((parent, local, text, xsi_type))

    def end(self, local):
        self.calls.append(local)


def read(data, step=64):
    reader = EnvelopeReader(Collected)
    view = memoryview(data)
    for at in range(0, len(data), step):
        reader.feed(view[at : at + step])
    return reader.close()


def refused(kind, data):
    return str(raises(kind, read, data))


def one_element():
    return (b"<cwmp:X></cwmp:X>",)


def test_cwmp_10_arguments_in_document_order():
    body = (
        "<c:SetParameterValues><ParameterList enc:arrayType='c:ParameterValueStruct[1]'>"
        "<ParameterValueStruct><Name>Device.A</Name><Value xsi:type='xsd:boolean'>1</Value>"
        "</ParameterValueStruct></ParameterList><ParameterKey/></c:SetParameterValues>"
    )
    for step in (1, 3, 1000):
        reader = read(acs(body), step)
        assert (reader.method, reader.arguments.method) == (
            "SetParameterValues",
            "SetParameterValues",
        )
        assert reader.arguments.calls == [
            ("ParameterValueStruct", "Name", "Device.A", ""),
            ("ParameterValueStruct", "Value", "1", "boolean"),
            "ParameterValueStruct",
            "ParameterList",
            ("SetParameterValues", "ParameterKey", "", ""),
        ]


def test_cwmp_10_only_soap_1_1_envelopes():
    soap_1_2 = acs("<c:X/>").replace(ENV.encode(), b"http://www.w3.org/2003/05/soap-envelope")
    assert refused(SoapError, soap_1_2) == "not a SOAP 1.1 envelope"
    assert (
        refused(SoapError, b"<html><body>Bad gateway</body></html>") == "not a SOAP 1.1 envelope"
    )
    assert refused(SoapError, acs("")) == "SOAP body is empty"
    assert refused(SoapError, acs("<c:X/><c:Y/>")) == "SOAP body has two elements"
    assert refused(SoapError, acs("<X xmlns='urn:other'/>")) == "SOAP body is not CWMP"
    assert refused(SoapError, acs("<X/>")) == "SOAP body is not CWMP"
    for inner in ("<s:Body/><s:Header/>", "<Body/>", "<s:Boddy/>"):
        document = f"<s:Envelope xmlns:s='{ENV}'>{inner}</s:Envelope>"
        raises(SoapError, read, document.encode())
    late = acs("<c:X/>").replace(b"</soap:Body>", b"</soap:Body><soap:Header/>")
    assert refused(SoapError, late) == "SOAP envelope malformed"


def test_cwmp_11_namespaces_and_versions():
    for digit in "0123":
        uri = "urn:dslforum-org:cwmp-1-" + digit
        assert read(acs("<c:X/>", uri=uri)).cwmp_uri == uri
    assert CWMP_1_2 == "urn:dslforum-org:cwmp-1-2"
    assert [
        uri_of_version(version)[-1] for version in ("1.0", "1.1", "1.2", "1.3", "1.4")
    ] == list("01222")
    assert uri_of_version("2.0") == ""


def test_cwmp_12_version_and_timeout_headers():
    reader = read(
        acs(
            "<c:InformResponse/>",
            header="<c:UseCWMPVersion soap:mustUnderstand='1'> 1.4 </c:UseCWMPVersion>"
            "<c:SessionTimeout soap:mustUnderstand='0'>45</c:SessionTimeout>",
        )
    )
    assert reader.use_cwmp_version == CWMP_1_2
    assert reader.must_understand_unknown is None
    plain = read(acs("<c:InformResponse/>"))
    assert plain.use_cwmp_version is None
    must = "<c:SessionTimeout soap:mustUnderstand='1'>-1</c:SessionTimeout>"
    assert read(acs("<c:X/>", header=must)).must_understand_unknown is None


def test_cwmp_13_id_and_hold_requests():
    reader = read(
        acs(
            "<c:X/>",
            "a&amp;b",
            header="<c:HoldRequests soap:mustUnderstand='1'>1</c:HoldRequests>",
        )
    )
    assert (reader.message_id, reader.hold_requests) == ("a&b", True)
    assert (
        read(acs("<c:X/>", header="<c:HoldRequests>true</c:HoldRequests>")).hold_requests is True
    )
    assert read(acs("<c:X/>", header="<c:HoldRequests>0</c:HoldRequests>")).hold_requests is False
    plain = read(acs("<c:X/>", None))
    assert (plain.message_id, plain.hold_requests) == (None, False)
    no_header = acs("<c:X/>").replace(b"<soap:Header>", b"<!--").replace(b"</soap:Header>", b"-->")
    assert read(no_header).message_id is None
    assert refused(SoapError, acs("<c:X/>", "1" * 257)) == "cwmp:ID too long"


def test_cwmp_13_must_understand():
    def unknown(header):
        return read(acs("<c:X/>", header=header)).must_understand_unknown

    assert unknown("<o:Lock xmlns:o='urn:o' soap:mustUnderstand='1'>x</o:Lock>") == "Lock"
    assert unknown("<o:ID xmlns:o='urn:o' soap:mustUnderstand='1'>x</o:ID>") == "ID"
    assert unknown("<c:Later soap:mustUnderstand='1'><a><b/></a></c:Later>") == "Later"
    assert unknown("<c:Later soap:mustUnderstand='0'/>") is None
    assert unknown("<c:Later mustUnderstand='1'/>") is None
    assert unknown("<c:NoMoreRequests soap:mustUnderstand='1'>1</c:NoMoreRequests>") is None
    # One that is for somebody else on the way is not ours to understand.
    assert (
        unknown("<o:Hop xmlns:o='urn:o' soap:actor='urn:proxy' soap:mustUnderstand='1'/>") is None
    )
    following = "http://schemas.xmlsoap.org/soap/actor/next"
    assert (
        unknown(f"<o:Hop xmlns:o='urn:o' soap:actor='{following}' soap:mustUnderstand='1'/>")
        == "Hop"
    )


def test_cwmp_13_the_id_is_in_a_header_that_must_be_understood():
    text = text_of(Message(2000, envelope, CWMP_1_2, "4<2", one_element))
    assert (
        '<soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">4&lt;2</cwmp:ID></soap-env:Header>'
        in text
    )
    assert "Header" not in text_of(Message(2000, envelope, CWMP_1_2, None, one_element))


def test_cwmp_14_arrays_and_values():
    assert (
        array_head("Event", "cwmp:EventStruct", 2)
        == b'<Event soap-enc:arrayType="cwmp:EventStruct[2]">'
    )
    assert parameter_value("Device.A", "1", "boolean") == (
        b"<ParameterValueStruct><Name>Device.A</Name>"
        b'<Value xsi:type="xsd:boolean">1</Value></ParameterValueStruct>'
    )


def test_cwmp_16_escaping_comes_back_as_it_was():
    text = "a<b>&\"c'\r\n\té\U0001f600]]>&amp;"
    data = b"".join(
        envelope(CWMP_1_2, None, lambda: (b"<cwmp:X><a>", escape(text), b"</a></cwmp:X>"))
    )
    for char in b"\"'\r":
        assert char not in escape(text)
    assert read(data).arguments.calls == [("X", "a", text, "")]
    assert escape("") == b""
    # What XML cannot carry at all must not make the whole message unreadable.
    assert escape("a\x00b\x0b\x1f\x7f\ufffe\uffff") == b"a?b??\x7f??"


def test_cwmp_16_any_prefix_and_no_dtd():
    document = (
        f"<Envelope xmlns='{ENV}'>"
        "<Header><ID xmlns='urn:dslforum-org:cwmp-1-0'>7</ID></Header><Body>"
        "<GetRPCMethods xmlns='urn:dslforum-org:cwmp-1-0'/></Body></Envelope>"
    )
    reader = read(document.encode())
    assert (reader.method, reader.message_id) == ("GetRPCMethods", "7")
    raises(XmlError, read, b"<!DOCTYPE a>" + document.encode())


def test_cwmp_17_faults_of_the_acs():
    reader = read(acs(FAULT_8005))
    assert (reader.method, reader.fault_code, reader.fault_string) == (
        "Fault",
        8005,
        "Retry request",
    )
    details = FAULT_8005.replace(
        "</c:Fault>",
        "<SetParameterValuesFault><FaultCode>9005</FaultCode><FaultString>x</FaultString>"
        "</SetParameterValuesFault></c:Fault>",
    )
    reader = read(acs(details))
    assert (reader.fault_code, reader.fault_string) == (8005, "Retry request")
    bare = (
        "<soap:Fault><faultcode>soap:Server</faultcode>"
        "<faultstring>went wrong</faultstring></soap:Fault>"
    )
    reader = read(acs(bare))
    assert (reader.method, reader.fault_code, reader.fault_string) == ("Fault", None, "went wrong")


def test_cwmp_17_faults_of_the_cpe():
    text = b"".join(
        cwmp_fault(9003, "Invalid <args>", [("A&B", 9005, "Unknown"), ("C", 9006, "Type")])
    ).decode()
    assert text == (
        "<soap-env:Fault><faultcode>Client</faultcode>"
        "<faultstring>CWMP fault</faultstring><detail>"
        "<cwmp:Fault><FaultCode>9003</FaultCode><FaultString>Invalid &lt;args&gt;</FaultString>"
        "<SetParameterValuesFault><ParameterName>A&amp;B</ParameterName>"
        "<FaultCode>9005</FaultCode>"
        "<FaultString>Unknown</FaultString></SetParameterValuesFault>"
        "<SetParameterValuesFault><ParameterName>C</ParameterName><FaultCode>9006</FaultCode>"
        "<FaultString>Type</FaultString></SetParameterValuesFault>"
        "</cwmp:Fault></detail></soap-env:Fault>"
    )
    for code, who in (
        (9000, "Server"),
        (9002, "Server"),
        (9005, "Client"),
        (9008, "Client"),
        (9009, "Server"),
    ):
        assert f"<faultcode>{who}</faultcode>" in b"".join(cwmp_fault(code, "x", ())).decode()
    text = b"".join(must_understand_fault("Lock")).decode()
    assert "<faultcode>soap-env:MustUnderstand</faultcode>" in text and "Lock" in text


def test_cwmp_09_a_short_message_is_rendered_once_and_a_long_one_is_streamed():
    made = []

    def body(count):
        made.append(count)
        for number in range(count):
            yield b"%04d" % number

    short = Message(400, body, 100)
    assert short.length == 400 and made == [100]
    expected = b"".join([b"%04d" % number for number in range(100)])
    assert bytes_of(short) == bytes_of(short) == expected and made == [100]
    long = Message(400, body, 101)
    assert long.length is None and long.buffer is None
    assert bytes_of(long) == bytes_of(long) == expected + b"0100"
    assert made == [100, 101, 101, 101]
    pieces = [len(piece) for piece in Message(400, body, 5000).chunks()]
    assert max(pieces) == 4 and sum(pieces) == 20000
    assert EMPTY.length == 0 and bytes_of(EMPTY) == b""


def test_cwmp_09_without_memory_to_hold_it_a_short_message_is_streamed_too():
    def exhausted(size):
        raise MemoryError

    soap.bytes = exhausted  # what the buffer grows by
    try:
        message = Message(400, tuple, (b"ab", b"cd"))
    finally:
        del soap.bytes
    assert message.length is None and message.buffer is None
    assert bytes_of(message) == b"abcd"


def test_cwmp_09_an_unfinished_or_broken_envelope_is_refused():
    whole = acs("<c:GetRPCMethods/>")
    for size in range(len(whole)):
        raises(XmlError, read, whole[:size])
    raises(XmlError, EnvelopeReader(Collected).close)
