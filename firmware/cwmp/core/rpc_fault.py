"""How a request of the ACS is refused: what `soap.Message` wants for a fault. Loaded with the
first one.
"""

from ..wire.soap_fault import cwmp_fault, must_understand_fault
from . import rpc
from .fault import CwmpFault


def fault_of(session, method, error):
    """-> the fault for the exception that `method` ended with."""
    if isinstance(error, MemoryError):
        error = CwmpFault(9004, "Out of memory")
    elif not isinstance(error, CwmpFault):
        session.log("E", "rpc", f"broken method={method} error={type(error).__name__}")
        error = CwmpFault(9002)
    known = method if rpc.serves(method) or method in rpc.added else "unknown"
    session.log("W", "rpc", f"fault method={known} code={error.code}")
    return cwmp_fault, error.code, error.text, error.details


def header_unknown(session, name):
    """-> the fault for a header that had to be understood."""
    session.log("W", "rpc", "header-unknown")
    return must_understand_fault, name
