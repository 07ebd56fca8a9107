"""What the ACS can ask: which module serves a method (CWMP-50). It is loaded when the method's
element is read.

Such a module has SERVED, {method: (makes a collector of the arguments, see `wire.envelope`, or
None for a method without; handler)}. A handler gets the session and the collected arguments; it
checks everything, raises `CwmpFault`, or returns what `soap.Message` wants: a generator function
and its arguments, so that a long answer is written while it is sent.
"""

from .fault import CwmpFault

# Modules and the methods that each serves.
SERVED_BY = """\
core.rpc_device GetRPCMethods Reboot FactoryReset
core.rpc_values SetParameterValues GetParameterValues
core.rpc_names GetParameterNames
core.rpc_attributes GetParameterAttributes
core.rpc_attributes_set SetParameterAttributes
core.rpc_objects AddObject DeleteObject
core.rpc_transfers Download Upload ScheduleInform GetQueuedTransfers GetAllQueuedTransfers"""

added = {}  # method: what `register` was given


def register(method, make, handler):
    """Add a method of a module that is loaded anyway."""
    added[method] = (make, handler)


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


def serves(method):
    """-> name of the module that serves `method`, or ""."""
    for line in SERVED_BY.split("\n"):
        words = line.split(" ")
        if method in words[1:]:
            return words[0]
    return ""


def _entry(method):
    module = serves(method)
    if not module:
        return added.get(method)
    return __import__("cwmp." + module, None, None, ("SERVED",)).SERVED[method]
