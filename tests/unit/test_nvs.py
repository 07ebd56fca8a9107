"""Records in NVS, over a model of esp32.NVS that can lose power and damage what it holds."""

from support import raises

from cwmp.port.nvs import Records


class PowerCut(Exception):
    pass


class Nvs:
    """A set_blob is there or not, never in part, as in the chip; `left` calls until the power
    goes.
    """

    def __init__(self):
        self.blobs = {}
        self.left = None

    def _call(self):
        if self.left == 0:
            raise PowerCut()
        if self.left is not None:
            self.left -= 1

    def get_blob(self, key, buffer):
        if key not in self.blobs:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        blob = self.blobs[key]
        buffer[: len(blob)] = blob
        return len(blob)

    def set_blob(self, key, value):
        assert len(key) <= 15
        self._call()
        self.blobs[key] = bytes(value)

    def commit(self):
        self._call()

    def erase_key(self, key):
        self._call()
        if key not in self.blobs:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        del self.blobs[key]


class Files:
    """The store that an older version wrote to."""

    def __init__(self, **records):
        self.records = records

    def load(self, name):
        return self.records.get(name)

    def remove(self, name):
        self.records.pop(name, None)


def record(ts):
    return {"ts": str(ts), "ids": ["4294967295"] * 8}


def made(nvs=None, **files):
    return Records(nvs or Nvs(), Files(**files))


def test_what_was_saved_last_is_loaded_by_the_next_boot():
    nvs = Nvs()
    for ts in range(5):
        made(nvs).save("fresh", record(ts))
        assert made(nvs).load("fresh") == record(ts)
    assert made().load("fresh") is None


def test_b26_a_power_cut_at_any_call_leaves_the_old_or_the_new_value():
    for before in range(3):
        for left in range(3):
            nvs = Nvs()
            for ts in range(before):
                made(nvs).save("fresh", record(ts))
            nvs.left = left
            old = made(nvs).load("fresh")
            try:
                made(nvs).save("fresh", record(99))
                acknowledged = True
            except PowerCut:
                acknowledged = False
            nvs.left = None
            found = made(nvs).load("fresh")
            assert found == record(99) or (not acknowledged and found == old)


def test_b26_a_damaged_value_brings_back_the_one_before():
    for change in (lambda b: b[:-1], lambda b: b"", lambda b: b"0" * 8 + b[8:], lambda b: b[:20]):
        nvs = Nvs()
        made(nvs).save("fresh", record(1))
        made(nvs).save("fresh", record(2))
        nvs.blobs["fresh1"] = change(nvs.blobs["fresh1"])
        assert made(nvs).load("fresh") == record(1)
        made(nvs).save("fresh", record(3))
        assert made(nvs).load("fresh") == record(3)


def test_the_file_of_an_older_version_counts_until_the_first_save():
    nvs = Nvs()
    assert made(nvs, fresh=record(7)).load("fresh") == record(7)
    made(nvs, fresh=record(7)).save("fresh", record(8))
    assert made(nvs, fresh=record(7)).load("fresh") == record(8)


def test_b26_removing_is_never_cut_short_into_an_older_value():
    for saves in (1, 2, 3):
        for left in range(5):
            nvs = Nvs()
            for ts in range(saves):
                made(nvs).save("fresh", record(ts))
            nvs.left = left
            try:
                made(nvs).remove("fresh")
                left = None
            except PowerCut:
                pass
            nvs.left = None
            assert made(nvs).load("fresh") in (record(saves - 1), None)
            if left is None:
                assert made(nvs).load("fresh") is None


def test_a_record_too_long_for_it_is_refused_and_the_old_one_stays():
    nvs = Nvs()
    made(nvs).save("fresh", record(1))
    raises(OSError, made(nvs).save, "fresh", "x" * 700)
    assert made(nvs).load("fresh") == record(1)
