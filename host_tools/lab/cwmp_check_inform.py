"""Rules for an Inform: DeviceId, events and the parameters that belong in it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lxml import etree

from host_tools.lab import soap, xsd_types
from host_tools.lab.soap import children

if TYPE_CHECKING:
    from host_tools.lab.cwmp_check import Check

FORCED = tuple(
    f"Device.{name}"
    for name in (
        "RootDataModelVersion",
        "DeviceInfo.HardwareVersion",
        "DeviceInfo.SoftwareVersion",
        "DeviceInfo.ProvisioningCode",
        "ManagementServer.ParameterKey",
        "ManagementServer.ConnectionRequestURL",
        "ManagementServer.AliasBasedAddressing",
    )
)
SINGLE_EVENTS = frozenset(
    (
        "0 BOOTSTRAP",
        "1 BOOT",
        "2 PERIODIC",
        "3 SCHEDULED",
        "4 VALUE CHANGE",
        "5 KICKED",
        "6 CONNECTION REQUEST",
        "7 TRANSFER COMPLETE",
        "8 DIAGNOSTICS COMPLETE",
        "9 REQUEST DOWNLOAD",
        "10 AUTONOMOUS TRANSFER COMPLETE",
        "11 DU STATE CHANGE COMPLETE",
        "12 AUTONOMOUS DU STATE CHANGE COMPLETE",
        "13 WAKEUP",
        "14 HEARTBEAT",
    )
)
MULTIPLE_EVENTS = frozenset(
    ("M Reboot", "M ScheduleInform", "M Download", "M ScheduleDownload", "M Upload")
    + ("M ChangeDUState",)
)
TRANSFERS = {"M Download", "M ScheduleDownload", "M Upload"}
# An event that comes with another one.
BESIDE = {
    "M Reboot": "1 BOOT",
    "M ScheduleInform": "3 SCHEDULED",
    **dict.fromkeys(TRANSFERS, "7 TRANSFER COMPLETE"),
}


def inform(check: Check, element: etree._Element) -> None:
    order = "DeviceId Event MaxEnvelopes CurrentTime RetryCount ParameterList"
    if not check.sequence(element, order, "CWMP-30"):
        return
    device, event, envelopes, current, retry, parameters = children(element)
    check.sequence(device, "Manufacturer OUI ProductClass SerialNumber", "CWMP-30")
    for name in ("Manufacturer", "ProductClass", "SerialNumber"):
        check.length(device, name, 64, "CWMP-30")
    oui = soap.text(device, "OUI")
    check.that(re.fullmatch("[0-9A-F]{6}", oui), "CWMP-30", f"OUI {oui!r}")
    check.that(soap.text(device, "SerialNumber"), "CWMP-30", "no SerialNumber")
    codes = _events(check, check.array(event, "Event", "cwmp:EventStruct"))
    text = soap.text(envelopes)
    check.that(text == "1", "CWMP-22", f"MaxEnvelopes {text!r}")
    text = soap.text(current)
    check.that(xsd_types.is_date_time(text), "CWMP-30", f"CurrentTime {text!r}")
    text = soap.text(retry)
    check.that(xsd_types.is_unsigned(text), "CWMP-34", f"RetryCount {text!r}")
    values = check.parameters(parameters)
    roots = {name.partition(".")[0] for name in values}
    check.that(len(roots) == 1, "CWMP-31", f"parameters of {sorted(roots)}")
    if roots == {"Device"} and "Device.DeviceSummary" not in values:  # Device:2
        for name in FORCED:
            check.that(name in values, "CWMP-31", f"Inform without {name}")
        more = sorted(set(values) - set(FORCED))
        more = [name for name in more if not any(fnmatchcase(name, one) for one in check.asked)]
        told = "4 VALUE CHANGE" in codes or not more
        check.that(told, "CWMP-33", f"{more} without 4 VALUE CHANGE")


def _events(check: Check, items: list[etree._Element]) -> list[str]:
    check.that(1 <= len(items) <= 64, "CWMP-30", f"{len(items)} events")
    codes: list[str] = []
    for item in items:
        check.sequence(item, "EventCode CommandKey", "CWMP-30")
        code = soap.text(item, "EventCode")
        key = check.length(item, "CommandKey", 32, "CWMP-30")
        single = code in SINGLE_EVENTS
        known = single or code in MULTIPLE_EVENTS or code.startswith(("X ", "M X "))
        check.that(known, "CWMP-40", f"event code {code!r}")
        check.that(not (single and code in codes), "CWMP-40", f"{code} twice")
        check.that(not (single and key), "CWMP-40", f"{code} with CommandKey {key!r}")
        codes.append(code)
    for code, beside in BESIDE.items():
        check.that(code not in codes or beside in codes, "CWMP-40", f"{code} without {beside}")
    for code, keyed in (("3 SCHEDULED", {"M ScheduleInform"}), ("7 TRANSFER COMPLETE", TRANSFERS)):
        listed = code not in codes or keyed & set(codes)
        check.that(listed, "CWMP-40", f"{code} without any of {sorted(keyed)}")
    return codes
