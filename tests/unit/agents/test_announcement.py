"""When an LMA announces the home prefix pool to the core network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from types import SimpleNamespace
from typing import Any

import pytest

from ryu_pmipls.agents import announcement
from ryu_pmipls.mobility.heartbeat import HeartbeatPeer

POOL = IPv6Network("2001:db8:100::/40")


class Node:
    """An LMA that is well, with what was done to its announcement."""

    def __init__(self) -> None:
        self.process: int | None = 100
        self.answers = True  # whether its tunnels can be warmed up
        self.warmed: list[int | None] = []
        self.done: list[str] = []
        self.peers = {IPv6Address(number): HeartbeatPeer() for number in (1, 2)}
        self.machine: Any = SimpleNamespace(draining=False, peers=self.peers)
        self.announcer: announcement.Announcer | None = None

    def vswitchd_process(self) -> int | None:
        return self.process

    async def warm_up(self) -> bool:
        self.warmed.append(self.process)
        return self.answers


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node()
    monkeypatch.setattr(announcement, "_INTERVAL", 0)
    monkeypatch.setattr(announcement, "announce", lambda pool: made.done.append("announce"))
    monkeypatch.setattr(announcement, "withdraw", lambda pool: made.done.append("withdraw"))
    monkeypatch.setattr(announcement.asyncio, "to_thread", at_once)
    return made


async def at_once(function: Callable[..., object], *arguments: object) -> object:
    return function(*arguments)


def play(node: Node, *acts: Callable[[], None]) -> None:
    """Let the agent look, and after each act again."""

    async def run() -> None:
        switch: Any = node
        node.announcer = announcement.Announcer(POOL, switch, switch, node.machine)
        task = asyncio.create_task(node.announcer.keep())
        for act in (lambda: None, *acts):
            act()
            for _ in range(200):
                await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())


def withheld(node: Node) -> str | None:
    assert node.announcer is not None
    return node.announcer.withheld


def test_it_is_announced_once_while_all_is_well(node: Node) -> None:
    play(node)
    assert node.done == ["announce"]
    assert withheld(node) is None
    assert node.warmed == [100]


def test_it_is_not_withdrawn_when_the_agent_ends(node: Node) -> None:
    play(node)
    play(node)
    assert node.done == ["announce", "announce"]


def test_a_drained_lma_withdraws_until_it_is_undrained(node: Node) -> None:
    def drain() -> None:
        node.machine.draining = True

    def undrain() -> None:
        node.machine.draining = False

    play(node, drain)
    assert (node.done, withheld(node)) == (["announce", "withdraw"], None)
    node.done.clear()
    node.warmed.clear()
    node.machine.draining = False
    play(node, drain, undrain)
    assert node.done == ["announce", "withdraw", "announce"]
    assert node.warmed == [100]


def test_a_switch_that_comes_back_is_warmed_up_first(node: Node) -> None:
    def die() -> None:
        node.process = None

    def come_back_without_addresses() -> None:
        assert withheld(node) == "its switch does not run"
        node.process, node.answers = 200, False

    def get_addresses() -> None:
        assert (node.done, withheld(node)) == (["announce", "withdraw"], "no MAG answers on the underlay")
        node.answers = True

    play(node, die, come_back_without_addresses, get_addresses)
    assert node.done == ["announce", "withdraw", "announce"]
    assert node.warmed[0] == 100
    assert set(node.warmed[1:]) == {200}


def test_an_lma_that_no_mag_answers_withdraws_until_one_does(node: Node) -> None:
    def lose(*peers: int) -> Callable[[], None]:
        def act() -> None:
            for number, peer in node.peers.items():
                peer.lost = int(number) in peers

        return act

    def tell() -> None:
        assert withheld(node) == "no MAG answers its heartbeats"

    play(node, lose(1), lose(1, 2), tell, lose(2))
    assert node.done == ["announce", "withdraw", "announce"]


def test_a_dead_switch_at_the_start_is_withdrawn(node: Node) -> None:
    node.process = None
    play(node)
    assert node.done == ["withdraw"]
    assert node.warmed == []
