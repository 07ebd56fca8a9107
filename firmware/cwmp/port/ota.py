"""The OTA partitions of an ESP32. Loaded for one use at a time (`Port.firmware`).

The boot loader goes back to the image before when the new one is not accepted until the next
reset, if it was built for that (CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE, as the official OTA images
are).
"""

from esp32 import Partition


def target():
    """Return the partition for the next image, None on a board with one image only."""
    try:
        return Partition(Partition.RUNNING).get_next_update()
    except OSError:
        return None


def running():
    """Return the label of the partition that runs."""
    return Partition(Partition.RUNNING).info()[4]


def activate(label):
    """Boot from there next time; the IDF checks the image first. OSError."""
    Partition.find(Partition.TYPE_APP, label=label)[0].set_boot()


def accept():
    """The image that runs is a good one."""
    if target() is None:
        return  # the IDF would complain on the console that it keeps no account of images
    try:
        Partition.mark_app_valid_cancel_rollback()
    except OSError:
        pass  # there is nothing to go back to
