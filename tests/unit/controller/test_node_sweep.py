"""Whose downlink is observed, at what cost, and what comes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ryu_pmipls.controller import node_sweep
from ryu_pmipls.controller.bindings import Binding, BindingTable, RouteChange
from ryu_pmipls.controller.data_path import DataPathFault, NodeFault
from ryu_pmipls.controller.node_sweep import NodeSweep, group_count, unchanged
from ryu_pmipls.controller.switches.inventory import SwitchState


def binding(number: int, mag: str | None = "mag1", port: int | None = 1) -> Binding:
    return Binding(
        (0x20010DB801000000 + number).to_bytes(8, "big"), mag, None, f"mn{number}", bytes(6), port, "lma1", 1
    )


def change(number: int, timestamp: int, mag: str | None = "mag1") -> RouteChange:
    """A report on the mobile node of :func:`binding`, that much later (s)."""
    return RouteChange(binding(number).prefix, "mag1", mag, 1 + (timestamp << 16), f"mn{number}", bytes(6), 1, "lma1")


class Switch:
    """Has an entry for every prefix; ``gain`` packets come to each between two readings."""

    def __init__(self, name: str, prefixes: list[bytes], gain: int) -> None:
        self.name = name
        self.state = SwitchState.READY
        self.written = object()
        self.counters = self
        self.entries = dict.fromkeys(prefixes, 0)
        self.gain = gain
        self.asked: list[tuple[int, int]] = []

    def downlink_entries(self, group: int, groups: int) -> dict[bytes, int] | None:
        self.asked.append((group, groups))
        self.entries = {prefix: packets + self.gain for prefix, packets in self.entries.items()}
        return {prefix: packets for prefix, packets in self.entries.items() if prefix[-1] % groups == group}


class Domain:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, bindings: list[Binding]) -> None:
        self.slept: list[float] = []
        self.during: Any = lambda: None  # what happens while a sweep sleeps
        self.bindings = BindingTable(bindings)
        prefixes = [each.prefix for each in bindings]
        self.mag, self.lma = Switch("mag1", prefixes, 0), Switch("lma1", prefixes, 50)
        switches = SimpleNamespace(mags={"mag1": self.mag}, lmas={"lma1": self.lma})
        context: Any = SimpleNamespace(state=SimpleNamespace(bindings=self.bindings), switches=switches)
        self.sweep = NodeSweep(context)
        monkeypatch.setattr(node_sweep.hub, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.during()
        if len(self.slept) % 4 == 0 and len(self.slept) >= 4 * self.rounds:
            raise KeyboardInterrupt

    def observe(self, rounds: int) -> None:
        self.slept.clear()
        self.rounds = rounds
        with pytest.raises(KeyboardInterrupt):
            self.sweep.run()


def test_a_mobile_node_whose_packets_are_lost_is_found_in_two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(monkeypatch, [binding(1)])
    domain.observe(1)
    assert [*domain.sweep.faults] == []
    domain.observe(1)
    assert [*domain.sweep.faults] == [(binding(1).prefix, NodeFault(DataPathFault.LOST, "mag1"))]
    domain.mag.gain = 1
    domain.observe(1)
    assert [*domain.sweep.faults] == []


def test_the_mags_are_read_before_and_after_the_lmas(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(monkeypatch, [binding(1)])
    order: list[str] = []
    for switch in (domain.mag, domain.lma):
        monkeypatch.setattr(switch, "downlink_entries", lambda *_, name=switch.name: order.append(name))
    domain.observe(1)
    assert order == ["mag1", "lma1", "lma1", "mag1"]
    assert domain.slept[:3] == [2.0, 10.0, 2.0]


def test_who_moves_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(monkeypatch, [binding(1)])
    time = iter(range(1, 100))
    domain.during = lambda: domain.bindings.update([change(1, next(time))], 1000.0)
    domain.observe(3)
    assert [*domain.sweep.faults] == []


def test_a_switch_that_is_brought_in_line_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(monkeypatch, [binding(1)])
    domain.during = lambda: setattr(domain.mag, "written", object())
    domain.observe(3)
    assert [*domain.sweep.faults] == []


def test_a_switch_that_is_not_ready_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(monkeypatch, [binding(1)])
    domain.mag.state = SwitchState.RECONCILING
    domain.observe(3)
    assert domain.mag.asked == []
    assert [*domain.sweep.faults] == []


def test_a_binding_that_tells_too_little_for_an_entry_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(monkeypatch, [binding(1, port=None)])
    domain.mag.entries.clear()
    domain.observe(3)
    assert [*domain.sweep.faults] == []


def test_who_is_detached_has_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(monkeypatch, [binding(1)])
    domain.observe(2)
    assert [*domain.sweep.faults]
    domain.bindings.update([change(1, 2, None)], 1000.0)
    domain.observe(1)
    assert [*domain.sweep.faults] == []


def test_a_failure_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(monkeypatch, [binding(1)])
    monkeypatch.setattr(domain.lma, "downlink_entries", lambda *_: 1 / 0)
    domain.observe(2)


@pytest.mark.parametrize(("nodes", "groups"), [(0, 1), (1000, 1), (1001, 2), (4000, 4), (64_000, 64), (1_000_000, 64)])
def test_many_mobile_nodes_are_observed_in_groups(nodes: int, groups: int) -> None:
    assert group_count(nodes) == groups


def test_the_groups_have_their_turns_and_the_pause_grows_with_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_sweep, "_GROUP", 8)
    monkeypatch.setattr(node_sweep, "_RATE", 1.0)
    domain = Domain(monkeypatch, [binding(number) for number in range(16)])
    domain.observe(3)
    assert domain.mag.asked[::2] == [(0, 2), (1, 2), (0, 2)]
    assert domain.slept[3] == 4 * 8 - 14


def test_only_switches_that_have_not_been_written_anew_are_compared() -> None:
    same, other = object(), object()
    before: Any = {"a": (same, {b"1": 1}), "b": (same, {}), "c": (None, {}), "d": (same, {})}
    after: Any = {"a": (same, {b"1": 2}), "b": (other, {}), "c": (None, {})}
    assert unchanged(before, after) == ({"a": {b"1": 1}}, {"a": {b"1": 2}})
