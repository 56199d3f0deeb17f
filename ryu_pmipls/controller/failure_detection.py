"""The death of LMAs: its signs from switches and agents, and its consequences (``docs/failure.md``)."""

from __future__ import annotations

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.load_sharing import LoadSharing
from ryu_pmipls.controller.overruled_tunnels import OverruledTunnels
from ryu_pmipls.controller.periodic import attempt
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.switches.inventory import SwitchState
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.session import CHANGE_TIMEOUT
from ryu_pmipls.loadsharing import Incident, Liveness, Sign
from ryu_pmipls.wire import LoadInfo

#: Seconds between judgements of the LMAs without news of them.
_INTERVAL = 0.25
#: A full LMA's switch may be so many times as late with its echo replies as another one.
_PATIENCE_WITH_FULL = 3


class FailureDetection:
    """Judges the LMAs of a domain, and has dead ones evacuated."""

    def __init__(self, context: Context, load_sharing: LoadSharing) -> None:
        profile = context.profile
        self._state = context.state
        self._load_list = context.load_list
        self._switches = context.switches
        self._clock = context.clock
        self._load_sharing = load_sharing
        self._missing_allowed = profile.failure.missing_echoes_allowed
        self._echo_interval = profile.timers.openflow_echo_interval
        self._overruled = OverruledTunnels(context.switches, context.load_list, self._missing_allowed)
        self._news = hub.Event()
        self._liveness = Liveness(
            self._switches.lmas,
            [[Sign(sign) for sign in signs] for signs in profile.dead_when],
            silent_after=profile.agent_silent_after,
            now=self._clock(),
            dead=self._state.dead,
        )
        for lma in self._liveness.dead:
            self._load_list.set_dead(lma, True, "since before the RMS was started")

    # Events.

    def update_tunnels(self, mag: str) -> None:
        """Update the liveness of a MAG's tunnels from the ports of its switch; it has none when it is disconnected."""
        switch, now = self._switches.mags[mag], self._clock()
        connected = switch.state is not SwitchState.DISCONNECTED
        ports = {lma: tunnel_port(lma) for lma in self._switches.lmas} if connected else {}
        alive = {lma: port in switch.live for lma, port in ports.items() if port in switch.ports}
        self._liveness.update_tunnels(mag, alive, now)
        if connected:
            self._liveness.add_witness(now)
        self.judge_soon()

    def add_load_info(self, lma: str, message: LoadInfo, now: float) -> None:
        """Count a Load_info as a sign of life of an LMA's agent."""
        self._liveness.update_agent(lma, now)

    def judge_soon(self) -> None:
        """Have the LMAs judged without waiting for the next time."""
        self._news.set()

    # Consequences.

    def watch(self) -> None:
        """Judge the LMAs, for ever, and act on the verdicts."""
        while True:
            self._news.wait(_INTERVAL)
            self._news.clear()
            attempt("judging the LMAs", self._judge)

    def signs(self, lma: str) -> dict[str, float]:
        """The signs of death that an LMA shows, each with the time (seconds since 1970) at which it began."""
        return {sign.value: self._clock.wall(since) for sign, since in self._liveness.signs(lma, self._clock()).items()}

    def _judge(self) -> None:
        now = self._clock()
        self._overruled.review()
        full = self._load_list.full()
        for name, switch in self._switches.lmas.items():
            allowed = self._missing_allowed * (_PATIENCE_WITH_FULL if name in full else 1)
            answers = switch.answers(allowed) and switch.confirms(CHANGE_TIMEOUT, now)
            self._liveness.update_switch(name, answers, switch.state is SwitchState.READY, now)
        if any(mag.answers(0) for mag in self._switches.mags.values()):
            self._liveness.add_witness(now - self._echo_interval)
        verdicts = self._liveness.judge(now)
        if not verdicts:
            return
        for verdict in verdicts:
            self._load_list.set_dead(verdict.lma, verdict.dead, verdict.reason if verdict.dead else None)
        try:
            self._load_sharing.evaluate()
        finally:
            for verdict in verdicts:
                kind = "died" if verdict.dead else "returned"
                self._state.incidents.record(
                    Incident(self._clock.wall(verdict.time), verdict.lma, kind, verdict.reason)
                )
            self._state.set_dead(self._liveness.dead)
