"""The yardstick for what the route engine brings: an application that does the same the ordinary way.

``ryu-manager tests.bench.ordinary_rms``, profile in ``$PMIPLS_PROFILE``. Each Route_adjust is decoded, stored by
a transaction of its own, told to every LMA's switch by an ``OFPFlowMod`` and an ``OFPBarrierRequest`` through
``send_msg``, and answered when all barriers have come back. With ``$PMIPLS_ORDINARY_STORE`` empty nothing is stored.
"""

from __future__ import annotations

import os
import select
import sqlite3
from collections import Counter
from ipaddress import IPv6Address
from typing import Any, ClassVar

from ryu.base.app_manager import RyuApp
from ryu.controller import ofp_event
from ryu.controller.handler import MAIN_DISPATCHER, set_ev_cls
from ryu.lib import hub
from ryu.ofproto import ofproto_v1_3

from ryu_pmipls.controller.ryu import CONFIGURATION
from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import Message, RouteAdjust
from tests.bench.arena import FIRST_TUNNEL, ORDINARY_STORE

PROFILE = load_profile()
CONFIGURATION.set_default("ofp_listen_host", PROFILE.rms.openflow.host)
CONFIGURATION.set_default("ofp_tcp_listen_port", PROFILE.rms.openflow.port)

_ROUTE = LmaRule.ROUTE


class OrdinaryRouteServer(RyuApp):
    """Routes of mobile nodes, one after the other."""

    OFP_VERSIONS: ClassVar = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.datapaths: dict[int, Any] = {}
        self.bindings: dict[IPv6Address, IPv6Address] = {}
        self.tunnels = {mag.address: port for port, mag in enumerate(PROFILE.mags, FIRST_TUNNEL)}
        self.waiting: dict[tuple[int, int], list[Any]] = {}  # (datapath id, xid) -> [barriers to come, message, source]
        self.endpoint = Endpoint(PROFILE, Role.RMS, PROFILE.rms.address, Counter())
        self.database = self._open() if os.environ.get(ORDINARY_STORE) else None
        hub.spawn(self._receive)

    def _open(self) -> sqlite3.Connection:
        directory = PROFILE.rms.state_directory
        directory.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(directory / "ordinary.sqlite")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE IF NOT EXISTS binding (prefix TEXT PRIMARY KEY, mag TEXT) WITHOUT ROWID")
        return database

    @set_ev_cls(ofp_event.EventOFPStateChange, MAIN_DISPATCHER)
    def _connected(self, event: Any) -> None:
        self.datapaths[event.datapath.id] = event.datapath
        print(f"{len(self.datapaths)} switches", flush=True)

    def _receive(self) -> None:
        while True:
            select.select(self.endpoint.descriptors, [], [])
            for message, source in self.endpoint.drain():
                if isinstance(message, RouteAdjust) and source in self.tunnels:
                    self._route(message, source)
            hub.sleep(0)

    def _route(self, message: RouteAdjust, source: IPv6Address) -> None:
        self.bindings[message.prefix] = message.new_mag
        if self.database is not None:
            with self.database:
                self.database.execute(
                    "INSERT OR REPLACE INTO binding VALUES (?, ?)", (str(message.prefix), str(message.new_mag))
                )
        waiting = [len(self.datapaths), message, source]
        for datapath in self.datapaths.values():
            parser, protocol = datapath.ofproto_parser, datapath.ofproto
            match = parser.OFPMatch(eth_type=0x86DD, ipv6_dst=(str(message.prefix), "ffff:ffff:ffff:ffff::"))
            actions = [parser.OFPActionDecNwTtl(), parser.OFPActionOutput(self.tunnels[message.new_mag])]
            instructions = [parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, actions)]
            datapath.send_msg(
                parser.OFPFlowMod(
                    datapath,
                    table_id=_ROUTE.table.number,
                    priority=_ROUTE.priority,
                    match=match,
                    instructions=instructions,
                )
            )
            barrier = parser.OFPBarrierRequest(datapath)
            datapath.set_xid(barrier)
            self.waiting[datapath.id, barrier.xid] = waiting
            datapath.send_msg(barrier)

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def _done(self, event: Any) -> None:
        waiting = self.waiting.pop((event.msg.datapath.id, event.msg.xid), None)
        if waiting is None:
            return
        waiting[0] -= 1
        if not waiting[0]:
            message: Message = waiting[1]
            self.endpoint.send(message, waiting[2])
