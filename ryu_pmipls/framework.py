"""The names of Ryu that the rest of the package uses.

Ryu 4.34 is unmaintained. This is the one module that imports it, so that a successor has to fit here only.
"""

from ryu import cfg
from ryu.app.wsgi import WSGIServer
from ryu.base.app_manager import RyuApp
from ryu.controller import ofp_event
from ryu.controller.controller import Datapath
from ryu.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from ryu.lib import hub
from ryu.ofproto import nicira_ext, ofproto_v1_3, ofproto_v1_3_parser
from ryu.ofproto.ofproto_protocol import ProtocolDesc

#: Ryu's configuration: command line and file win over what is set with ``CONFIGURATION.set_default``.
CONFIGURATION = cfg.CONF

__all__ = [
    "CONFIGURATION",
    "CONFIG_DISPATCHER",
    "DEAD_DISPATCHER",
    "MAIN_DISPATCHER",
    "Datapath",
    "ProtocolDesc",
    "RyuApp",
    "WSGIServer",
    "hub",
    "nicira_ext",
    "ofp_event",
    "ofproto_v1_3",
    "ofproto_v1_3_parser",
    "set_ev_cls",
]
