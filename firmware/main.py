# Runs at power-up. All there is to read lies in lib/cwmp; Ctrl-C gives the MicroPython prompt.
import gc

# Collecting early keeps the long-lived objects together at the bottom of the heap, and its top in one piece.
gc.threshold(8192)

from cwmp.runtime.boot import main  # noqa: E402

main()
