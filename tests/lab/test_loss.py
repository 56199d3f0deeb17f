"""A domain that loses a fifth of its signalling in each direction, with authentication on and both transports in use.

Needs root, Open vSwitch and nftables.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from domain_helpers import await_tunnels, located, ping, rest

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.signalling.keys import generate
from tests.labs import lab_of
from tests.waiting import eventually

LOSS = 20  # per cent
#: An exchange that fails 30 times in a row at that loss, which is 1 in 10**13, is one that never completes.
PATIENCE = 300.0
PACKETS = 450  # in a window are an overload; a flood of either MAG alone is none

#: Drops what comes in, and what goes out to the RMS, whose namespace is the host's own.
RULES = f"""
table ip6 loss {{
    counter offered {{ }}
    counter dropped {{ }}
    chain lose {{
        counter name offered
        numgen random mod 100 < {LOSS} counter name dropped drop
    }}
    chain arriving {{
        type filter hook input priority 0
        meta l4proto 135 jump lose
        udp dport 5436 jump lose
    }}
    chain leaving {{
        type filter hook output priority 0
        ip6 daddr RMS meta l4proto 135 jump lose
        ip6 daddr RMS udp dport 5436 jump lose
    }}
}}
"""


@dataclass(frozen=True)
class Attachment:
    """One attachment or handoff as its MAG recorded it, in milliseconds after the router solicitation."""

    pbu_sent: float
    pba_received: float
    route_adjust_sent: float
    route_adjust_acknowledged: float


class LossyDomain:
    """A lab that is up, and what its agents and its RMS have recorded."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def move(self, places: dict[str, str], change: Callable[[str, str], object]) -> list[Attachment]:
        """Have all of these mobile nodes change to their MAGs at once; wait until the routes are in force."""
        known = {node: self._recorded(node) for node in places}
        for node, mag in places.items():
            change(node, mag)
        for node, mag in places.items():
            eventually(lambda node=node: len(self._recorded(node)) > len(known[node]), f"{node} at {mag}", PATIENCE)  # type: ignore[misc]
            eventually(lambda node=node, mag=mag: located(self.lab, node) == mag, f"{node} at {mag}", PATIENCE)  # type: ignore[misc]
        return [self._recorded(node)[-1] for node in places]

    def reattach(self, node: str, mag: str) -> None:
        """Gone without a trace, and there again."""
        self.lab.detach(node)
        self.lab.attach(node, mag)

    def _recorded(self, node: str) -> list[Attachment]:
        found: list[Attachment] = []
        for mag in self.lab.profile.mags:
            file = self.lab.directory / mag.name / "events.jsonl"
            for line in file.read_text().splitlines() if file.exists() else ():
                event = json.loads(line)
                if event["mobile_node"] == node:
                    found.append(
                        Attachment(**{name: event["milliseconds"][name] for name in Attachment.__annotations__})
                    )
        return found

    def adjust(self, nodes: tuple[str, str]) -> dict[str, Any]:
        """Overload an LMA by two mobile nodes until an uplink is moved; the decision with both answers."""
        known = {decision["id"] for decision in rest(self.lab, "decisions")}
        target = str(self.lab.plan.correspondent_address.ip)
        floods = [
            self.lab.launch(
                node, ["ping", "-6", "-q", "-i", interval, target], self.lab.directory / "log" / "flood.log"
            )
            for node, interval in zip(nodes, ("0.008", "0.014"), strict=True)
        ]
        try:

            def decided() -> dict[str, Any] | None:
                new = [decision for decision in rest(self.lab, "decisions") if decision["id"] not in known]
                return new[0] if new and len(new[0]["answers"]) == 2 else None

            return eventually(decided, "a decision with its answers", PATIENCE)  # type: ignore[return-value]
        finally:
            for flood in floods:
                flood.terminate()
                flood.wait()

    def lost(self) -> tuple[int, int]:
        """How many Mobility Headers came by the rules, and how many of them were dropped."""
        totals = [0, 0]
        for node in self.lab.plan.switches:
            shown = self.lab.execute(node, ["nft", "list", "counters"]).stdout
            for index, name in enumerate(("offered", "dropped")):
                found = re.search(rf"counter {name} {{\s*packets (\d+)", shown)
                assert found is not None, shown
                totals[index] += int(found[1])
        return totals[0], totals[1]


def refused_for(log: str) -> set[str]:
    """Reasons of an agent's log for which authentication refused a message."""
    return set(re.findall(r"authentication: (.*?): from ", log))


def lossy_profile(path: Path, keys: Path) -> None:
    """Turn a profile into one whose second MAG and LMA are spoken to by UDP, and all nodes with keys."""
    document = yaml.safe_load(path.read_text())
    for nodes in (document["mags"], document["lmas"]):
        nodes[1]["transport"] = "udp"
    document["mobile_nodes"][2]["anchor"] = "lma2"  # so that uplinks can be moved to and fro
    document["signalling"] = {"keys": str(keys)}
    document["load_sharing"] = {
        "combine": "or",
        "packet_threshold": PACKETS,
        "cool_down": 1,
        "window": 3,
        "report_interval": 1,
        "evaluation_interval": 1,
        "redirect_new_sessions": False,
    }
    path.write_text(yaml.safe_dump(document))
    keys.touch(0o600)
    keys.write_text("\n".join(generate(load_profile(path))))


def lose(lab: Lab) -> None:
    for node in lab.plan.switches:
        rules = RULES.replace("RMS", str(lab.profile.rms.address))
        subprocess.run(lab.command(node, ["nft", "-f", "-"]), input=rules, text=True, check=True)


@pytest.fixture(scope="module")
def domain(derive_profile: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LossyDomain]:
    """The rules are in place before the first agent starts."""
    path = derive_profile("ptl", 27, {"lab": {"lma_cpu": {"lma1": 1.0, "lma2": 1.0}}})
    lossy_profile(path, tmp_path_factory.mktemp("keys") / "keys")
    with lab_of(path, agents=False) as lab:
        lose(lab)
        lab.start_agents()
        yield LossyDomain(lab)


def test_all_tunnels_come_up(domain: LossyDomain) -> None:
    eventually(lambda: all(tunnel["up"] for tunnel in rest(domain.lab, "tunnels")), "all tunnels", PATIENCE)
    await_tunnels(domain.lab)


def test_every_attachment_and_handoff_completes(domain: LossyDomain) -> None:
    lab = domain.lab
    done = domain.move({"mn1": "mag1", "mn2": "mag2", "mn3": "mag2"}, lab.attach)
    for mags in (("mag2", "mag1", "mag1"), ("mag1", "mag2", "mag2")):
        done += domain.move(dict(zip(("mn1", "mn2", "mn3"), mags, strict=True)), lab.handoff)
    done += domain.move({"mn1": "mag1", "mn2": "mag2"}, domain.reattach)
    for attachment in done:
        assert attachment.pba_received < attachment.route_adjust_acknowledged
    for node in ("mn1", "mn2", "mn3"):
        eventually(lambda node=node: lab.network.addresses(node), f"an address of {node}")  # type: ignore[misc]
        eventually(lambda node=node: ping(lab, node, 1) == 1, f"a ping of {node}")  # type: ignore[misc]


def test_an_uplink_adjustment_completes(domain: LossyDomain) -> None:
    """It is in force when the switch has acknowledged it; the agent's word may get lost three times."""
    decision = domain.adjust(("mn1", "mn2"))
    assert (decision["old_lma"], decision["new_lma"], decision["outcome"]) == ("lma1", "lma2", "acknowledged")


def test_signalling_was_lost_and_nothing_was_refused(domain: LossyDomain) -> None:
    """What came through was authentic, whatever was repeated.

    Agents start one after the other: the first message of one may be on its way when the other starts.
    """
    offered, dropped = domain.lost()
    assert offered > 100
    assert 0.05 * offered < dropped < 0.5 * offered  # by chance, but with 100 of them or more
    assert not [reason for reason in rest(domain.lab, "health")["refused"] if "nothing to answer" not in reason]
    for name in domain.lab.plan.switches:
        log = domain.lab.log(name).read_text()
        assert not refused_for(log) - {"sent before this node started"} and "Traceback" not in log
