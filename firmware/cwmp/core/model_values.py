"""Writes to the data model, all or nothing (CWMP-51, CWMP-52). Loaded by the first one."""

from micropython import const

from .cwmp_parse import local_name, parse
from .cwmp_types import to_native
from .fault import CwmpFault
from .model_record import keep

_PARAMETER_KEY = "Device.ManagementServer.ParameterKey"
_KEY_SIZE = const(32)
_INTEGERS = ("int", "unsignedInt")


def checked(model, name, text, xsi_type=None):
    """Return the canonical text of a write, or raise the fault of this one parameter (DM-05)."""
    kind, flags, limit, _, _ = model.find(name)
    if "W" not in flags:
        raise CwmpFault(9008)
    if xsi_type:
        given = local_name(xsi_type)
        if given != kind and not (given in _INTEGERS and kind in _INTEGERS):
            raise CwmpFault(9006, "Type is " + kind)
    try:
        text = parse(kind, text)
    except ValueError as error:
        raise CwmpFault(9007, str(error))
    if kind == "string":
        if limit and not limit.isdigit():
            if text not in limit.split("|"):
                raise CwmpFault(9007, "Not one of " + limit)
        elif limit and len(text) > int(limit):
            raise CwmpFault(9007, "Longer than " + limit)
        if "U" in flags and not _is_url(text):
            raise CwmpFault(9007, "Not an http or https URL")
        if "N" in flags or "E" in flags:
            from .inform_parameters import check  # noqa: PLC0415 - a table that few ACSs use

            check(model, flags, text)
    elif limit:
        lowest, highest = limit.split(":")
        if not int(lowest) <= int(text) <= int(highest):
            raise CwmpFault(9007, f"Not within {lowest} to {highest}")
    return text


def set_errors(model, items):
    """Return [(name, code, text)] for a SetParameterValues of [(name, text, xsi type or None)].

    Names that are listed twice come first, with 9003: they make the whole call wrong (CWMP-51).
    """
    errors = []
    seen = set()  # of short hashes: the names themselves are in `items`
    for number, (name, text, xsi_type) in enumerate(items):
        key = hash(name)
        if key in seen and _occurs(items, number, name) == 1:
            errors.append((name, 9003, "Listed twice"))
        seen.add(key)
        try:
            checked(model, name, text, xsi_type)
        except CwmpFault as fault:
            errors.append((name, fault.code, fault.text))
    return errors


def _occurs(items, number, name):
    # How often `name` is among the first `number` items.
    count = 0
    for other, _, _ in items:
        number -= 1
        if number < 0:
            break
        count += other == name
    return count


def set_all(model, items, parameter_key):
    """Write all `items` or none, and the ParameterKey (CWMP-51, 52); return the Status, 0 or 1.

    They are on flash before this returns and before anything is changed in memory. CwmpFault 9003
    with `details`, or 9002 when flash failed.
    """
    errors = set_errors(model, items)
    if errors:
        details = [error for error in errors if error[1] != 9003]
        raise CwmpFault(
            9003, None if len(details) == len(errors) else "Parameter listed twice", details
        )
    if len(parameter_key) > _KEY_SIZE:
        raise CwmpFault(9003, "ParameterKey is longer than 32")
    return commit(model, items, True, parameter_key)


def set_local(model, name, text):
    """A write by the device itself or its console, which notifies the ACS; CwmpFault 9005, 9007,
    9008, 9002.
    """
    commit(model, ((name, checked(model, name, text), None),), False)


def commit(model, items, by_acs, parameter_key=None):
    """Have the checked `items` (name, text, ...) and the key on flash and in effect, or nothing of
    it: CwmpFault 9003 with the 9007 of a setter that refuses, or 9002. Returns the Status
    (CWMP-51).
    """
    if parameter_key == model.value(_PARAMETER_KEY):
        parameter_key = None
    values = model.values.copy()
    changed = bytearray()  # one for each item
    before = []  # texts of those that were handed over
    status = 0
    try:
        for name, text, _ in items:
            row = model.find(name)
            text = parse(row[0], text)
            kind = row[3][0]
            news = kind == "~" or text != model.text(name, row)
            if kind == "@":
                before.append(model.text(name, row))
                if news:
                    _hand_over(model, name, row, text)
                if "K" in row[1]:
                    values[name] = text
            elif news and kind != "~":
                status |= "L" in row[1]
                _put(model, values, name, row, text)
            changed.append(news)
        if parameter_key is not None:
            put_key(model, values, parameter_key)
        if values != model.values:
            keep(model, values, model.kept_attributes)
    except CwmpFault:
        _take_back(model, items, before)
        raise
    for last in (False, True):  # a request for a test stands behind what it is to be done with
        at = 0
        for name, text, _ in items:
            if changed[at] and name.endswith(".DiagnosticsState") == last:
                row = model.find(name)
                if row[3][0] == "~":
                    model.volatile[name] = parse(row[0], text)
                if model.on_change:
                    model.on_change(name, by_acs)
            at += 1
    if parameter_key is not None and model.on_change:
        model.on_change(_PARAMETER_KEY, by_acs)
    return int(status)


def put_key(model, values, parameter_key):
    """Put the ParameterKey into `values` (CWMP-52)."""
    _put(model, values, _PARAMETER_KEY, model.find(_PARAMETER_KEY), parameter_key)


def _put(model, values, name, row, text):
    # Only what is not the default is kept.
    if text == model.text(None, row):
        values.pop(name, None)
    else:
        values[name] = text


def hand_over(model, row, text):
    """Give the canonical `text` to the setter of a parameter."""
    setter = model.setters[row[3][1:]]
    value = to_native(row[0], text)
    if row[4]:
        setter(row[4], value)
    else:
        setter(value)


def _hand_over(model, name, row, text):
    try:
        hand_over(model, row, text)
    except ValueError as error:
        raise CwmpFault(9003, None, ((name, 9007, str(error)),))
    except Exception as error:  # noqa: BLE001 - whatever the hardware says
        model.log("E", "model", 'setter={} error="{}"'.format(row[3][1:], repr(error)))
        raise CwmpFault(9003, None, ((name, 9002, "Not set"),))


def _take_back(model, items, before):
    # What was handed over gets its former value.
    for name, _, _ in items:
        if not before:
            break
        row = model.find(name)
        if row[3][0] == "@":
            text = before.pop(0)
            try:
                hand_over(model, row, text)
            except Exception as error:  # noqa: BLE001
                model.log("E", "model", 'setter={} error="{}"'.format(row[3][1:], repr(error)))


def _is_url(text):
    rest = text[7:] if text.startswith("http://") else ""
    if text.startswith("https://"):
        rest = text[8:]
    return rest != "" and rest[0] not in "/?#:" and " " not in text
