"""`lab`: the servers a CPE needs around it, one subcommand each."""

import typer

from host_tools.lab import acs_command, nat_command, stun_command

lab = typer.Typer(
    name="lab",
    help="ACS, STUN server and NAT for a CPE under test.",
    no_args_is_help=True,
)
for part in (acs_command, stun_command, nat_command):
    part.register(lab)
