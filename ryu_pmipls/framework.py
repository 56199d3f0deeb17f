"""The names of Ryu that the rest of the package uses.

Ryu 4.34 is unmaintained. This is the one module that imports it, so that a successor has to fit here only.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

from eventlet import tpool
from ryu import cfg
from ryu.app.wsgi import WSGIServer
from ryu.base.app_manager import RyuApp
from ryu.controller import ofp_event
from ryu.controller.controller import Datapath
from ryu.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from ryu.lib import hub
from ryu.ofproto import nicira_ext, ofproto_v1_3, ofproto_v1_3_parser
from ryu.ofproto.ofproto_protocol import ProtocolDesc

T = TypeVar("T")

#: Ryu's configuration: command line and file win over what is set with ``CONFIGURATION.set_default``.
CONFIGURATION = cfg.CONF


@cache
def _error_name(kind: int, code: int | None) -> str:
    if code is None:
        return "experimenter error"
    name: str = ofproto_v1_3.ofp_error_code_to_str(kind, code)
    return name.split("(")[0].removeprefix("OFP")


def error_name(message: Any) -> str:
    """What an error message of a switch says, as the standard calls it: ``FMFC_TABLE_FULL``, for instance."""
    return _error_name(message.type, message.code)


# One thread, so that what an object does in it is done one thing after the other.
tpool.set_num_threads(1)


def in_thread(make: Callable[..., T], *arguments: Any) -> T:
    """An object that lives in a thread of the system: its maker and its methods are called there.

    Only the green thread that calls waits for the answer, not the others.
    """
    return cast(T, tpool.Proxy(tpool.execute(make, *arguments)))


__all__ = [
    "CONFIGURATION",
    "CONFIG_DISPATCHER",
    "DEAD_DISPATCHER",
    "MAIN_DISPATCHER",
    "Datapath",
    "ProtocolDesc",
    "RyuApp",
    "WSGIServer",
    "error_name",
    "hub",
    "in_thread",
    "nicira_ext",
    "ofp_event",
    "ofproto_v1_3",
    "ofproto_v1_3_parser",
    "set_ev_cls",
]
