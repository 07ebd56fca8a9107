"""AddObject, DeleteObject: rows of the tables that the declaration lets the ACS fill (CWMP-55).

A row is on flash, with the ParameterKey and in one record with all values, before the ACS is
answered. The number of a deleted row is not given to another one.
"""

from micropython import const

from ..wire.soap import own
from .fault import CwmpFault
from .rpc_fields import Fields
from .rpc_parts import response

_KEY = const(32)


def _add(session, arguments):
    model = session.model
    table, text, number = _named(model, arguments)
    if number >= 0:
        raise CwmpFault(9001)
    numbers = list(model.rows.get(table, (1,)))
    most = text[len(table) + 5 : text.find("\n")]
    if not most.isdigit():
        raise CwmpFault(9001)
    if len(numbers) > int(most):
        raise CwmpFault(9004, "No more than " + most)
    new = numbers[0]
    numbers[0] += 1
    numbers.append(new)
    _keep(model, arguments, model.values.copy(), model.kept_attributes, table, numbers)
    return response, "AddObject", f"<InstanceNumber>{new}</InstanceNumber><Status>0</Status>"


def _delete(session, arguments):
    model = session.model
    path, _, number = _named(model, arguments)
    table = path[: path.rfind(".", 0, len(path) - 1) + 1]
    if number < 0:
        raise CwmpFault(9005, "Not an instance")
    if table not in model.rows:
        raise CwmpFault(9001)
    numbers = model.rows[table].copy()
    numbers.remove(number)  # never the first one, which is higher than any that was given
    _keep(
        model,
        arguments,
        _others(model.values, path),
        _others(model.kept_attributes, path),
        table,
        numbers,
    )
    return response, "DeleteObject", "<Status>0</Status>"


def _named(model, arguments):
    # -> path, the text that declares it, instance number as in `DataModel.object`.
    path = own(arguments.text("ObjectName"))
    arguments.text("ParameterKey", _KEY)
    if path[-1:] != ".":
        raise CwmpFault(9005)
    return (path,) + model.object(path)


def _others(kept, path):
    # Without what belongs to the row.
    return {name: value for name, value in kept.items() if not name.startswith(path)}


def _keep(model, arguments, values, attributes, table, numbers):
    from .model_record import keep  # noqa: PLC0415 - a step of its own, see `session_runner`
    from .model_values import put_key  # noqa: PLC0415

    put_key(model, values, arguments.text("ParameterKey", _KEY))
    rows = model.rows.copy()
    rows[table] = numbers
    keep(model, values, attributes, rows)
    if model.on_change:
        model.on_change(table, True)


SERVED = {"AddObject": (Fields, _add), "DeleteObject": (Fields, _delete)}
