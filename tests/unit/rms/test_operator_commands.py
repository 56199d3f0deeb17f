"""What the operator commands over REST: drained and undrained LMAs, moved uplinks, the policy, dry runs; refusals."""

from __future__ import annotations

from typing import Any

import pytest

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.store import MemoryStore
from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.loadsharing import POLICIES
from ryu_pmipls.wire import Drain, UplinkShare
from tests.fakes.rms_domain import RmsDomain, profile_with, rms_domain, running

LOADS = {"lma1": 0.1, "lma2": 0.1}
#: All policies, as a refusal names them.
*_FIRST, _LAST = map(repr, POLICIES)
_ALLOWED = f"{', '.join(_FIRST)} or {_LAST}"
#: Nobody sends by way of lma1, so that it forwards nothing when it is drained.
RATES = {("mag1", "lma1"): 0, ("mag2", "lma1"): 0, ("mag1", "lma2"): 10, ("mag2", "lma2"): 10}


@pytest.fixture
def light(domain: RmsDomain) -> RmsDomain:
    """A domain whose LMAs have little to do."""
    domain.keep_reporting(dict(LOADS), dict(RATES))
    domain.until(lambda: {load["state"] for load in domain.get("/v1/load-list")["lmas"]} == {"light"})
    return domain


def command(domain: RmsDomain, path: str, document: Any = None) -> Any:
    status, answer = domain.ask(f"/v1/{path}", document or {})
    assert status == 200, answer
    return answer


def refusal(domain: RmsDomain, path: str, document: Any = None) -> tuple[int, str]:
    status, answer = domain.ask(f"/v1/{path}", document or {})
    assert answer["error"]["status"] == status
    return status, answer["error"]["message"]


def uplinks(domain: RmsDomain, mag: str) -> Any:
    return domain.get(f"/v1/mags/{mag}")["uplinks"]


def waits_for(domain: RmsDomain, lma: str) -> list[str]:
    found: list[str] = domain.get(f"/v1/lmas/{lma}")["drain"]["waits_for"]
    return found


def drains(domain: RmsDomain, lma: str) -> list[int]:
    """What its agent was told of draining."""
    options = [message.option(Drain) for message in domain.agents[lma].load_adjusts()]
    return [option.draining for option in options if isinstance(option, Drain)]


def test_a_drained_lma_is_left_by_uplinks_and_new_sessions_and_is_safe_to_stop_then(light: RmsDomain) -> None:
    light.attach(1, "mag1", anchor="lma1")
    answer = command(light, "lmas/lma1/drain")
    assert answer["load"]["state"] == "draining"
    assert not answer["drain"]["safe_to_stop"]
    assert "its agent, which has not confirmed yet" in answer["drain"]["waits_for"]
    assert "3 s without a packet to forward (the last: unknown)" in answer["drain"]["waits_for"]
    light.until(lambda: {*uplinks(light, "mag1")["lma1"], *uplinks(light, "mag2")["lma1"]} == {"lma2"})
    assert light.get("/v1/lmas/lma1")["new_sessions_at"] == "lma2"
    light.until(lambda: drains(light, "lma1"))
    (told, *_) = [message for message in light.agents["lma1"].load_adjusts() if message.option(Drain)]
    assert (told.old_lma, told.new_lma) == (light.profile.lma("lma1").address, light.profile.lma("lma2").address)
    light.run(6)
    assert waits_for(light, "lma1") == ["1 sessions that it anchors"]
    left = light.report("mag1", 1, "mag1", None)
    light.until(lambda: left in light.agents["mag1"].heard)
    assert light.get("/v1/lmas/lma1")["drain"] == {"safe_to_stop": True, "waits_for": []}
    (lma1, lma2) = light.get("/v1/lmas")
    assert lma1["drain"]["safe_to_stop"] and lma2["drain"] is None
    assert light.incidents() == [("lma1", "drained")]
    assert light.get("/v1/incidents")[0]["reason"] == "by the operator"
    # All are told at the start that they need not: an earlier RMS may not have lived to say so.
    assert {*drains(light, "lma1")} == {1} and drains(light, "lma2") == [0]
    assert len(drains(light, "lma1")) > 5  # in every round, for its agent may have been restarted


def test_of_drains_of_all_lmas_at_once_the_last_is_refused_and_the_others_are_kept(light: RmsDomain) -> None:
    found: dict[str, int] = {}

    def drain(lma: str) -> None:
        found[lma], _ = light.ask(f"/v1/lmas/{lma}/drain", {})

    for lma in LOADS:
        hub.spawn(drain, lma)
    light.until(lambda: len(found) == len(LOADS))
    assert sorted(found.values()) == [200, 409]
    (drained,) = [lma for lma, status in found.items() if status == 200]
    assert light.rms.state.drained == (drained,)
    command(light, f"lmas/{drained}/undrain")
    assert light.rms.state.drained == ()


def test_a_drain_and_an_undrain_at_once_leave_state_and_store_alike(light: RmsDomain) -> None:
    command(light, "lmas/lma1/drain")
    done = []

    def obey(path: str) -> None:
        done.append(light.ask(f"/v1/lmas/{path}", {})[0])

    hub.spawn(obey, "lma1/undrain")
    hub.spawn(obey, "lma2/drain")
    hub.spawn(obey, "lma2/undrain")
    light.until(lambda: len(done) == 3)
    assert done == [200, 200, 200]
    assert light.rms.state.drained == () == tuple(light.store.store.load_settings().get("drained") or ())


def test_an_uplink_is_not_moved_to_an_lma_that_is_drained_at_the_same_time(light: RmsDomain) -> None:
    found = {}

    def drain() -> None:
        found["drain"] = light.ask("/v1/lmas/lma2/drain", {})[0]

    def adjust() -> None:
        found["adjust"] = light.ask("/v1/mags/mag1/adjust", {"lma": "lma2"})[0]

    hub.spawn(drain)
    hub.spawn(adjust)
    light.until(lambda: len(found) == 2)
    assert found == {"drain": 200, "adjust": 409}
    assert {*uplinks(light, "mag1")["lma1"], *uplinks(light, "mag1")["lma2"]} == {"lma1"}


def test_an_agent_learns_of_the_end_of_its_draining_from_an_rms_that_was_restarted_meanwhile(
    light: RmsDomain,
) -> None:
    command(light, "lmas/lma1/drain")
    light.until(lambda: drains(light, "lma1")[-1:] == [1])
    light.agents["lma1"].mute = True
    command(light, "lmas/lma1/undrain")
    light.stop_rms()
    heard = len(light.agents["lma1"].heard)
    light.agents["lma1"].mute = False
    light.start_rms()
    light.connect()
    light.until(lambda: len(light.agents["lma1"].heard) > heard and drains(light, "lma1")[-1] == 0)


def test_an_lma_that_still_forwards_is_not_safe_to_stop(light: RmsDomain) -> None:
    command(light, "lmas/lma1/drain")
    light.run(6)
    assert waits_for(light, "lma1") == []
    (entry,) = [
        each
        for each in light.switches["lma1"].entries()
        if (each.table, each.priority) == (0, LmaRule.FROM_CORE.priority) and each.match.fields and _core(each)
    ]
    entry.count(5, 500)
    light.run(1.5)
    (wait,) = waits_for(light, "lma1")
    assert wait.startswith("3 s without a packet to forward (the last: ")
    assert wait.endswith(" s ago)") and float(wait.split()[-3]) <= 1.5
    light.run(4)
    assert waits_for(light, "lma1") == []


def _core(entry: Any) -> bool:
    """Whether an entry of an LMA is that of what comes from the core for mobile nodes."""
    return {name for name, _, _ in entry.match.fields} == {(0x8000, 0), (0x8000, 5), (0x8000, 27)}


def test_what_a_switch_forwards_is_unknown_unless_it_tells_all_of_it() -> None:
    with running(profile_with({"timers": {"audit_interval": None}})) as domain:
        domain.keep_reporting(dict(LOADS), dict(RATES))
        domain.run(3)
        command(domain, "lmas/lma1/drain")
        domain.run(6)
        assert waits_for(domain, "lma1") == []
        for entry in domain.switches["lma1"].entries():
            if _core(entry):
                del domain.switches["lma1"].tables.entries[entry.key]
        domain.run(2)
        assert waits_for(domain, "lma1") == ["3 s without a packet to forward (the last: unknown)"]


def test_what_a_switch_that_is_away_forwards_is_unknown(light: RmsDomain) -> None:
    command(light, "lmas/lma1/drain")
    light.run(6)
    assert waits_for(light, "lma1") == []
    light.switches["lma1"].disconnect()
    light.run(2)
    assert waits_for(light, "lma1") == ["3 s without a packet to forward (the last: unknown)"]


def test_an_lma_that_dies_while_it_is_drained_waits_for_nothing(light: RmsDomain) -> None:
    light.run(12)
    light.attach(1, "mag1", anchor="lma1")
    command(light, "lmas/lma1/drain")
    light.switches["lma1"].disconnect()
    for mag in ("mag1", "mag2"):
        light.switches[mag].set_live("t-lma1", False)
    light.until(lambda: light.get("/v1/lmas/lma1")["load"]["state"] == "dead")
    assert light.get("/v1/lmas/lma1")["drain"] == {"safe_to_stop": True, "waits_for": []}


def test_an_agent_that_does_not_confirm_is_waited_for(light: RmsDomain) -> None:
    light.agents["lma1"].mute = True
    command(light, "lmas/lma1/drain")
    light.run(8)
    assert waits_for(light, "lma1") == ["its agent, which has not confirmed yet"]
    light.agents["lma1"].mute = False
    light.until(lambda: waits_for(light, "lma1") == [])


def test_draining_again_does_nothing_and_undraining_gives_back(light: RmsDomain) -> None:
    command(light, "lmas/lma1/drain")
    light.run(2)
    command(light, "lmas/lma1/drain")
    assert light.incidents() == [("lma1", "drained")]
    light.run(2)
    answer = command(light, "lmas/lma1/undrain")
    assert answer["drain"] is None and answer["load"]["state"] == "light"
    light.until(lambda: drains(light, "lma1")[-1] == 0)
    told = drains(light, "lma1").count(0)
    light.run(5)
    assert drains(light, "lma1").count(0) - told <= 1  # it has confirmed, and needs no more of it
    assert light.get("/v1/lmas/lma1")["new_sessions_at"] == "lma1"
    assert light.incidents() == [("lma1", "drained"), ("lma1", "undrained")]
    assert "drained" not in light.store.store.load_settings()
    assert refusal(light, "lmas/lma1/undrain") == (409, "lma1 is not drained; drained are: none")
    command(light, "lmas/lma1/drain")
    assert refusal(light, "lmas/lma2/undrain") == (409, "lma2 is not drained; drained are: lma1")


def test_the_last_lma_cannot_be_drained(light: RmsDomain) -> None:
    command(light, "lmas/lma1/drain")
    assert refusal(light, "lmas/lma2/drain") == (
        409,
        "lma2 cannot be drained: no other LMA could take over (lma1 is draining)",
    )
    assert light.get("/v1/lmas/lma2")["drain"] is None
    assert light.store.store.load_settings()["drained"] == ["lma1"]


def test_what_is_drained_stays_so_over_a_restart() -> None:
    store = MemoryStore(profile_with().rms.state_directory)
    with running(profile_with(), store) as domain:
        domain.keep_reporting(dict(LOADS), dict(RATES))
        domain.run(3)
        command(domain, "lmas/lma1/drain")
        command(domain, "policy", {"policy": "balance"})
        domain.run(1)
    store.save_setting("drained", ["lma1", "lma9"])
    with rms_domain(profile_with(), store) as domain:
        domain.start_agents()
        domain.start_rms()
        assert domain.get("/v1/lmas/lma1")["load"]["state"] == "draining"
        assert domain.get("/v1/policy")["policy"] == "balance"
        domain.connect()
        domain.until(lambda: 1 in drains(domain, "lma1"))
        assert refusal(domain, "lmas/lma2/undrain") == (409, "lma2 is not drained; drained are: lma1")


def test_a_wish_that_the_store_does_not_keep_is_refused_and_not_done(light: RmsDomain) -> None:
    light.store.failing = lambda method: method == "save_setting"
    assert refusal(light, "lmas/lma1/drain") == (503, "the disk is full (save_setting)")
    assert refusal(light, "policy", {"policy": "static"}) == (503, "the disk is full (save_setting)")
    assert light.get("/v1/lmas/lma1")["load"]["state"] == "light"
    assert light.get("/v1/policy")["policy"] == "draft"
    light.store.failing = lambda method: False
    command(light, "lmas/lma1/drain")
    light.store.failing = lambda method: method == "save_setting"
    assert refusal(light, "lmas/lma1/undrain") == (503, "the disk is full (save_setting)")
    assert light.get("/v1/lmas/lma1")["load"]["state"] == "draining"


def test_a_wish_that_is_kept_is_done_by_the_next_round_when_the_first_fails(light: RmsDomain) -> None:
    light.store.failing = lambda method: method in ("save_uplinks", "save_incident")
    command(light, "lmas/lma1/drain")
    assert "the disk is full (save_uplinks)" in light.log.lines
    light.store.failing = lambda method: False
    light.until(lambda: waits_for(light, "lma1") == [])


def test_all_uplinks_of_a_mag_are_moved_as_the_operator_wants_it(light: RmsDomain) -> None:
    command(light, "policy", {"policy": "static"})
    decisions = command(light, "mags/mag2/adjust", {"lma": "lma2"})
    assert [(each["mag"], each["old_lma"], each["new_lma"], each["reason"]) for each in decisions] == [
        ("mag2", "lma1", "lma2", "the operator wants it so")
    ]
    assert uplinks(light, "mag2") == {"lma1": {"lma2": 32}, "lma2": {"lma2": 32}}
    light.until(lambda: light.agents["mag2"].load_adjusts())
    (adjust,) = light.agents["mag2"].load_adjusts()
    assert adjust.all(UplinkShare) == (UplinkShare(light.profile.lma("lma2").address, 64),)
    assert refusal(light, "mags/mag2/adjust", {"lma": "lma2"}) == (409, "all uplinks of mag2 go to lma2 already")
    light.run(5)
    assert uplinks(light, "mag2")["lma1"] == {"lma2": 32}
    assert uplinks(light, "mag1")["lma1"] == {"lma1": 32}


def test_nothing_is_moved_to_where_it_could_not_arrive(light: RmsDomain) -> None:
    light.switches["mag1"].set_live("t-lma2", False)
    light.run(0.5)
    assert refusal(light, "mags/mag1/adjust", {"lma": "lma2"}) == (409, "mag1 has no live tunnel to lma2")
    light.switches["mag1"].remove_port("t-lma2")
    light.run(0.5)
    assert refusal(light, "mags/mag1/adjust", {"lma": "lma2"}) == (409, "mag1 has no live tunnel to lma2")
    command(light, "lmas/lma2/drain")
    assert refusal(light, "mags/mag2/adjust", {"lma": "lma2"}) == (
        409,
        "lma2 is draining: nothing can be moved there",
    )


def test_an_adjustment_that_cannot_be_stored_is_answered_so(light: RmsDomain) -> None:
    light.store.failing = lambda method: method == "save_uplinks"
    assert refusal(light, "mags/mag1/adjust", {"lma": "lma2"}) == (503, "the disk is full (save_uplinks)")
    light.run(1)
    light.log.faults.clear()


def test_the_policy_is_chosen_for_good_and_given_back(light: RmsDomain) -> None:
    document = light.get("/v1/policy")
    assert (document["policy"], document["of_the_profile"], document["allowed"]) == (
        "draft",
        "draft",
        [*POLICIES],
    )
    assert document["settings"]["policy"] == "draft"
    assert command(light, "policy", {"policy": "static"})["policy"] == "static"
    assert light.store.store.load_settings()["policy"] == "static"
    assert light.get("/v1/policy")["of_the_profile"] == "draft"
    assert command(light, "policy", {"policy": None})["policy"] == "draft"
    assert "policy" not in light.store.store.load_settings()


def test_a_stored_policy_that_is_none_any_more_is_not_taken() -> None:
    store = MemoryStore(profile_with().rms.state_directory)
    store.save_setting("policy", "best")
    with rms_domain(profile_with(), store) as domain:
        domain.start_rms()
        assert domain.get("/v1/policy")["policy"] == "draft"


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(light: RmsDomain) -> None:
    light.run(3)
    before = [uplinks(light, mag) for mag in ("mag1", "mag2")]
    outcome = command(light, "dry-run", {"policy": "balance", "drain": ["lma1"]})
    assert outcome["policy"] == "balance"
    assert {(each["old_lma"], each["new_lma"]) for each in outcome["decisions"]} == {("lma1", "lma2")}
    assert {each["reason"].split(";")[0] for each in outcome["decisions"]} == {"lma1 is draining"}
    assert {each["outcome"] for each in outcome["decisions"]} == {"pending"}
    assert outcome["alarms"] == []
    assert command(light, "dry-run", {"policy": "balance"})["outlook"] is not None
    assert command(light, "dry-run")["policy"] == "draft"
    assert command(light, "dry-run")["outlook"] is None
    light.run(1)
    assert [uplinks(light, mag) for mag in ("mag1", "mag2")] == before
    assert light.get("/v1/decisions") == [] and light.get("/v1/policy")["policy"] == "draft"
    assert {lma["drain"] for lma in light.get("/v1/lmas")} == {None}


@pytest.mark.parametrize(
    ("path", "document", "status", "message"),
    [
        ("lmas/lma9/drain", {}, 404, "no LMA is called 'lma9'; there are: lma1, lma2"),
        ("lmas/lma9/undrain", {}, 404, "no LMA is called 'lma9'; there are: lma1, lma2"),
        ("lmas/lma1/drain", {"now": True}, 400, "now: unknown key; allowed: "),
        ("lmas/lma1/undrain", {"now": True}, 400, "now: unknown key; allowed: "),
        ("mags/mag1/adjust", {}, 400, "lma: Field required"),
        ("mags/mag1/adjust", {"lma": "lma9"}, 404, "no LMA is called 'lma9'; there are: lma1, lma2"),
        ("mags/mag9/adjust", {"lma": "lma1"}, 404, "no MAG is called 'mag9'; there are: mag1, mag2"),
        ("policy", {"policy": "best"}, 400, f"policy: Input should be {_ALLOWED}"),
        ("policy", {}, 400, "policy: Field required"),
        ("dry-run", {"drain": ["lma9"]}, 404, "no LMA is called 'lma9'; there are: lma1, lma2"),
    ],
)
def test_a_wrong_command_is_refused_with_what_is_allowed(
    domain: RmsDomain, path: str, document: dict[str, Any], status: int, message: str
) -> None:
    assert refusal(domain, path, document) == (status, message)
    assert domain.incidents() == [] and domain.get("/v1/decisions") == []


def test_looking_at_what_is_forwarded_goes_on_after_a_failure(light: RmsDomain) -> None:
    forwarded, looks = light.rms.switches.forwarded, [0]

    def fail_once(lma: str) -> int | None:
        looks[0] += 1
        if looks[0] == 1:
            raise RuntimeError("a fault of ours")
        return forwarded(lma)

    light.rms.switches.forwarded = fail_once  # type: ignore[method-assign]
    command(light, "lmas/lma1/drain")
    light.until(lambda: waits_for(light, "lma1") == [])
    assert "checking what lma1 forwards failed" in light.log.lines
    light.log.faults.clear()
