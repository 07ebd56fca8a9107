"""Small records that change often, in the chip's key-value store instead of a file: a write costs
some 300 bytes of a log that the whole partition shares, not an erased block.

The store itself keeps the old value until the new one is there. Beyond that each record has two
keys that are written in turn, so that one which is damaged brings back the one before it.
"""

import json
from binascii import crc32

_SIZE = 640  # bytes of the longest record: 8 ids and ts of 20 digits are half of that


class Records:
    """As `runtime.store.Store`: `load`, `save`, `remove`. `nvs` is an esp32.NVS; what only `store`
    holds was written by an older version, and counts until the first `save`.
    """

    def __init__(self, nvs, store):
        self._nvs = nvs
        self._store = store

    def load(self, name):
        """Return the value saved last under `name`, None when there is none."""
        newest = self._newest(name)
        return self._store.load(name) if newest is None else newest[1]

    def save(self, name, value):
        """Keep `value`; it is there when this returns. OSError when it is not."""
        newest = self._newest(name)
        count = 0 if newest is None else newest[0] + 1
        body = json.dumps((count, value)).encode()
        body = "{:08x}".format(crc32(body)).encode() + body
        if len(body) > _SIZE:
            raise OSError("record {} is too long".format(name))
        self._nvs.set_blob(name + str(count & 1), body)
        self._nvs.commit()

    def remove(self, name):
        """Forget a record; oldest first, so that a cut does not bring an older one back."""
        self._store.remove(name)
        newest = self._newest(name)
        last = 0 if newest is None else newest[0] & 1
        for key in (1 - last, last):
            try:
                self._nvs.erase_key(name + str(key))
                self._nvs.commit()
            except OSError:
                continue

    def _newest(self, name):
        # (count, value) of the newest of the two that is whole, None when neither is.
        found = None
        buffer = bytearray(_SIZE)
        for key in "01":
            try:
                size = self._nvs.get_blob(name + key, buffer)
                body = bytes(memoryview(buffer)[8:size])
                if bytes(buffer[:8]) != "{:08x}".format(crc32(body)).encode():
                    continue
                record = json.loads(body)
            except (OSError, ValueError):
                continue
            if found is None or record[0] > found[0]:
                found = record
        return found
