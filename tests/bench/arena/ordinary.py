"""The yardstick: the same written the ordinary way, with ``OFPFlowMod`` and ``send_msg``.

Started with ``ryu-manager tests.bench.arena.ordinary``. Takes Route_adjust, writes the route to every LMA's switch with
a barrier behind it, and sends the message back when all have answered. It keeps nothing on a disk, does not care which
of two messages is newer, notices no error, and reconciles nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from ryu import cfg
from ryu.base.app_manager import RyuApp
from ryu.controller import ofp_event
from ryu.controller.handler import MAIN_DISPATCHER, set_ev_cls
from ryu.lib import hub
from ryu.ofproto import ofproto_v1_3

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.openflow.pipeline import LMA_ROUTE
from ryu_pmipls.signalling import Endpoint, Peer, Role
from ryu_pmipls.wire import RouteAdjust
from tests.bench.arena.jobs import TUNNEL_PORTS

PROFILE = load_profile()
cfg.CONF.set_default("ofp_listen_host", PROFILE.rms.openflow.host)
cfg.CONF.set_default("ofp_tcp_listen_port", PROFILE.rms.openflow.port)


class OrdinaryApplication(RyuApp):  # type: ignore[misc]
    """What a tutorial would make of it."""

    OFP_VERSIONS: ClassVar = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tunnels = dict(zip((mag.address for mag in PROFILE.mags), TUNNEL_PORTS, strict=True))
        self.endpoint = Endpoint(PROFILE, Role.RMS, PROFILE.rms.address, Counter())
        self.datapaths: dict[int, Any] = {}
        self.waiting: dict[tuple[int, int], list[Any]] = {}  # (datapath id, xid of the barrier) -> what it is for

    def start(self) -> None:
        super().start()
        self.threads.append(hub.spawn(self.receive))

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures)
    def switch_features(self, event: Any) -> None:
        self.datapaths[event.msg.datapath.id] = event.msg.datapath

    def receive(self) -> None:
        while True:
            self.endpoint.wait()
            for octets, peer in self.endpoint.datagrams():
                message = self.endpoint.decode(octets, peer)
                if isinstance(message, RouteAdjust) and peer.role is Role.MAG:
                    self.route(message, octets, peer)

    def route(self, message: RouteAdjust, octets: bytes, peer: Peer) -> None:
        answer = [len(self.datapaths), octets, peer]
        for datapath in self.datapaths.values():
            parser = datapath.ofproto_parser
            match = parser.OFPMatch(eth_type=0x86DD, ipv6_dst=(str(message.prefix), "ffff:ffff:ffff:ffff::"))
            actions = [parser.OFPActionDecNwTtl(), parser.OFPActionOutput(self.tunnels[message.new_mag])]
            instructions = [parser.OFPInstructionActions(ofproto_v1_3.OFPIT_APPLY_ACTIONS, actions)]
            change = parser.OFPFlowMod(
                datapath,
                table_id=LMA_ROUTE.table.number,
                priority=LMA_ROUTE.priority,
                match=match,
                instructions=instructions,
            )
            datapath.send_msg(change)
            barrier = parser.OFPBarrierRequest(datapath)
            datapath.set_xid(barrier)
            self.waiting[datapath.id, barrier.xid] = answer
            datapath.send_msg(barrier)

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def barrier_reply(self, event: Any) -> None:
        answer = self.waiting.pop((event.msg.datapath.id, event.msg.xid))
        answer[0] -= 1
        if not answer[0]:
            self.endpoint.send_octets(answer[1], answer[2])
