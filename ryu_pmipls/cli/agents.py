"""``pmipls mag`` and ``pmipls lma``: the agents, each in the network namespace of its node."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from ovs_setup import OvsSetupError
from ovs_setup.cgroup import CpuGroup
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents import lma_agent, mag_agent
from ryu_pmipls.agents.agent_state import state_directory
from ryu_pmipls.agents.api import socket_path
from ryu_pmipls.agents.api_client import request
from ryu_pmipls.agents.core_routing import bird_socket
from ryu_pmipls.agents.cpu import GroupCpu, HostCpu
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.log_format import start_log

Node = TypeVar("Node")

_PROFILE = click.option("--profile", metavar="PROFILE", help="The domain's profile.")
_RUN_DIRECTORY = click.option(
    "--run-directory",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Run directory of a private Open vSwitch; without it, the host's own is used.",
)


@click.command()
@click.argument("name")
@_PROFILE
@_RUN_DIRECTORY
def mag(name: str, profile: str | None, run_directory: Path | None) -> None:
    """Be the Mobile Access Gateway NAME, until SIGTERM."""
    domain = load_profile(profile)
    node = _find(domain.mag, name)
    events = None if run_directory is None else run_directory / "events.jsonl"
    control, state = socket_path(name, run_directory), state_directory(name, run_directory)
    _run(lambda: mag_agent.serve(domain, node, OpenVSwitch(run_directory), control, state, events))


@click.command()
@click.argument("name")
@_PROFILE
@_RUN_DIRECTORY
@click.option("--cpu-group", metavar="GROUP", help="CPU control group of the switch, else the host's CPU.")
def lma(name: str, profile: str | None, run_directory: Path | None, cpu_group: str | None) -> None:
    """Be the Local Mobility Anchor NAME, until SIGTERM."""
    domain = load_profile(profile)
    node = _find(domain.lma, name)

    def serve() -> Coroutine[Any, Any, None]:
        cpu = HostCpu() if cpu_group is None else GroupCpu(CpuGroup(cpu_group))
        control, state = socket_path(name, run_directory), state_directory(name, run_directory)
        bird = bird_socket(domain, run_directory)
        return lma_agent.serve(domain, node, OpenVSwitch(run_directory), cpu, control, state, bird)

    _run(serve)


#: Commands that an agent obeys, with the names of their arguments; all others show a resource.
_COMMANDS: dict[str, tuple[str, ...]] = {
    "attach": ("access_port", "node"),
    "detach": ("node",),
    "revoke": ("identifier",),
    "drain": (),
    "undrain": (),
}
_LINK_LAYER = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


@click.command()
@click.argument("name")
@click.argument("command", default="")
@click.argument("words", nargs=-1)
@_RUN_DIRECTORY
def tell(name: str, command: str, words: tuple[str, ...], run_directory: Path | None) -> None:
    """Tell the running agent of NAME something, or have it show something (on its host).

    A MAG obeys "attach PORT NODE" and "detach NODE", where NODE is an identifier or a link-layer address; an LMA
    "revoke IDENTIFIER", "drain" and "undrain". Anything else, such as "bindings", is a resource; without COMMAND the
    agent lists them.
    """
    path = socket_path(name, run_directory)
    document = _document(command, words)
    try:
        status, answer = request(path, f"/v1/{command}", document)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}; does the agent of {name} run here?") from None
    if status != 200:
        fault = answer["error"]
        there = f"; there are: {', '.join(fault['resources'])}" if "resources" in fault else ""
        raise click.ClickException(fault["message"] + there)
    click.echo(json.dumps(answer, indent=2))


def _document(command: str, words: tuple[str, ...]) -> dict[str, str] | None:
    """Document to send with a command; ``None`` for a resource."""
    fields = _COMMANDS.get(command, ())
    if len(words) != len(fields):
        usage = " ".join((command, *(field.upper() for field in fields)))
        raise click.UsageError(f"{len(words)} words behind {command!r}, but {len(fields)} are needed: {usage}")
    if command not in _COMMANDS:
        return None
    document = dict(zip(fields, words, strict=True))
    node = document.pop("node", None)
    if node is not None:
        document["link_layer_address" if _LINK_LAYER.fullmatch(node) else "identifier"] = node
    return document


def _find(nodes: Callable[[str], Node], name: str) -> Node:
    try:
        return nodes(name)
    except KeyError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="NAME") from None


def _run(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    start_log()
    try:
        asyncio.run(serve())
    except PermissionError as error:
        raise click.ClickException(f"{error.strerror}: the agents open raw sockets and need root") from None
    except (OvsSetupError, OSError) as error:
        raise click.ClickException(str(error)) from None
