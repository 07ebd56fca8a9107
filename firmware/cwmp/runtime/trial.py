"""What a download put in force, and whether it works: application folders, firmware, the site's
configuration. Loaded for one use at a time; docs/transfers.md.

`slot` names the application that runs, "<folder> <other> <state>": a digit counts the boots that
are left to prove it, "-" is proven, "x" means that `other` has failed. main.py reads it.
"""

import os

from .slices import borrow

SLOT = "slot"
SITE = "site"  # the slot of a configuration
NEW_SITE = "site.new"  # checked, not in force yet
OLD_SITE = "site.old"  # the one before, while the new one is on trial
_BOOTS = "3"


def app():
    """Return (folder, other, state) of the application."""
    try:
        with open(SLOT) as file:
            folder, other, state = file.read().split()
        return folder, other, state
    except (OSError, ValueError):
        return "lib", "lib", "-"


def _write_app(*fields):
    with open(SLOT + ".new", "w") as file:
        file.write(" ".join(fields))
    os.rename(SLOT + ".new", SLOT)


def activate(port, slot):
    """Put `slot` in force from the next boot on. OSError, ValueError."""
    if slot == SITE:
        os.rename(NEW_SITE, "site.json")
    elif len(slot) == 1:
        _write_app(slot, app()[0], _BOOTS)
    else:
        borrow(port.firmware).activate(slot)


def give_up(slot):
    """`slot` brought no session about: the boot that follows goes back, or counts."""
    if slot == SITE:
        os.rename(OLD_SITE, "site.json")


def outcome(port, slot):
    """Return "" when `slot` is in force after the boot, else why it is not, None when that was
    never tried.
    """
    if slot == SITE:
        if _there(NEW_SITE):
            return None
        return "" if _there(OLD_SITE) else "no session came about with the configuration"
    if len(slot) > 1:
        running = borrow(port.firmware).running()
        return "" if running == slot else "{} runs, the image was given up".format(running)
    folder, other, state = app()
    if folder == slot:
        return ""
    return "the application was given up" if other == slot and state == "x" else None


def accept(port):
    """A session is complete: what is on trial has proven itself."""
    folder, other, state = app()
    if state.isdigit():
        _write_app(folder, other, "-")
    if _there(OLD_SITE):
        os.remove(OLD_SITE)
    if port.firmware:
        borrow(port.firmware).accept()


def _there(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True
