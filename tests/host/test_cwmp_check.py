"""The structure check of CPE messages: good ones pass, and each rule is broken once."""

import pytest
from simple_cpe import MS, SimpleCpe, envelope, fault_xml, values_xml

from host_tools.lab.cwmp_check import check, check_http
from host_tools.lab.xsd_types import TYPES

ANSWER = "<cwmp:GetParameterValuesResponse>{}</cwmp:GetParameterValuesResponse>"
NAMES = (
    '<cwmp:GetParameterNamesResponse><ParameterList enc:arrayType="cwmp:ParameterInfoStruct[{}]">'
    "{}</ParameterList></cwmp:GetParameterNamesResponse>"
)
TRANSFER = (
    "<{0}>{1}<FaultStruct><FaultCode>{2}</FaultCode><FaultString>{3}</FaultString></FaultStruct>"
    "<StartTime>2026-01-01T00:00:00Z</StartTime><CompleteTime>2026-01-01T00:00:09Z</CompleteTime>"
    "</{0}>"
)
TRANSFER_RESPONSE = (
    "<cwmp:DownloadResponse><Status>{}</Status><StartTime>2026-01-01T00:00:00Z</StartTime>"
    "<CompleteTime>2026-01-01T00:00:01Z</CompleteTime></cwmp:DownloadResponse>"
)
AUTONOMOUS = (
    "<AnnounceURL></AnnounceURL><TransferURL>http://h/f</TransferURL><IsDownload>1</IsDownload>"
    "<FileType>1 Firmware Upgrade Image</FileType><FileSize>7</FileSize>"
    "<TargetFileName></TargetFileName>"
)
QUEUED = (
    "<cwmp:Get{0}TransfersResponse><TransferList"
    ' enc:arrayType="cwmp:{0}TransferStruct[{1}]"><{0}TransferStruct>{2}</{0}TransferStruct>'
    "</TransferList></cwmp:Get{0}TransfersResponse>"
)
ALL_QUEUED = (
    "<CommandKey>k</CommandKey><State>1</State><IsDownload>1</IsDownload>"
    "<FileType>3 Vendor Configuration File</FileType><FileSize>0</FileSize>"
    "<TargetFileName></TargetFileName>"
)
ONE_NAME = "<ParameterInfoStruct><Name>{}</Name><Writable>{}</Writable></ParameterInfoStruct>"


class Unconnected(SimpleCpe):
    """Only what writes XML, without a client session."""

    def __init__(self) -> None:
        self.serial = "000001"
        self.retries = 0
        self.changed = []
        self.parameters = {
            f"Device.{name}": ("string", "x")
            for name in (
                "RootDataModelVersion",
                "DeviceInfo.HardwareVersion",
                "DeviceInfo.SoftwareVersion",
                "DeviceInfo.ProvisioningCode",
                "ManagementServer.ParameterKey",
                "ManagementServer.ConnectionRequestURL",
                "ManagementServer.AliasBasedAddressing",
            )
        }


def _changed() -> Unconnected:
    cpe = Unconnected()
    cpe.parameters["Device.More"], cpe.changed = ("string", "y"), ["Device.More"]
    return cpe


INFORM = _changed().inform("1 BOOT", "4 VALUE CHANGE")


def broken(text: str) -> list[str]:
    return [violation.rule for violation in check(text.encode())]


def first(text: str) -> str:
    found = check(text.encode())
    return str(found[0]) if found else "nothing found"


@pytest.mark.parametrize(
    "body",
    [
        ANSWER.format(values_xml({"Device.A": ("int", "-1"), "Device.B": ("boolean", "1")})),
        ANSWER.format(values_xml({})),
        NAMES.format(2, ONE_NAME.format("Device.", "0") + ONE_NAME.format("Device.A", "1")),
        "<cwmp:SetParameterValuesResponse><Status>1</Status></cwmp:SetParameterValuesResponse>",
        (
            "<cwmp:AddObjectResponse><InstanceNumber>1</InstanceNumber><Status>0</Status>"
            "</cwmp:AddObjectResponse>"
        ),
        "<cwmp:RebootResponse/>",
        "<cwmp:GetRPCMethods/>",
        (
            "<cwmp:DownloadResponse><Status>1</Status><StartTime>0001-01-01T00:00:00Z</StartTime>"
            "<CompleteTime>0001-01-01T00:00:00Z</CompleteTime></cwmp:DownloadResponse>"
        ),
        fault_xml(9005, "Invalid parameter name"),
        fault_xml(
            9003,
            "Invalid arguments",
            "<SetParameterValuesFault><ParameterName>Device.A</ParameterName>"
            "<FaultCode>9007</FaultCode><FaultString>x</FaultString></SetParameterValuesFault>",
        ),
        TRANSFER.format("cwmp:TransferComplete", "<CommandKey>k</CommandKey>", 0, ""),
        TRANSFER.format("cwmp:TransferComplete", "<CommandKey>k</CommandKey>", 9010, "no"),
        TRANSFER.format("cwmp:AutonomousTransferComplete", AUTONOMOUS, 9015, "no route"),
        QUEUED.format("Queued", 1, "<CommandKey>k</CommandKey><State>2</State>"),
        QUEUED.format("AllQueued", 1, ALL_QUEUED),
        (
            "<cwmp:RequestDownload><FileType>1 Firmware Upgrade Image</FileType><FileTypeArg"
            ' enc:arrayType="cwmp:ArgStruct[1]"><ArgStruct><Name>a</Name><Value>b</Value>'
            "</ArgStruct></FileTypeArg></cwmp:RequestDownload>"
        ),
        (
            "<soap:Fault><faultcode>soap:MustUnderstand</faultcode><faultstring>no</faultstring>"
            "</soap:Fault>"
        ),
    ],
)
def test_cwmp_10_good_messages_pass(body: str) -> None:
    assert check(envelope(body).encode()) == []


def test_cwmp_30_a_good_inform_passes() -> None:
    assert check(INFORM.encode()) == []
    assert check(INFORM.replace("cwmp-1-2", "cwmp-1-0").encode()) == []


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("CWMP-10: not well-formed", "</soap:Body>", ""),
        ("CWMP-10: the root", "schemas.xmlsoap.org/soap/envelope/", "www.w3.org/2003/05/soap"),
        ("CWMP-10: MaxEnvelopes is qualified", "MaxEnvelopes>", "cwmp:MaxEnvelopes>"),
        ("CWMP-11", "cwmp-1-2", "cwmp-1-4"),
        ("CWMP-13: ID with mustUnderstand None", ' soap:mustUnderstand="1"', ""),
        (
            "CWMP-13: 0 ID headers",
            '<cwmp:ID soap:mustUnderstand="1">1</cwmp:ID>',
            "",
        ),
        (
            "CWMP-13: NoMoreRequests",
            "</soap:Header>",
            "<cwmp:NoMoreRequests>1</cwmp:NoMoreRequests></soap:Header>",
        ),
        ("CWMP-14: Event announces 3 items and has 2", "EventStruct[2]", "EventStruct[3]"),
        ("CWMP-14: Event is an array of", "cwmp:EventStruct[", "xsd:string["),
        ("CWMP-14: Event has no", ' enc:arrayType="cwmp:EventStruct[2]"', ""),
        ("CWMP-14: Event has arrayType", "cwmp:EventStruct[2]", "cwmp:EventStruct"),
        ("CWMP-14: Device.RootDataModelVersion has no xsi:type", ' xsi:type="xsd:string"', ""),
        ("CWMP-14: Device.Roo", 'xsi:type="xsd:string"', 'xsi:type="xsd:text"'),
        ("CWMP-15: Device.Roo", 'xsi:type="xsd:string"', 'xsi:type="xsd:unsignedInt"'),
        ("CWMP-16: a DOCTYPE", "<soap:Envelope", '<!DOCTYPE x [<!ENTITY a "b">]><soap:Envelope'),
        (
            "CWMP-13: header SessionTime",
            "</soap:Header>",
            "<cwmp:SessionTime>1</cwmp:SessionTime></soap:Header>",
        ),
        (
            "CWMP-12: SessionTimeout with",
            "</soap:Header>",
            '<cwmp:SessionTimeout soap:mustUnderstand="1">1</cwmp:SessionTimeout></soap:Header>',
        ),
        ("CWMP-13: an ID without text", ">1</cwmp:ID>", "></cwmp:ID>"),
        (
            "CWMP-11: ID in namespace",
            "<cwmp:ID ",
            '<cwmp:ID xmlns:cwmp="urn:dslforum-org:cwmp-1-0" ',
        ),
        ("CWMP-10: a processing instruction", "<soap:Body>", "<?a b?><soap:Body>"),
        ("CWMP-10: DeviceId holds text", "<DeviceId>", "<DeviceId>text"),
        ("CWMP-10: OUI has", "<OUI>", '<OUI id="1">'),
        ("CWMP-10: Envelope holds", "<soap:Body>", "<soap:More/><soap:Body>"),
        (
            "CWMP-33: ['Device.More'] without 4 VALUE CHANGE",
            "4 VALUE CHANGE",
            "2 PERIODIC",
        ),
        ("CWMP-40: M Download without 7 TRANSFER", "1 BOOT<", "M Download<"),
        ("CWMP-40: M ScheduleInform without 3", "1 BOOT<", "M ScheduleInform<"),
        ("CWMP-40: 7 TRANSFER COMPLETE without any of", "1 BOOT<", "7 TRANSFER COMPLETE<"),
        ("CWMP-40: 3 SCHEDULED without any of", "1 BOOT<", "3 SCHEDULED<"),
        ("CWMP-22", "<MaxEnvelopes>1", "<MaxEnvelopes>2"),
        ("CWMP-30: Inform holds", "<RetryCount>0</RetryCount>", ""),
        ("CWMP-30: OUI", "00D0C9", "00d0c9"),
        ("CWMP-30: Manufacturer longer than 64", ">Lab<", f">{'L' * 65}<"),
        ("CWMP-30: no SerialNumber", ">000001<", "><"),
        ("CWMP-30: CurrentTime", "2025-01-02T", "2025-13-02T"),
        ("CWMP-30: CommandKey longer than 32", "<CommandKey>", f"<CommandKey>{'k' * 33}"),
        ("CWMP-30: DeviceId holds", "<OUI>00D0C9</OUI>", ""),
        ("CWMP-31: Inform without Device.DeviceInfo.HardwareVersion", "HardwareV", "HardV"),
        ("CWMP-31: parameters of", "Device.DeviceInfo.HardwareV", "Devices.DeviceInfo.HardwareV"),
        ("CWMP-34", "<RetryCount>0", "<RetryCount>-1"),
        ("CWMP-40: event code '1 BOOTS'", "1 BOOT<", "1 BOOTS<"),
        ("CWMP-40: 4 VALUE CHANGE twice", "1 BOOT<", "4 VALUE CHANGE<"),
        ("CWMP-40: 1 BOOT with CommandKey 'k'", "<CommandKey>", "<CommandKey>k"),
        ("CWMP-40: M Reboot without 1 BOOT", "1 BOOT<", "M Reboot<"),
        ("CWMP-50: not a parameter name", "Device.DeviceInfo.HardwareVersion", "Device."),
        (
            "CWMP-50: Device.DeviceInfo.SoftwareVersion twice",
            "DeviceInfo.HardwareVersion",
            "DeviceInfo.SoftwareVersion",
        ),
    ],
)
def test_each_rule_of_an_inform_is_watched(rule: str, old: str, new: str) -> None:
    assert old in INFORM
    changed = INFORM.replace(old, new) if old in (">Lab<",) else _replaced(INFORM, old, new)
    found = [str(violation) for violation in check(changed.encode())]
    assert any(text.startswith(rule) for text in found), found


def _replaced(text: str, old: str, new: str) -> str:
    """Replace an element name on both sides, anything else once."""
    return (
        text.replace(old, new) if old.endswith(">") and "<" not in old else _once(text, old, new)
    )


def _once(text: str, old: str, new: str) -> str:
    return text.replace(old, new, 1) if "cwmp-1-2" not in old else text.replace(old, new)


def test_cwmp_10_not_utf_8_and_two_messages_in_one() -> None:
    assert [v.text for v in check("é".encode("latin-1"))] == ["not UTF-8"]
    twice = envelope("<cwmp:RebootResponse/><cwmp:RebootResponse/>")
    assert first(twice) == "CWMP-10: Body holds 2 messages, not one"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("boolean", "yes"),
        ("int", "2147483648"),
        ("int", "1.0"),
        ("int", ""),
        ("unsignedInt", "-1"),
        ("unsignedInt", "4294967296"),
        ("long", "9223372036854775808"),
        ("unsignedLong", "-0"),
        ("dateTime", "2025-02-30T00:00:00Z"),
        ("dateTime", "2025-02-03 00:00:00"),
        ("base64", "abc"),
        ("hexBinary", "abc"),
    ],
)
def test_cwmp_15_texts_that_do_not_fit_their_type(kind: str, text: str) -> None:
    assert not TYPES[kind](text)
    if kind != "base64":  # that one is a type of soap-enc
        body = ANSWER.format(values_xml({"Device.A": (kind, text)}))
        assert broken(envelope(body)) == ["CWMP-15"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("boolean", "true"),
        ("int", "-2147483648"),
        ("unsignedLong", "18446744073709551615"),
        ("dateTime", "0001-01-01T00:00:00Z"),
        ("dateTime", "2025-02-03T04:05:06.000Z"),
        ("dateTime", "2025-02-03T04:05:06+01:00"),
        ("base64", "YWJj\nZA=="),
        ("hexBinary", "00fF"),
    ],
)
def test_cwmp_15_texts_that_fit_their_type(kind: str, text: str) -> None:
    assert TYPES[kind](text)


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        (
            "CWMP-15: booleans both as digits and as words",
            ANSWER.format(values_xml({"D.A": ("boolean", "1"), "D.B": ("boolean", "true")})),
        ),
        (
            f"CWMP-54: {MS}STUNPassword shows its value",
            ANSWER.format(values_xml({MS + "STUNPassword": ("string", "secret")})),
        ),
        (
            "STUN-61",
            ANSWER.format(
                values_xml({MS + "UDPConnectionRequestAddress": ("string", "http://h:1/")})
            ),
        ),
        (
            "CWMP-50: Status '2'",
            "<cwmp:DeleteObjectResponse><Status>2</Status></cwmp:DeleteObjectResponse>",
        ),
        ("CWMP-50: Dance is nothing a CPE sends", "<cwmp:Dance/>"),
        (
            "CWMP-10: RebootResponse holds [Status]",
            "<cwmp:RebootResponse><Status>0</Status></cwmp:RebootResponse>",
        ),
        (
            "CWMP-15: Writable of D.A is not a boolean",
            NAMES.format(1, ONE_NAME.format("D.A", "no")),
        ),
        ("CWMP-53: D.A listed twice", NAMES.format(2, ONE_NAME.format("D.A", "0") * 2)),
        ("CWMP-17: FaultCode '8005'", fault_xml(8005)),
        ("CWMP-17: faultcode 'server'", fault_xml(9001).replace("Client", "server")),
        ("CWMP-17: faultstring", fault_xml(9001).replace("CWMP fault", "fault")),
        ("CWMP-17: detail without", fault_xml(9001).replace("cwmp:Fault", "Fault")),
        (
            "CWMP-51: parameter faults beside 9005",
            fault_xml(
                9005,
                "",
                "<SetParameterValuesFault><ParameterName>D.A</ParameterName>"
                "<FaultCode>9005</FaultCode></SetParameterValuesFault>",
            ),
        ),
        *(
            (rule, TRANSFER.format("cwmp:TransferComplete", key, code, text))
            for rule, key, code, text in (
                ("CWMP-64: FaultCode '9013'", "<CommandKey/>", 9013, ""),
                ("CWMP-64: FaultCode '9005'", "<CommandKey/>", 9005, ""),
                ("CWMP-64: FaultString 'x' without", "<CommandKey/>", 0, "x"),
                ("CWMP-64: FaultString longer than 256", "<CommandKey/>", 9010, "x" * 257),
                ("CWMP-64: CommandKey longer", f"<CommandKey>{'k' * 33}</CommandKey>", 0, ""),
                ("CWMP-10: TransferComplete holds", "", 0, ""),
            )
        ),
        (
            "CWMP-64: from",
            TRANSFER.format("cwmp:TransferComplete", "<CommandKey/>", 0, "")
            .replace("09Z", "00Z")
            .replace("00:00:00Z</Start", "00:00:01Z</Start"),
        ),
        ("CWMP-64: StartTime", TRANSFER_RESPONSE.format(1)),
        (
            "CWMP-14: TransferList announces 2",
            QUEUED.format("Queued", 2, "<CommandKey/><State>1</State>"),
        ),
        ("CWMP-50: State '4'", QUEUED.format("Queued", 1, "<CommandKey/><State>4</State>")),
        (
            "CWMP-10: AllQueuedTransferStruct holds",
            QUEUED.format("AllQueued", 1, "<CommandKey/><State>1</State>"),
        ),
        (
            "CWMP-64: FileSize '-1'",
            QUEUED.format("AllQueued", 1, ALL_QUEUED.replace("Size>0", "Size>-1")),
        ),
        ("CWMP-10: Kicked holds", "<cwmp:Kicked><Command/></cwmp:Kicked>"),
        (
            "CWMP-17: Fault holds",
            "<soap:Fault><faultcode>MustUnderstand</faultcode></soap:Fault>",
        ),
        (
            "CWMP-17: faultcode with prefix 'cwmp'",
            fault_xml(9001).replace("Client", "cwmp:Client"),
        ),
        (
            "CWMP-17: SetParameterValuesFault holds",
            fault_xml(
                9003,
                "",
                "<SetParameterValuesFault><FaultCode>9005</FaultCode>"
                "<ParameterName>D.A</ParameterName></SetParameterValuesFault>",
            ),
        ),
    ],
)
def test_each_rule_of_other_messages_is_watched(rule: str, body: str) -> None:
    assert first(envelope(body)).startswith(rule)


def test_cwmp_01_http_around_a_message() -> None:
    good = {"Host": "a", "Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": ""}
    assert check_http("POST", (1, 1), good, b"<x/>") == []
    assert check_http("POST", (1, 1), {"Host": "a", "Content-Length": "0"}, b"") == []
    for changed, text in (
        ({"Content-Type": "application/soap+xml"}, "Content-Type 'application/soap+xml'"),
        ({"Content-Type": "text/xml; charset=latin1"}, "charset=latin1"),
        ({"SOAPAction": "Inform"}, "SOAPAction 'Inform'"),
    ):
        found = check_http("POST", (1, 1), good | changed, b"<x/>")
        assert len(found) == 1 and text in found[0].text
    without = {"Host": "a", "Content-Type": "text/xml"}
    assert [v.text for v in check_http("POST", (1, 1), without, b"x")] == ["no SOAPAction header"]
    assert len(check_http("GET", (1, 0), {}, b"")) == 4
