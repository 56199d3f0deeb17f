"""Authentication of Mobility Headers by shared keys, and protection against replay (RFC 4285; errata E44 and E45).

A protected message has two more options at its end: Replay Protection, the time of this transmission, and Mobility
Message Authentication of sub-type 1 (MN-HA), HMAC-SHA1 cut to 96 bits over

    source address | destination address | Mobility Header up to and including the index, checksum zero

RFC 4285 is about mobile node and home agent, and puts the care-of address and the home address in front. A MAG's
care-of address is the source of its PBU, and there is no home address between MAG, LMA and RMS: the two addresses of
the packet tie the code to its direction and to both nodes.

The Timestamp option (RFC 5213) does not protect against replay: a retransmitted Route_adjust and its acknowledgement
bear the same one on purpose, because it identifies the change.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from heapq import heappop, heappush
from ipaddress import IPv6Address

from ryu_pmipls.signalling.keys import Key
from ryu_pmipls.wire import Authentication, CodePoints, ReplayProtection
from ryu_pmipls.wire.mobility_header import check_checksum, check_size, parse_option, sealed, with_options
from ryu_pmipls.wire.options.option import PAD_N
from ryu_pmipls.wire.structure import check_header, extent, message_class, option_extents

_MN_HA = 1
_OCTETS = 12
_BLANK = bytes(_OCTETS)
#: Seconds from 1900, the start of NTP's era, to 1970.
_NTP_ERA = 2208988800
_UNIT = 2**32  # of NTP, in a second
_ROUND = 2**64


class AuthenticationError(Exception):
    """A message is not authentic; ``reason`` is a short slug, fit for a counter's label."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OutOfTimeError(AuthenticationError):
    """A message is authentic, but was sent at another time of day, ``ahead`` seconds of the time here."""

    def __init__(self, ahead: float) -> None:
        super().__init__("out of time")
        self.ahead = ahead


class ReplayWindow:
    """The new timestamps of a peer: unseen, not older than ``since``, within ``seconds`` of the clock.

    It remembers the newest ``capacity``, and refuses any that is older than all of these. Messages may overtake each
    other. When the clock was set back by more than ``seconds``, it begins anew, as after a restart: else it would
    refuse all until the clock is where it was.
    """

    def __init__(self, seconds: float, since: float, capacity: int = 1024) -> None:
        self._width = int(seconds * _UNIT)
        self._capacity = capacity
        self._start = self._floor = self._latest = ntp(since)
        self._seen: set[int] = set()
        self._oldest_first: list[int] = []

    def accept(self, timestamp: int, now: float) -> None:
        """Record a timestamp of 64 bits as seen; ``AuthenticationError`` when it is out of time or a repetition."""
        here = ntp(now)
        if here + self._width < self._latest:
            self._start = self._floor = here
        self._latest = here
        away = (timestamp - here + _ROUND // 2) % _ROUND - _ROUND // 2
        if abs(away) > self._width:
            raise OutOfTimeError(away / _UNIT)
        instant = here + away  # without the wrap in the year 2036
        if instant < self._start:
            raise AuthenticationError("sent before this node started")
        if instant < self._floor or instant in self._seen:
            raise AuthenticationError("replayed")
        self._seen.add(instant)
        heappush(self._oldest_first, instant)
        if len(self._oldest_first) > self._capacity:
            self._floor = heappop(self._oldest_first)
            self._seen.remove(self._floor)
            self._floor += 1


class SecurityAssociation:
    """The protection of messages from the node at ``own`` to the node at ``peer``, and the check of those it sends.

    ``now`` is in seconds since 1970. Messages sent before ``since``, the start of this node, are refused: after a
    restart the node no longer knows which of them it has seen.
    """

    def __init__(
        self, own: IPv6Address, peer: IPv6Address, code_points: CodePoints, window: float, since: float
    ) -> None:
        self._own = own
        self._peer = peer
        self._code_points = code_points
        self._window = ReplayWindow(window, since)
        self._tolerated = int(window * _UNIT)
        self._last = 0

    def protect(self, data: bytes, key: Key, now: float) -> bytes:
        """Append the two options to a Mobility Header for the peer."""
        here = ntp(now)
        # No two are the same, but a clock that was set back by more than the peer tolerates is followed.
        self._last = self._last + 1 if here <= self._last <= here + self._tolerated else here
        options = (ReplayProtection(self._last % _ROUND), Authentication(key.spi, _BLANK, _MN_HA))
        data = sealed(with_options(data, options, self._code_points.vendor_id), self._own, self._peer)
        # 32 octets: the alignment of the two options leaves nothing to pad.
        covered = data[:-_OCTETS]
        return sealed(covered + _code(key, self._own, self._peer, covered), self._own, self._peer)

    def open(self, data: bytes, keys: Mapping[int, Key], now: float) -> bytes:
        """Check a Mobility Header of the peer; return it as it was before its protection.

        ``AuthenticationError`` when it is not authentic or not new, ``WireError`` when it is malformed.
        """
        check_size(data)
        check_checksum(data, self._peer, self._own)
        kind = message_class(data, self._code_points)
        check_header(data)
        _, fields_end, _ = extent(kind, data, True)
        options = [each for each in option_extents(data, fields_end) if each[0] > PAD_N]
        if not options or options[-1][0] != Authentication.description.number:
            raise AuthenticationError("missing")
        number, _, start, stop = options.pop()
        option = parse_option(number, data, start, stop, self._code_points.vendor_id)
        assert isinstance(option, Authentication)
        if option.subtype != _MN_HA:
            raise AuthenticationError("missing")
        key = keys.get(option.spi)
        if key is None:
            raise AuthenticationError("unknown index")
        code = _code(key, self._peer, self._own, data[: stop - len(option.authenticator)])
        if not hmac.compare_digest(code, option.authenticator):
            raise AuthenticationError("wrong")
        self._check_time(data, options, now)
        end = options[-1][3] if options else fields_end
        return sealed(with_options(data[:end], (), self._code_points.vendor_id), self._peer, self._own)

    def _check_time(self, data: bytes, options: list[tuple[int, int, int, int]], now: float) -> None:
        """Check the time of a message's transmission; its option must be the last, and is removed."""
        if not options or options[-1][0] != ReplayProtection.description.number:
            raise AuthenticationError("no time")
        number, _, start, stop = options.pop()
        option = parse_option(number, data, start, stop, self._code_points.vendor_id)
        assert isinstance(option, ReplayProtection)
        self._window.accept(option.timestamp, now)


def ntp(seconds: float) -> int:
    """Convert a time in seconds since 1970 to NTP's count, but beyond 64 bits."""
    return int((seconds + _NTP_ERA) * _UNIT)


def _code(key: Key, source: IPv6Address, destination: IPv6Address, covered: bytes) -> bytes:
    data = source.packed + destination.packed + covered[:4] + b"\0\0" + covered[6:]
    return hmac.digest(key.secret, data, "sha1")[:_OCTETS]
