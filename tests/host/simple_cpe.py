"""A small CPE over aiohttp for the tests of the lab ACS; its XML is written by hand."""

import xml.etree.ElementTree as ET
from types import TracebackType
from typing import Any, Self
from xml.sax.saxutils import escape

import aiohttp

CWMP = "urn:dslforum-org:cwmp-1-2"
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><soap:Envelope '
    'xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    f'xmlns:cwmp="{CWMP}">'
)
FORCED = [
    "Device.RootDataModelVersion",
    "Device.DeviceInfo.HardwareVersion",
    "Device.DeviceInfo.SoftwareVersion",
    "Device.DeviceInfo.ProvisioningCode",
    "Device.ManagementServer.ParameterKey",
    "Device.ManagementServer.ConnectionRequestURL",
    "Device.ManagementServer.AliasBasedAddressing",
]
MS = "Device.ManagementServer."
HIDDEN = {f"{MS}{name}" for name in ("Password", "ConnectionRequestPassword", "STUNPassword")}
XML = {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": ""}


def envelope(body: str, number: str = "1") -> str:
    return (
        f'{HEAD}<soap:Header><cwmp:ID soap:mustUnderstand="1">{number}</cwmp:ID></soap:Header>'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    )


def values_xml(values: dict[str, tuple[str, str]]) -> str:
    """values: name -> (XSD type, text)."""
    items = "".join(
        f"<ParameterValueStruct><Name>{name}</Name>"
        f'<Value xsi:type="xsd:{kind}">{escape(text)}</Value></ParameterValueStruct>'
        for name, (kind, text) in values.items()
    )
    kind = f"cwmp:ParameterValueStruct[{len(values)}]"
    return f'<ParameterList enc:arrayType="{kind}">{items}</ParameterList>'


def fault_xml(code: int, text: str = "", parts: str = "") -> str:
    return (
        "<soap:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail>"
        f"<cwmp:Fault><FaultCode>{code}</FaultCode><FaultString>{text}</FaultString>{parts}"
        "</cwmp:Fault></detail></soap:Fault>"
    )


class SimpleCpe:
    """One CPE; `run` makes one session and returns the statuses and methods that it was sent."""

    def __init__(self, url: str, serial: str = "000001", middleware: Any = None) -> None:
        self.url = url
        self.serial = serial
        self.parameters: dict[str, tuple[str, str]] = {
            name: ("boolean", "false") if name.endswith("Addressing") else ("string", "x")
            for name in FORCED
        }
        for name in ("ConnectionRequestUsername", "ConnectionRequestPassword"):
            self.parameters[MS + name] = ("string", "")
        self.parameters[MS + "UDPConnectionRequestAddress"] = ("string", "")
        self.parameters[MS + "NATDetected"] = ("boolean", "true")
        self.attributes: dict[str, int] = {}
        self.changed: list[str] = []
        self.retries = 0
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            middlewares=(middleware,) if middleware else (),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.close()

    def inform(self, *events: str, number: str = "1") -> str:
        """`events`: codes, with `=key` behind those that have a CommandKey."""
        if self.changed and "4 VALUE CHANGE" not in events:
            events = (*events, "4 VALUE CHANGE")
        shown = {name: self.parameters[name] for name in [*FORCED, *self.changed]}
        structs = "".join(
            f"<EventStruct><EventCode>{code}</EventCode><CommandKey>{key}</CommandKey></EventStruct>"
            for code, _, key in (event.partition("=") for event in events)
        )
        return envelope(
            "<cwmp:Inform><DeviceId><Manufacturer>Lab</Manufacturer><OUI>00D0C9</OUI>"
            f"<ProductClass>simple</ProductClass><SerialNumber>{self.serial}</SerialNumber>"
            f'</DeviceId><Event enc:arrayType="cwmp:EventStruct[{len(events)}]">{structs}</Event>'
            "<MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2025-01-02T03:04:05Z</CurrentTime>"
            f"<RetryCount>{self.retries}</RetryCount>{values_xml(shown)}</cwmp:Inform>",
            number,
        )

    async def post(self, body: str | Any = "", **headers: str) -> tuple[int, bytes]:
        given = {**XML, **headers} if body else headers
        data = body.encode() if isinstance(body, str) else body
        async with self._http.post(
            self.url, data=data, headers=given, allow_redirects=False
        ) as answer:
            return answer.status, await answer.read()

    async def run(self, *events: str, requests: tuple[str, ...] = ()) -> list[str]:
        """Inform, then `requests` (bodies of the CPE's own calls), then whatever the ACS asks."""
        self._http.cookie_jar.clear()
        self.changed_before, heard = list(self.changed), []
        status, answer = await self.post(self.inform(*events))
        heard.append(f"{status} {method_of(answer)}")
        for body in requests:
            status, answer = await self.post(envelope(body, "own"))
            heard.append(f"{status} {method_of(answer)}")
        status, answer = await self.post()
        while status == 200 and answer:
            heard.append(method_of(answer))
            status, answer = await self.post(self.reply_to(answer))
        heard.append(str(status))
        return heard

    def reply_to(self, request: bytes) -> str:
        root = ET.fromstring(request)
        method = root[-1][0]
        number = next((item.text for item in root[0] if item.tag.endswith("}ID")), "") or ""
        name = method.tag.partition("}")[2]
        answer = getattr(self, "do_" + name, None)
        return envelope(answer(method) if answer else fault_xml(9000, "Method"), number)

    def do_GetParameterValues(self, method: ET.Element) -> str:
        values = {}
        for item in method.iter("string"):
            path = item.text or ""
            found = [
                n for n in self.parameters if n == path or (path[-1:] in ".") * n.startswith(path)
            ]
            if not found:
                return fault_xml(9005, "Invalid parameter name")
            values.update(
                {n: ("string", "") if n in HIDDEN else self.parameters[n] for n in found}
            )
        name = "cwmp:GetParameterValuesResponse"
        return f"<{name}>{values_xml(values)}</{name}>"

    def do_SetParameterValues(self, method: ET.Element) -> str:
        for item in method.iter("ParameterValueStruct"):
            value = item[1]
            kind = next(iter(value.attrib.values())).partition(":")[2]
            if item[0].text == "Device.Bad":
                part = "<ParameterName>Device.Bad</ParameterName><FaultCode>9005</FaultCode>"
                part = f"<SetParameterValuesFault>{part}</SetParameterValuesFault>"
                return fault_xml(9003, "Invalid arguments", part)
            self.parameters[item[0].text or ""] = (kind, value.text or "")
        return (
            "<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>"
        )

    def do_GetParameterNames(self, method: ET.Element) -> str:
        items = "".join(
            f"<ParameterInfoStruct><Name>{name}</Name><Writable>false</Writable></ParameterInfoStruct>"
            for name in self.parameters
        )
        kind = f"cwmp:ParameterInfoStruct[{len(self.parameters)}]"
        return (
            f'<cwmp:GetParameterNamesResponse><ParameterList enc:arrayType="{kind}">{items}'
            "</ParameterList></cwmp:GetParameterNamesResponse>"
        )

    def do_SetParameterAttributes(self, method: ET.Element) -> str:
        for item in method.iter("SetParameterAttributesStruct"):
            self.attributes[item.findtext("Name") or ""] = int(item.findtext("Notification") or 0)
        return "<cwmp:SetParameterAttributesResponse></cwmp:SetParameterAttributesResponse>"

    def do_GetParameterAttributes(self, method: ET.Element) -> str:
        names = [item.text or "" for item in method.iter("string")]
        items = "".join(
            f"<ParameterAttributeStruct><Name>{name}</Name>"
            f"<Notification>{self.attributes.get(name, 0)}</Notification>"
            '<AccessList enc:arrayType="xsd:string[1]"><string>Subscriber</string></AccessList>'
            "</ParameterAttributeStruct>"
            for name in names
        )
        kind = f"cwmp:ParameterAttributeStruct[{len(names)}]"
        return (
            f'<cwmp:GetParameterAttributesResponse><ParameterList enc:arrayType="{kind}">{items}'
            "</ParameterList></cwmp:GetParameterAttributesResponse>"
        )

    def do_GetRPCMethods(self, method: ET.Element) -> str:
        names = ["GetRPCMethods", "SetParameterValues", "GetParameterValues", "Reboot"]
        items = "".join(f"<string>{name}</string>" for name in names)
        return (
            f'<cwmp:GetRPCMethodsResponse><MethodList enc:arrayType="xsd:string[4]">{items}'
            "</MethodList></cwmp:GetRPCMethodsResponse>"
        )

    def do_Reboot(self, method: ET.Element) -> str:
        return "<cwmp:RebootResponse></cwmp:RebootResponse>"


def method_of(answer: bytes) -> str:
    """The method in an envelope, '' for none."""
    if not answer:
        return ""
    return ET.fromstring(answer)[-1][0].tag.partition("}")[2]
