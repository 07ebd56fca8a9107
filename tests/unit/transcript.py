"""Golden transcripts: what the CPE posts, exact but for line breaks, and what the ACS says.

A file is a sequence of parts, each headed by `=== CPE` or `=== ACS <status>`; a part without lines
has no body.
"""

from cwmp_device import received, text_of
from support import VECTORS


def load(name):
    """-> [(who, status, text)]"""
    parts = []
    with open(VECTORS + "transcripts/" + name + ".txt") as file:
        for line in file:
            line = line.strip()
            if line.startswith("==="):
                words = line.split()
                parts.append((words[1], int(words[2]) if len(words) > 2 else 0, []))
            elif parts and line:
                parts[-1][2].append(line)
    return [(who, status, "".join(lines)) for who, status, lines in parts]


def replay(name, session):
    """Play the ACS of `tests/data/transcripts/<name>.txt`; every POST must be the one there."""
    parts = load(name)
    message = session.begin()
    for who, status, text in parts:
        if who == "CPE":
            posted = text_of(message).replace("\n", "")
            assert posted == text, f"{name}\n{posted}\n{text}"
        else:
            message = received(session, text.encode() or None, status)
    assert message is None and len(parts) > 3
