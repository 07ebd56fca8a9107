"""The unix target behaves as a board: port, resets, power cuts, prompt, unmodified mpremote."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from host_tools.errors import Failed, UserError
from host_tools.targets.pumped import running_boards
from host_tools.targets.unix import UnixTarget, find_interpreter

FOREVER = "import time\nprint('up')\nwhile True:\n    time.sleep(1)\n"
MPREMOTE = Path(sys.executable).parent / "mpremote"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Callable[..., UnixTarget]]:
    """Make a board: `board(main=..., boot=..., **options)`."""
    made: list[UnixTarget] = []

    def make(main: str | None = None, boot: str | None = None, **options) -> UnixTarget:
        target = UnixTarget(tmp_path / f"board{len(made)}", **options)
        target.flash.mkdir(parents=True)
        for name, text in (("main.py", main), ("boot.py", boot)):
            if text is not None:
                (target.flash / name).write_text(text)
        made.append(target)
        return target

    yield make
    for target in made:
        target.stop()


def console(url: str) -> serial.Serial:
    return serial.Serial(url, timeout=10)


def prompt(port: serial.Serial) -> bytes:
    return port.read_until(b"\r\n>>> ")


def ask(port: serial.Serial, line: str) -> str:
    """Type at the prompt and return what it prints."""
    port.write(line.encode() + b"\r")
    assert port.read_until(line.encode() + b"\r\n").endswith(b"\r\n")
    return prompt(port).removesuffix(b">>> ").decode().strip()


def mpremote(*arguments: str) -> str:
    done = subprocess.run(
        [str(MPREMOTE), *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace("\r\n", "\n")


def test_boot_runs_boot_py_then_main_py_as_main(board) -> None:
    target = board(boot="seen = ['boot']\n", main="seen.append(__name__)\nprint(seen)\n")
    with console(target.start()) as port:
        assert b"['boot', '__main__']\r\n" in prompt(port)


def test_sys_path_is_that_of_esp32(board) -> None:
    target = board(main="import sys\nprint(sys.path)\n")
    with console(target.start()) as port:
        assert port.readline() == b"['', '.frozen', 'lib']\r\n"


def test_error_in_boot_py_leaves_main_py_out(board) -> None:
    target = board(boot="1 / 0\n", main="print('main ran')\n")
    with console(target.start()) as port:
        said = prompt(port)
    assert b"ZeroDivisionError" in said
    assert b"main ran" not in said


def test_blank_flash_gives_the_prompt(board) -> None:
    with console(board().start()) as port:
        prompt(port)
        assert ask(port, "6 * 7") == "42"


def test_names_of_main_py_are_there_after_ctrl_c(board) -> None:
    with console(board(main="count = 7\n" + FOREVER).start()) as port:
        port.read_until(b"up\r\n")
        port.write(b"\x03")
        prompt(port)
        assert ask(port, "count") == "7"


PROGRAMS = {
    "sleep": FOREVER,
    "busy loop": "print('up')\nwhile True:\n    pass\n",
    "blocking recvfrom": (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.bind(socket.getaddrinfo('127.0.0.1', 0)[0][-1])\n"
        "print('up')\ns.recvfrom(10)\n"
    ),
    "poll without end": (
        "import select, sys\n"
        "p = select.poll()\np.register(sys.stdin, select.POLLERR)\n"
        "print('up')\nwhile True:\n    p.poll()\n"
    ),
    "except Exception": (
        "import time\nprint('up')\nwhile True:\n    try:\n        time.sleep(1)\n"
        "    except Exception:\n        pass\n"
    ),
    "asyncio": (
        "import asyncio\n"
        "async def work():\n    while True:\n        await asyncio.sleep(1)\n"
        "async def both():\n    print('up')\n    await asyncio.gather(work(), work())\n"
        "asyncio.run(both())\n"
    ),
    "reading stdin": "import sys\nprint('up')\nwhile True:\n    sys.stdin.buffer.read(1)\n",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_b27_ctrl_c_gives_the_prompt(board, program: str) -> None:
    with console(board(main=PROGRAMS[program]).start()) as port:
        port.read_until(b"up\r\n")
        port.write(b"\x03")
        assert b"KeyboardInterrupt" in prompt(port)
        assert ask(port, "1 + 1") == "2"


def test_b27_ctrl_c_passes_by_input_that_nobody_reads(board) -> None:
    with console(board(main=FOREVER).start()) as port:
        port.read_until(b"up\r\n")
        port.write(b"x" * 20000)
        port.write(b"\x03")
        assert b"KeyboardInterrupt" in prompt(port)


def test_b27_many_ctrl_c_give_the_prompt(board) -> None:
    with console(board(main=FOREVER).start()) as port:
        port.read_until(b"up\r\n")
        for _ in range(5):
            port.write(b"\x03")
        prompt(port)
        port.write(b"'here' + 'by'\r")
        assert port.read_until(b"'hereby'\r\n").endswith(b"'hereby'\r\n")


def test_b27_ctrl_c_during_boot_gives_the_prompt(board) -> None:
    target = board(main=FOREVER)
    with console(target.start()) as port:
        port.read_until(b"up\r\n")
        target.reset()
        port.write(b"\x03")
        prompt(port)
        port.write(b"'here' + 'by'\r")
        assert port.read_until(b"'hereby'\r\n").endswith(b"'hereby'\r\n")


def test_b27_mpremote_interrupts_a_running_program(board) -> None:
    url = board(main=FOREVER).start()
    assert mpremote("connect", url, "exec", "print(20 + 1)") == "21\n"


def test_mpremote_copies_and_lists_files(board, tmp_path: Path) -> None:
    target = board(main=FOREVER)
    url = target.start()
    content = os.urandom(5000)
    (tmp_path / "data.bin").write_bytes(content)
    mpremote("connect", url, "fs", "cp", str(tmp_path / "data.bin"), ":data.bin")
    assert (target.flash / "data.bin").read_bytes() == content
    assert "data.bin" in mpremote("connect", url, "fs", "ls")


def test_mpremote_soft_reset_leaves_main_py_out_and_runs_boot_py(board) -> None:
    target = board(boot="booted = 1\n", main="booted = 2\nprint('up')\n")
    url = target.start()
    target.wait_line("^up$", 0)
    assert mpremote("connect", url, "exec", "print(booted)") == "1\n"


def test_mpremote_resume_keeps_what_was_there(board) -> None:
    url = board(main="kept = 5\n" + FOREVER).start()
    assert mpremote("connect", url, "resume", "exec", "print(kept)") == "5\n"
    mpremote("connect", url, "resume", "exec", "kept += 1")
    assert mpremote("connect", url, "resume", "exec", "print(kept)") == "6\n"


def test_mpremote_reset_restarts_main_py(board) -> None:
    target = board(main=FOREVER)
    url = target.start()
    target.wait_line("^up$", 0)
    at = target.log_position()
    mpremote("connect", url, "reset")
    target.wait_line(r"^# chip reset\n(?:.*\n)*up$", at)


def test_ctrl_d_at_the_prompt_starts_main_py_again(board) -> None:
    with console(board(main="print('up')\n").start()) as port:
        prompt(port)
        port.write(b"\x04")
        port.read_until(b"MPY: soft reboot\r\n")
        assert port.read_until(b"up\r\n").endswith(b"up\r\n")


@pytest.mark.parametrize("way", ["sys.exit(3)", "machine.reset()"])
def test_reset_by_the_program_keeps_the_port_and_what_is_on_flash(board, way: str) -> None:
    target = board(
        main="import machine, sys\n"
        "try:\n    n = int(open('n').read())\nexcept OSError:\n    n = 0\n"
        "with open('n', 'w') as file:\n    file.write(str(n + 1))\n"
        f"print('boot', n)\nif n < 2:\n    {way}\n"
    )
    with console(target.start()) as port:
        said = prompt(port)
    assert re.findall(rb"boot (\d)", said) == [b"0", b"1", b"2"]
    assert target.status()["boots"] == 3


def test_reset_keeps_the_port(board) -> None:
    target = board(main=FOREVER)
    url = target.start()
    with console(url) as port:
        port.read_until(b"up\r\n")
        target.reset()
        assert port.read_until(b"up\r\n").endswith(b"up\r\n")
    assert target.port == url


def test_b26_power_cut_in_the_middle_of_a_write(board) -> None:
    target = board(
        main="print('up')\nwith open('half', 'w') as file:\n"
        "    file.write('written')\n    file.flush()\n    print('flushed')\n    input()\n"
        "    file.write('never')\n"
    )
    found = []
    with console(target.start()) as port:
        port.read_until(b"flushed\r\n")
        target.power_cut(lambda: found.append((target.flash / "half").read_text()))
        assert port.read_until(b"up\r\n").endswith(b"up\r\n")
    assert found == ["written"]
    assert target.status()["boots"] == 2


def test_crash_is_logged_and_the_board_starts_again(board) -> None:
    target = board(
        main="import os\nprint('up')\n"
        "if 'again' not in os.listdir():\n    open('again', 'w').close()\n"
        "    os.system('kill -SEGV $PPID')\n"
    )
    target.start()
    target.wait_line(r"^# crash, signal 11, reset\n(?:.*\n)*up$", 0)


def test_heap_is_limited(board) -> None:
    target = board(main="kept = [bytes(1000) for _ in range(400)]\n", heap="256k")
    target.start()
    target.wait_line("^MemoryError", 0)


def test_output_is_kept_for_the_first_reader_and_then_only_for_who_is_there(board) -> None:
    target = board(
        main="import sys\nprint('hello')\nwhile True:\n    print(sys.stdin.readline())\n"
    )
    url = target.start()
    target.wait_line("^hello$", 0)
    with console(url) as port:
        assert port.readline() == b"hello\r\n"
        port.write(b"one\n")
        port.read_until(b"one\r\n")
    target.reset()
    target.wait_line(r"hello\n(?:.*\n)*hello", 0)
    with console(url) as port:
        port.write(b"two\n")
        assert b"hello" not in port.read_until(b"two\r\n")


def test_output_that_nobody_reads_does_not_stop_the_board(board) -> None:
    target = board(main="for i in range(3000):\n    print('-' * 110, i)\nprint('finished')\n")
    url = target.start()
    target.wait_line("^finished$", 0)
    with console(url) as port:  # the newest output is there, the oldest is gone
        said = b""
        while b"finished\r\n" not in said[-1000:]:
            said += port.read(port.in_waiting or 1)
    assert b"- 2999\r\n" in said
    assert b"- 0\r\n" not in said
    assert len(said) <= 300 * 1024


def test_log_has_every_line_with_the_host_time(board) -> None:
    target = board(main="print('first')\nprint('second')\n")
    target.start()
    target.wait_line("^second$", 0)
    lines = target.log_path.read_text().splitlines()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} "
    assert all(re.match(stamp, line) for line in lines)
    assert [re.sub(stamp, "", line) for line in lines[:3]] == [
        "# power on, boot 1",
        "first",
        "second",
    ]


def test_wait_line_tells_what_the_board_said_last(board) -> None:
    target = board(main="print('something else')\n")
    target.start()
    with pytest.raises(Failed, match="something else"):
        target.wait_line("^never$", 0, fatal="^>>> ")


def test_child_board_ends_with_its_maker(board, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from host_tools.targets.unix import UnixTarget\n"
        "target = UnixTarget(Path(sys.argv[1])); target.start()\n"
        "print(target.status()['pid'], flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "child")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert int(done.stdout) > 0
    wait_until(lambda: not (tmp_path / "child" / "board.json").exists())


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_detached_board_is_found_by_its_folder(board) -> None:
    target = board(main=FOREVER, detached=True)
    url = target.start()
    other = UnixTarget(target.state)
    assert other.port == url
    assert url in [one["port"] for one in running_boards()]
    assert other.start() == url
    other.stop()
    assert not target.running
    assert not (target.state / "board.json").exists()
    with pytest.raises(UserError, match="no board runs in"):
        target.reset()


def test_state_folder_with_a_long_path(tmp_path: Path) -> None:
    target = UnixTarget(tmp_path / ("long" * 20) / ("longer" * 20))
    try:
        with console(target.start()) as port:
            prompt(port)
    finally:
        target.stop()


def test_no_interpreter_is_one_clear_line(board, monkeypatch: pytest.MonkeyPatch) -> None:
    target = board(interpreter="/nowhere/micropython")
    with pytest.raises(UserError, match="no MicroPython interpreter at /nowhere/micropython"):
        target.start()
    monkeypatch.setenv("MICROPYTHON", "/nowhere/else")
    with pytest.raises(UserError, match=r"at /nowhere/else \(from \$MICROPYTHON\)"):
        find_interpreter()


def test_interpreter_that_is_no_micropython_does_not_hang(board) -> None:
    target = board(interpreter="/bin/false")
    target.start()
    target.wait_line("^# crash, status 1, reset$", 0)


def test_bad_heap_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bad heap size '12 MB'"):
        UnixTarget(tmp_path, heap="12 MB")


@pytest.mark.netns
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_netns_is_where_the_board_lives(board) -> None:
    name = f"esp-cwmp-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        main = (
            "print(sorted(l.split(':')[0].strip() for l in open('/proc/net/dev') if ':' in l))\n"
        )
        target = board(main=main, netns=name)
        with console(target.start()) as port:
            assert port.readline() == b"['lo']\r\n"
        target.stop()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
