"""What the ACS can ask: which module serves a method (CWMP-50). It is loaded when the method's
element is read.

Such a module has SERVED, {method: (makes a collector of the arguments, see `wire.envelope`, or
None for a method without; handler)}. A handler gets the session and the collected arguments; it
checks everything, raises `CwmpFault`, or returns what `soap.Message` wants: a generator function
and its arguments, so that a long answer is written while it is sent.
"""

from .fault import CwmpFault

# method: a module of this package, or what `register` was given.
METHODS = {
    "GetRPCMethods": "rpc_device",
    "SetParameterValues": "rpc_values",
    "GetParameterValues": "rpc_values",
    "GetParameterNames": "rpc_names",
    "SetParameterAttributes": "rpc_attributes",
    "GetParameterAttributes": "rpc_attributes",
    "AddObject": "rpc_objects",
    "DeleteObject": "rpc_objects",
    "Reboot": "rpc_device",
    "FactoryReset": "rpc_device",
    "Download": "rpc_transfers",
    "Upload": "rpc_transfers",
    "ScheduleInform": "rpc_transfers",
    "GetQueuedTransfers": "rpc_transfers",
    "GetAllQueuedTransfers": "rpc_transfers",
}

_unload = None
_served = None  # name of the module that served last


def unload_with(call):
    """Let `call()` drop the module of one method before that of another is loaded; None: keep
    them. The runtime says so where memory is scarce.
    """
    global _unload
    _unload = call


def register(method, make, handler):
    """Add a method of a module that is loaded anyway."""
    METHODS[method] = (make, handler)


def collector(method):
    """-> a new collector for the arguments of `method`, or None: nothing to collect."""
    entry = _entry(method)
    return entry[0]() if entry and entry[0] else None


def call(session, method, arguments):
    """-> (generator function, *arguments) of the response; CwmpFault."""
    entry = _entry(method)
    if entry is None:
        raise CwmpFault(9000)
    return entry[1](session, arguments)


def _entry(method):
    global _served
    entry = METHODS.get(method)
    if isinstance(entry, str):
        # What served the method before is not in use: its answer has arrived.
        if _unload and entry != _served:
            _unload()
        _served = entry
        room = __name__.partition(".")[0] + ".core."
        entry = __import__(room + entry, None, None, ("SERVED",)).SERVED[method]
    return entry
