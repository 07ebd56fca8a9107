"""A request that the CPE makes after its Inform."""


class Request:
    """One for `core.session`: `body(*arguments)` gives the pieces of its element.

    `answered(session, said)`: called with the Envelope of the response, or of the fault, of the
    ACS.
    """

    def __init__(self, method, answered, body, *arguments):
        self.method = method
        self.answered = answered
        self.body = body
        self.arguments = arguments
