"""Names to addresses, remembered: getaddrinfo blocks, so it is asked seldom (B20)."""

from micropython import const

_ENTRIES_MAX = const(4)
_AF_INET = const(2)  # on Linux, lwIP and macOS alike
_SOCK_STREAM = const(1)


class Resolver:
    """Remembers what `getaddrinfo` gave; an address is whatever connect() and sendto() take."""

    def __init__(self, getaddrinfo):
        self._getaddrinfo = getaddrinfo
        self._known = {}

    def lookup(self, host, port, family=_AF_INET):
        """IPv4 address of `host`, with family 0 another where it has none; blocks for a name that
        is new or was forgotten. OSError.
        """
        key = (host, port, family)
        address = self._known.get(key)
        if address is not None:
            return address
        try:
            entries = self._getaddrinfo(host, port, family, _SOCK_STREAM)
        except OSError:
            # The unix port raises without a number, others with negative ones: one shape for all.
            raise OSError(-2, "cannot resolve " + host)
        for entry in entries:
            if entry[0] == _AF_INET or not (address or family):
                address = entry[-1]
                if entry[0] == _AF_INET:
                    break
        if address is None:
            raise OSError(-2, "no IPv4 address for " + host)
        if len(self._known) >= _ENTRIES_MAX:
            self._known.clear()
        self._known[key] = address
        return address

    def forget(self, host):
        """Resolve `host` anew next time: connecting to it failed. None: all, the link is back."""
        for key in list(self._known):
            if host is None or key[0] == host:
                del self._known[key]
