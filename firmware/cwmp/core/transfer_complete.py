"""The CPE's TransferComplete (CWMP-64)."""

from ..wire.soap import escape
from .cwmp_types import unix_to_iso


def transfer_complete(job):
    """Pieces of the request for a job of `core.job_queue` that is done."""
    yield b"<cwmp:TransferComplete><CommandKey>"
    yield escape(job["key"])
    yield "</CommandKey><FaultStruct><FaultCode>{}</FaultCode><FaultString>".format(
        job["code"]
    ).encode()
    yield escape(job["text"])
    yield "</FaultString></FaultStruct><StartTime>{}</StartTime><CompleteTime>{}".format(
        unix_to_iso(job.get("start")), unix_to_iso(job.get("end"))
    ).encode()
    yield b"</CompleteTime></cwmp:TransferComplete>"
