"""The time of an attachment at the MAG, step by step: the protocol's part of a handoff."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from ryu_pmipls.mobility import Advertise, Effect, Send
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingUpdate,
    HandoffIndicator,
    HandoffType,
    Message,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
)

LOG = logging.getLogger(__name__)

_UNSPECIFIED = IPv6Address("::")


class AttachmentTimes:
    """Records the times of each attachment at ``mag``, as a line of JSON in the log and in ``file``.

    A line has ``event`` ("attachment"), ``mag``, ``mobile_node``, ``solicited`` (the time of the router solicitation,
    in seconds since 1970) and ``milliseconds`` after that of ``pbu_sent``, ``pba_received``, ``ra_sent``,
    ``route_adjust_sent`` and ``route_adjust_acknowledged``; each the first of its kind. The acknowledgement of the RMS,
    which says that the routes are in force, completes a line. ``names`` are those of the mobile nodes, by link-layer
    address of the profile, which ``interface`` finds for another one that a node has; ``wall`` converts ``now`` into
    seconds since 1970. A node that solicits again where it is attached does not
    count as attaching again.
    """

    def __init__(
        self,
        mag: str,
        names: Mapping[bytes, str],
        file: Path | None = None,
        wall: Callable[[float], float] = float,
        interface: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._mag = mag
        self._names = names
        self._wall = wall
        self._interface = interface
        self._file = file
        self._solicited: dict[bytes, float] = {}
        self._steps: dict[bytes, dict[str, float]] = {}
        self._own_address: IPv6Address | None = None
        self._ports: dict[bytes, int] = {}  # the port at which a node gets its prefixes
        self._attached: dict[bytes, int] = {}  # nodes with a line, and their ports

    def solicited(self, link_layer_address: bytes, now: float) -> None:
        """Record a router solicitation."""
        node = self._interface(link_layer_address)
        if node in self._names:
            self._solicited[node] = now

    def observe(self, what: Message | Effect, now: float) -> None:
        """Record a message that came in, or an effect that was carried out."""
        if isinstance(what, Advertise):
            self._advertised(what, now)
        elif isinstance(what, Send):
            self._sent(what.message, now)
        elif isinstance(what, (BindingAcknowledgement, RouteAdjust)):
            self._received(what, now)

    def _advertised(self, effect: Advertise, now: float) -> None:
        node = self._interface(effect.link_layer_address)
        if effect.lifetime == 0:
            self._attached.pop(node, None)
        else:
            self._ports[node] = effect.port
            self._step(node, "ra_sent", now, after="pba_received")

    def _sent(self, message: Message, now: float) -> None:
        node = self._mobile_node(message)
        if isinstance(message, BindingUpdate):
            if message.lifetime == 0:
                self._steps.pop(node, None)
                self._attached.pop(node, None)
            elif message.option(HandoffIndicator) != HandoffIndicator(HandoffType.RE_REGISTRATION):
                if "pba_received" in self._steps.get(node, ()):
                    del self._steps[node]  # the node attached again before the RMS had answered
                self._steps.setdefault(node, {}).setdefault("pbu_sent", now)
        elif isinstance(message, RouteAdjust) and message.new_mag != _UNSPECIFIED:
            self._own_address = message.new_mag
            self._step(node, "route_adjust_sent", now, after="pba_received")

    def _received(self, message: BindingAcknowledgement | RouteAdjust, now: float) -> None:
        node = self._mobile_node(message)
        if isinstance(message, BindingAcknowledgement):
            self._step(node, "pba_received", now, after="pbu_sent")
        elif message.new_mag == self._own_address and "route_adjust_sent" in self._steps.get(node, ()):
            self._step(node, "route_adjust_acknowledged", now, after="route_adjust_sent")
            self._write(node, self._steps.pop(node))

    def _step(self, node: bytes, name: str, now: float, after: str) -> None:
        steps = self._steps.get(node, {})
        if after in steps:
            steps.setdefault(name, now)

    def _write(self, node: bytes, steps: Mapping[str, float]) -> None:
        port = self._ports.get(node, 0)
        if self._attached.get(node) == port:
            return
        self._attached[node] = port
        start = self._solicited.get(node, steps["pbu_sent"])
        line: dict[str, Any] = {
            "event": "attachment",
            "mag": self._mag,
            "mobile_node": self._names[node],
            "solicited": self._wall(start),
            "milliseconds": {name: round((time - start) * 1000, 3) for name, time in steps.items()},
        }
        text = json.dumps(line)
        LOG.info("%s", text)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    def _mobile_node(self, message: Message) -> bytes:
        option = message.option(MobileNodeLinkLayerIdentifier)
        return b"" if option is None else self._interface(option.identifier)
