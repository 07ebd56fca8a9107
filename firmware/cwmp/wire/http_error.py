"""The one error of HTTP, apart from those who raise it: most of them come and go."""


class HttpError(ValueError):
    """A response, URL or challenge that we are not willing to read; the text is fixed."""
