"""What `udp_request.read` found wrong, in words."""

_WORDS = """\
not a GET request
bad URI
a field is missing, repeated, empty or too long
ts or id is not 1 to 20 digits
sig is not 40 hex digits
sig has 64 digits (HMAC-SHA256): this CPE speaks HMAC-SHA1
not HTTP/1.1
bad headers or a body
un is another one
ts is older than the last one accepted
"""


def words(code):
    """Return the words for a code above 0."""
    return _WORDS.split("\n")[code - 1]
