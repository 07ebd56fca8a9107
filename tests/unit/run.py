"""Run unit test files with no framework: `micropython tests/unit/run.py tests/unit/test_stun.py
...`.

Prints `ok NAME` or `FAIL NAME` and a traceback for each test, then a count; the exit status is 1
when any failed.
"""

import sys

ROOT = (
    __file__.rsplit("/", 3)[0]
    if __file__.count("/") >= 3
    else __file__.rsplit("unit/run.py", 1)[0] + ".."
)
if sys.implementation.name != "micropython":
    sys.path.insert(0, ROOT + "/tests/shims")
sys.path.insert(0, ROOT + "/firmware")
sys.path.insert(0, ROOT + "/tests/unit")


def run(path):
    name = path.rsplit("/", 1)[-1]
    name = name[: name.rfind(".")]
    passed = failed = 0
    try:
        module = __import__(name)
    except Exception as error:
        print("FAIL {}.import".format(name))
        report(error)
        return 0, 1
    for test in sorted(dir(module)):
        if not test.startswith("test_"):
            continue
        try:
            getattr(module, test)()
            passed += 1
            print("ok {}.{}".format(name, test))
        except Exception as error:
            failed += 1
            print("FAIL {}.{}".format(name, test))
            report(error)
    return passed, failed


def report(error):
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error)


def main(paths):
    passed = failed = 0
    for path in paths:
        good, bad = run(path)
        passed += good
        failed += bad
    print("{} passed, {} failed".format(passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
