"""What a boot does with the data model, once: the checks of declaration and record."""

from .cwmp_parse import parse
from .cwmp_types import TYPES
from .fault import CwmpFault
from .model_attributes import check as check_attributes
from .model_attributes import merge
from .model_checks import checked
from .model_recall import part
from .model_record import keep
from .model_values import hand_over


def check(model):
    """ValueError or KeyError: a default is none of its type, or a getter is missing. It shows at
    boot, not at an ACS.
    """
    for text in model.objects:
        lines = text.split("\n")
        path, _, rows = lines[0].partition("{i}. ")
        if path[-1:] != "." or lines[-1] or rows and rows[0] != "@" and not rows.isdigit():
            raise ValueError("bad object " + lines[0])
        if rows[:1] == "@" and rows[1:] not in model.getters:
            raise ValueError("no getter " + rows)
        for line in lines[1:-1]:
            _, flags, kind, default = line.split(" ", 3)
            row = (TYPES[kind[0]], flags, kind[1:], default, 0)
            if default[0] == "#":
                model.object(default[1:])
            elif default[0] != "@":
                parse(row[0], model.text(None, row))
            elif (default[1:] not in model.getters and not model.others) or (
                "W" in flags and default[1:] not in model.setters
            ):
                raise ValueError("no getter or setter " + default)


def restore(model, record):
    """Take back a record (dict or None); return the names whose forced read-only value is
    a new one.

    Those are for `DataModel.changed`: a software update is notified (CWMP-61). What this version
    does not know or would not accept is dropped, on flash too, and logged without its value.
    """
    model.values = {}
    model.kept_attributes = {}
    model.rows = {}
    dropped = 0
    for table, numbers in part(record, "rows").items():
        if _are_rows(model, table, numbers):
            model.rows[table] = numbers
        else:
            model.log("W", "store", "dropped rows=" + table)
            dropped += 1
    for name, text in part(record, "values").items():
        try:
            row = model.find(name)
            if row[3][0] == "~" or (row[3][0] == "@" and "K" not in row[1]):
                raise CwmpFault(9008)
            if "W" in row[1]:
                text = checked(model, name, text)
            elif "K" not in row[1] or not isinstance(text, str):
                raise CwmpFault(9008)
            model.values[name] = text
            if row[3][0] == "@":
                _set_again(model, row, text)
        except (CwmpFault, AttributeError, TypeError):
            model.log("W", "store", "dropped value=" + name)
            dropped += 1
    for name, kept in part(record, "attributes").items():
        try:
            check_attributes(kept[0], kept[1])
            merge(model, name, kept[0], kept[1])
        except (CwmpFault, LookupError, TypeError):
            model.log("W", "store", "dropped attribute=" + name)
            dropped += 1
    updated = []
    for name, text in part(record, "seen").items():
        try:
            if model.get(name)[0] != text:
                updated.append(name)
        except CwmpFault:
            continue
    if dropped:
        try:
            # The next one who takes the record does not check it.
            keep(model, model.values, model.kept_attributes)
        except CwmpFault:
            pass  # logged; a flash that fails is found again by the next write
    return tuple(updated)


def _set_again(model, row, text):
    try:
        hand_over(model, row, text)
    except Exception as error:  # noqa: BLE001 - hardware that fails must not stop the boot
        model.log("E", "model", 'setter={} error="{}"'.format(row[3][1:], repr(error)))


def _are_rows(model, table, numbers):
    # Whether a record names a table of this version, and numbers that its rows may have.
    if not isinstance(numbers, list) or len(numbers) != len(set(numbers)):
        return False
    for number in numbers:
        if not isinstance(number, int) or not 0 < number <= numbers[0]:
            return False
    for text in model.objects:
        if text.startswith(table) and text.startswith("{i}. ", len(table)):
            return text[len(table) + 5] != "@" and len(numbers) > 0
    return False
