"""Writes to the data model, all or nothing (CWMP-51, CWMP-52). Loaded by the first one."""

from micropython import const

from .cwmp_parse import local_name, parse
from .fault import CwmpFault
from .model_record import keep

_PARAMETER_KEY = "Device.ManagementServer.ParameterKey"
_KEY_SIZE = const(32)
_INTEGERS = ("int", "unsignedInt")


def checked(model, name, text, xsi_type=None):
    """Return the canonical text of a write, or raise the fault of this one parameter (DM-05)."""
    kind, flags, limit, _ = model.find(name)
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
        if limit and len(text) > int(limit):
            raise CwmpFault(9007, "Longer than " + limit)
        if "U" in flags and not _is_url(text):
            raise CwmpFault(9007, "Not an http or https URL")
    elif limit:
        lowest, highest = limit.split(":")
        if not int(lowest) <= int(text) <= int(highest):
            raise CwmpFault(9007, f"Not within {lowest} to {highest}")
    return text


def set_errors(model, items):
    """See `DataModel.set_errors`."""
    errors = []
    seen = {}
    for name, _, _ in items:
        seen[name] = seen.get(name, 0) + 1
        if seen[name] == 2:
            errors.append((name, 9003, "Listed twice"))
    for name, text, xsi_type in items:
        try:
            checked(model, name, text, xsi_type)
        except CwmpFault as fault:
            errors.append((name, fault.code, fault.text))
    return errors


def set_all(model, items, parameter_key):
    """See `DataModel.set`."""
    errors = set_errors(model, items)
    if errors:
        details = [error for error in errors if error[1] != 9003]
        raise CwmpFault(
            9003, None if len(details) == len(errors) else "Parameter listed twice", details
        )
    if len(parameter_key) > _KEY_SIZE:
        raise CwmpFault(9003, "ParameterKey is longer than 32")
    status = 0
    changes = []
    for name, text, _ in items:
        row = model.find(name)
        text = parse(row[0], text)
        if text != model.text(name, row):
            changes.append((name, text))
            if "L" in row[1]:
                status = 1
    if parameter_key != model.value(_PARAMETER_KEY):
        changes.append((_PARAMETER_KEY, parameter_key))
    _commit(model, changes, True)
    return status


def set_local(model, name, text):
    """See `DataModel.set_local`."""
    text = checked(model, name, text)
    if text != model.text(name, model.find(name)):
        _commit(model, ((name, text),), False)


def _commit(model, changes, by_acs):
    if not changes:
        return
    values = model.values.copy()
    for name, text in changes:
        if text == model.text(None, model.find(name)):
            values.pop(name, None)
        else:
            values[name] = text
    keep(model, values, model.kept_attributes)
    if model.on_change:
        for name, _ in changes:
            model.on_change(name, by_acs)


def _is_url(text):
    rest = text[7:] if text.startswith("http://") else ""
    if text.startswith("https://"):
        rest = text[8:]
    return rest != "" and rest[0] not in "/?#:" and " " not in text
