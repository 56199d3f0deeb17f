"""Decoding of Route_adjust reports: from MAGs, and from LMAs about the end of sessions (draft section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any, NamedTuple

from ryu_pmipls.controller.bindings import RouteChange
from ryu_pmipls.controller.bindings.binding_table import TICKS_PER_SECOND
from ryu_pmipls.controller.grant_check import GrantCheck
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.signalling import Endpoint, Peer, Role
from ryu_pmipls.wire import (
    Attachment,
    Grant,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
    Timestamp,
)
from ryu_pmipls.wire.pattern import Pattern, Place

_PLACES: tuple[Place, ...] = (
    (None, "prefix"),
    (None, "old_mag"),
    (None, "new_mag"),
    (Timestamp, "ticks"),
    (MobileNodeIdentifier, "identifier"),
    (MobileNodeLinkLayerIdentifier, "identifier"),
    (Attachment, "port"),
    (Attachment, "anchor"),
    (Grant, "code"),
)
_HOME_PREFIX, _NEW_MAG = 0, 2  # places
_PREFIX_OCTETS = 8
_NOWHERE = bytes(16)
#: Type and Length of the first option, behind the three addresses: in reports that differ in the identifier's length,
#: these octets differ if the identifier comes first.
_FIRST_OPTION = slice(56, 58)
_PATTERNS_KEPT = 1024
_MAG = Role.MAG  # Python 3.11 is slow at looking it up
#: Makes a named tuple in half the time that its class needs.
_new = tuple.__new__
#: Values at ``_PLACES``, the octets of the message, those of its announcement, and its sender.
_Found = tuple[tuple[Any, ...], bytes, bytes, Peer]


class RouteReport(NamedTuple):
    """A change, the octets of its message, and the octets in canonical form that announce it to LMAs.

    Only a message with a Timestamp gets an answer, because that identifies the answer for its sender (erratum E37).
    ``granted``: an anchor has given the prefix to the node at the MAG that reports.
    """

    change: RouteChange
    octets: bytes
    announcement: bytes
    peer: Peer
    answerable: bool
    granted: bool


class RouteReportDecoder:
    """Decodes reports; most of those from MAGs by the pattern of an earlier one like them."""

    def __init__(self, profile: Profile, endpoint: Endpoint, grants: GrantCheck) -> None:
        self._endpoint = endpoint
        self._grants = grants
        self._mags = {mag.address.packed: mag.name for mag in profile.mags}
        self._lmas = {lma.address.packed: lma.name for lma in profile.lmas}
        self._patterns: dict[tuple[int, bytes], Pattern | None] = {}

    def decode_known(
        self, datagrams: Iterable[tuple[bytes, Peer]], today: float
    ) -> tuple[list[RouteReport], list[tuple[bytes, Peer]]]:
        """Decode MAGs' reports of attachments that are like one before; return them, and all other datagrams."""
        found: list[_Found] = []
        rest: list[tuple[bytes, Peer]] = []
        patterns = self._patterns
        for data, peer in datagrams:
            pattern = patterns.get((len(data), data[_FIRST_OPTION])) if peer.role is _MAG else None
            values = None if pattern is None else pattern.parse(data)
            # An attachment at the sender, as most are.
            if values is not None and values[_NEW_MAG] == peer.octets and values[_HOME_PREFIX] != _NOWHERE:
                found.append((values, data, data, peer))
            else:
                rest.append((data, peer))
        return self._reports(found, today), rest

    def decode(self, message: RouteAdjust, data: bytes, peer: Peer, today: float) -> RouteReport | None:
        """The report in a message, which the endpoint has decoded from ``data``.

        None if it has no canonical form: with aligned options it would be too long.
        """
        announced = message
        if message.new_mag.is_unspecified:
            # Leave out the option that marks an LMA's report, so that no answer passes for one
            # (:meth:`decode_session_end`).
            kept = (option for option in message.options if not isinstance(option, Attachment))
            announced = replace(message, options=tuple(kept))
        try:
            announcement = self._endpoint.encode(announced, peer.address)
        except ValueError:
            return None
        shape = len(data), data[_FIRST_OPTION]
        if announced is message and shape not in self._patterns and len(self._patterns) < _PATTERNS_KEPT:
            self._patterns[shape] = self._endpoint.pattern(data, peer, _PLACES)
        (report,) = self._reports([(_values(message), data, announcement, peer)], today)
        return report

    def decode_session_end(self, message: RouteAdjust, data: bytes, peer: Peer, today: float) -> RouteReport | None:
        """The report of an LMA that a session which it anchors has ended, when no MAG reports that.

        None for any other message, such as a late acknowledgement: those name no LMA or no detachment.
        """
        attachment = message.option(Attachment)
        if not message.new_mag.is_unspecified or attachment is None or attachment.anchor != peer.address:
            return None
        return self.decode(message, data, peer, today)

    def _reports(self, found: Iterable[_Found], today: float) -> list[RouteReport]:
        reports = []
        arrival = int(today * TICKS_PER_SECOND)
        mags, lmas, covers = self._mags.get, self._lmas.get, self._grants.covers
        for (prefix, old, new, ticks, identifier, address, port, anchor, code), octets, announcement, peer in found:
            who = None if identifier is None else identifier.decode("utf-8", "replace")
            when = arrival if ticks is None else ticks
            home = prefix[:_PREFIX_OCTETS]
            change = _new(RouteChange, (home, mags(old), mags(new), when, who, address, port, lmas(anchor)))
            # The end of a session bears the tick after its registration.
            registered = when if new == peer.octets else when - 1
            granted = covers(code, anchor, home, peer.octets, registered, identifier or b"")
            reports.append(_new(RouteReport, (change, octets, announcement, peer, ticks is not None, granted)))
        return reports


def _values(message: RouteAdjust) -> tuple[Any, ...]:
    """The values of a message that a pattern reads at ``_PLACES``."""
    values = []
    for kind, name in _PLACES:
        part = message if kind is None else message.option(kind)
        value = None if part is None else getattr(part, name)
        values.append(value.packed if isinstance(value, IPv6Address) else value)
    return tuple(values)
