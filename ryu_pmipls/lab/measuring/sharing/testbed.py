"""A lab with several LMAs for measurements: set into a state, and observed, over the RMS's REST."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rich.console import Console

from ovs_setup.cgroup import CpuGroup
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.http.client import fetch, rms_of, send
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import cpu_group
from ryu_pmipls.lab.waiting import expect

T = TypeVar("T")
Figures = dict[str, Any]

_TIMEOUT = 60.0  # seconds


class Testbed:
    """A lab that is up. ``LabError`` when an expected event does not happen within a minute."""

    def __init__(self, lab: Lab, console: Console) -> None:
        self.lab = lab
        self.profile: Profile = lab.profile
        self._console = console
        self._rms = rms_of(lab.profile)

    def fetch(self, resource: str) -> Any:
        """Resource of the RMS's REST interface."""
        return fetch(self._rms, resource)

    def send(self, resource: str, document: Mapping[str, Any]) -> Any:
        """Send the RMS a command; returns its answer."""
        return send(self._rms, resource, document)

    def show(self, figures: Figures) -> None:
        """Show intermediate figures."""
        self._console.print(f"  {figures}")

    def expect(self, what: str, look: Callable[[], T | None]) -> T:
        """Wait for a true result of ``look``, and return it."""
        return expect(look, _TIMEOUT, f"{what} did not come about within {_TIMEOUT:.0f} s")

    # The state a measurement begins with.

    def attach(self, places: Mapping[str, str]) -> None:
        """Attach mobile nodes to MAGs, and wait until each has an address and a binding."""
        for node, mag in places.items():
            here = self.lab.network.attachments().get(node)
            if here is None:
                self.lab.attach(node, mag)
            elif here.mag != mag:
                self.lab.handoff(node, mag)
        for node, mag in places.items():
            self.expect(f"{node} at {mag}", lambda node=node: self.lab.network.addresses(node))  # type: ignore[misc]
            self.expect(
                f"the binding of {node} at {mag}",
                lambda node=node, mag=mag: self.located(node) == mag,  # type: ignore[misc]
            )

    def renew(self, policy: str) -> None:
        """Start an RMS with ``policy`` that knows nothing of earlier measurements; return when it sees all LMAs."""
        self.lab.stop_rms()
        shutil.rmtree(self.profile.rms.state_directory, ignore_errors=True)
        self.lab.start_rms()
        self.send("policy", {"policy": policy})

        def seen() -> bool:
            ready = self.fetch("health")["status"] == "ok"
            states = {load["state"] for load in self.fetch("load-list")["lmas"]}
            return ready and not states & {"stale", "dead"}

        self.expect("an RMS that sees all LMAs", seen)

    def three_through(self, lma: str) -> tuple[str, str, str]:
        """Three mobile nodes, each at a MAG of its own, whose uplinks all go through one LMA."""
        mags = [mag.name for mag in self.profile.mags[:3]]
        one, other, third = (node.name for node in self.profile.mobile_nodes[:3])
        self.attach(dict(zip((one, other, third), mags, strict=True)))
        self.renew("static")
        for mag in mags:
            self.move(mag, lma)
        time.sleep(2)
        return one, other, third

    def raise_lma_quotas(self) -> None:
        """Raise the LMAs' quotas, so that they can carry 10 000 packets per second."""
        self.set_lma_quotas(1.0)

    def set_lma_quotas(self, quota: float) -> None:
        """Let each LMA's switch use ``quota`` of one core."""
        for lma in self.profile.lmas:
            CpuGroup(cpu_group(self.lab.plan.prefix, lma.name)).create(quota)

    def move(self, mag: str, lma: str) -> None:
        """Move all uplinks of a MAG to an LMA, and wait until switch and agent have acknowledged."""
        decisions = self.send(f"mags/{mag}/adjust", {"lma": lma})
        ids = {decision["id"] for decision in decisions}

        def in_force() -> bool:
            shown = [decision for decision in self.fetch("decisions") if decision["id"] in ids]
            return all(decision["outcome"] == "acknowledged" for decision in shown)

        self.expect(f"the uplinks of {mag} at {lma}", in_force)

    # Observing.

    def carriers(self) -> set[str]:
        """The LMAs that carry any uplink."""
        return {lma for mag in self.fetch("mags") for shares in mag["uplinks"].values() for lma in shares}

    def incident(self, kind: str, since: float) -> Any:
        """The last incident of a kind since then; None if there is none."""
        found = [entry for entry in self.fetch("incidents") if entry["kind"] == kind and entry["time"] >= since]
        return found[-1] if found else None

    def located(self, node: str) -> str | None:
        """The MAG where a mobile node is, by its binding."""
        identifier = self.profile.mobile_node(node).identifier
        return next((entry["mag"] for entry in self.fetch("bindings") if entry["identifier"] == identifier), None)
