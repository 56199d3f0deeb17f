"""What holds for every policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sharing_helpers import (
    DEAD,
    DRAINING,
    LIGHT,
    LMAS,
    MAGS,
    NEUTRAL,
    OVERLOADED,
    RULE,
    SETTINGS,
    STALE,
    Domain,
    Rounds,
    load,
    snapshot,
)

from ryu_pmipls.cli import main
from ryu_pmipls.loadsharing import (
    POLICIES,
    SLOTS,
    Decision,
    Inputs,
    LoadSnapshot,
    PolicyName,
    Settings,
    Uplinks,
    decide,
    explain,
    slots_of,
    whole,
)

VARIANTS = [
    *(replace(SETTINGS, policy=policy, max_moves=3) for policy in POLICIES),
    replace(SETTINGS, rule=replace(RULE, hysteresis=0.0), cool_down=0.0, own={"predict": False}),
]
every_policy = pytest.mark.parametrize("given_settings", VARIANTS, ids=[*POLICIES, "letter"])

counts = st.none() | st.sampled_from([0, 1, 2000, 2000, 5000]) | st.integers(0, 10**6)
cpus = st.none() | st.sampled_from([0.0, 0.5, 0.79, 0.8, 1.0]) | st.floats(0, 1)
capacities = st.sampled_from([1.0, 1.0, 2.0, 0.5])


@st.composite
def snapshots(draw: st.DrawFn) -> LoadSnapshot:
    loads = []
    for lma in LMAS:
        cpu, traffic = draw(cpus), {mag: draw(counts) for mag in MAGS}
        total = sum(packets or 0 for packets in traffic.values())
        measured = STALE if cpu is None else RULE.state(RULE.is_hot(cpu, False), total)
        state = draw(st.sampled_from([measured, measured, measured, STALE, DRAINING, DEAD]))
        loads.append(load(lma, state, cpu, traffic, capacity=draw(capacities)))
    return snapshot(*loads)


dealt_out = st.builds(
    lambda first, one, other: (one,) * first + (other,) * (SLOTS - first),
    st.integers(1, SLOTS),
    st.sampled_from(LMAS),
    st.sampled_from(LMAS),
)
uplink_tables = st.fixed_dictionaries(
    {mag: st.dictionaries(st.sampled_from(LMAS), dealt_out, max_size=3) for mag in MAGS}
)
rounds = st.lists(st.tuples(snapshots(), uplink_tables, st.floats(0.5, 12)), min_size=1, max_size=3)
Given = list[tuple[LoadSnapshot, Uplinks, float]]


@every_policy
@settings(max_examples=60, deadline=None)
@given(given_rounds=rounds)
def test_where_moves_go_and_how_many(given_settings: Settings, given_rounds: Given) -> None:
    played, now = Rounds(given_settings), 0.0
    for shot, uplinks, pause in given_rounds:
        now += pause
        decisions = played.decide(shot, uplinks, now)
        check(decisions, shot, uplinks, given_settings.policy)
        leaving = [one for one in decisions if shot.lma(one.old_lma).state in (DEAD, DRAINING)]
        chosen = [one for one in decisions if one not in leaving]
        if given_settings.policy != "draft":
            assert len(chosen) <= given_settings.max_moves
        else:
            assert len([one for one in chosen if "overloaded" in one.reason]) <= len(LMAS)
        if any(load.state in (LIGHT, NEUTRAL) for load in shot.lmas):
            for entry in shot.lmas:
                if entry.state in (DEAD, DRAINING):
                    assert not any(lma == entry.lma for lma in left_at(uplinks, decisions))


def check(decisions: list[Decision], shot: LoadSnapshot, uplinks: Uplinks, policy: str) -> None:
    """Never to one that may not take anything; only slots that are where the decision says, each of them once."""
    seen = set()
    for decision in decisions:
        taking = (LIGHT, NEUTRAL, OVERLOADED) if policy == "balance" and not decision.evacuation else (LIGHT, NEUTRAL)
        assert shot.lma(decision.new_lma).state in taking
        assert shot.lma(decision.old_lma).state is not STALE or "anchors this uplink" in decision.reason
        assert decision.slots and all(decision.slots.values()) and 0 < decision.share <= 1
        for anchor, numbers in decision.slots.items():
            for number in numbers:
                assert slots_of(uplinks, decision.mag, anchor)[number] == decision.old_lma
                assert (decision.mag, anchor, number) not in seen
                seen.add((decision.mag, anchor, number))
    assert len({decision.id for decision in decisions}) == len(decisions)


def left_at(uplinks: Uplinks, decisions: list[Decision]) -> set[str]:
    table = {mag: {anchor: slots_of(uplinks, mag, anchor) for anchor in LMAS} for mag in MAGS}
    for decision in decisions:
        table[decision.mag].update(decision.apply(table))
    return {lma for anchors in table.values() for slots in anchors.values() for lma in slots}


def renamed(shot: LoadSnapshot, names: Mapping[str, str]) -> LoadSnapshot:
    loads = tuple(replace(load, lma=names[load.lma]) for load in shot.lmas)
    return replace(shot, mags=tuple(names[mag] for mag in shot.mags), lmas=loads)


@every_policy
@settings(max_examples=40, deadline=None)
@given(given_rounds=rounds, lmas=st.permutations(LMAS), mags=st.permutations(MAGS))
def test_names_decide_nothing(given_settings: Settings, given_rounds: Given, lmas: list[str], mags: list[str]) -> None:
    names = dict(zip(LMAS + MAGS, lmas + mags, strict=True))
    one, other, now = Rounds(given_settings), Rounds(given_settings), 0.0
    for shot, uplinks, pause in given_rounds:
        now += pause
        expected = [
            (names[one.mag], names[one.old_lma], names[one.new_lma], {names[a]: n for a, n in one.slots.items()})
            for one in one.decide(shot, uplinks, now)
        ]
        new_uplinks = {
            names[mag]: {names[anchor]: tuple(names[lma] for lma in slots) for anchor, slots in table.items()}
            for mag, table in uplinks.items()
        }
        decided = other.decide(renamed(shot, names), new_uplinks, now)
        assert [(two.mag, two.old_lma, two.new_lma, dict(two.slots)) for two in decided] == expected


@every_policy
@settings(max_examples=25, deadline=None)
@given(given_rounds=rounds)
def test_a_round_can_be_played_again_from_its_json(given_settings: Settings, given_rounds: Given) -> None:
    played, now = Rounds(given_settings), 0.0
    for shot, uplinks, pause in given_rounds:
        now += pause
        played.decide(shot, uplinks, now)
        assert played.last is not None
        again = decide(Inputs.from_document(json.loads(json.dumps(played.last.inputs.to_document()))))
        once_more = decide(played.last.inputs)  # deciding has changed nothing
        assert again.decisions == once_more.decisions == played.last.decisions
        assert again.memory == once_more.memory == played.last.memory


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=8, deadline=None)
@given(rates=st.lists(st.integers(0, 2500), min_size=1, max_size=6), lmas=st.integers(2, 4))
@example(rates=[401], lmas=4)  # one uplink that was divided, and could go home if it were a fifth of what it is
def test_closed_loop_stable_input_settles(policy: PolicyName, rates: list[int], lmas: int) -> None:
    domain = Domain({f"mag{n}": float(rate) for n, rate in enumerate(rates, start=1)}, LMAS[:lmas])
    given_settings = replace(SETTINGS, policy=policy)
    decided = domain.run(given_settings, 150)
    assert len(decided) <= 32
    assert domain.run(given_settings, 100) == []


def test_a_policy_that_follows_another_goes_on_from_its_memory() -> None:
    hot = snapshot(load("lma1", OVERLOADED, 0.9, {"mag1": 2000, "mag2": 1900}), load("lma2", LIGHT, 0.1, {}))
    played = Rounds(replace(SETTINGS, cool_down=100.0))
    assert len(played.decide(hot, {}, 100.0)) == 1
    played.settings = replace(played.settings, policy="balance")
    assert played.decide(hot, {"mag1": {"lma1": whole("lma2")}}, 100.5) == []  # the CPU is older than the move
    assert {move.mag for move in played.memory.moves} == {"mag1"}


# Explanations.


def recorded(played: Rounds) -> dict[str, Any]:
    assert played.last is not None
    decision = asdict(played.last.decisions[0])
    answers = [{"by": "switch of mag1", "outcome": "acknowledged", "time": 100.25, "detail": "acked"}]
    document = decision | {"outcome": "acknowledged", "answers": answers, "inputs": played.last.inputs.to_document()}
    again: dict[str, Any] = json.loads(json.dumps(document))
    return again


def test_a_decision_is_explained_by_making_it_again() -> None:
    played = Rounds(replace(SETTINGS, policy="balance"))
    shot = snapshot(load("lma1", LIGHT, 0.6, {"mag1": 3000, "mag2": 3000}), load("lma2", LIGHT, 0.0, {}))
    played.decide(shot, {}, 100.0)
    explanation = explain(recorded(played))
    assert explanation.same is not None
    assert list(explanation.lines()) == [
        "mag1: 100% of what it sends through lma1 (32 slots) to lma2.",
        "Reason: lma1 is at CPU 60%, where evenly divided work would bring all to 30%; 100% of what mag1 sends through "
        "it, 300 packets/s, bring lma2 from CPU 0% to 30%.",
        "Outcome: acknowledged.",
        "  switch of mag1: acknowledged after 250 ms (acked)",
        "Policy balance; 0 earlier moves were remembered.",
        "Highest CPU: 60.0% before, 30.0% predicted after the round, 30.0% at least in any case (gap 0.0%).",
        "Decided again from the same inputs: the same.",
    ]


def test_a_decision_in_a_file_is_explained_on_the_command_line(tmp_path: Path) -> None:
    played = Rounds(replace(SETTINGS, policy="balance"))
    shot = snapshot(load("lma1", LIGHT, 0.6, {"mag1": 3000, "mag2": 3000}), load("lma2", LIGHT, 0.0, {}))
    played.decide(shot, {}, 100.0)
    document = recorded(played)
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps([document]))
    result = CliRunner().invoke(main, ["explain", document["id"], "--file", str(path)])
    assert result.exit_code == 0, result.output
    assert "Decided again from the same inputs: the same." in result.output
    result = CliRunner().invoke(main, ["explain", "other", "--file", str(path)])
    assert (result.exit_code, f"choose one of: {document['id']}, last\n" in result.output) == (2, True)
    path.write_text("[5]")
    result = CliRunner().invoke(main, ["explain", "other", "--file", str(path)])
    assert result.output == f"Error: {path}: must hold the document of a decision, or a list of such\n"


def test_an_explanation_tells_when_other_code_or_settings_decide_otherwise() -> None:
    played = Rounds(replace(SETTINGS, policy="balance"))
    shot = snapshot(load("lma1", LIGHT, 0.6, {"mag1": 3000, "mag2": 3000}), load("lma2", LIGHT, 0.0, {}))
    played.decide(shot, {}, 100.0)
    document = recorded(played)
    document["inputs"]["settings"]["policy"] = "static"
    explanation = explain(document)
    assert explanation.same is None
    assert [*explanation.lines()][-1] == "Decided again from the same inputs it is not the same, but: nothing."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.pop("slots"), "slots is missing"),
        (lambda document: document.update(inputs=None), "are no longer kept"),
        (lambda document: document["inputs"].pop("snapshot"), "not the record of a round"),
        (lambda document: document["inputs"]["settings"].update(policy="fair"), "there are: draft, balance, static"),
        (
            lambda document: document["inputs"]["uplinks"].update(mag1={"lma1": [["lma1", 3]]}),
            "3 slots; it must have 32",
        ),
    ],
)
def test_a_faulty_document_gets_one_clear_message(change: Any, message: str) -> None:
    played = Rounds(replace(SETTINGS, policy="balance"))
    played.decide(
        snapshot(load("lma1", LIGHT, 0.6, {"mag1": 3000, "mag2": 3000}), load("lma2", LIGHT, 0.0, {})), {}, 1.0
    )
    document = recorded(played)
    change(document)
    with pytest.raises(ValueError, match=message):
        explain(document)
