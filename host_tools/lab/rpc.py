"""The RPCs an ACS asks of a CPE: how each is written, and how its answer is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from host_tools.lab import soap
from host_tools.lab.soap import Node, node


@dataclass(frozen=True)
class Typed:
    """A parameter value with its type, an XSD local name such as unsignedInt."""

    text: str
    type: str = "string"


Value = str | bool | int | Typed


@dataclass(frozen=True)
class Rpc:
    """One request to a CPE: what is sent, and what its response is turned into.

    `verbatim` is a complete envelope to be sent byte for byte (raw requests).
    """

    method: str
    body: Node | None
    read: Callable[[etree._Element], Any]
    verbatim: bytes | None = None


class ParameterValues(dict[str, str]):
    """Values by parameter name; `types` has the XSD local name of each."""

    def __init__(self) -> None:
        super().__init__()
        self.types: dict[str, str] = {}


def as_typed(value: Value) -> Typed:
    """Return the value with the type that Python's own type suggests."""
    if isinstance(value, Typed):
        return value
    if isinstance(value, bool):
        return Typed("true" if value else "false", "boolean")
    if isinstance(value, int):
        return Typed(str(value), "unsignedInt" if value >= 0 else "int")
    return Typed(value)


def get_values(*names: str) -> Rpc:
    """GetParameterValues; the response is `ParameterValues`."""
    body = node("cwmp:GetParameterValues", soap.strings("ParameterNames", list(names)))
    return Rpc("GetParameterValues", body, read_values)


def set_values(values: Mapping[str, Value], key: str = "") -> Rpc:
    """SetParameterValues; the response is the Status, 0 or 1."""
    items = []
    for name, value in values.items():
        item = as_typed(value)
        pair = (node("Name", name), soap.typed("Value", item.type, item.text))
        items.append(node("ParameterValueStruct", *pair))
    body = node(
        "cwmp:SetParameterValues",
        soap.array("ParameterList", "cwmp:ParameterValueStruct", items),
        node("ParameterKey", key),
    )
    return Rpc("SetParameterValues", body, _status)


def get_names(path: str = "", next_level: bool = False) -> Rpc:
    """GetParameterNames; the response maps each name to whether it is writable."""
    body = node(
        "cwmp:GetParameterNames",
        node("ParameterPath", path),
        node("NextLevel", "1" if next_level else "0"),
    )
    return Rpc("GetParameterNames", body, _names)


def set_attributes(notifications: Mapping[str, int], access: list[str] | None = None) -> Rpc:
    """SetParameterAttributes with a notification per name; an access list only when given."""
    items = [
        node(
            "SetParameterAttributesStruct",
            node("Name", name),
            node("NotificationChange", "1"),
            node("Notification", str(notification)),
            node("AccessListChange", "0" if access is None else "1"),
            soap.strings("AccessList", access or []),
        )
        for name, notification in notifications.items()
    ]
    body = node(
        "cwmp:SetParameterAttributes",
        soap.array("ParameterList", "cwmp:SetParameterAttributesStruct", items),
    )
    return Rpc("SetParameterAttributes", body, _nothing)


def get_attributes(*names: str) -> Rpc:
    """GetParameterAttributes; the response maps each name to (notification, access list)."""
    body = node("cwmp:GetParameterAttributes", soap.strings("ParameterNames", list(names)))
    return Rpc("GetParameterAttributes", body, _attributes)


def get_rpc_methods() -> Rpc:
    """GetRPCMethods; the response is the list of names."""
    return Rpc("GetRPCMethods", node("cwmp:GetRPCMethods"), _methods)


def reboot(key: str = "") -> Rpc:
    """Reboot with a CommandKey."""
    return Rpc("Reboot", node("cwmp:Reboot", node("CommandKey", key)), _nothing)


def factory_reset() -> Rpc:
    """FactoryReset."""
    return Rpc("FactoryReset", node("cwmp:FactoryReset"), _nothing)


def schedule_inform(delay: int, key: str = "") -> Rpc:
    """ScheduleInform in `delay` seconds."""
    body = node("cwmp:ScheduleInform", node("DelaySeconds", str(delay)), node("CommandKey", key))
    return Rpc("ScheduleInform", body, _nothing)


def add_object(name: str, key: str = "") -> Rpc:
    """AddObject; the response is (instance number, status)."""
    body = node("cwmp:AddObject", node("ObjectName", name), node("ParameterKey", key))
    return Rpc(
        "AddObject",
        body,
        lambda answer: (int(soap.text(answer, "InstanceNumber")), _status(answer)),
    )


def delete_object(name: str, key: str = "") -> Rpc:
    """DeleteObject; the response is the Status."""
    body = node("cwmp:DeleteObject", node("ObjectName", name), node("ParameterKey", key))
    return Rpc("DeleteObject", body, _status)


FIRMWARE = "1 Firmware Upgrade Image"
CONFIGURATION = "3 Vendor Configuration File"
UPLOAD_CONFIGURATION = "1 Vendor Configuration File"
UPLOAD_LOG = "2 Vendor Log File"


def _what(key: str, file_type: str, url: str, username: str, password: str) -> tuple[Node, ...]:
    """What Download and Upload begin with."""
    return (
        node("CommandKey", key),
        node("FileType", file_type),
        node("URL", url),
        node("Username", username),
        node("Password", password),
    )


def download(
    url: str,
    file_type: str,
    key: str = "",
    delay: int = 0,
    size: int = 0,
    username: str = "",
    password: str = "",
    target: str = "",
) -> Rpc:
    """Download; the response is (status, start time, complete time)."""
    body = node(
        "cwmp:Download",
        *_what(key, file_type, url, username, password),
        node("FileSize", str(size)),
        node("TargetFileName", target),
        node("DelaySeconds", str(delay)),
        node("SuccessURL"),
        node("FailureURL"),
    )
    return Rpc("Download", body, _download)


def upload(
    url: str,
    file_type: str,
    key: str = "",
    delay: int = 0,
    username: str = "",
    password: str = "",
) -> Rpc:
    """Upload; the response is (status, start time, complete time)."""
    body = node(
        "cwmp:Upload",
        *_what(key, file_type, url, username, password),
        node("DelaySeconds", str(delay)),
    )
    return Rpc("Upload", body, _download)


def get_queued_transfers() -> Rpc:
    """GetQueuedTransfers; the response is a list of (CommandKey, State)."""
    return Rpc("GetQueuedTransfers", node("cwmp:GetQueuedTransfers"), _queued)


def get_all_queued_transfers() -> Rpc:
    """GetAllQueuedTransfers; the response is a list of dicts, by element."""
    return Rpc("GetAllQueuedTransfers", node("cwmp:GetAllQueuedTransfers"), _all_queued)


def raw(document: str | bytes) -> Rpc:
    """Any complete envelope, sent byte for byte; the response is the method element.

    EnvelopeError when nothing can be found in it that a CPE could answer.
    """
    data = document.encode() if isinstance(document, str) else document
    return Rpc(soap.parse(data).method, None, lambda answer: answer, data)


def raw_method(method: str, *children: Node) -> Rpc:
    """Any method by name, known to the CPE or not; the response is the method element."""
    return Rpc(method, node(f"cwmp:{method}", *children), lambda answer: answer)


def read_values(answer: etree._Element) -> ParameterValues:
    """Read a ParameterList of ParameterValueStruct below `answer`."""
    values = ParameterValues()
    for item in _items(answer, "ParameterList"):
        name = soap.text(item, "Name")
        value = soap.child(item, "Value")
        values[name] = soap.text(value)
        kind = "" if value is None else value.get(f"{{{soap.XSI}}}type", "")
        values.types[name] = kind.rpartition(":")[2]
    return values


def _items(answer: etree._Element, name: str) -> list[etree._Element]:
    return soap.children(soap.child(answer, name))


def _nothing(answer: etree._Element) -> None:
    return None


def _status(answer: etree._Element) -> int:
    return int(soap.text(answer, "Status"))


def _names(answer: etree._Element) -> dict[str, bool]:
    return {
        soap.text(item, "Name"): soap.text(item, "Writable").strip() in ("1", "true")
        for item in _items(answer, "ParameterList")
    }


def _attributes(answer: etree._Element) -> dict[str, tuple[int, list[str]]]:
    return {
        soap.text(item, "Name"): (
            int(soap.text(item, "Notification")),
            [soap.text(entry) for entry in _items(item, "AccessList")],
        )
        for item in _items(answer, "ParameterList")
    }


def _methods(answer: etree._Element) -> list[str]:
    return [soap.text(item) for item in _items(answer, "MethodList")]


def _queued(answer: etree._Element) -> list[tuple[str, int]]:
    return [
        (soap.text(item, "CommandKey"), int(soap.text(item, "State")))
        for item in _items(answer, "TransferList")
    ]


def _all_queued(answer: etree._Element) -> list[dict[str, str]]:
    return [
        {soap.local(one): one.text or "" for one in soap.children(item)}
        for item in _items(answer, "TransferList")
    ]


def _download(answer: etree._Element) -> tuple[int, str, str]:
    return (
        _status(answer),
        soap.text(answer, "StartTime"),
        soap.text(answer, "CompleteTime"),
    )
