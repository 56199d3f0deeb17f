"""``pmipls mag`` and ``pmipls lma``: the agents, each in the network namespace of its node."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ryu_pmipls.cli.failures import InputError, StateError
from ryu_pmipls.cli.options import profile_option, run_directory_option
from ryu_pmipls.cli.parameter_types import NodeName
from ryu_pmipls.cli.sections import AGENTS

if TYPE_CHECKING:
    from ryu_pmipls.domain.profile import Lma, Mag, Profile

Node = TypeVar("Node")


@AGENTS.command("mag", bad="it lacks a capability, a switch, or something else", wrong="no such MAG")
@click.argument("name", type=NodeName("mags"))
@profile_option()
@run_directory_option
def mag(name: str, profile: str | None, run_directory: Path | None) -> None:
    """Run the agent of the MAG NAME, until SIGTERM.

    It needs an Open vSwitch that ovs_setup has set up, and to be root or a service (ovs_setup.service).
    """
    from ovs_setup.vswitch import OpenVSwitch
    from ryu_pmipls.agents import mag_agent
    from ryu_pmipls.agents.agent_state import state_directory
    from ryu_pmipls.domain.profile import load_profile

    domain = load_profile(profile)
    node = _find(domain.mag, name)
    events = None if run_directory is None else run_directory / "events.jsonl"

    def serve() -> Coroutine[Any, Any, None]:
        control, state = _control(name, run_directory), state_directory(name, run_directory)
        return mag_agent.serve(domain, node, OpenVSwitch(run_directory), control, state, events)

    _run(domain, node, serve)


@AGENTS.command("lma", bad="it lacks a capability, a switch, or something else", wrong="no such LMA")
@click.argument("name", type=NodeName("lmas"))
@profile_option()
@run_directory_option
@click.option("--cpu-group", metavar="GROUP", help="CPU control group of the switch, in place of the host's CPU.")
def lma(name: str, profile: str | None, run_directory: Path | None, cpu_group: str | None) -> None:
    """Run the agent of the LMA NAME, until SIGTERM.

    It needs an Open vSwitch that ovs_setup has set up, and to be root or a service (ovs_setup.service).
    """
    from ovs_setup.cgroup import CpuGroup
    from ovs_setup.vswitch import OpenVSwitch
    from ryu_pmipls.agents import lma_agent
    from ryu_pmipls.agents.agent_state import state_directory
    from ryu_pmipls.agents.core_routing import bird_socket
    from ryu_pmipls.agents.cpu import GroupCpu, HostCpu
    from ryu_pmipls.domain.profile import load_profile

    domain = load_profile(profile)
    node = _find(domain.lma, name)

    def serve() -> Coroutine[Any, Any, None]:
        cpu = HostCpu() if cpu_group is None else GroupCpu(CpuGroup(cpu_group))
        control, state = _control(name, run_directory), state_directory(name, run_directory)
        bird = bird_socket(domain, run_directory)
        return lma_agent.serve(domain, node, OpenVSwitch(run_directory), cpu, control, state, bird)

    _run(domain, node, serve)


def _find(nodes: Callable[[str], Node], name: str) -> Node:
    try:
        return nodes(name)
    except KeyError as error:
        raise InputError(f"NAME: {error.args[0]}") from None


def _control(name: str, run_directory: Path | None) -> Path:
    """The agent's Unix socket, in a directory that is there."""
    from ryu_pmipls.agents.api import socket_path

    path = socket_path(name, run_directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _run(profile: Profile, node: Mag | Lma, serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    import asyncio

    from ryu_pmipls.log_format import start_log

    _require_capabilities(profile, node)
    start_log()
    asyncio.run(serve())


def _require_capabilities(profile: Profile, node: Mag | Lma) -> None:
    """Refuse to serve half, and to fail later."""
    from ryu_pmipls.capabilities import missing
    from ryu_pmipls.domain.privileges import capabilities_of

    lacking = missing(capabilities_of(profile, node))
    if lacking:
        raise StateError(
            f"{node.name}: the agent lacks {' and '.join(lacking)}; run it as root, or as a service that has no more "
            f"rights than it needs: python -m ovs_setup.service {node.name}"
        )
