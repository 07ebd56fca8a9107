"""Where a 302 or 307 leads to (CWMP-07). Loaded for one of them at a time."""

from .slices import borrow


def follow(client, location):
    """Send `client` to `location`. Return True when that is another server: what the old one gave
    us is not for the new one. HttpError.
    """
    before = client.url
    client.url = after = borrow("wire.url").parse_url(location, before)
    if after[:3] == before[:3]:
        return False
    client.drop()
    client.basic = client.digest = None
    if after[1] != before[1] or (before[0] and not after[0]):
        client.cookies.clear()
    return True
