"""`python -m host_tools capture ...`: record traffic, explain a capture."""

import sys
from pathlib import Path
from typing import Annotated

import typer

capture_app = typer.Typer(
    help="Record traffic and explain captures.", no_args_is_help=True, add_completion=False
)


def register(app: typer.Typer) -> None:
    """Add the `capture` commands to the main command line."""
    app.add_typer(capture_app, name="capture")


@capture_app.command("record")
def record_command(
    file: Annotated[Path, typer.Argument(help="pcapng file to write.")],
    interface: Annotated[str, typer.Option(help="Interface to capture on.")] = "lo",
    capture_filter: Annotated[
        str, typer.Option("--filter", help="Capture filter as of tcpdump, e.g. 'udp port 3478'.")
    ] = "",
    namespace: Annotated[str, typer.Option(help="Network namespace that has the interface.")] = "",
    seconds: Annotated[float, typer.Option(help="Stop after this time; 0: at Ctrl-C.")] = 0.0,
) -> None:
    """Capture an interface until Ctrl-C (needs root or CAP_NET_RAW)."""
    from host_tools.capture import sniff

    sniffer = sniff.Sniffer(interface, file, capture_filter, namespace or None)
    sniffer.start()
    print(f"capturing on {interface} into {file}; Ctrl-C ends it", file=sys.stderr)
    try:
        sniffer.wait(seconds or None)
    except KeyboardInterrupt:
        pass
    finally:
        sniffer.stop()
    print(f"{file}: {file.stat().st_size} bytes", file=sys.stderr)


@capture_app.command("explain")
def explain_command(
    file: Annotated[Path, typer.Argument(help="pcap or pcapng file.")],
    password: Annotated[
        str | None, typer.Option(help="ConnectionRequestPassword: checks signatures and digests.")
    ] = None,
    username: Annotated[
        str | None, typer.Option(help="ConnectionRequestUsername: checks un.")
    ] = None,
    stun_password: Annotated[
        str | None, typer.Option(help="STUNPassword: checks MESSAGE-INTEGRITY.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the story to this JSON file.")
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text.")] = False,
) -> None:
    """Tell what happened in a capture: bindings, Connection Requests, sessions."""
    from rich.console import Console

    from host_tools.capture import explain, report

    story = explain.story(file, password, username=username, stun_password=stun_password)
    if json_file:
        report.write_json(story, json_file)
    console = Console(no_color=no_color, highlight=False, emoji=False, markup=False)
    report.print_story(story, console)
