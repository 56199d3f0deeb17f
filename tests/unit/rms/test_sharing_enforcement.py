"""From loads to Load_adjust: at the MAG's switch and its agent, with their answers, and what becomes of failures."""

from __future__ import annotations

from typing import Any

from ryu_pmipls.controller.store import MemoryStore
from ryu_pmipls.controller.switches.mag_groups import anchor_group, tunnel_group
from ryu_pmipls.wire import LoadAdjust, LoadInfoPart, Timestamp, UplinkShare
from tests.fakes.flow_tables import UNKNOWN_GROUP
from tests.fakes.openflow_switch import GROUP_MOD
from tests.fakes.rms_domain import RmsDomain, profile_with, rms_domain, running

HOT = {"lma1": 0.95, "lma2": 0.1}
RATES = {("mag1", "lma1"): 1500, ("mag2", "lma1"): 1000, ("mag1", "lma2"): 0, ("mag2", "lma2"): 0}
GROUP = 22


def carriers(domain: RmsDomain, mag: str, anchor: str) -> list[str]:
    """The LMAs into whose tunnels a MAG's switch sends the uplink of an anchor's mobile nodes."""
    profile = domain.profile
    names = {tunnel_group(profile, lma.name): lma.name for lma in profile.lmas}
    found = []
    for _, destinations in domain.buckets(mag, anchor_group(profile, anchor)):
        ((kind, group),) = destinations
        assert kind == GROUP
        found.append(names[group])
    return found


def decisions(domain: RmsDomain) -> list[Any]:
    found: list[Any] = domain.get("/v1/decisions")
    return found


def decided(domain: RmsDomain) -> Any:
    """The first decision."""
    return domain.until(lambda: decisions(domain) and decisions(domain)[0])


def answers(domain: RmsDomain) -> dict[str, tuple[str, str]]:
    return {each["by"]: (each["outcome"], each["detail"]) for each in decisions(domain)[0]["answers"]}


def test_an_overload_moves_a_mag_at_its_switch_and_its_agent(domain: RmsDomain) -> None:
    assert carriers(domain, "mag1", "lma1") == ["lma1"]
    domain.keep_reporting(dict(HOT), dict(RATES))
    decision = decided(domain)
    assert (decision["mag"], decision["old_lma"], decision["new_lma"]) == ("mag1", "lma1", "lma2")
    domain.until(lambda: len(answers(domain)) == 2)
    assert answers(domain) == {
        "switch of mag1": ("acknowledged", "acked"),
        "agent of mag1": ("acknowledged", ""),
    }
    assert decisions(domain)[0]["outcome"] == "acknowledged"
    assert carriers(domain, "mag1", "lma1") == ["lma2"]
    assert carriers(domain, "mag2", "lma1") == ["lma1"]
    (adjust,) = domain.agents["mag1"].load_adjusts()
    lma1, lma2 = (domain.profile.lma(name).address for name in ("lma1", "lma2"))
    assert (adjust.old_lma, adjust.new_lma) == (lma1, lma2)
    assert adjust.all(UplinkShare) == (UplinkShare(lma2, 64),)
    assert abs(adjust.option(Timestamp).ticks / 65536 - decision["time"]) < 1  # type: ignore[union-attr]
    assert domain.agents["mag2"].load_adjusts() == []
    mag1 = domain.get("/v1/mags/mag1")
    assert mag1["uplinks"] == {"lma1": {"lma2": 32}, "lma2": {"lma2": 32}}


def test_a_decision_is_stored_with_what_it_was_made_from(domain: RmsDomain) -> None:
    loads = {"lma1": 0.1, "lma2": 0.1}
    domain.keep_reporting(loads, dict(RATES))
    domain.run(4)
    loads.update(HOT)
    decision = decided(domain)
    domain.until(lambda: len(answers(domain)) == 2)
    whole = domain.get(f"/v1/decisions/{decision['id']}")
    assert whole["inputs"]["uplinks"] == {}  # as it was before: all at their anchors
    found = {load["lma"]: load for load in whole["inputs"]["snapshot"]["lmas"]}
    assert found["lma1"]["state"] == "overloaded" and found["lma2"]["state"] == "light"
    assert found["lma1"]["source"] == "openflow"
    stored = domain.store.store
    assert stored.load_uplinks()["mag1"]["lma1"] == ("lma2",) * 32
    (record,) = stored.load_decisions()
    assert record.decision.id == decision["id"] and len(record.answers) == 2


def test_load_info_alone_will_do_when_there_are_no_tunnel_ports_at_the_lmas() -> None:
    with running(profile_with()) as domain:
        for lma in ("lma1", "lma2"):
            for mag in ("mag1", "mag2"):
                domain.switches[lma].remove_port(f"t-{mag}")
        domain.run(0.5)
        loads = {"lma1": 0.95, "lma2": 0.1}
        for _ in range(10):
            domain.load("lma1", loads["lma1"], {"mag1": 3000, "mag2": 2000})
            domain.load("lma2", loads["lma2"], {"mag1": 0, "mag2": 0})
            domain.run(1)
            if decisions(domain):
                break
        assert decisions(domain)[0]["mag"] == "mag1"
        found = {load["lma"]: load for load in domain.get("/v1/load-list")["lmas"]}
        assert found["lma1"]["source"] == "signalling"
        assert found["lma1"]["signalled_packets"] == 5000


def test_a_report_in_several_parts_is_taken_when_all_are_there(domain: RmsDomain) -> None:
    domain.load("lma1", 0.5, {"mag1": 700}, LoadInfoPart(5, 0, 2))
    domain.run(0.2)

    def told() -> Any:
        return next(load for load in domain.get("/v1/load-list")["lmas"] if load["lma"] == "lma1")

    assert told()["cpu"] is None
    domain.load("lma1", 0.5, {"mag2": 300}, LoadInfoPart(5, 1, 2))
    domain.until(lambda: told()["cpu"] == 0.5)
    assert told()["signalled_packets"] == 1000


def test_an_agent_that_does_not_answer_is_told_three_times(domain: RmsDomain) -> None:
    domain.agents["mag1"].mute = True
    domain.keep_reporting(dict(HOT), dict(RATES))
    decision = decided(domain)
    domain.until(lambda: "agent of mag1" in answers(domain), within=10)
    assert answers(domain)["agent of mag1"] == ("timed out", "")
    assert answers(domain)["switch of mag1"] == ("acknowledged", "acked")
    assert decisions(domain)[0]["outcome"] == "acknowledged"  # it is the switch that moves packets
    adjusts = domain.agents["mag1"].load_adjusts()
    assert len(adjusts) == 3 and len({*adjusts}) == 1
    (_, agent) = sorted(decisions(domain)[0]["answers"], key=lambda answer: answer["time"])
    assert 6.9 < agent["time"] - decision["time"] < 7.2  # 1, 2 and 4 s


def test_a_lost_load_adjust_or_answer_is_repeated_until_it_gets_through(domain: RmsDomain) -> None:
    mag, lost = domain.profile.mag("mag1").address, [0]

    def loses(source: object, destination: object, octets: bytes) -> bool:
        between = {source, destination} == {mag, domain.profile.rms.address}
        lost[0] += between
        return between and lost[0] <= 2

    domain.run(1)
    domain.underlay.loses = loses
    domain.keep_reporting(dict(HOT), dict(RATES))
    decided(domain)
    domain.until(lambda: "agent of mag1" in answers(domain), within=10)
    assert answers(domain)["agent of mag1"] == ("acknowledged", "")
    assert lost[0] == 4


def test_only_the_same_message_from_the_same_node_is_an_answer(domain: RmsDomain) -> None:
    def another(message: Any) -> Any:
        return LoadAdjust(message.new_lma, message.old_lma, options=message.options)

    domain.agents["mag1"].confirms = another
    domain.keep_reporting(dict(HOT), dict(RATES))
    decided(domain)
    domain.until(lambda: len(domain.agents["mag1"].load_adjusts()) == 1)
    domain.agents["mag2"].say(domain.agents["mag1"].load_adjusts()[0])
    domain.until(lambda: "agent of mag1" in answers(domain), within=10)
    assert answers(domain)["agent of mag1"] == ("timed out", "")
    assert domain.get("/v1/health")["refused"]["nothing to answer"] == 4


def test_a_switch_that_refuses_is_noted_with_the_decision_and_set_right_later(domain: RmsDomain) -> None:
    domain.switches["mag1"].refuse = lambda kind, body: UNKNOWN_GROUP if kind == GROUP_MOD else None
    domain.agents["mag1"].mute = True
    domain.keep_reporting(dict(HOT), dict(RATES))
    decided(domain)
    domain.until(lambda: "switch of mag1" in answers(domain))
    assert answers(domain)["switch of mag1"] == ("refused", "error")
    assert decisions(domain)[0]["outcome"] == "refused"
    assert domain.get("/v1/mags/mag1")["errors"] == {"GMFC_UNKNOWN_GROUP": 1}
    domain.switches["mag1"].refuse = lambda kind, body: None
    domain.until(lambda: carriers(domain, "mag1", "lma1") == ["lma2"])


def test_a_switch_that_leaves_the_barrier_unanswered_is_noted_as_timed_out(domain: RmsDomain) -> None:
    domain.keep_reporting(dict(HOT), dict(RATES))
    domain.switches["mag1"].hold_barriers = domain.agents["mag1"].mute = True
    decided(domain)
    domain.until(lambda: len(answers(domain)) == 2, within=10)
    assert answers(domain)["switch of mag1"] == ("timed out", "timeout")
    assert decisions(domain)[0]["outcome"] == "timed out"


def test_a_switch_that_is_away_is_noted_and_gets_its_groups_when_it_returns(domain: RmsDomain) -> None:
    domain.switches["mag1"].disconnect()
    domain.keep_reporting(dict(HOT), dict(RATES))
    decided(domain)
    domain.until(lambda: len(answers(domain)) == 2)
    assert answers(domain)["switch of mag1"] == ("timed out", "disconnected")
    domain.connect("mag1")
    domain.until_ready()
    assert carriers(domain, "mag1", "lma1") == ["lma2"]


def test_a_decision_is_in_force_even_when_it_cannot_be_stored(domain: RmsDomain) -> None:
    domain.store.failing = lambda method: method.startswith("save_")
    domain.keep_reporting(dict(HOT), dict(RATES))
    domain.until(lambda: carriers(domain, "mag1", "lma1") == ["lma2"])
    domain.until(lambda: domain.agents["mag1"].load_adjusts())
    assert "the disk is full (save_uplinks)" in domain.log.lines
    assert len(decisions(domain)) == 1
    domain.run(2)
    # What cannot be noted because of the store is a fault of the store's alone; tell it apart.
    domain.log.faults.clear()


def test_after_a_restart_uplinks_and_decisions_are_as_before() -> None:
    store = MemoryStore(profile_with().rms.state_directory)
    with running(profile_with(), store) as domain:
        domain.keep_reporting(dict(HOT), dict(RATES))
        decided(domain)
        domain.until(lambda: len(answers(domain)) == 2)
        before = decisions(domain)
    with rms_domain(profile_with(), store) as domain:
        domain.start_agents()
        domain.start_rms()
        assert decisions(domain) == before
        assert domain.get("/v1/mags/mag1")["uplinks"]["lma1"] == {"lma2": 32}
        domain.connect()
        domain.until_ready()
        assert carriers(domain, "mag1", "lma1") == ["lma2"]
        assert carriers(domain, "mag2", "lma1") == ["lma1"]


def test_stored_uplinks_of_lmas_that_are_gone_or_of_other_lengths_are_not_taken() -> None:
    store = MemoryStore(profile_with().rms.state_directory)
    store.save_uplinks(
        {
            "mag1": {"lma1": ["lma2"], "lma2": ["lma9"] * 32},  # older releases stored one name for all
            "mag2": {"lma1": ["lma1", "lma2"], "lma2": (*["lma1"] * 16, *["lma2"] * 16)},
            "mag9": {"lma1": ["lma2"] * 32},
        }
    )
    store.save_setting("evacuated", [["mag1", "lma1"], ["mag9", "lma1"], ["mag1", "lma9"]])
    with running(profile_with(), store) as domain:
        uplinks = {mag["name"]: mag["uplinks"] for mag in domain.get("/v1/mags")}
        assert uplinks == {
            "mag1": {"lma1": {"lma2": 32}, "lma2": {"lma2": 32}},
            "mag2": {"lma1": {"lma1": 32}, "lma2": {"lma1": 16, "lma2": 16}},
        }
        assert carriers(domain, "mag2", "lma2") == ["lma1"] * 16 + ["lma2"] * 16
        assert domain.rms.state.memory.evacuated == (("mag1", "lma1"),)


def test_what_mags_offer_a_full_lma_is_counted_by_their_groups(domain: RmsDomain) -> None:
    group = tunnel_group(domain.profile, "lma1")
    domain.keep_reporting({"lma1": 0.99, "lma2": 0.5}, {("mag1", "lma1"): 100, ("mag1", "lma2"): 100})

    def offered() -> dict[str, list[float]]:
        for mag in ("mag1", "mag2"):
            for number in domain.switches[mag].tables.groups:
                domain.switches[mag].tables.groups[number].packets += 20 if number == group else 7
        domain.run(0.1)
        loads = domain.get("/v1/load-list")["lmas"]
        return {load["lma"]: [mag["offered"] for mag in load["mags"] if mag["offered"]] for load in loads}

    found = domain.until(lambda: (rates := offered())["lma1"] and rates)
    assert not found["lma2"]  # which is not full
    for _ in range(40):
        found = offered()
    assert all(150 < rate < 250 for rate in found["lma1"]) and len(found["lma1"]) == 2


def test_a_round_that_fails_is_logged_and_the_next_one_is_made(domain: RmsDomain) -> None:
    rounds = [0]
    carry_out = domain.rms.load_sharing.carry_out

    def fail_once(decide: Any) -> Any:
        rounds[0] += 1
        if rounds[0] == 1:
            raise RuntimeError("a fault of ours")
        return carry_out(decide)

    domain.rms.load_sharing.carry_out = fail_once  # type: ignore[method-assign]
    domain.run(2)
    assert rounds[0] >= 3
    assert "evaluating the load list failed" in domain.log.lines
    domain.log.faults.clear()


def test_the_answer_of_a_port_that_does_not_count_and_parts_of_answers_are_taken(domain: RmsDomain) -> None:
    for switch in domain.switches.values():
        switch.part = 200  # octets: several parts to each answer
    domain.switches["lma1"].receive("t-mag1", 4711, 10**6)
    domain.switches["mag2"].receive("t-lma2", 1, 815)
    domain.run(2)
    tunnels = {(tunnel["mag"], tunnel["lma"]): tunnel for tunnel in domain.get("/v1/tunnels")}
    assert tunnels["mag1", "lma1"]["uplink_packets"] == 4711
    assert tunnels["mag2", "lma2"]["downlink_octets"] == 815
    assert all(tunnel["up"] for tunnel in tunnels.values())
    domain.switches["lma1"].disconnect()
    domain.until(lambda: domain.state("lma1") == "disconnected")
    gone = {(tunnel["mag"], tunnel["lma"]): tunnel for tunnel in domain.get("/v1/tunnels")}
    assert gone["mag1", "lma1"]["uplink_packets"] is None
    assert gone["mag1", "lma1"]["downlink_packets"] == 0
