"""The death of LMAs: its signs, what follows, and the return (docs/failure.md)."""

from __future__ import annotations

from typing import Any

from ryu_pmipls.controller.store import MemoryStore
from ryu_pmipls.controller.switches.mag_groups import anchor_group, tunnel_group
from tests.fakes.rms_domain import RmsDomain, profile_with, rms_domain, running

QUIET = {"lma1": 0.1, "lma2": 0.1}
RATES = {("mag1", "lma1"): 10, ("mag2", "lma1"): 10, ("mag1", "lma2"): 10, ("mag2", "lma2"): 10}


def lma(domain: RmsDomain, name: str) -> Any:
    return domain.get(f"/v1/lmas/{name}")


def state(domain: RmsDomain, name: str) -> str:
    return str(lma(domain, name)["load"]["state"])


def carrier(domain: RmsDomain, mag: str, anchor: str) -> str:
    names = {tunnel_group(domain.profile, each.name): each.name for each in domain.profile.lmas}
    ((_, ((_, group),)),) = domain.buckets(mag, anchor_group(domain.profile, anchor))
    return names[group]


def settle(domain: RmsDomain) -> None:
    """Loads are known, and the time after a start in which nothing is a sign is over."""
    domain.report_gateways()
    domain.keep_reporting(QUIET, RATES)
    domain.run(12)


def kill(domain: RmsDomain, name: str) -> None:
    """Its switch is gone, and BFD of all MAGs finds it out."""
    domain.switches[name].disconnect()
    for mag in ("mag1", "mag2"):
        domain.switches[mag].set_live(f"t-{name}", False)


def revive(domain: RmsDomain, name: str) -> None:
    domain.connect(name)
    for mag in ("mag1", "mag2"):
        domain.switches[mag].set_live(f"t-{name}", True)


def test_a_dead_lma_is_evacuated_and_gets_its_uplinks_back_when_it_returns(domain: RmsDomain) -> None:
    settle(domain)
    kill(domain, "lma1")
    domain.until(lambda: carrier(domain, "mag1", "lma1") == carrier(domain, "mag2", "lma1") == "lma2", within=3)
    dead = lma(domain, "lma1")
    assert dead["load"]["state"] == "dead"
    assert {*dead["signs_of_death"]} == {"switch", "tunnels"}
    assert dead["load"]["cause"] == "its switch does not answer and no MAG has a live tunnel to it"
    assert dead["new_sessions_at"] == "lma2"
    assert domain.incidents() == [("lma1", "died")]
    domain.until(lambda: domain.store.store.load_settings().get("dead") == ["lma1"], within=1)
    assert {*map(tuple, domain.store.store.load_settings()["evacuated"])} == {("mag1", "lma1"), ("mag2", "lma1")}
    for mag in ("mag1", "mag2"):
        domain.until(lambda mag=mag: domain.agents[mag].load_adjusts())  # type: ignore[misc]
    revive(domain, "lma1")
    domain.until(lambda: ("lma1", "returned") in domain.incidents())
    assert lma(domain, "lma1")["signs_of_death"] == {}
    domain.until(lambda: carrier(domain, "mag1", "lma1") == carrier(domain, "mag2", "lma1") == "lma1")
    assert domain.incidents() == [("lma1", "died"), ("lma1", "returned")]
    domain.run(1)
    assert "dead" not in domain.store.store.load_settings()
    assert "evacuated" not in domain.store.store.load_settings()


def test_one_sign_alone_is_a_suspicion_only(domain: RmsDomain) -> None:
    settle(domain)
    domain.switches["lma1"].disconnect()
    domain.run(3)
    assert {*lma(domain, "lma1")["signs_of_death"]} == {"switch"}
    assert state(domain, "lma1") != "dead"
    for mag in ("mag1", "mag2"):
        domain.switches[mag].set_live("t-lma2", False)
    domain.run(3)
    assert {*lma(domain, "lma2")["signs_of_death"]} == {"tunnels"}
    assert domain.incidents() == []


def test_a_tunnel_that_one_mag_has_alive_is_no_sign(domain: RmsDomain) -> None:
    settle(domain)
    domain.switches["lma1"].disconnect()
    domain.switches["mag1"].set_live("t-lma1", False)
    domain.run(3)
    assert {*lma(domain, "lma1")["signs_of_death"]} == {"switch"}
    domain.switches["mag2"].disconnect()  # and so it tells nothing any more
    domain.until(lambda: ("lma1", "died") in domain.incidents(), within=5)


def test_a_switch_that_leaves_echo_requests_unanswered_is_as_good_as_gone(domain: RmsDomain) -> None:
    settle(domain)
    for mag in ("mag1", "mag2"):
        domain.switches[mag].set_live("t-lma1", False)
    domain.switches["lma1"].silent = True
    domain.run(0.9)
    assert domain.incidents() == []  # one or two may be missing
    domain.until(lambda: domain.incidents() == [("lma1", "died")], within=1.5)
    domain.until(lambda: domain.state("lma1") == "disconnected", within=10)


def test_with_the_agents_sign_a_silent_agent_and_a_gone_switch_are_a_death() -> None:
    with running(profile_with({"failure": {"dead_when": [["switch", "agent"]]}})) as domain:
        domain.report_gateways()
        loads = dict(QUIET)
        domain.keep_reporting(loads, dict(RATES))
        domain.run(12)
        domain.switches["lma1"].disconnect()
        domain.run(2)
        assert domain.incidents() == []
        del loads["lma1"]
        domain.run(2.5)
        assert domain.incidents() == []
        domain.until(lambda: domain.incidents() == [("lma1", "died")], within=2)
        domain.connect("lma1")
        domain.run(3)
        assert domain.incidents() == [("lma1", "died")]
        loads["lma1"] = 0.1
        domain.until(lambda: domain.incidents() == [("lma1", "died"), ("lma1", "returned")], within=5)


def test_when_the_rms_itself_is_cut_off_nobody_is_dead(domain: RmsDomain) -> None:
    settle(domain)
    for switch in domain.switches.values():
        switch.disconnect()
    domain.underlay.loses = lambda source, destination, octets: True
    domain.run(30)
    assert domain.incidents() == []
    domain.underlay.loses = lambda source, destination, octets: False
    domain.connect()
    domain.until_ready()
    domain.run(15)
    assert domain.incidents() == []


def test_the_end_of_a_connection_to_a_mag_is_no_word_of_it() -> None:
    """Whoever is cut off from all may find the LMAs' switches silent before the connections to MAGs end."""
    with running(profile_with({"failure": {"dead_when": [["switch"]]}})) as domain:
        settle(domain)
        for switch in domain.switches.values():
            switch.hang = True
        domain.run(3)
        assert {*lma(domain, "lma1")["signs_of_death"]} == {"switch"}
        for name in ("mag1", "mag2"):
            domain.switches[name].disconnect()
        domain.run(25)
        assert domain.incidents() == []


def test_the_dead_are_known_after_a_restart_and_return(domain: RmsDomain) -> None:
    settle(domain)
    kill(domain, "lma1")
    domain.until(lambda: carrier(domain, "mag1", "lma1") == "lma2")
    domain.run(1)
    domain.stop_rms()
    domain.start_rms()
    assert state(domain, "lma1") == "dead"
    assert lma(domain, "lma1")["load"]["cause"] == "since before the RMS was started"
    assert domain.incidents() == [("lma1", "died")]
    domain.connect("mag1", "mag2", "lma2")
    domain.until_ready("mag1", "mag2", "lma2")
    assert carrier(domain, "mag1", "lma1") == "lma2"
    domain.run(15)
    assert state(domain, "lma1") == "dead"
    revive(domain, "lma1")
    domain.until(lambda: carrier(domain, "mag1", "lma1") == "lma1")
    assert domain.incidents() == [("lma1", "died"), ("lma1", "returned")]


def test_a_dead_lma_of_the_store_that_the_profile_has_no_more_is_forgotten() -> None:
    store = MemoryStore(profile_with().rms.state_directory)
    store.save_setting("dead", ["lma9"])
    with rms_domain(profile_with(), store) as domain:
        domain.start_rms()
        assert {load["state"] for load in domain.get("/v1/load-list")["lmas"]} == {"stale"}


def test_where_nobody_may_take_over_an_alarm_tells_of_it(domain: RmsDomain) -> None:
    settle(domain)
    kill(domain, "lma2")
    domain.until(lambda: domain.incidents() == [("lma2", "died")])
    kill(domain, "lma1")
    domain.until(lambda: ("lma1", "died") in domain.incidents())
    alarm = domain.until(
        lambda: next(
            (each for each in domain.get("/v1/health")["reasons"] if "no LMA may take them" in str(each)), None
        )
    )
    assert alarm["text"].startswith("lma1 is dead") and alarm["since"] <= domain.clock.wall()


def test_a_death_takes_effect_even_when_the_store_fails(domain: RmsDomain) -> None:
    settle(domain)
    domain.store.failing = lambda method: method.startswith("save_")
    kill(domain, "lma1")
    domain.until(lambda: carrier(domain, "mag1", "lma1") == "lma2", within=3)
    domain.until(lambda: domain.incidents() == [("lma1", "died")])
    assert any("the incident of lma1 is not stored: the disk is full" in line for line in domain.log.lines)
    domain.run(3)
    domain.store.failing = lambda method: False
    kept = domain.store.store
    domain.until(lambda: kept.load_settings().get("dead") == ["lma1"])
    assert {*kept.load_uplinks()["mag1"]["lma1"]} == {"lma2"}


def test_a_judgement_that_fails_is_logged_and_the_next_one_is_made(domain: RmsDomain) -> None:
    settle(domain)
    judge, judged = domain.rms.failures._liveness.judge, [0]

    def fail_once(now: float) -> Any:
        judged[0] += 1
        if judged[0] == 1:
            raise RuntimeError("a fault of ours")
        return judge(now)

    domain.rms.failures._liveness.judge = fail_once  # type: ignore[method-assign]
    kill(domain, "lma1")
    domain.until(lambda: domain.incidents() == [("lma1", "died")])
    assert "judging the LMAs failed" in domain.log.lines
    domain.log.faults.clear()


# A full LMA, which is not dead.

FULL = {"lma1": 0.99, "lma2": 0.1}


def tunnel_buckets(domain: RmsDomain, mag: str, lma: str) -> list[tuple[int, list[tuple[int, int]]]]:
    return domain.buckets(mag, tunnel_group(domain.profile, lma))


def test_a_full_lma_that_answers_gets_its_traffic_whatever_bfd_says(domain: RmsDomain) -> None:
    domain.report_gateways()
    loads = dict(FULL)
    domain.keep_reporting(loads, RATES)
    domain.run(12)
    assert len(tunnel_buckets(domain, "mag1", "lma1")) == 2
    domain.switches["mag1"].set_live("t-lma1", False)
    domain.until(lambda: len(tunnel_buckets(domain, "mag1", "lma1")) == 1, within=2)
    assert len(tunnel_buckets(domain, "mag2", "lma1")) == 2  # BFD of mag2 says nothing of the kind
    domain.run(5)
    assert len(tunnel_buckets(domain, "mag1", "lma1")) == 1
    # Alive again, it is not left to BFD before it has room.
    domain.switches["mag1"].set_live("t-lma1", True)
    domain.run(2)
    assert len(tunnel_buckets(domain, "mag1", "lma1")) == 1
    loads["lma1"] = 0.5
    domain.until(lambda: len(tunnel_buckets(domain, "mag1", "lma1")) == 2, within=5)
    assert domain.incidents() == []


def test_a_full_lma_that_does_not_answer_is_left_to_bfd(domain: RmsDomain) -> None:
    domain.report_gateways()
    domain.keep_reporting(dict(FULL), RATES)
    domain.run(12)
    domain.switches["lma1"].hang = True
    domain.switches["mag1"].set_live("t-lma1", False)
    for _ in range(30):
        domain.run(0.1)
        assert len(tunnel_buckets(domain, "mag1", "lma1")) == 2


def test_what_is_overruled_is_given_up_when_the_lma_dies(domain: RmsDomain) -> None:
    domain.report_gateways()
    domain.keep_reporting(dict(FULL), RATES)
    domain.run(12)
    for mag in ("mag1", "mag2"):
        domain.switches[mag].set_live("t-lma1", False)
    domain.until(lambda: all(len(tunnel_buckets(domain, mag, "lma1")) == 1 for mag in ("mag1", "mag2")), within=2)
    domain.switches["lma1"].disconnect()
    domain.until(lambda: all(len(tunnel_buckets(domain, mag, "lma1")) == 2 for mag in ("mag1", "mag2")), within=2)
    domain.until(lambda: domain.incidents() == [("lma1", "died")], within=4)


def test_the_tunnel_of_an_lma_with_room_is_left_to_bfd(domain: RmsDomain) -> None:
    settle(domain)
    domain.switches["mag1"].set_live("t-lma1", False)
    domain.run(5)
    assert len(tunnel_buckets(domain, "mag1", "lma1")) == 2


def test_a_full_lma_may_be_later_with_its_echo_replies(domain: RmsDomain) -> None:
    domain.report_gateways()
    domain.keep_reporting(dict(FULL), RATES)
    domain.run(12)
    for mag in ("mag1", "mag2"):
        domain.switches[mag].set_live("t-lma1", False)
    domain.switches["lma1"].silent = True
    domain.run(2.5)
    assert domain.incidents() == []  # one with room would be dead after 1.5 s
    domain.until(lambda: domain.incidents() == [("lma1", "died")], within=3)
