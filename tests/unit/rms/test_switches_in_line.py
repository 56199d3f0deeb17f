"""Switches that connect, refuse, hang, lose what they had, or are changed by somebody: they are brought in line."""

from __future__ import annotations

import gc
from itertools import pairwise
from typing import Any

import pytest
from greenlet import greenlet

from ryu_pmipls.controller.switches.cookies import GENERATION_BITS, MARK
from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.controller.switches.mag_rules import MagRule
from ryu_pmipls.controller.switches.reconciler import PAUSE, TIMEOUT
from tests.fakes.flow_tables import TABLE_FULL, UNKNOWN_GROUP, FlowEntry
from tests.fakes.openflow_switch import (
    BARRIER_REQUEST,
    FLOW,
    FLOW_MOD,
    GROUP_MOD,
    MULTIPART_REQUEST,
    PORT_DESCRIPTION,
    OpenFlowSwitch,
)
from tests.fakes.rms_domain import GATEWAY, RmsDomain, profile_with, running

QUICK_AUDIT = {"timers": {"audit_interval": 2}}


def generations(switch: OpenFlowSwitch) -> set[int]:
    """Those of the cookies of our entries."""
    ours = (entry.cookie for entry in switch.entries() if entry.cookie >> 48 == MARK >> 48)
    return {cookie % 2**GENERATION_BITS for cookie in ours}


def foreign(switch: OpenFlowSwitch) -> FlowEntry:
    """An entry of somebody else, like the one of the highest priority but in another table."""
    like = max(switch.entries(), key=lambda entry: entry.priority)
    entry = FlowEntry(9, 5, like.match, 0x77, b"", 0, 0, 0.0)
    switch.tables.entries[entry.key] = entry
    return entry


def entry_of(domain: RmsDomain, node: str, rule: Any) -> FlowEntry:
    """The entry in a switch's tables that is of a rule."""
    numbers = {(rule.table.number, rule.priority)}
    return next(
        entry
        for entry in domain.switches[node].entries()
        if (entry.table, entry.priority) in numbers and entry.cookie >> 40 & 0xFF == rule.owner
    )


def drifted(domain: RmsDomain, node: str) -> int:
    nodes = {each["name"]: each for kind in ("mags", "lmas") for each in domain.get(f"/v1/{kind}")}
    count: int = nodes[node]["drifted"]
    return count


def test_a_switch_gets_its_pipeline_and_nothing_of_others_is_touched(domain: RmsDomain) -> None:
    switch = domain.switches["lma1"]
    stranger = foreign(switch)
    before = domain.entries("lma1")
    switch.disconnect()
    domain.run(1)
    (generation,) = generations(switch)
    stale = FlowEntry(2, 10, stranger.match, MARK | 2 << 40 | (generation ^ 1), b"", 0, 0, 0.0)
    switch.tables.entries[stale.key] = stale
    domain.connect("lma1")
    domain.until_ready()
    assert stranger.key in switch.tables.entries
    assert stale.key not in switch.tables.entries
    assert domain.entries("lma1") == before
    assert generations(switch) != {generation} and len(generations(switch)) == 1


def test_an_empty_switch_is_not_swept(domain: RmsDomain) -> None:
    switch = domain.switches["lma1"]
    assert not any(body[17] == 3 for body in switch.flow_mods)
    switch.disconnect()
    domain.run(1)
    domain.connect("lma1")
    domain.until_ready()
    assert sum(body[17] == 3 for body in switch.flow_mods) == GENERATION_BITS


def test_a_switch_that_was_restarted_gets_all_again(domain: RmsDomain) -> None:
    domain.report_gateways()
    domain.attach(1, "mag1")
    entries = {name: domain.entries(name) for name in domain.switches}
    groups = {group: entry.buckets for group, entry in domain.switches["mag1"].tables.groups.items()}
    for name in ("mag1", "lma2"):
        domain.switches[name].disconnect()
        domain.switches[name].restart()
    domain.run(1)
    domain.connect("mag1", "lma2")
    domain.until_ready()
    domain.until(lambda: {name: domain.entries(name) for name in domain.switches} == entries)
    assert {group: entry.buckets for group, entry in domain.switches["mag1"].tables.groups.items()} == groups


def test_groups_that_are_there_are_changed_and_not_added(domain: RmsDomain) -> None:
    domain.switches["mag1"].disconnect()
    domain.run(1)
    domain.connect("mag1")
    domain.until_ready()
    assert domain.get("/v1/mags/mag1")["errors"] == {}


def test_a_second_connection_of_a_switch_takes_the_place_of_the_first(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.connect("lma1")
    domain.run(2)
    domain.until_ready()
    domain.attach(2, "mag1")
    assert domain.routed_to("lma1", domain.prefix(2)) == "t-mag1"


def test_a_switch_that_no_node_has_is_sent_away(domain: RmsDomain) -> None:
    stranger = OpenFlowSwitch(0xEE, {"p1": 1}, domain.clock.monotonic)
    domain.connect_from("2001:db8::1", stranger)
    domain.until(lambda: domain.get("/v1/health")["refused"].get("openflow: unknown datapath id") == 1)
    domain.until(lambda: not stranger.connected)
    assert any("no node of the profile has the datapath id 00000000000000ee" in line for line in domain.log.lines)
    assert {*domain.get("/v1/health")["switches"].values()} == {"ready"}
    assert stranger.received[FLOW_MOD] == 0


def test_a_reconciliation_that_fails_is_tried_again_after_growing_pauses(domain: RmsDomain) -> None:
    switch = domain.switches["mag1"]
    switch.disconnect()
    switch.restart()
    domain.run(1)
    switch.refuse = lambda kind, body: UNKNOWN_GROUP if kind == GROUP_MOD else None
    domain.connect("mag1")
    begin = domain.clock.monotonic()

    def failures() -> int:
        return sum("mag1: reconciliation failed, tried again" in line for line in domain.log.lines)

    times = []
    for count in (1, 2, 3, 4):
        domain.until(lambda count=count: failures() >= count)  # type: ignore[misc]
        times.append(domain.clock.monotonic() - begin)
    assert domain.state("mag1") == "reconciling"
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert [round(pause) for pause in pauses] == [PAUSE, 2 * PAUSE, 4 * PAUSE]
    switch.refuse = lambda kind, body: None
    domain.until_ready()
    domain.attach(1, "mag1")


def test_a_step_that_a_switch_does_not_answer_is_given_up(domain: RmsDomain) -> None:
    switch = domain.switches["lma1"]
    switch.disconnect()
    domain.run(1)
    switch.hold_barriers = True
    domain.connect("lma1")
    domain.run(TIMEOUT - 1)
    assert not any("lma1: reconciliation failed" in line for line in domain.log.lines)
    domain.run(2)
    assert any("lma1: reconciliation failed, tried again" in line for line in domain.log.lines)
    switch.release_barriers()
    domain.until_ready()


@pytest.mark.parametrize("kind", [FLOW_MOD, FLOW, PORT_DESCRIPTION, BARRIER_REQUEST])
def test_a_switch_that_goes_in_the_middle_of_it_is_begun_anew(domain: RmsDomain, kind: int) -> None:
    switch = domain.switches["mag1"]
    domain.attach(1, "mag1")
    before = domain.entries("mag1")
    switch.disconnect()
    domain.run(1)
    domain.rms.state.met_switches = {"lma1", "lma2", "mag2"}  # so that it is read, too
    seen = []

    def go(told: int, body: bytes) -> tuple[int, int] | None:
        what = int.from_bytes(body[:2], "big") if told == MULTIPART_REQUEST else told
        if what == kind and not seen:
            seen.append(kind)
            switch.disconnect()
        return None

    switch.refuse = go
    domain.connect("mag1")
    domain.until(lambda: seen)
    domain.until(lambda: domain.state("mag1") == "disconnected")
    domain.run(1)
    domain.connect("mag1")
    domain.until_ready()
    assert domain.entries("mag1") == before
    domain.attach(2, "mag1")


def test_a_switch_that_refuses_to_tell_its_entries_is_not_written_to_before_it_does(domain: RmsDomain) -> None:
    switch = domain.switches["mag1"]
    switch.disconnect()
    domain.run(1)
    domain.rms.state.met_switches = {"lma1", "lma2", "mag2"}
    switch.refuse = lambda kind, body: (1, 2) if kind == MULTIPART_REQUEST and body[:2] == b"\0\1" else None
    written = switch.received[FLOW_MOD]
    domain.connect("mag1")
    domain.run(1)
    assert switch.received[FLOW_MOD] == written and domain.state("mag1") == "reconciling"
    switch.refuse = lambda kind, body: None
    domain.until_ready()


def test_entries_refused_in_a_reconciliation_do_not_hold_the_others_up(domain: RmsDomain) -> None:
    for number in (1, 2):
        domain.attach(number, "mag1")
    switch = domain.switches["lma1"]
    switch.disconnect()
    switch.restart()
    domain.run(1)
    unlucky = domain.prefix(1).network_address.packed[:8]
    switch.refuse = lambda kind, body: TABLE_FULL if kind == FLOW_MOD and unlucky in body else None
    domain.connect("lma1")
    domain.until_ready("lma1")
    assert domain.routed_to("lma1", domain.prefix(2)) == "t-mag1"
    assert domain.routed_to("lma1", domain.prefix(1)) is None
    switch.refuse = lambda kind, body: None
    domain.until(lambda: domain.routed_to("lma1", domain.prefix(1)) == "t-mag1")


def test_ports_that_come_and_go_are_followed_by_entries_and_groups(domain: RmsDomain) -> None:
    domain.report_gateways()
    domain.run(0.2)
    lma, mag = domain.switches["lma1"], domain.switches["mag1"]
    assert LmaRule.UNKNOWN.entry(pool=domain.profile.home_prefix_pool, errors=4) in domain.entries("lma1")
    lma.remove_port("icmp-1400")
    mag.remove_port("t-lma1")
    domain.run(0.5)
    assert not any(entry.rule is LmaRule.UNKNOWN for entry in domain.entries("lma1"))
    assert not any(entry.named_values.get("tunnel") == 4 for entry in domain.entries("mag1"))
    (first, second) = (domain.buckets("mag1", group) for group in (0x10001, 0x10002))
    assert [watch for watch, _ in first] == [watch for watch, _ in second] == [5]
    lma.add_port("icmp-1300", 7)
    mag.add_port("t-lma1", 8)
    domain.run(0.5)
    assert LmaRule.CHECK_SIZE.entry(core=1, pool=domain.profile.home_prefix_pool, mtu=1300) in domain.entries("lma1")
    assert [watch for watch, _ in domain.buckets("mag1", 0x10001)] == [8, 5]
    assert [watch for watch, _ in domain.buckets("mag1", 0x10002)] == [5, 8]
    assert mag.tables.groups[1].kind == 2  # indirect


def test_an_lma_whose_own_interface_changes_writes_that_address(domain: RmsDomain) -> None:
    domain.report_gateways()
    domain.run(0.2)
    own = bytes.fromhex("02aabbccddee")
    domain.switches["lma1"].ports["br-pm"].address = own
    domain.switches["lma1"].set_live("br-pm", True)
    domain.until(
        lambda: (
            LmaRule.TO_CORE.entry(pool=domain.profile.home_prefix_pool, own=own, gateway=GATEWAY, core=1)
            in domain.entries("lma1")
        )
    )


def test_a_port_status_that_changes_nothing_writes_nothing(domain: RmsDomain) -> None:
    switch = domain.switches["mag1"]
    before = switch.received[FLOW_MOD], switch.received[GROUP_MOD]
    switch.set_live("t-lma1", True)
    switch.set_live("acc1", False)
    domain.run(0.5)
    assert (switch.received[FLOW_MOD], switch.received[GROUP_MOD]) == before


def test_answers_in_many_parts_are_put_together() -> None:
    with running(profile_with(QUICK_AUDIT)) as domain:
        for switch in domain.switches.values():
            switch.part = 100
        for number in range(5):
            domain.attach(number, "mag1")
        for switch in domain.switches.values():
            switch.disconnect()
        domain.run(1)
        domain.connect()
        domain.until_ready()
        domain.run(10)
        assert {drifted(domain, name) for name in domain.switches} == {0}
        assert domain.get("/v1/mags/mag1")["ports"]["t-lma2"] == 5


def test_nothing_drifts_when_nobody_changes_anything() -> None:
    with running(profile_with(QUICK_AUDIT)) as domain:
        domain.report_gateways()
        for number in range(5):
            domain.attach(number, "mag1")
        domain.attach(2, "mag2", "mag1")
        writes = {name: switch.received[FLOW_MOD] for name, switch in domain.switches.items()}
        domain.run(10)
        assert {drifted(domain, name) for name in domain.switches} == {0}
        assert {name: switch.received[FLOW_MOD] for name, switch in domain.switches.items()} == writes
        assert all(switch.received[MULTIPART_REQUEST] > 2 * 64 for switch in domain.switches.values())


@pytest.mark.parametrize(
    ("removed", "changed"),
    [
        (
            {"lma1": LmaRule.ROUTE, "mag1": MagRule.GUARD},
            {"lma2": LmaRule.FROM_CORE, "mag2": MagRule.MISS[0]},
        ),
        (
            {"lma2": LmaRule.FROM_CORE, "mag2": MagRule.MISS[0]},
            {"lma1": LmaRule.ROUTE, "mag1": MagRule.UPLINK},
        ),
    ],
)
def test_what_somebody_removes_or_changes_by_hand_is_found_and_repaired(
    removed: dict[str, Any], changed: dict[str, Any]
) -> None:
    with running(profile_with(QUICK_AUDIT)) as domain:
        domain.attach(1, "mag1")
        domain.run(3)
        before = {name: domain.entries(name) for name in domain.switches}
        for node, rule in removed.items():
            del domain.switches[node].tables.entries[entry_of(domain, node, rule).key]
        for node, rule in changed.items():
            entry_of(domain, node, rule).instructions = b"\0\1\0\x08\5\0\0\0"  # goto table 5
        domain.until(lambda: all(drifted(domain, name) for name in domain.switches), step=0.2)
        domain.until_ready()
        domain.run(0.1)
        assert {name: domain.entries(name) for name in domain.switches} == before
        for name in domain.switches:
            told = [line for line in domain.log.lines if "not as the RMS has left them: repaired" in line]
            assert any(line.startswith(f"{name}: ") for line in told)
        counts = {name: drifted(domain, name) for name in domain.switches}
        assert {name: counts[name] for name in removed} == dict.fromkeys(removed, 1)
        assert all(0 < counts[name] <= 2 for name in changed)  # one that is there, and one that is not
        domain.run(8)
        assert {name: drifted(domain, name) for name in domain.switches} == counts


@pytest.mark.parametrize("group", [1, 0x10002, 0x20001])
@pytest.mark.parametrize("how", ["removed", "changed"])
def test_groups_that_somebody_removes_or_changes_are_found_and_repaired(group: int, how: str) -> None:
    with running(profile_with(QUICK_AUDIT)) as domain:
        domain.attach(1, "mag1")
        domain.run(3)
        tables = domain.switches["mag1"].tables
        before, entries = tables.groups[group].buckets, domain.entries("mag1")
        if how == "removed":
            tables.group_mod(b"\0\2\0\0" + group.to_bytes(4, "big"), 0.0)
        else:
            tables.groups[group].buckets = b""
        domain.until(lambda: drifted(domain, "mag1") > 0, step=0.2)
        domain.until_ready()
        domain.run(0.1)
        assert tables.groups[group].buckets == before
        assert domain.entries("mag1") == entries


def test_entries_with_our_mark_that_are_of_no_rule_are_swept() -> None:
    with running(profile_with(QUICK_AUDIT)) as domain:
        domain.attach(1, "mag1")
        switch = domain.switches["mag1"]
        like = entry_of(domain, "mag1", MagRule.DOWNLINK)
        stray = FlowEntry(7, 10, like.match, like.cookie, b"", 0, 0, 0.0)
        switch.tables.entries[stray.key] = stray
        domain.until(lambda: stray.key not in switch.tables.entries)
        assert drifted(domain, "mag1") == 1


def test_what_is_under_way_is_no_drift() -> None:
    """A handoff follows the other, while every slice is compared again and again."""
    with running(profile_with({"timers": {"audit_interval": 0.5}})) as domain:
        for number in range(64):
            domain.report("mag1", number, None, "mag1")
        domain.run(1)
        for turn in range(12):
            old, new = ("mag1", "mag2") if turn % 2 == 0 else ("mag2", "mag1")
            for number in range(0, 64, 5):
                domain.report(new, number, old, new)
            domain.run(0.3)
        assert {drifted(domain, name) for name in domain.switches} == {0}


def test_an_entry_that_a_switch_can_never_hold_is_no_drift() -> None:
    with running(profile_with(QUICK_AUDIT)) as domain:
        domain.attach(1, "mag1")
        domain.report("mag1", 2, None, "mag1", port=70000)
        domain.run(3)
        assert domain.get("/v1/mags/mag1")["errors"] == {"BMC_BAD_VALUE": 1}
        writes = {name: switch.received[FLOW_MOD] for name, switch in domain.switches.items()}
        domain.run(10)
        assert {drifted(domain, name) for name in domain.switches} == {0}
        assert {name: switch.received[FLOW_MOD] for name, switch in domain.switches.items()} == writes
        # Others are looked at as ever, and what brings them in line does not make it drift either.
        del domain.switches["mag1"].tables.entries[entry_of(domain, "mag1", MagRule.DOWNLINK).key]
        domain.until(lambda: drifted(domain, "mag1") == 1)
        domain.run(10)
        assert drifted(domain, "mag1") == 1
        # With a port that it has, the mobile node is looked after, too.
        said = domain.report("mag1", 2, None, "mag1", port=2)
        domain.run(1)  # the switch cannot delete the former entry either
        domain.agents["mag1"].say(said)
        domain.until(lambda: said in domain.agents["mag1"].heard)
        (guard,) = (
            each
            for each in domain.switches["mag1"].entries()
            if each.table == MagRule.GUARD.table.number and each.match.in_port == 2
        )
        del domain.switches["mag1"].tables.entries[guard.key]
        domain.until(lambda: drifted(domain, "mag1") == 2)


def test_without_an_audit_nobody_looks() -> None:
    with running(profile_with({"timers": {"audit_interval": None}})) as domain:
        domain.attach(1, "mag1")
        asked = domain.switches["mag1"].received[MULTIPART_REQUEST]
        del domain.switches["mag1"].tables.entries[entry_of(domain, "mag1", MagRule.GUARD).key]
        domain.run(20)
        assert drifted(domain, "mag1") == 0
        assert domain.switches["mag1"].received[MULTIPART_REQUEST] - asked < 60  # counters


def test_a_fault_in_bringing_a_switch_in_line_is_logged_and_it_is_tried_again(domain: RmsDomain) -> None:
    switch = domain.switch("lma1")
    pipeline, calls = switch.pipeline, [0]
    base_entries = pipeline.base_entries

    def faulty(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            raise RuntimeError("a fault of ours")
        return base_entries(*arguments)

    pipeline.base_entries = faulty
    switch.reconcile()
    domain.until(lambda: calls[0] > 1)
    domain.until_ready()
    assert "lma1: what it holds cannot be brought in line" in domain.log.lines
    domain.log.faults.clear()


def test_a_switch_that_does_not_keep_up_is_disconnected(domain: RmsDomain, monkeypatch: pytest.MonkeyPatch) -> None:
    from ryu_pmipls.controller.switches import session

    monkeypatch.setattr(session, "MAX_PENDING", 2000)
    domain.switches["lma1"].hold_barriers = True
    for number in range(60):
        domain.report("mag1", number, None, "mag1")
        if number % 6 == 0:
            domain.run(0.05)
    domain.until(lambda: domain.state("lma1") == "disconnected")
    assert "switch 0000000000000011 does not keep up: disconnected" in domain.log.lines


def green_threads() -> int:
    """Those that live."""
    return sum(isinstance(each, greenlet) and not each.dead for each in gc.get_objects())


def test_the_end_of_a_connection_leaves_no_green_thread_behind() -> None:
    with running(profile_with({"timers": {"audit_interval": None}})) as domain:
        domain.run(1)
        before = green_threads()
        for _ in range(5):
            domain.switches["lma1"].disconnect()
            domain.run(1)
            domain.connect("lma1")
            domain.until_ready()
        domain.run(1)
        assert green_threads() == before


def test_a_gateway_that_is_told_while_its_switch_is_read_is_in_force_in_the_end(domain: RmsDomain) -> None:
    switch = domain.switches["lma1"]
    switch.disconnect()
    domain.run(1)
    switch.hold_barriers = True
    domain.connect("lma1")
    domain.until(lambda: domain.state("lma1") == "reconciling")
    domain.report_gateways()
    domain.run(0.5)
    assert domain.get("/v1/health")["refused"] == {}
    switch.release_barriers()
    domain.until_ready()
    assert any(entry.rule is LmaRule.TO_CORE for entry in domain.entries("lma1"))
