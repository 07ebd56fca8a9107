# In place of main.py on an ESP32: the agent as it is, which says at each step what it takes.
# MEMORY lines: B(are prompt), I(dle) or S(ession); bytes in use after a collection, bytes of the
# heap, the largest block that the IDF has left.
import gc

gc.threshold(16384)


def tell(what):
    gc.collect()
    gc.collect()
    used = gc.mem_alloc()
    blocks = esp32.idf_heap_info(esp32.HEAP_DATA)
    print("MEMORY", what, used, used + gc.mem_free(), max([block[2] for block in blocks]))


import esp32

tell("B")

import json

from cwmp.runtime.boot import borrow, main

driver = json.load(open("board.json"))["network"]["driver"]  # noqa: PTH123, SIM115
https = json.load(open("site.json"))["acs"]["url"][:5] == "https"  # noqa: PTH123, SIM115
pin = borrow("port.heap").begin(driver, https)  # as `main` does, before the agent is loaded
from cwmp.runtime import slices

forget = slices.drop_all
reached = None
in_session = False


def told_first(names):
    # Whatever is dropped is in the way until then: there is no more between two such moments.
    if in_session:
        tell("S")
    forget(names)


slices.drop_all = told_first
from cwmp.runtime import agent as room

Usual = room.Agent


class Watched(Usual):
    # `progress` moves after each answer of the ACS, while all that a session needs is loaded.
    @property
    def progress(self):
        return reached

    @progress.setter
    def progress(self, value):
        global reached
        reached = value
        if value and in_session:
            tell("S")

    async def _run_session(self):
        global in_session
        in_session = True
        await Usual._run_session(self)
        in_session = False

    def _drop_slices(self):
        Usual._drop_slices(self)
        tell("I")


room.Agent = Watched
main()
