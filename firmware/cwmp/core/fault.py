"""CWMP faults (A.5): what the data model and the RPCs raise, and what goes into `cwmp:Fault`."""


class CwmpFault(Exception):
    """A CPE fault: `code` (int), `text`, `details` = list of (parameter name, code, text)
    (CWMP-17).
    """

    def __init__(self, code, text=None, details=()):
        super().__init__(code, text)
        self.code = code
        self.details = details
        self._text = text

    @property
    def text(self):
        if not self._text:
            from .fault_text import fault_text  # noqa: PLC0415 - many a fault is never told

            self._text = fault_text(self.code)
        return self._text
