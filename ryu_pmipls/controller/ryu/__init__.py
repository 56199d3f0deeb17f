"""The names of Ryu that the rest of the package uses.

Ryu 4.34 is unmaintained. Only this package imports it, so that only this package has to change for a successor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from struct import Struct
from typing import Any, NamedTuple, TypeVar

from eventlet import wsgi
from ryu import cfg
from ryu.app.wsgi import WSGIServer
from ryu.controller import ofp_event
from ryu.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from ryu.lib import hub
from ryu.ofproto import nicira_ext, ofproto_v1_3, ofproto_v1_3_parser
from ryu.ofproto.ofproto_protocol import ProtocolDesc

T = TypeVar("T")

#: Ryu's configuration: command line and file take precedence over ``CONFIGURATION.set_default``.
CONFIGURATION = cfg.CONF


class RestServer(WSGIServer):  # type: ignore[misc]
    """Ryu's HTTP server without a log of accesses: the application that it serves has its own."""

    def serve_forever(self) -> None:
        wsgi.server(self.server, self.handle, hub.LoggingWrapper(), log_output=False)


@cache
def _error_name(kind: int, code: int | None) -> str:
    if code is None:
        return "experimenter error"
    name: str = ofproto_v1_3.ofp_error_code_to_str(kind, code)
    return name.split("(")[0].removeprefix("OFP")


def error_name(message: Any) -> str:
    """The standard's name for a switch's error message: ``FMFC_TABLE_FULL``, for instance."""
    return _error_name(message.type, message.code)


class ToldEntry(NamedTuple):
    """An unparsed flow entry from a switch's reply (OpenFlow 1.3, A.3.5.2), and its length in octets.

    Ryu needs 70 us to parse one, and would parse all of a 64 KiB message before any other green thread has its turn.
    """

    octets: bytes
    length: int

    @classmethod
    def parser(cls, octets: bytes, offset: int) -> ToldEntry:
        """Cut one entry from a message, called by Ryu; ``ValueError`` when the entry is incomplete."""
        (length,) = _LENGTH.unpack_from(octets, offset)
        if length < ofproto_v1_3.OFP_FLOW_STATS_SIZE or offset + length > len(octets):
            raise ValueError(f"a flow entry of {length} octets")
        return cls(octets[offset : offset + length], length)

    def parsed(self) -> Any:
        """Parse into an ``OFPFlowStats``; None when malformed."""
        try:
            return ofproto_v1_3_parser.OFPFlowStats.parser(self.octets, 0)
        except Exception:  # any error that Ryu meets
            return None

    def counted(self) -> tuple[bytes, int] | None:
        """The destination prefix (8 octets) that the entry matches, and its packet counter.

        None when the entry matches no /64 of destinations, or has a hard timeout. Needs a thirtieth of the time of
        ``parsed``.
        """
        octets = self.octets
        (hard_timeout,) = _HARD_TIMEOUT.unpack_from(octets, 16)
        if hard_timeout:
            return None
        packets, _, _, match_length = _COUNTERS.unpack_from(octets, 32)
        at, end = 52, min(48 + match_length, self.length)
        while at + 4 <= end:
            (field,) = _FIELD.unpack_from(octets, at)
            if field == _DESTINATION_PREFIX and octets[at + 20 : at + 36] == _MASK_64:
                return bytes(octets[at + 4 : at + 12]), packets
            at += 4 + (field & 0xFF)
        return None

    def counted_from_port(self) -> tuple[int, int, int] | None:
        """The input port that the entry matches, and its packet and octet counters; None without a port.

        A switch reports the fields of a match in the order of their numbers; that of the input port is 0.
        """
        packets, octets, _, match_length = _COUNTERS.unpack_from(self.octets, 32)
        if match_length < 12 or self.length < 60:
            return None
        field, port = _INPUT_PORT.unpack_from(self.octets, 52)
        return (port, packets, octets) if field == ofproto_v1_3.OXM_OF_IN_PORT else None


_LENGTH = Struct("!H")
#: Parts of an entry: OpenFlow 1.3, A.3.5.2 (48 octets, and the match).
_HARD_TIMEOUT, _COUNTERS, _FIELD = Struct("!H"), Struct("!QQHH"), Struct("!I")
#: A field with a header and a value of 4 octets each.
_INPUT_PORT = Struct("!II")
#: The header of ``OXM_OF_IPV6_DST_W`` (A.2.3.7), and the mask of a /64.
_DESTINATION_PREFIX, _MASK_64 = 0x80003720, b"\xff" * 8 + bytes(8)
ofproto_v1_3_parser.OFPFlowStatsReply.cls_stats_body_cls = ToldEntry


class InterruptionError(Exception):
    """Other work is more urgent."""


def in_turns(items: Iterable[T], many: int, unless: Callable[[], bool]) -> Iterator[T]:
    """The items; after each ``many`` of them other green threads have their turn.

    ``InterruptionError`` if after such a turn ``unless()`` is true.
    """
    for number, item in enumerate(items, 1):
        yield item
        if number % many == 0:
            hub.sleep(0)
            if unless():
                raise InterruptionError


__all__ = [
    "CONFIGURATION",
    "CONFIG_DISPATCHER",
    "DEAD_DISPATCHER",
    "MAIN_DISPATCHER",
    "InterruptionError",
    "ProtocolDesc",
    "RestServer",
    "ToldEntry",
    "error_name",
    "hub",
    "in_turns",
    "nicira_ext",
    "ofp_event",
    "ofproto_v1_3",
    "ofproto_v1_3_parser",
    "set_ev_cls",
]
