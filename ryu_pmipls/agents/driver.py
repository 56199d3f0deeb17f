"""Drives a mobility machine: its messages, its timer, and its effects."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from ipaddress import IPv6Address
from typing import Any

from ovs_setup import OvsSetupError
from ryu_pmipls import descriptors
from ryu_pmipls.agents.tunnel_ends import TunnelEnds
from ryu_pmipls.clock import AGREEMENT, Clock
from ryu_pmipls.mobility import (
    BuildTunnel,
    CheckTunnel,
    Effect,
    LocalMobilityAnchor,
    MobileAccessGateway,
    Notice,
    RemoveTunnel,
    Send,
    SynchroniseClock,
)
from ryu_pmipls.signalling import Endpoint, RateLimiter
from ryu_pmipls.wire import Message

LOG = logging.getLogger(__name__)

#: Seconds after which failed background work starts again.
_RETRY_DELAY = 5.0
#: Seconds between looks at the wall clock.
_STEP_INTERVAL = 1.0
#: Open files that an agent may need: two sockets full of clients, and some for each access port and child process.
_OPEN_FILES = 512
#: Lines of one kind that are logged in the interval of a ``RateLimiter``; a stranger can cause any number.
_LOG_BURST = 20


class Driver:
    """Passes messages and events to ``machine`` and carries out its effects.

    ``carry_out`` has functions for the effects of only one kind of node. ``observe(what, now)`` gets every incoming
    message and every effect. Messages that ``withhold(message)`` wants withheld are not sent: peers repeat their
    requests. Failures are logged and counted in ``counters["failed"]``, and the node goes on.
    """

    def __init__(
        self,
        machine: MobileAccessGateway | LocalMobilityAnchor,
        endpoint: Endpoint,
        tunnels: TunnelEnds,
        clock: Clock,
        counters: Counter[str],
        carry_out: Mapping[type[Effect], Callable[[Any], None]],
        observe: Callable[[Message | Effect, float], None] | None = None,
        withhold: Callable[[Message], bool] = lambda _: False,
    ) -> None:
        self.machine = machine
        self.clock = clock
        self.counters = counters
        self._endpoint = endpoint
        self._tunnels = tunnels
        self._carry_out = carry_out
        self._observe = observe
        self._withhold = withhold
        self._limiter = RateLimiter(burst=_LOG_BURST)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then close the endpoint. Bindings stay: traffic outlives this process."""
        descriptors.provide(_OPEN_FILES)
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        for descriptor in self._endpoint.descriptors:
            loop.add_reader(descriptor, self._receive)
        self.background(self._tunnels.keep_warm)
        self.background(self._tunnels.keep_neighbours)
        self.background(self._follow_steps)
        try:
            await stopped.wait()
        finally:
            for descriptor in self._endpoint.descriptors:
                loop.remove_reader(descriptor)
            self._endpoint.close()
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def background(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run endless ``work`` in the background; start it again when it fails."""
        self._spawn(self._repeat(work))

    def dispatch(self, event: Callable[..., object], *arguments: object) -> None:
        """Pass an event with the time to the machine, and carry out its effects."""
        self._guard(event, *arguments, self.clock())
        for effect in self.machine.effects():
            self._guard(self._perform, effect)
        self._set_timer()

    def clock_skews(self) -> dict[IPv6Address, float]:
        """The peers by whose clocks messages are refused, and the seconds that these are ahead of this one."""
        return self.machine.clock_skews(self.clock()) | self._endpoint.clock_skews()

    def failed(self, what: str, error: Exception) -> None:
        """Log and count an error: one line for an error of Open vSwitch or the kernel, else a traceback for a bug."""
        self.counters["failed"] += 1
        if isinstance(error, (OvsSetupError, OSError)):
            if self._limiter.passes(what):
                LOG.error("%s: %s", what, error)
        else:
            LOG.error("%s", what, exc_info=error)

    def _guard(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            function(*arguments)
        except Exception as error:
            self.failed(function.__qualname__, error)

    def _receive(self) -> None:
        for message, source in self._endpoint.drain():
            if self._observe is not None:
                self._guard(self._observe, message, self.clock())
            self.dispatch(self.machine.receive, message, source)

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._send(effect)
        elif isinstance(effect, BuildTunnel):
            self._spawn(self._build(effect.peer))
        elif isinstance(effect, RemoveTunnel):
            self._spawn(self._remove(effect.peer))
        elif isinstance(effect, CheckTunnel):
            self._spawn(self._check(effect.peer))
        elif isinstance(effect, Notice):
            self._log(effect)
        elif isinstance(effect, SynchroniseClock):
            self.clock.synchronise(effect.peer_time, self.clock())
        else:
            self._carry_out[type(effect)](effect)
        if self._observe is not None:
            self._observe(effect, self.clock())

    def _send(self, effect: Send) -> None:
        if not self._withhold(effect.message):
            self._endpoint.send(effect.message, effect.destination)
            return
        self.counters["withheld"] += 1
        if self._limiter.passes("withheld"):
            LOG.warning("%s to %s is withheld", type(effect.message).__name__, effect.destination)

    def _log(self, report: Notice) -> None:
        self.counters[report.kind] += 1
        if self._limiter.passes(report.kind):
            LOG.info("%s: %s", report.kind, report.text)

    async def _build(self, peer: IPv6Address) -> None:
        try:
            await self._tunnels.build(peer)
        except Exception as error:
            self.failed(f"building the tunnel to {peer}", error)
            self.dispatch(self.machine.tunnel_failed, peer)
        else:
            LOG.info("tunnel to %s: up", peer)
            self.dispatch(self.machine.tunnel_built, peer)

    async def _remove(self, peer: IPv6Address) -> None:
        try:
            await self._tunnels.remove(peer)
        except Exception as error:
            self.failed(f"removing the tunnel to {peer}", error)

    async def _check(self, peer: IPv6Address) -> None:
        try:
            alive = await self._tunnels.answers(peer)
        except Exception as error:
            self.failed(f"checking the tunnel to {peer}", error)
        else:
            if not alive:
                self.dispatch(self.machine.tunnel_failed, peer)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.machine.deadline()
        if deadline is None:
            self._timer = None
        else:
            delay = max(0.0, deadline - self.clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self.dispatch, self.machine.handle_timer)

    async def _follow_steps(self) -> None:
        """Set the time of day at once when the wall clock is stepped while peers disagree: that may mend it."""
        ahead = self.clock.wall(0.0)
        while True:
            await asyncio.sleep(_STEP_INTERVAL)
            before, ahead = ahead, self.clock.wall(0.0)
            if abs(ahead - before) > AGREEMENT and self.clock_skews():
                self.clock.synchronise(None, self.clock())

    async def _repeat(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:
                self.failed(work.__qualname__, error)
                await asyncio.sleep(_RETRY_DELAY)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
