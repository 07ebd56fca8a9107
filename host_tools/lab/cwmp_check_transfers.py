"""Rules for the messages of a CPE about transfers: TransferComplete and its like, and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lxml import etree

from host_tools.lab import soap, xsd_types

if TYPE_CHECKING:
    from host_tools.lab.cwmp_check import Check

UNKNOWN_TIME = "0001-01-01T00:00:00Z"
# What may go wrong with a transfer; 9013 belongs to the answer to the request alone (CWMP-64).
FAULTS = {"0", "9001", "9002", *(str(code) for code in range(9010, 9021))} - {"9013"}


def _fault_struct(check: Check, element: etree._Element) -> None:
    fault = soap.child(element, "FaultStruct")
    if fault is None:
        return
    check.sequence(fault, "FaultCode FaultString", "CWMP-64")
    code = soap.text(fault, "FaultCode")
    check.that(code in FAULTS, "CWMP-64", f"FaultCode {code!r}")
    text = check.length(fault, "FaultString", 256, "CWMP-64")
    check.that(code != "0" or not text, "CWMP-64", f"FaultString {text!r} without a fault")


def _span(check: Check, element: etree._Element) -> None:
    check.times(element, "StartTime", "CompleteTime")
    start, complete = (soap.text(element, name) for name in ("StartTime", "CompleteTime"))
    known = (
        UNKNOWN_TIME not in (start, complete) and start.endswith("Z") and complete.endswith("Z")
    )
    check.that(not known or start <= complete, "CWMP-64", f"from {start} to {complete}")


def _transfer_complete(check: Check, element: etree._Element) -> None:
    check.sequence(element, "CommandKey FaultStruct StartTime CompleteTime")
    check.length(element, "CommandKey", 32, "CWMP-64")
    _fault_struct(check, element)
    _span(check, element)


def _autonomous(check: Check, element: etree._Element) -> None:
    check.sequence(
        element,
        "AnnounceURL TransferURL IsDownload FileType FileSize TargetFileName FaultStruct"
        " StartTime CompleteTime",
    )
    for name in ("AnnounceURL", "TransferURL"):
        check.length(element, name, 1024, "CWMP-64")
    check.boolean(soap.text(element, "IsDownload"), "IsDownload")
    _file(check, element)
    _fault_struct(check, element)
    _span(check, element)


def _file(check: Check, element: etree._Element) -> None:
    check.length(element, "FileType", 64, "CWMP-65")
    check.length(element, "TargetFileName", 256, "CWMP-64")
    size = soap.text(element, "FileSize")
    check.that(xsd_types.is_unsigned(size), "CWMP-64", f"FileSize {size!r}")


def _request_download(check: Check, element: etree._Element) -> None:
    check.sequence(element, "FileType FileTypeArg")
    check.length(element, "FileType", 64, "CWMP-65")
    arguments = soap.child(element, "FileTypeArg")
    for item in check.array(arguments, "FileTypeArg", "cwmp:ArgStruct"):
        check.sequence(item, "Name Value")
        check.length(item, "Name", 64, "CWMP-50")
        check.length(item, "Value", 256, "CWMP-50")


def _transfer_response(check: Check, element: etree._Element) -> None:
    check.sequence(element, "Status StartTime CompleteTime")
    later = check.status(element) == "1"
    _span(check, element)
    for name in ("StartTime", "CompleteTime"):
        text = soap.text(element, name)
        check.that(not later or text == UNKNOWN_TIME, "CWMP-64", f"{name} {text} with Status 1")


def _queued(kind: str, names: str) -> Callable[[Check, etree._Element], None]:
    def rule(check: Check, element: etree._Element) -> None:
        check.sequence(element, "TransferList")
        listed = check.array(soap.child(element, "TransferList"), "TransferList", f"cwmp:{kind}")
        check.that(len(listed) <= 16, "CWMP-50", f"{len(listed)} transfers queued")
        for item in listed:
            check.sequence(item, names)
            check.length(item, "CommandKey", 32, "CWMP-50")
            state = soap.text(item, "State")
            check.that(xsd_types.is_int(state, 1, 3), "CWMP-50", f"State {state!r}")
            if "FileSize" in names:
                check.boolean(soap.text(item, "IsDownload"), "IsDownload")
                _file(check, item)

    return rule


def _empty(check: Check, element: etree._Element) -> None:
    check.sequence(element, "")


RULES: dict[str, Callable[[Check, etree._Element], None]] = {
    "TransferComplete": _transfer_complete,
    "AutonomousTransferComplete": _autonomous,
    "RequestDownload": _request_download,
    "DownloadResponse": _transfer_response,
    "UploadResponse": _transfer_response,
    "ScheduleDownloadResponse": _empty,
    "CancelTransferResponse": _empty,
    "GetQueuedTransfersResponse": _queued("QueuedTransferStruct", "CommandKey State"),
    "GetAllQueuedTransfersResponse": _queued(
        "AllQueuedTransferStruct", "CommandKey State IsDownload FileType FileSize TargetFileName"
    ),
}
