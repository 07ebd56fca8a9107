"""Gets ready for the next session while nobody waits: client, Inform, and the bytes of the first
request. Loaded where there is memory for it.
"""

from ..core.prepared_inform import PreparedInform
from ..wire.request_head import request_head
from .http_client import ENVELOPE
from .session_start import make_client
from .slices import borrow


def prepare(runner):
    """Make ready what `runner`, a SessionRunner, can know before the bell rings.

    Returns True when something had to be made.
    """
    prepared = runner.prepared
    if prepared is None:
        prepared = runner.prepared = PreparedInform(runner.management.model)
    if not make_client(runner) or prepared.ready:
        return False
    try:
        if prepared.refresh():
            message = prepared.message(None)
            wire = first_request(runner.used[0], message)
            # Held once: the message, CurrentTime with it, is the end of the request.
            message.buffer = memoryview(wire)[len(wire) - message.length :]
            prepared.wire = wire
    except MemoryError:
        pass  # a wake takes longer without
    return True


def first_request(url, body):
    """Bytes of a complete envelope POST to `url`, for `HttpClient.post(prepared=...)`. HttpError.

    They hold the host and target of `url`, no credentials and no cookie: good for the first
    request of any session until the ACS URL or the envelope changes. All of it lies in memory.
    """
    tls, host, port, target = borrow("wire.url").parse_url(url)
    request = bytearray(request_head("POST", target, host, port, tls, ENVELOPE, body.length))
    for piece in body.chunks():
        request.extend(piece)
    return request
