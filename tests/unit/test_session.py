"""The session without I/O: Inform, turns, what is delivered, how it ends (CWMP-10 to 25)."""

from cwmp_device import (
    ACS,
    CWMP,
    FAULT_8005,
    NOON,
    Device,
    bytes_of,
    envelope,
    events_in,
    inform_response,
    known,
    received,
    text_of,
    values_of,
)
from support import raises
from transcript import replay

from cwmp.core.prepared_inform import PreparedInform
from cwmp.core.request import Request
from cwmp.core.session import SessionError
from cwmp.wire.soap import EMPTY

MS = "Device.ManagementServer."
GET_METHODS = envelope("<c:GetRPCMethods/>", "9")


def set_value(name, value):
    body = (
        "<c:SetParameterValues><ParameterList>"
        "<ParameterValueStruct><Name>%s</Name><Value>%s</Value></ParameterValueStruct>"
        "</ParameterList><ParameterKey>k</ParameterKey></c:SetParameterValues>"
    )
    return envelope(body % (name, value))


def failure(session, data, status=200):
    return str(raises(SessionError, received, session, data, status))


# Golden transcripts


def test_cwmp_21_transcript_of_a_bootstrap_session():
    device = Device(device={"provisioning_code": "lab & <field>"})
    device.events.after_boot(ACS)
    session = device.session()
    replay("bootstrap", session)
    assert session.inform_accepted and session.reboot is None and not session.factory_reset
    assert device.events.for_inform() == []
    assert device.model.value(MS + "ConnectionRequestPassword") == "p<w"
    assert not [line for line in device.log if "p<w" in line or "acs-secret" in line]


def test_cwmp_21_transcript_of_a_wake_session():
    device = known()
    device.events.add("6 CONNECTION REQUEST")
    prepared = PreparedInform(device.model)
    assert prepared.refresh()
    session = device.session(prepared=prepared)
    replay("wake", session)
    assert session.reboot == "night"
    assert device.log[0] == 'I session: inform events="6 CONNECTION REQUEST" retry=0 prepared=1'


def test_cwmp_17_transcript_of_faults():
    device = known()
    device.events.add("2 PERIODIC")
    replay("faults", device.session(unix=None, retry_count=3))
    assert device.model.value("Device.DeviceInfo.ProvisioningCode") == ""
    assert "W rpc: fault method=unknown code=9000" in device.log


# SOAP


def test_cwmp_10_and_11_first_message_speaks_cwmp_1_2():
    text = text_of(known().session().begin())
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    assert 'xmlns:cwmp="urn:dslforum-org:cwmp-1-2"' in text and "<cwmp:Inform><DeviceId>" in text


def test_cwmp_11_an_answer_speaks_the_version_of_its_request():
    for digit in "0123":
        uri = "urn:dslforum-org:cwmp-1-" + digit
        session = known().session()
        session.begin()
        received(session, inform_response(uri=uri))
        text = text_of(received(session, envelope("<c:GetRPCMethods/>", uri=uri)))
        assert f'xmlns:cwmp="{uri}"' in text
        text = text_of(received(session, envelope("<c:Nonsense/>", uri=uri)))
        assert f'xmlns:cwmp="{uri}"' in text and "<FaultCode>9000<" in text


def request_of(header="", uri=CWMP):
    """-> a request of the CPE's own, after an InformResponse with this header and namespace."""
    session = known().session(requests=[Request("TransferComplete", None, transfer_complete, "k")])
    session.begin()
    return text_of(received(session, inform_response(header=header, uri=uri)))


def transfer_complete(key):
    yield b"<cwmp:TransferComplete><CommandKey>"
    yield key.encode()
    yield b"</CommandKey></cwmp:TransferComplete>"


def test_cwmp_12_version_from_use_cwmp_version_or_from_the_namespace():
    header = '<c:UseCWMPVersion soap:mustUnderstand="1">%s</c:UseCWMPVersion>'
    assert 'cwmp-1-1">' in request_of(header % "1.1", "urn:dslforum-org:cwmp-1-2")
    assert 'cwmp-1-2">' in request_of(header % "1.4", "urn:dslforum-org:cwmp-1-0")
    assert 'cwmp-1-0">' in request_of("", "urn:dslforum-org:cwmp-1-0")
    assert 'cwmp-1-2">' in request_of()
    session = known().session()
    session.begin()
    assert failure(session, inform_response(header=header % "7.0")) == "CWMP version not supported"
    assert not session.inform_accepted


def test_cwmp_12_session_timeout_is_no_business_of_an_acs():
    header = "<c:SessionTimeout soap:mustUnderstand='%d'>%s</c:SessionTimeout>"
    for must, text in ((0, "20"), (0, "0"), (1, "x")):
        session = known().session()
        session.begin()
        assert received(session, inform_response(header=header % (must, text))) is EMPTY
        assert session.inform_accepted and received(session, None, 204) is None


def test_cwmp_13_ids():
    device = known()
    session = device.session(
        message_id=41, requests=[Request("TransferComplete", None, transfer_complete, "k")]
    )
    assert '<cwmp:ID soap-env:mustUnderstand="1">41</cwmp:ID>' in text_of(session.begin())
    text = text_of(received(session, inform_response(message_id="41")))
    assert ">42</cwmp:ID>" in text
    assert received(session, envelope("<c:TransferCompleteResponse/>", "42")).length == 0
    assert ">a&amp;&lt;b</cwmp:ID>" in text_of(
        received(session, envelope("<c:GetRPCMethods/>", "a&amp;&lt;b"))
    )
    assert "soap-env:Header" not in text_of(
        received(session, envelope("<c:GetRPCMethods/>", None))
    )
    assert [line for line in device.log if "id-differs" in line] == []


def test_cwmp_13_an_answer_with_another_id_is_taken_and_logged():
    device = known()
    session = device.session()
    session.begin()
    assert received(session, inform_response(message_id="77")).length == 0
    assert "W session: id-differs method=Inform" in device.log


def test_cwmp_13_hold_requests():
    hold = '<c:HoldRequests soap:mustUnderstand="1">%s</c:HoldRequests>'
    done = []
    requests = [
        Request(
            "TransferComplete",
            lambda session, reader: done.append(reader.method),
            transfer_complete,
            key,
        )
        for key in ("one", "two")
    ]
    session = known().session(requests=requests)
    session.begin()
    assert received(session, inform_response(header=hold % "true")).length == 0
    answer = text_of(received(session, envelope("<c:GetRPCMethods/>", header=hold % "1")))
    assert "GetRPCMethodsResponse" in answer
    # The ACS has nothing more to ask, and nothing holds us any longer.
    assert "<CommandKey>one<" in text_of(received(session, None, 204))
    assert (
        received(session, envelope("<c:TransferCompleteResponse/>", header=hold % "1")).length == 0
    )
    assert "<CommandKey>two<" in text_of(received(session, None, 204))
    assert received(session, envelope("<c:TransferCompleteResponse/>")).length == 0
    assert received(session, None, 204) is None
    assert done == ["TransferCompleteResponse", "TransferCompleteResponse"]


def test_cwmp_13_must_understand():
    header = '<x:Lock xmlns:x="urn:x" soap:mustUnderstand="1"/>'
    device = known()
    session = device.accepted()
    text = text_of(received(session, envelope("<c:FactoryReset/>", header=header)))
    assert not session.factory_reset
    assert "<faultcode>soap-env:MustUnderstand</faultcode>" in text and "cwmp:Fault" not in text
    session = device.session()
    session.begin()
    assert failure(session, inform_response(header=header)) == "header Lock not understood"


def test_cwmp_13_no_more_requests_is_never_sent():
    device = known()
    texts = [text_of(device.session().begin()), device.ask("<c:GetRPCMethods/>")]
    assert "NoMoreRequests" not in "".join(texts)


def test_cwmp_15_unknown_time():
    assert "<CurrentTime>0001-01-01T00:00:00Z</CurrentTime>" in text_of(
        known().session(None).begin()
    )
    assert "<CurrentTime>2026-01-01T12:00:00Z</CurrentTime>" in text_of(
        known().session(NOON).begin()
    )


def test_cwmp_16_device_texts_are_escaped():
    device = known(device={"manufacturer": "A & <B>", "serial_number": "\"1'2"})
    text = text_of(device.session().begin())
    assert "<Manufacturer>A &amp; &lt;B&gt;</Manufacturer>" in text
    assert "<SerialNumber>&quot;1&apos;2</SerialNumber>" in text


# Turns


def test_cwmp_20_fault_8005_resends_the_same_inform():
    device = Device()
    device.events.after_boot(ACS)
    session = device.session()
    first = bytes_of(session.begin())
    device.events.add("6 CONNECTION REQUEST")  # comes too late for this session
    for _ in range(3):
        assert bytes_of(received(session, envelope(FAULT_8005))) == first
    received(session, inform_response())
    assert device.events.for_inform() == [("6 CONNECTION REQUEST", "")]


def test_cwmp_20_8005_without_end_fails_the_session():
    session = known().session()
    session.begin()
    for _ in range(3):
        received(session, envelope(FAULT_8005))
    assert failure(session, envelope(FAULT_8005)) == "fault 8005 to Inform"


def test_cwmp_20_anything_but_an_inform_response_fails_the_session():
    def why(data, status=200):
        session = known().session()
        session.begin()
        text = failure(session, data, status)
        assert not session.inform_accepted
        return text

    assert why(None, 204) == "no answer to Inform"
    assert why(None, 200) == "no answer to Inform"
    assert why(envelope(FAULT_8005.replace("8005", "8001"))) == "fault 8001 to Inform"
    assert why(GET_METHODS) == "unexpected answer to Inform"
    assert why(envelope("<c:TransferCompleteResponse/>")) == "unexpected answer to Inform"
    assert why(inform_response(), 503) == "HTTP status 503"
    assert why(inform_response()[:-10]) == "XML ends too early"
    assert why(envelope("")) == "SOAP body is empty"


def test_cwmp_21_empty_post_then_one_request_at_a_time_then_the_end():
    session = known().session()
    session.begin()
    assert received(session, inform_response()).length == 0
    for _ in range(3):
        assert "GetRPCMethodsResponse" in text_of(received(session, GET_METHODS))
    assert received(session, None, 204) is None


def test_cwmp_21_an_empty_200_ends_the_session_too():
    session = known().accepted()
    assert received(session, None, 200) is None


def test_cwmp_21_own_requests_go_first_and_one_by_one():
    answers = []
    requests = [
        Request(
            "TransferComplete",
            lambda session, said: answers.append(said.fault_code),
            transfer_complete,
            key,
        )
        for key in ("one", "two")
    ]
    device = known()
    device.events.add("M Download", "one")
    device.events.add("M Download", "two")
    session = device.session(requests=requests)
    session.begin()
    text = text_of(received(session, inform_response()))
    assert text.count("<cwmp:TransferComplete>") == 1 and "<CommandKey>one<" in text
    # 8005 repeats this one, another fault is the end of it but not of the session.
    assert text_of(received(session, envelope(FAULT_8005))) == text
    text = text_of(received(session, envelope(FAULT_8005.replace("8005", "8002"))))
    assert "<CommandKey>two<" in text
    assert len(device.events.for_inform()) == 2
    assert received(session, envelope("<c:TransferCompleteResponse/>")).length == 0
    assert answers == [8002, None]
    assert device.events.for_inform() == []
    assert received(session, None, 204) is None


def test_cwmp_21_a_response_that_nobody_asked_for_fails_the_session():
    for body in ("<c:InformResponse/>", FAULT_8005):
        assert failure(known().accepted(), envelope(body)) == "unexpected response"
    session = known().session(requests=[Request("TransferComplete", None, transfer_complete, "k")])
    session.begin()
    received(session, inform_response())
    assert failure(session, GET_METHODS) == "unexpected answer to TransferComplete"


def test_cwmp_22_max_envelopes():
    assert "<MaxEnvelopes>1</MaxEnvelopes>" in text_of(known().session().begin())
    for value in ("0", "2", "many", ""):
        session = known().session()
        session.begin()
        answer = envelope(
            f"<c:InformResponse><MaxEnvelopes>{value}</MaxEnvelopes></c:InformResponse>"
        )
        assert received(session, answer).length == 0


def test_cwmp_23_a_new_acs_url_waits_for_the_end_of_the_session():
    device = known()
    session = device.accepted()
    text = text_of(received(session, set_value(MS + "URL", "http://other.example/")))
    assert "<Status>1</Status>" in text
    assert "GetRPCMethodsResponse" in text_of(received(session, GET_METHODS))
    assert received(session, None, 204) is None
    assert device.events.contact(device.model.value(MS + "URL"))


def test_cwmp_23_reboot_and_factory_reset_wait_for_the_end_of_the_session():
    session = known().accepted()
    received(session, envelope("<c:Reboot><CommandKey/></c:Reboot>"))
    received(session, envelope("<c:FactoryReset/>"))
    assert "GetRPCMethodsResponse" in text_of(received(session, GET_METHODS))
    assert received(session, None, 204) is None
    assert session.reboot == "" and session.factory_reset


def test_cwmp_24_a_session_that_fails_half_way_keeps_what_it_owes():
    device = known()
    device.events.add("2 PERIODIC")
    device.events.add("6 CONNECTION REQUEST")
    device.model.set_local("Device.DeviceInfo.ProvisioningCode", "new")
    session = device.session()
    session.begin()
    device.events.failed()
    assert device.events.for_inform() == [("2 PERIODIC", ""), ("4 VALUE CHANGE", "")]
    # After the InformResponse nothing of that is owed any more, however the session ends.
    session = device.session()
    session.begin()
    received(session, inform_response())
    device.events.failed()
    assert device.events.for_inform() == []


def test_cwmp_25_one_session_reports_what_came_before_it_the_next_one_the_rest():
    device = known()
    device.events.add("6 CONNECTION REQUEST")
    device.model.set_local("Device.DeviceInfo.ProvisioningCode", "a")
    session = device.session()
    assert events_in(text_of(session.begin())) == [
        ("4 VALUE CHANGE", ""),
        ("6 CONNECTION REQUEST", ""),
    ]
    device.events.add("6 CONNECTION REQUEST")
    device.model.set_local("Device.DeviceInfo.ProvisioningCode", "b")
    received(session, inform_response())
    assert received(session, None, 204) is None
    text = text_of(device.session().begin())
    assert events_in(text) == [("4 VALUE CHANGE", ""), ("6 CONNECTION REQUEST", "")]
    assert ("Device.DeviceInfo.ProvisioningCode", "string", "b") in values_of(text)


def test_cwmp_30_an_inform_lists_at_least_one_event():
    device = known()
    device.events.delivered([("1 BOOT", "")])
    session = device.session()
    message = session.begin()
    assert events_in(text_of(message)) == [("X 020000 SESSION", "")]
    received(session, inform_response())
    assert session.inform_accepted and device.events.for_inform() == []
