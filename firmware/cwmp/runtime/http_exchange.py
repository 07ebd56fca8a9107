"""One message of an HttpClient and what it leads to: another try, credentials, a redirect
(CWMP-02, CWMP-07, CWMP-08). Loaded for it.
"""

from ..wire.http_error import HttpError
from .http_client import HttpFailure
from .slices import borrow


async def post(client, body, sink, prepared):
    """See `HttpClient.post`."""
    try:
        return await _post(client, body, sink, prepared)
    except Exception as error:  # noqa: BLE001 - one kind of failure for the session
        client.drop()
        if isinstance(error, HttpFailure):
            raise
        failure = HttpFailure(borrow("runtime.http_reason").reason(error, client))
    except BaseException:  # cancelled
        client.drop()
        raise
    raise failure


async def _post(client, body, sink, prepared):
    refused = [0, 0]  # 401s, redirects
    retried = False
    while True:
        stream = client.stream
        if stream is not None and not stream.idle(client.buf):
            client.drop()  # closed by the peer between two messages: nothing was lost (CWMP-02)
            stream = None
        if stream is None:
            client.stream = await borrow("runtime.http_open").connect(client)
        if client.unload:
            client.unload()
        broken = None
        try:
            await _send(client, body, prepared if client.untouched else None)
        except OSError as error:
            broken = error  # a server may close early; what it said before is still to be read
        if client.unload:
            client.unload()
        from .http_receive import receive, response  # noqa: PLC0415 - a slice

        reader = response(sink, client.body_limit)
        try:
            await receive(client, reader)
            if broken is not None:
                client.drop()
        except (OSError, HttpError) as error:
            # A kept connection may die under the request: once, the session survives that.
            if stream is None or retried or reader.started:
                raise broken or error
            retried = True
            client.drop()
            continue
        headers = reader.headers
        status = reader.status
        if "set-cookie" in headers:
            borrow("wire.cookies").keep(client.cookies, headers["set-cookie"])
        if 200 <= status < 300:
            return status
        borrow("runtime.http_refused").follow(client, reader, refused)


async def _send(client, body, prepared):
    client.untouched = False
    client.sending = True
    client.stream.limit(client.response_ms)
    if prepared is not None:
        await client.stream.write(prepared)
    else:
        from .http_send import send  # noqa: PLC0415 - a slice

        await send(client, body)
    client.sending = False
