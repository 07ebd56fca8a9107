"""What a 401 leads to (CWMP-04, CWMP-08). Loaded for one 401 at a time."""

from .http_client import HttpFailure
from .slices import borrow


def login(client, values, refusals):
    """Have `client` answer the challenges in `values` from now on; `refusals`: 401s for this
    message, this one included. HttpFailure, HttpError.
    """
    if not client.username:
        raise HttpFailure("no credentials", 401)
    http_challenge = borrow("wire.http_challenge")
    challenges = []
    for value in values:
        challenges.extend(http_challenge.parse_credentials(value))
    params = http_challenge.usable_digest(challenges)
    # The first refusal is a challenge (or the end of an old nonce), the next one a verdict.
    if refusals > 2 or (refusals == 2 and (params is None or not http_challenge.is_stale(params))):
        raise HttpFailure("status 401", 401)
    if params is not None:
        client.basic = None
        client.digest = http_challenge.taken(params, client.digest)
    elif not http_challenge.offers_basic(challenges):
        raise HttpFailure("no usable challenge", 401)
    elif not client.url[0] and not client.allow_basic:
        raise HttpFailure("basic without tls", 401)
    else:
        client.digest = None
        client.basic = http_challenge.basic(client.username, client.password)
