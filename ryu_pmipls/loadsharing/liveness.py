"""Death of LMAs: signs, each of them a suspicion only, and the combinations of them that count as death.

The apparent death of an LMA may be a fault of the RMS: cut off from the network, it hears no node at all. So death
needs a witness, a MAG that sent something after the last sign had shown. Without one nothing could be moved anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Sign(str, Enum):
    """A sign of death."""

    SWITCH = "switch"  # its switch is not connected by OpenFlow, or does not answer echo requests
    TUNNELS = "tunnels"  # no MAG's tunnel to it is alive, as the MAGs' switches see it (BFD)
    AGENT = "agent"  # no Load_info comes


#: Text for each sign.
WORDS = {
    Sign.SWITCH: "its switch does not answer",
    Sign.TUNNELS: "no MAG has a live tunnel to it",
    Sign.AGENT: "its agent is silent",
}


@dataclass(frozen=True, slots=True)
class LivenessVerdict:
    """An LMA has died, or is back, and why; ``time`` is seconds since 1970."""

    lma: str
    dead: bool
    time: float
    reason: str


#: Seconds without a message from any MAG after which the RMS counts as cut off.
_CUT_OFF = 5.0


class _LmaSigns:
    """Signs of one LMA. ``silent_since`` is None while its switch answers, ``down_since`` while a tunnel is alive."""

    def __init__(self, now: float) -> None:
        self.silent_since: float | None = now
        self.down_since: float | None = None
        self.agent_sent = now  # when the agent last sent something
        self.ready = False
        self.tunnels: dict[str, bool] = {}  # MAG -> alive


class Liveness:
    """Judges the LMAs (names) by observations of them and of the MAGs.

    An LMA dies when every sign of one of the combinations in ``dead_when`` shows and a MAG has sent something since.
    It is back when no sign shows and its switch is ``ready``: the switch holds its desired state. An agent is silent
    after ``silent_after`` seconds. ``dead`` are those that had died before.

    All nodes must first find an RMS that has just started, or that was cut off. So a switch that did not answer when
    the first MAG sent something again has ``patience`` seconds from then on, and an agent ``silent_after``.
    """

    def __init__(
        self,
        lmas: Iterable[str],
        dead_when: Sequence[Collection[Sign]],
        *,
        silent_after: float,
        now: float,
        dead: Iterable[str] = (),
        patience: float = 10.0,
    ) -> None:
        self._lmas = {lma: _LmaSigns(now) for lma in lmas}
        self._dead_when = [tuple(combination) for combination in dead_when]
        self._silent_after = silent_after
        self._patience = patience
        self._dead = dict.fromkeys(lma for lma in dead if lma in self._lmas)
        self._witnessed = float("-inf")  # when a MAG last sent something
        self._resumed = float("inf")  # since when MAGs have sent without a break

    @property
    def dead(self) -> tuple[str, ...]:
        """The LMAs that are dead, in the order in which they died."""
        return tuple(self._dead)

    # Observations.

    def update_switch(self, lma: str, answers: bool, ready: bool, now: float) -> None:
        """Update the LMA's switch: ``answers`` if connected and answering, ``ready`` if it holds its desired state."""
        entry = self._lmas[lma]
        entry.ready = answers and ready
        if answers:
            entry.silent_since = None
        elif entry.silent_since is None:
            entry.silent_since = now

    def update_tunnels(self, mag: str, alive: Mapping[str, bool], now: float) -> None:
        """Replace all tunnels of a MAG (to LMA -> true while alive); none when its switch is away."""
        for lma, entry in self._lmas.items():
            if lma in alive:
                entry.tunnels[mag] = alive[lma]
            else:
                entry.tunnels.pop(mag, None)
            if not entry.tunnels or any(entry.tunnels.values()):
                entry.down_since = None
            elif entry.down_since is None:
                entry.down_since = now

    def add_witness(self, now: float) -> None:
        """Count a message from the switch of any MAG."""
        if now - self._witnessed > _CUT_OFF:
            self._resumed = now
        self._witnessed = max(self._witnessed, now)

    def update_agent(self, lma: str, now: float) -> None:
        """Count a message from the LMA's agent."""
        self._lmas[lma].agent_sent = max(self._lmas[lma].agent_sent, now)

    # Conclusions.

    def signs(self, lma: str, now: float) -> dict[Sign, float]:
        """The signs of death that an LMA shows, each with the time since when."""
        entry = self._lmas[lma]
        switch, agent = entry.silent_since, max(entry.agent_sent, self._resumed) + self._silent_after
        if switch is not None and switch < self._resumed:
            switch = self._resumed + self._patience
        since = {Sign.SWITCH: switch, Sign.TUNNELS: entry.down_since, Sign.AGENT: agent}
        return {sign: time for sign, time in since.items() if time is not None and time <= now}

    def judge(self, now: float) -> list[LivenessVerdict]:
        """Verdicts on the LMAs that have died and those that are back since the last call."""
        verdicts = []
        for lma, entry in self._lmas.items():
            signs = self.signs(lma, now)
            if lma in self._dead:
                if entry.ready and not signs:
                    del self._dead[lma]
                    verdicts.append(
                        LivenessVerdict(lma, False, now, "its switch holds its desired state, and no sign is left")
                    )
            elif any(self._proves(combination, signs) for combination in self._dead_when):
                self._dead[lma] = None
                verdicts.append(
                    LivenessVerdict(lma, True, now, " and ".join(WORDS[sign] for sign in Sign if sign in signs))
                )
        return verdicts

    def _proves(self, combination: Collection[Sign], signs: Mapping[Sign, float]) -> bool:
        return all(sign in signs and signs[sign] <= self._witnessed for sign in combination)
