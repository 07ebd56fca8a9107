"""Writing attributes, all or nothing (CWMP-60, CWMP-61). Loaded by the first one."""

from micropython import const

from .fault import CwmpFault
from .model_record import keep

_ACCESS_ENTRIES = const(8)
_ACCESS_SIZE = const(64)


def set_attributes(model, items):
    """Apply all of [(name or partial path, notification or None, access list or None)], or none
    (CWMP-60, 61).

    A forced active notification stays as it is, whatever is asked: passive must never be refused.
    CwmpFault 9005, 9003, 9009, 9004, or 9002 when flash failed.
    """
    before = model.kept_attributes
    # The model reads what was done so far, until it is kept or one of them is refused.
    after = model.kept_attributes = before.copy()
    try:
        for path, notification, access_list in items:
            check(notification, access_list)
            for name in model.expand(path):
                merge(model, name, notification, access_list)
    finally:
        model.kept_attributes = before
    if after != before:
        keep(model, model.values, after)


def merge(model, name, notification, access_list):
    """Change attributes of one parameter in `model`, None leaves one as it is; CwmpFault 9009."""
    flags = model.find(name)[1]
    new = list(model.attributes(name))
    if notification is not None and "F" not in flags:
        if notification == 2 and "D" in flags:
            raise CwmpFault(9009, "No active notification for " + name)
        new[0] = notification
    if access_list is not None:
        new[1] = tuple(access_list)
    model.kept_attributes.pop(name, None)
    if tuple(new) != model.attributes(name):  # only what is not the default is kept
        model.kept_attributes[name] = tuple(new)


def check(notification, access_list):
    """Raise the fault of what no parameter may have."""
    if notification is not None:
        if not 0 <= notification <= 6:
            raise CwmpFault(9003, "Notification is 0 to 6")
        if notification > 2:
            raise CwmpFault(9009, "Lightweight notification is not supported")
    if access_list is not None:
        if len(access_list) > _ACCESS_ENTRIES:
            raise CwmpFault(9004, "AccessList has more than 8 entries")
        for entry in access_list:
            if len(entry) > _ACCESS_SIZE:
                raise CwmpFault(9003, "AccessList entry longer than 64")
