"""``pmipls mag`` and ``pmipls lma``: the agents, each in the network namespace of its node."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from ryu_pmipls.cli.failures import InputError, StateError
from ryu_pmipls.cli.options import profile_option, run_directory_option
from ryu_pmipls.cli.parameter_types import NodeName
from ryu_pmipls.cli.sections import AGENTS

Node = TypeVar("Node")


@AGENTS.command("mag", bad="it is not root, has no switch, or lacks something else", wrong="no such MAG")
@click.argument("name", type=NodeName("mags"))
@profile_option()
@run_directory_option
def mag(name: str, profile: str | None, run_directory: Path | None) -> None:
    """Run the agent of the MAG NAME, until SIGTERM.

    It needs root, and an Open vSwitch that ovs_setup has set up.
    """
    from ovs_setup.vswitch import OpenVSwitch
    from ryu_pmipls.agents import mag_agent
    from ryu_pmipls.agents.agent_state import state_directory
    from ryu_pmipls.agents.api import socket_path
    from ryu_pmipls.domain.profile import load_profile

    domain = load_profile(profile)
    node = _find(domain.mag, name)
    events = None if run_directory is None else run_directory / "events.jsonl"

    def serve() -> Coroutine[Any, Any, None]:
        control, state = socket_path(name, run_directory), state_directory(name, run_directory)
        return mag_agent.serve(domain, node, OpenVSwitch(run_directory), control, state, events)

    _run(serve)


@AGENTS.command("lma", bad="it is not root, has no switch, or lacks something else", wrong="no such LMA")
@click.argument("name", type=NodeName("lmas"))
@profile_option()
@run_directory_option
@click.option("--cpu-group", metavar="GROUP", help="CPU control group of the switch, in place of the host's CPU.")
def lma(name: str, profile: str | None, run_directory: Path | None, cpu_group: str | None) -> None:
    """Run the agent of the LMA NAME, until SIGTERM.

    It needs root, and an Open vSwitch that ovs_setup has set up.
    """
    from ovs_setup.cgroup import CpuGroup
    from ovs_setup.vswitch import OpenVSwitch
    from ryu_pmipls.agents import lma_agent
    from ryu_pmipls.agents.agent_state import state_directory
    from ryu_pmipls.agents.api import socket_path
    from ryu_pmipls.agents.core_routing import bird_socket
    from ryu_pmipls.agents.cpu import GroupCpu, HostCpu
    from ryu_pmipls.domain.profile import load_profile

    domain = load_profile(profile)
    node = _find(domain.lma, name)

    def serve() -> Coroutine[Any, Any, None]:
        cpu = HostCpu() if cpu_group is None else GroupCpu(CpuGroup(cpu_group))
        control, state = socket_path(name, run_directory), state_directory(name, run_directory)
        bird = bird_socket(domain, run_directory)
        return lma_agent.serve(domain, node, OpenVSwitch(run_directory), cpu, control, state, bird)

    _run(serve)


def _find(nodes: Callable[[str], Node], name: str) -> Node:
    try:
        return nodes(name)
    except KeyError as error:
        raise InputError(f"NAME: {error.args[0]}") from None


def _run(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    import asyncio

    from ryu_pmipls.log_format import start_log

    start_log()
    try:
        asyncio.run(serve())
    except PermissionError as error:
        raise StateError(f"{error.strerror}: the agents open raw sockets and need root") from None
