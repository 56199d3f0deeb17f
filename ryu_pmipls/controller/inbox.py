"""The RMS's inbox: each message of a MAG or an LMA goes to the handler of its type and its sender's role."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.grant_check import GrantCheck
from ryu_pmipls.controller.lma_notifier import LmaNotifier
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.route_reports import RouteReport, RouteReportDecoder
from ryu_pmipls.controller.routes import Routes
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.ryu.readable import Readable
from ryu_pmipls.controller.store import StoreError
from ryu_pmipls.signalling import Endpoint, Peer, Role
from ryu_pmipls.wire import CoreGateway, GrantKey, LoadAdjust, LoadInfo, Message, RouteAdjust, RouteSnapshot

LOG = logging.getLogger(__name__)

#: Datagrams handled in one turn, which make up one write to each switch, before other work.
_BATCH = 256
#: Maximum seconds for which datagrams gather after a smaller batch: while that batch is on its way into force. So a
#: busy machine gets larger batches, which cost less of its time. A datagram after a pause does not wait.
_GATHER = 0.01

#: Called with a message, its octets, its sender and the time; returns its report of a route, if it is one.
Handler = Callable[[Any, bytes, Peer, float], RouteReport | None]


class Inbox:
    """Receives datagrams from ``endpoint``, handles them, and counts what cannot be handled in ``refused``.

    ``load_info_users`` are called with the name of an LMA, its Load_info, and the time.
    """

    def __init__(
        self,
        context: Context,
        endpoint: Endpoint,
        routes: Routes,
        notifier: LmaNotifier,
        retransmission: Retransmission,
        load_info_users: Iterable[Callable[[str, LoadInfo, float], None]],
        grants: GrantCheck,
        refused: Counter[str],
    ) -> None:
        self._state = context.state
        self._switches = context.switches
        self._clock = context.clock
        self._endpoint = endpoint
        self._decoder = RouteReportDecoder(context.profile, endpoint, grants)
        self._grants = grants
        self._routes = routes
        self._notifier = notifier
        self._retransmission = retransmission
        self._load_info_users = tuple(load_info_users)
        self._refused = refused
        #: Handlers by the role of the sender; any other message can only be an acknowledgement.
        self._handlers: dict[tuple[Role, type[Message]], Handler] = {
            (Role.MAG, RouteAdjust): self._handle_route_adjust_of_mag,
            (Role.LMA, RouteAdjust): self._handle_route_adjust_of_lma,
            (Role.LMA, LoadInfo): self._handle_load_info,
            (Role.MAG, LoadAdjust): self._handle_acknowledgement,
            (Role.LMA, LoadAdjust): self._handle_acknowledgement,
        }

    def run(self) -> None:
        """Receive and handle datagrams, for ever."""
        readable = Readable(*self._endpoint.descriptors)
        while True:
            datagrams = [*self._endpoint.datagrams(_BATCH)]
            if not datagrams:
                readable.wait()
                continue
            try:
                self.handle(datagrams, self._clock())
            except Exception:
                self._refused["failed"] += 1
                LOG.exception("handling reports of routes failed")
            hub.sleep(0)
            if len(datagrams) < _BATCH:
                self._routes.settled.wait(_GATHER)

    def handle(self, datagrams: Iterable[tuple[bytes, Peer]], now: float) -> None:
        """Handle datagrams: MAGs' route reports together, after the rest; the ends that LMAs report come last."""
        self._grants.refresh()
        reports, rest = self._decoder.decode_known(datagrams, self._clock.time_of_day(now))
        ends: list[RouteReport] = []
        for octets, peer in rest:
            try:
                report = self._handle_one(octets, peer, now)
                if report is not None:
                    (reports if peer.role is Role.MAG else ends).append(report)
            except StoreError as error:
                LOG.error("%s", error)
            except Exception:
                self._refused["failed"] += 1
                LOG.exception("handling a message from %s failed", peer.name)
        self._routes.update(reports, now)
        for report in ends:
            self._routes.end_session(report, now)
        self._notifier.send(now, busy=not self._routes.settled.is_set())

    def _handle_one(self, octets: bytes, peer: Peer, now: float) -> RouteReport | None:
        if peer.role is Role.LMA and self._notifier.acknowledge(octets, peer):
            return None
        message = self._endpoint.decode(octets, peer)
        if message is None:
            return None
        handler = self._handlers.get((peer.role, type(message)), self._handle_acknowledgement)
        return handler(message, octets, peer, now)

    def _handle_route_adjust_of_mag(
        self, message: RouteAdjust, octets: bytes, peer: Peer, now: float
    ) -> RouteReport | None:
        if message.prefix.is_unspecified:  # the RMS's own request to repeat all reports
            return self._handle_acknowledgement(message, octets, peer, now)
        report = self._decoder.decode(message, octets, peer, self._clock.time_of_day(now))
        if report is None:
            self._refused["route_adjust: too long"] += 1
        return report

    def _handle_route_adjust_of_lma(
        self, message: RouteAdjust, octets: bytes, peer: Peer, now: float
    ) -> RouteReport | None:
        if self._notifier.acknowledge_message(message, peer):
            return None
        if message.prefix.is_unspecified and message.option(RouteSnapshot) is None:
            # The request of an agent that has started for all routes. It tells its key, too, before any node registers.
            self._learn_key(peer.name, message)
            self._notifier.restate(peer, octets, now)
            self._endpoint.send_octets(octets, peer)
            return None
        report = self._decoder.decode_session_end(message, octets, peer, self._clock.time_of_day(now))
        if report is None:
            self._refused["nothing to answer"] += 1
        return report

    def _handle_load_info(self, message: LoadInfo, octets: bytes, peer: Peer, now: float) -> RouteReport | None:
        for use in self._load_info_users:
            use(peer.name, message, now)
        self._learn_key(peer.name, message)
        gateway = message.option(CoreGateway)
        if gateway is not None and self._state.learn_core_gateway(peer.name, gateway.link_layer_address):
            self._switches.lmas[peer.name].refresh()
            self._state.save()
        return None

    def _learn_key(self, lma: str, message: Message) -> None:
        key = message.option(GrantKey)
        if key is not None:
            self._grants.learn(lma, key.secret)

    def _handle_acknowledgement(self, message: Message, octets: bytes, peer: Peer, now: float) -> RouteReport | None:
        if not self._retransmission.acknowledge(message, peer.address):
            self._refused["nothing to answer"] += 1
        return None
