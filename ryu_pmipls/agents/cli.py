"""``pmipls mag`` and ``pmipls lma``: the agents, each in the network namespace of its node."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from ovs_setup import OvsSetupError
from ovs_setup.cgroup import CpuGroup
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents import lma as lma_agent
from ryu_pmipls.agents import mag as mag_agent
from ryu_pmipls.agents.cpu import GroupCpu, HostCpu
from ryu_pmipls.agents.operator import ask, socket_path
from ryu_pmipls.agents.state import state_directory
from ryu_pmipls.domain.profile import load_profile

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
    state = state_directory(name, run_directory)
    _run(lambda: mag_agent.serve(domain, node, OpenVSwitch(run_directory), state, events))


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
        operator, state = socket_path(name, run_directory), state_directory(name, run_directory)
        return lma_agent.serve(domain, node, OpenVSwitch(run_directory), cpu, operator, state)

    _run(serve)


@click.command()
@click.argument("name")
@click.argument("command", nargs=-1, required=True)
@_RUN_DIRECTORY
def tell(name: str, command: tuple[str, ...], run_directory: Path | None) -> None:
    """Tell the running agent of the LMA NAME: revoke IDENTIFIER, drain, or undrain (on its host)."""
    path = socket_path(name, run_directory)
    try:
        answer = ask(path, " ".join(command))
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}; does the agent of {name} run here?") from None
    if not answer.startswith("ok"):
        raise click.ClickException(answer)
    click.echo(answer)


def _find(nodes: Callable[[str], Node], name: str) -> Node:
    try:
        return nodes(name)
    except KeyError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="NAME") from None


def _run(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(serve())
    except PermissionError as error:
        raise click.ClickException(f"{error.strerror}: the agents open raw sockets and need root") from None
    except (OvsSetupError, OSError) as error:
        raise click.ClickException(str(error)) from None
