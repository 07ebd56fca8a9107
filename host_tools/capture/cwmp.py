"""CWMP envelopes: SOAP XML to what a reader wants to know. Prefixes do not matter."""

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

_SECRET = re.compile(r"(Password|Passphrase|Key|Secret)$")
_OPEN_NAMES = ("ParameterKey", "CommandKey")
_LONGEST = 4 << 20
FAULTS = {
    "8000": "method not supported",
    "8001": "request denied",
    "8002": "internal error",
    "8003": "invalid arguments",
    "8004": "resources exceeded",
    "8005": "retry request",
    "8006": "CWMP version mismatch",
    "9000": "method not supported",
    "9001": "request denied",
    "9002": "internal error",
    "9003": "invalid arguments",
    "9004": "resources exceeded",
    "9005": "invalid parameter name",
    "9006": "invalid parameter type",
    "9007": "invalid parameter value",
    "9008": "parameter not writable",
    "9009": "notification request rejected",
    "9010": "file transfer failed",
    "9011": "upload failed",
    "9012": "file server authentication failed",
    "9013": "unsupported protocol for file transfer",
}


@dataclass(slots=True)
class Envelope:
    """One SOAP envelope. `method` is the body's element: "Inform", "Fault", ..."""

    method: str
    id: str | None = None
    version: str | None = None  # from the cwmp namespace: "1-0", "1-2", ...
    hold_requests: bool = False
    device: dict[str, str] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)  # code, CommandKey
    retry_count: int | None = None
    current_time: str | None = None
    values: list[tuple[str, str]] = field(default_factory=list)  # name, value (secrets hidden)
    names: list[str] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    fault: tuple[str, str] | None = None
    parameter_faults: list[tuple[str, str, str]] = field(default_factory=list)


class NotSoap(ValueError):
    """The text says why a body is not a CWMP envelope."""


def parse(body: bytes) -> Envelope:
    """NotSoap: no XML, no envelope, a DTD, or larger than 4 MiB."""
    if len(body) > _LONGEST:
        raise NotSoap("body larger than 4 MiB")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise NotSoap("a DTD in the envelope (refused)")
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise NotSoap(f"not XML: {error}") from error
    if _local(root) != "Envelope":
        raise NotSoap(f"not a SOAP envelope but <{_local(root)}>")
    content = _child(root, "Body")
    call = next(iter(content), None) if content is not None else None
    if call is None:
        raise NotSoap("SOAP envelope without a call in its body")
    envelope = Envelope(_local(call))
    header = _child(root, "Header")
    for entry in header if header is not None else ():
        if _local(entry) == "ID":
            envelope.id = _text(entry)
        elif _local(entry) == "HoldRequests":
            envelope.hold_requests = _text(entry) in ("1", "true")
        envelope.version = envelope.version or _version(entry)
    envelope.version = _version(call) or envelope.version
    if envelope.method == "Fault":
        _fault(envelope, call)
    elif envelope.method == "Inform":
        _inform(envelope, call)
    _arguments(envelope, call)
    return envelope


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _version(element: ElementTree.Element) -> str | None:
    match = re.match(r"\{urn:dslforum-org:cwmp-(\d+-\d+)\}", str(element.tag))
    return match.group(1) if match else None


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((child for child in element if _local(child) == name), None)


def _text(element: ElementTree.Element | None) -> str:
    return (element.text or "").strip() if element is not None else ""


def _inform(envelope: Envelope, call: ElementTree.Element) -> None:
    device = _child(call, "DeviceId")
    for part in device if device is not None else ():
        envelope.device[_local(part)] = _text(part)
    events = _child(call, "Event")
    for event in events if events is not None else ():
        code = _text(_child(event, "EventCode"))
        envelope.events.append((code, _text(_child(event, "CommandKey"))))
    count = _text(_child(call, "RetryCount"))
    envelope.retry_count = int(count) if count.isdigit() and len(count) < 10 else None
    envelope.current_time = _text(_child(call, "CurrentTime")) or None


def _fault(envelope: Envelope, call: ElementTree.Element) -> None:
    detail = next((found for found in call.iter() if _local(found) == "FaultCode"), None)
    text = next((found for found in call.iter() if _local(found) == "FaultString"), None)
    code = _text(detail) or _text(_child(call, "faultcode"))
    envelope.fault = code, _text(text) or _text(_child(call, "faultstring"))
    for entry in call.iter():
        if _local(entry) == "SetParameterValuesFault":
            envelope.parameter_faults.append(
                (
                    _text(_child(entry, "ParameterName")),
                    _text(_child(entry, "FaultCode")),
                    _text(_child(entry, "FaultString")),
                )
            )


def _arguments(envelope: Envelope, call: ElementTree.Element) -> None:
    """Parameter lists, names and the plain arguments of any RPC."""
    for entry in call:
        name = _local(entry)
        if name in ("DeviceId", "Event", "detail"):
            continue
        for struct in entry:
            parameter = _text(_child(struct, "Name"))
            value = _child(struct, "Value")
            if value is not None:
                envelope.values.append((parameter, hidden(parameter, _text(value))))
            elif parameter:
                envelope.names.append(parameter)
            elif len(struct) == 0:
                envelope.names.append(_text(struct))
        if len(entry) == 0:
            envelope.arguments[name] = hidden(name, _text(entry))


def hidden(name: str, value: str) -> str:
    """The value, unless the parameter's name says that it is a secret."""
    last = name.rpartition(".")[2]
    if value and _SECRET.search(last) and last not in _OPEN_NAMES:
        return "(hidden)"
    return value
