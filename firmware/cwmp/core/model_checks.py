"""What a write to the data model must not be (DM-05, CWMP-51). Loaded before each."""

from micropython import const

from .cwmp_parse import local_name, parse
from .fault import CwmpFault

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


def check_all(model, items, parameter_key):
    """Raise the fault of a SetParameterValues of these `items` with this ParameterKey, CwmpFault
    9003 with `details`, if there is one.
    """
    errors = set_errors(model, items)
    if errors:
        details = [error for error in errors if error[1] != 9003]
        raise CwmpFault(
            9003, None if len(details) == len(errors) else "Parameter listed twice", details
        )
    if len(parameter_key) > _KEY_SIZE:
        raise CwmpFault(9003, "ParameterKey is longer than 32")


def set_local(model, name, text):
    """A write by the device itself or its console, which notifies the ACS; CwmpFault 9005, 9007,
    9008, 9002.
    """
    from .model_values import commit  # noqa: PLC0415 - a slice

    commit(model, ((name, checked(model, name, text), None),), False)


def _is_url(text):
    rest = text[7:] if text.startswith("http://") else ""
    if text.startswith("https://"):
        rest = text[8:]
    return rest != "" and rest[0] not in "/?#:" and " " not in text
