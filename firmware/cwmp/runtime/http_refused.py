"""What an answer leads to that is no 2xx: 401, 302, 307, all others (CWMP-07, CWMP-08). Loaded for
one of them at a time.
"""

from micropython import const

from .http_client import HttpFailure
from .slices import borrow

_REDIRECTS_MAX = const(5)


def follow(client, reader, refused):
    """Have `client` do what the answer wants that `reader`, a ResponseReader, has read.

    `refused`: [401s, redirects] for this message. HttpFailure, HttpError.
    """
    headers = reader.headers
    status = reader.status
    if status == 401:
        refused[0] += 1
        challenges = headers.get("www-authenticate", ())
        borrow("runtime.http_login").login(client, challenges, refused[0])
    elif status in (302, 307) and "location" in headers:
        refused[1] += 1
        if refused[1] > _REDIRECTS_MAX:
            raise HttpFailure("redirect loop", status)
        if _moved(client, headers["location"]):
            refused[0] = 0
    else:
        after = headers.get("retry-after", "")
        after = int(after) if after.isdigit() and len(after) < 7 else None
        raise HttpFailure(f"status {status}", status, after)


def _moved(client, location):
    # Sends it there. True when that is another server: what the old one gave us is not for the
    # new one.
    before = client.url
    client.url = after = borrow("wire.url").parse_url(location, before)
    if after[:3] == before[:3]:
        return False
    client.drop()
    client.basic = client.digest = None
    if after[1] != before[1] or (before[0] and not after[0]):
        client.cookies.clear()
    return True
