"""The names of Ryu that the rest of the package uses.

Ryu 4.34 is unmaintained. Only this package imports it, so that only this package has to change for a successor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar

from ryu import cfg
from ryu.controller import ofp_event
from ryu.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from ryu.lib import hub
from ryu.ofproto import nicira_ext, ofproto_v1_3, ofproto_v1_3_parser
from ryu.ofproto.ofproto_protocol import ProtocolDesc

from ryu_pmipls.controller.ryu.described_state import ToldEntry, ToldGroupCounters

T = TypeVar("T")

#: Ryu's configuration: command line and file take precedence over ``CONFIGURATION.set_default``.
CONFIGURATION = cfg.CONF
#: Seconds that a turn of the others takes when they are busy, and for which less urgent work rests then.
_BUSY, _PAUSE = 0.0005, 0.02
#: Codes of errors in each type: OpenFlow 1.3, A.4.4. Ryu's search for a name takes 0.3 ms, so strangers get none.
_ERROR_CODES = 32


@cache
def _error_name(kind: int, code: int) -> str:
    name: str = ofproto_v1_3.ofp_error_code_to_str(kind, code)
    return name.split("(")[0].removeprefix("OFP")


def error_name(message: Any) -> str:
    """The standard's name for a switch's error message: ``FMFC_TABLE_FULL``, for instance."""
    if message.code is None:
        return "experimenter error"
    if message.type > ofproto_v1_3.OFPET_TABLE_FEATURES_FAILED or message.code >= _ERROR_CODES:
        return "Unknown"
    return _error_name(message.type, message.code)


class InterruptionError(Exception):
    """Other work is more urgent."""


def in_turns(
    items: Iterable[T], many: int, unless: Callable[[], bool] = lambda: False, pause: Callable[[], object] | None = None
) -> Iterator[T]:
    """The items; after each ``many`` of them other green threads have their turn, by ``pause()``.

    ``InterruptionError`` if after such a turn ``unless()`` is true.
    """
    for number, item in enumerate(items, 1):
        yield item
        if number % many == 0:
            (pause or _yield)()
            if unless():
                raise InterruptionError


def _yield() -> None:
    hub.sleep(0)


def give_way() -> None:
    """Let other green threads have their turn; when they have much to do, most of the time."""
    began = time.monotonic()
    hub.sleep(0)
    if time.monotonic() - began > _BUSY:
        hub.sleep(_PAUSE)


__all__ = [
    "CONFIGURATION",
    "CONFIG_DISPATCHER",
    "DEAD_DISPATCHER",
    "MAIN_DISPATCHER",
    "InterruptionError",
    "ProtocolDesc",
    "ToldEntry",
    "ToldGroupCounters",
    "error_name",
    "give_way",
    "hub",
    "in_turns",
    "nicira_ext",
    "ofp_event",
    "ofproto_v1_3",
    "ofproto_v1_3_parser",
    "set_ev_cls",
]
