"""Tunnels that BFD takes for dead though their LMA is only full: the RMS knows better, and overrules it.

A full LMA may send its BFD packets too late, above all on a busy host. Its switch then answers the RMS all the same. So
a MAG whose tunnel to a full LMA is no longer alive sends there all the same, without a stand-in, as soon as the LMA's
switch has answered a barrier that was requested after BFD's word, and for as long as it answers.
"""

from __future__ import annotations

import logging

from ryu_pmipls.controller.switches.domain_switches import Switches
from ryu_pmipls.controller.switches.inventory import SwitchState
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.session import Transaction, WriteOutcome
from ryu_pmipls.loadsharing import LoadList

LOG = logging.getLogger(__name__)


class OverruledTunnels:
    """Decides which tunnels are used although BFD takes them for dead (``Switches.overruled``)."""

    def __init__(self, switches: Switches, load_list: LoadList, missing_allowed: int) -> None:
        self._switches = switches
        self._load_list = load_list
        self._missing_allowed = missing_allowed
        self._asked: set[tuple[str, str]] = set()  # (MAG, LMA) whose LMA has yet to answer

    def review(self) -> None:
        """Review all tunnels: ask the full LMAs behind dead ones for a sign of life, and give up what is overruled.

        It is given up when the tunnel is alive and the LMA no longer full, and when the LMA's switch does not answer.
        """
        full = {lma for lma in self._load_list.full() if self._answers(lma)}
        for mag, switch in self._switches.mags.items():
            overruled = self._switches.overruled[mag]
            dead = self._dead_tunnels(mag)
            given_up = {lma for lma in overruled if not self._answers(lma) or (lma not in full and lma not in dead)}
            if given_up:
                overruled -= given_up
                switch.refresh_groups()
            for lma in dead & full - overruled:
                self._ask(mag, lma)

    def _dead_tunnels(self, mag: str) -> set[str]:
        """The LMAs to which a MAG has a tunnel that BFD takes for dead; none while the MAG is not in line."""
        switch = self._switches.mags[mag]
        if switch.state is not SwitchState.READY:
            return set()
        ports = {lma: tunnel_port(lma) for lma in self._switches.lmas}
        return {lma for lma, port in ports.items() if port in switch.ports and port not in switch.live}

    def _answers(self, lma: str) -> bool:
        return self._switches.lmas[lma].answers(self._missing_allowed)

    def _ask(self, mag: str, lma: str) -> None:
        """Request a barrier of an LMA's switch, unless one is awaited."""
        if (mag, lma) in self._asked:
            return
        question = self._switches.lmas[lma].ask()
        if question is None:
            return
        self._asked.add((mag, lma))
        question.then(lambda answer: self._heard(mag, lma, answer))

    def _heard(self, mag: str, lma: str, answer: Transaction) -> None:
        self._asked.discard((mag, lma))
        if answer.outcome is not WriteOutcome.ACKED or lma not in self._dead_tunnels(mag):
            return
        self._switches.overruled[mag].add(lma)
        self._switches.mags[mag].refresh_groups()
        LOG.warning("%s: BFD takes its tunnel to %s for dead, which is full and answers: it is used", mag, lma)
