"""A check of every message a CPE sends, against the structure rules of CWMP.

`check` looks at one message alone; what only a session can show (ids, order, cookies) is the
ACS's part.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lxml import etree

from host_tools.lab import cwmp_check_inform, cwmp_check_transfers, soap, xsd_types
from host_tools.lab.cwmp_check_inform import FORCED
from host_tools.lab.soap import children, local

__all__ = ["FORCED", "Check", "Violation", "check", "check_http"]

MUST_UNDERSTAND = f"{{{soap.ENV}}}mustUnderstand"

ATTRIBUTES = {
    f"{{{soap.XSI}}}type",
    f"{{{soap.ENC}}}arrayType",
    f"{{{soap.ENV}}}mustUnderstand",
    f"{{{soap.ENV}}}encodingStyle",
}
HIDDEN = ("Password", "ConnectionRequestPassword", "STUNPassword")


@dataclass(frozen=True)
class Violation:
    """One rule broken by a CPE; `where` is filled in by the ACS (CPE, session, message)."""

    rule: str
    text: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}" + (f" [{self.where}]" if self.where else "")


@dataclass
class Check:
    """What was found in one message; each method looks at one part of it."""

    asked: Sequence[str] = ()  # in Informs, by the ACS
    found: list[Violation] = field(default_factory=list)
    booleans: set[bool] = field(default_factory=set)  # written as words? both = inconsistent

    def that(self, good: object, rule: str, text: str) -> bool:
        if not good:
            self.found.append(Violation(rule, text))
        return bool(good)

    def boolean(self, text: str, what: str) -> None:
        if self.that(xsd_types.is_boolean(text), "CWMP-15", f"{what} is not a boolean: {text!r}"):
            self.booleans.add(text in ("true", "false"))

    def sequence(self, element: etree._Element, names: str, rule: str = "CWMP-10") -> bool:
        have = " ".join(local(item) for item in children(element))
        return self.that(have == names, rule, f"{local(element)} holds [{have}], not [{names}]")

    def status(self, element: etree._Element) -> str:
        text = soap.text(element, "Status")
        self.that(text in ("0", "1"), "CWMP-50", f"Status {text!r}")
        return text

    def length(self, element: etree._Element, name: str, most: int, rule: str) -> str:
        text = soap.text(element, name)
        self.that(len(text) <= most, rule, f"{name} longer than {most}: {len(text)}")
        return text

    def array(self, element: etree._Element | None, what: str, kind: str) -> list[etree._Element]:
        """Check a SOAP array of `kind` (cwmp:X or xsd:string), return its items."""
        if element is None:
            return []
        items = children(element)
        given = element.get(f"{{{soap.ENC}}}arrayType")
        if not self.that(given, "CWMP-14", f"{what} has no soap-enc:arrayType"):
            return items
        match = re.fullmatch(r"([^:\[\]]+):([^:\[\]]+)\[([0-9]+)\]", given or "")
        if not self.that(match, "CWMP-14", f"{what} has arrayType {given!r}") or match is None:
            return items
        space, name = kind.split(":")
        uri = element.nsmap.get(match[1])
        fits = uri == soap.XSD if space == "xsd" else uri in soap.CWMP_NAMESPACES
        self.that(fits and match[2] == name, "CWMP-14", f"{what} is an array of {given}")
        count = f"{what} announces {match[3]} items and has {len(items)}"
        self.that(int(match[3]) == len(items), "CWMP-14", count)
        for item in items:
            named = f"{what} holds a {local(item)}, not {name}"
            self.that(local(item) == name, "CWMP-14", named)
        return items

    def times(self, element: etree._Element, *names: str) -> None:
        for name in names:
            text = soap.text(element, name)
            self.that(xsd_types.is_date_time(text), "CWMP-15", f"{name} {text!r}")

    def value(self, element: etree._Element | None, name: str) -> None:
        """Check a Value: xsi:type with the prefix xsd, and a text that fits it."""
        if element is None:
            return
        given = element.get(f"{{{soap.XSI}}}type")
        if not self.that(given, "CWMP-14", f"{name} has no xsi:type") or given is None:
            return
        prefix, _, kind = given.rpartition(":")
        known = kind in xsd_types.TYPES
        uri = element.nsmap.get(prefix or None)
        bound = uri == soap.XSD or (uri == soap.ENC and kind == "base64")
        if not self.that(known and bound, "CWMP-14", f"{name} has xsi:type {given!r}"):
            return
        if uri == soap.XSD:
            self.that(prefix == "xsd", "CWMP-14", f"{name}: prefix {prefix!r}, not xsd")
        text = soap.text(element)
        self.that(not children(element), "CWMP-10", f"{name} holds elements")
        if kind == "boolean":
            self.boolean(text, name)
        else:
            fits = xsd_types.TYPES[kind](text)
            self.that(fits, "CWMP-15", f"{name} is not of type {kind}: {text!r}")

    def parameters(self, element: etree._Element | None, hidden: bool = False) -> dict[str, str]:
        """Check a ParameterList of values, return them."""
        values: dict[str, str] = {}
        for item in self.array(element, "ParameterList", "cwmp:ParameterValueStruct"):
            self.sequence(item, "Name Value")
            name = self.length(item, "Name", 256, "CWMP-50")
            whole = bool(name) and not name.endswith(".")
            self.that(whole, "CWMP-50", f"not a parameter name: {name!r}")
            self.that(name not in values, "CWMP-50", f"{name} twice in the ParameterList")
            self.value(soap.child(item, "Value"), name)
            values[name] = soap.text(item, "Value")
            _, _, last = name.rpartition(".")
            secret = ".ManagementServer." in name and last in HIDDEN and values[name]
            self.that(not secret, "CWMP-54", f"{name} shows its value")
            if last == "UDPConnectionRequestAddress":
                form = re.fullmatch(r"[^:/\s]*(:[0-9]{1,5})?", values[name])
                self.that(form, "STUN-61", f"{name} is {values[name]!r}, not host:port")
        return values


def check(document: bytes, asked: Sequence[str] = ()) -> list[Violation]:
    """Return what is wrong with one message of a CPE; [] when nothing is. `asked`: names, or
    patterns, that the ACS wants in Informs (InformParameter).
    """
    check_ = Check(asked)
    try:
        document.decode()
        message = soap.parse(document)
    except UnicodeDecodeError:
        return [Violation("CWMP-10", "not UTF-8")]
    except soap.EnvelopeError as error:
        return [Violation("CWMP-16" if "DOCTYPE" in str(error) else "CWMP-10", str(error))]
    root = message.element.getroottree().getroot()
    sections = [item.tag for item in children(root)]
    head, body = f"{{{soap.ENV}}}Header", f"{{{soap.ENV}}}Body"
    in_order = sections in ([body], [head, body])
    check_.that(in_order, "CWMP-10", f"Envelope holds {sections}")
    _document(check_, root)
    _headers(check_, root.find(head), message)
    if message.method == "Fault":
        _fault(check_, message.element)
    else:
        space = f"namespace {message.cwmp!r} of {message.method}"
        check_.that(message.cwmp in soap.CWMP_NAMESPACES, "CWMP-11", space)
        _unqualified(check_, message.element)
        rule = RULES.get(message.method)
        if check_.that(rule, "CWMP-50", f"{message.method} is nothing a CPE sends") and rule:
            rule(check_, message.element)
    check_.that(len(check_.booleans) < 2, "CWMP-15", "booleans both as digits and as words")
    return check_.found


def check_http(
    method: str, version: tuple[int, int], headers: Mapping[str, str], body: bytes
) -> list[Violation]:
    """Return what is wrong with the HTTP request around a message (CWMP-01)."""
    check_ = Check()
    check_.that(method == "POST", "CWMP-01", f"method {method}")
    check_.that(version == (1, 1), "CWMP-01", f"HTTP version {version[0]}.{version[1]}")
    check_.that("Host" in headers, "CWMP-01", "no Host header")
    if not body:
        framed = headers.get("Content-Length") == "0" or "Transfer-Encoding" in headers
        check_.that(framed, "CWMP-01", "empty POST without Content-Length: 0")
        return check_.found
    kind, *options = [part.strip().lower() for part in headers.get("Content-Type", "").split(";")]
    check_.that(kind == "text/xml", "CWMP-01", f"Content-Type {kind!r}")
    for option in options:
        if option.startswith("charset="):
            utf8 = option[8:].strip('"') == "utf-8"
            check_.that(utf8, "CWMP-01", f"Content-Type with {option}")
    action = headers.get("SOAPAction")
    check_.that(action is not None, "CWMP-01", "no SOAPAction header")
    check_.that(action in (None, "", '""'), "CWMP-01", f"SOAPAction {action!r}, not empty")
    return check_.found


def _document(check_: Check, root: etree._Element) -> None:
    """What holds for every element: no instructions, no text beside elements, few attributes."""
    check_.that(
        next(root.getroottree().iter(etree.ProcessingInstruction), None) is None,
        "CWMP-10",
        "a processing instruction",
    )
    for item in root.iter(etree.Element):
        inner = children(item)
        beside = (item.text or "") + "".join(one.tail or "" for one in inner)
        mixed = bool(inner) and bool(beside.strip())
        check_.that(not mixed, "CWMP-10", f"{local(item)} holds text beside elements")
        check_.that(
            set(item.attrib) <= ATTRIBUTES, "CWMP-10", f"{local(item)} has {sorted(item.attrib)}"
        )


def _headers(check_: Check, head: etree._Element | None, message: soap.Received) -> None:
    ids = 0
    for item in children(head):
        name, must = local(item), item.get(MUST_UNDERSTAND)
        check_.that(etree.QName(item).namespace, "CWMP-10", f"header {name} without namespace")
        if name == "NoMoreRequests":
            check_.that(False, "CWMP-13", "NoMoreRequests is historic")
        elif name == "ID":
            ids += 1
            check_.that(must == "1", "CWMP-13", f"ID with mustUnderstand {must!r}")
            space = etree.QName(item).namespace
            check_.that(space in soap.CWMP_NAMESPACES, "CWMP-13", f"ID in namespace {space!r}")
            same = space == message.cwmp or message.method == "Fault"
            check_.that(same, "CWMP-11", f"ID in namespace {space!r}, not that of the method")
            check_.that(soap.text(item), "CWMP-13", "an ID without text")
        elif name in ("SupportedCWMPVersions", "SessionTimeout"):
            check_.that(must in (None, "0"), "CWMP-12", f"{name} with mustUnderstand {must!r}")
            check_.that(message.method == "Inform", "CWMP-12", f"{name} outside an Inform")
        else:
            check_.that(False, "CWMP-13", f"header {name} is nothing a CPE sends")
    check_.that(ids == 1, "CWMP-13", f"{ids} ID headers")


def _unqualified(check_: Check, method: etree._Element) -> None:
    for item in method.iterdescendants(tag=etree.Element):
        space = etree.QName(item).namespace
        check_.that(space is None, "CWMP-10", f"{local(item)} is qualified: {space}")


def _fault(check_: Check, element: etree._Element) -> None:
    prefix, _, code = soap.text(element, "faultcode").rpartition(":")
    bound = not prefix or element.nsmap.get(prefix) == soap.ENV
    check_.that(bound, "CWMP-17", f"faultcode with prefix {prefix!r}")
    if code in ("MustUnderstand", "VersionMismatch"):
        # A fault of SOAP itself carries no CWMP fault.
        check_.sequence(element, "faultcode faultstring", "CWMP-17")
        return
    check_.sequence(element, "faultcode faultstring detail", "CWMP-17")
    check_.that(code in ("Client", "Server"), "CWMP-17", f"faultcode {code!r}")
    text = soap.text(element, "faultstring")
    check_.that(text == "CWMP fault", "CWMP-17", f"faultstring {text!r}")
    inner = children(soap.child(element, "detail"))
    cwmp = {f"{{{uri}}}Fault" for uri in soap.CWMP_NAMESPACES}
    if not check_.that(
        len(inner) == 1 and inner[0].tag in cwmp, "CWMP-17", "detail without cwmp:Fault"
    ):
        return
    names = [local(item) for item in children(inner[0])]
    shape = " ".join(names)
    form = re.fullmatch("FaultCode( FaultString)?( SetParameterValuesFault)*", shape)
    check_.that(form, "CWMP-17", f"cwmp:Fault holds [{shape}]")
    _unqualified(check_, inner[0])
    number = soap.text(inner[0], "FaultCode")
    check_.that(is_fault_code(number), "CWMP-17", f"FaultCode {number!r}")
    parts = [item for item in children(inner[0]) if local(item) == "SetParameterValuesFault"]
    check_.that(not parts or number == "9003", "CWMP-51", f"parameter faults beside {number}")
    for part in parts:
        shape = " ".join(local(item) for item in children(part))
        form = re.fullmatch("ParameterName FaultCode( FaultString)?", shape)
        check_.that(form, "CWMP-17", f"SetParameterValuesFault holds [{shape}]")
        check_.that(soap.text(part, "ParameterName"), "CWMP-17", "fault without ParameterName")
        number = soap.text(part, "FaultCode")
        check_.that(is_fault_code(number), "CWMP-17", f"FaultCode {number!r} of a parameter")


def is_fault_code(text: str) -> bool:
    return xsd_types.is_int(text, 9000, 9032) or xsd_types.is_int(text, 9800, 9899)


def _get_values_response(check_: Check, element: etree._Element) -> None:
    check_.sequence(element, "ParameterList")
    check_.parameters(soap.child(element, "ParameterList"))


def _get_names_response(check_: Check, element: etree._Element) -> None:
    check_.sequence(element, "ParameterList")
    names: set[str] = set()
    inner = soap.child(element, "ParameterList")
    for item in check_.array(inner, "ParameterList", "cwmp:ParameterInfoStruct"):
        check_.sequence(item, "Name Writable")
        name = check_.length(item, "Name", 256, "CWMP-50")
        check_.that(name not in names, "CWMP-53", f"{name} listed twice")
        names.add(name)
        check_.boolean(soap.text(item, "Writable"), f"Writable of {name}")


def _get_attributes_response(check_: Check, element: etree._Element) -> None:
    check_.sequence(element, "ParameterList")
    inner = soap.child(element, "ParameterList")
    for item in check_.array(inner, "ParameterList", "cwmp:ParameterAttributeStruct"):
        check_.sequence(item, "Name Notification AccessList")
        name = check_.length(item, "Name", 256, "CWMP-50")
        level = soap.text(item, "Notification")
        check_.that(level in "0123456" and len(level) == 1, "CWMP-60", f"{name}: {level!r}")
        check_.array(soap.child(item, "AccessList"), "AccessList", "xsd:string")


def _methods_response(check_: Check, element: etree._Element) -> None:
    check_.sequence(element, "MethodList")
    inner = check_.array(soap.child(element, "MethodList"), "MethodList", "xsd:string")
    have = {soap.text(item) for item in inner}
    for name in ("GetRPCMethods", "SetParameterValues", "GetParameterValues", "Reboot"):
        check_.that(name in have, "CWMP-50", f"MethodList without {name}")


def _only_status(check_: Check, element: etree._Element) -> None:
    check_.sequence(element, "Status")
    check_.status(element)


def _add_object_response(check_: Check, element: etree._Element) -> None:
    check_.sequence(element, "InstanceNumber Status")
    number = soap.text(element, "InstanceNumber")
    check_.that(xsd_types.is_int(number, 1, 2**32 - 1), "CWMP-50", f"InstanceNumber {number!r}")
    check_.status(element)


def _kicked(check_: Check, element: etree._Element) -> None:
    check_.sequence(element, "Command Referer Arg Next")
    for name, most in (("Command", 32), ("Referer", 64), ("Arg", 256), ("Next", 1024)):
        check_.length(element, name, most, "CWMP-50")


def _empty(check_: Check, element: etree._Element) -> None:
    check_.sequence(element, "")


RULES: dict[str, Callable[[Check, etree._Element], None]] = {
    "Inform": cwmp_check_inform.inform,
    "Kicked": _kicked,
    "GetRPCMethods": _empty,
    "GetRPCMethodsResponse": _methods_response,
    "GetParameterValuesResponse": _get_values_response,
    "GetParameterNamesResponse": _get_names_response,
    "GetParameterAttributesResponse": _get_attributes_response,
    "SetParameterValuesResponse": _only_status,
    "SetParameterAttributesResponse": _empty,
    "AddObjectResponse": _add_object_response,
    "DeleteObjectResponse": _only_status,
    "RebootResponse": _empty,
    "FactoryResetResponse": _empty,
    "ScheduleInformResponse": _empty,
    **cwmp_check_transfers.RULES,
}
