"""Check the firmware's types against the MicroPython stubs: `python -m
host_tools.firmware_types`.

pyright does the work, with firmware/pyrightconfig.json. What it cannot know is left out here, in
one place, rather than by comments on the board: names that MicroPython has and the stubs lack,
and attributes that start as None, which only an annotation could declare.
"""

import json
import subprocess
import sys
from pathlib import Path

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"
# module -> attributes that exist there, found at the prompt of the interpreter named
MISSING_IN_STUBS = {
    "asyncio": ("core",),  # 1.23 to 1.29, all ports
    "socket": ("sockaddr",),  # unix port
    "...core": ("settings",),  # our own package: an imported submodule is an attribute of it
}
UNTYPED = "Cannot assign to attribute"


def known(message: str) -> bool:
    """Tell whether a message is one of those that mean nothing."""
    if message.startswith(UNTYPED):
        return True
    return any(
        message.startswith(f'"{name}" is not a known attribute of module "{module}"')
        or (
            message.startswith(f'"{name}" is unknown import symbol') and not module.startswith(".")
        )
        for module, names in MISSING_IN_STUBS.items()
        for name in names
    )


def main() -> int:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "pyright"), "--outputjson"],
        cwd=FIRMWARE,
        capture_output=True,
        text=True,
    )
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError:
        print(f"pyright does not run: {(done.stderr or done.stdout).strip()}", file=sys.stderr)
        return 2
    if not found["summary"]["filesAnalyzed"]:
        print("pyright looked at no file", file=sys.stderr)
        return 2
    wrong = [one for one in found["generalDiagnostics"] if not known(one["message"])]
    for one in wrong:
        line = one["range"]["start"]["line"] + 1 if "range" in one else 1
        print(f"{one['file']}:{line}: {one['message']} ({one.get('rule', 'syntax')})")
    print(f"firmware types: {found['summary']['filesAnalyzed']} files, {len(wrong)} errors")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
