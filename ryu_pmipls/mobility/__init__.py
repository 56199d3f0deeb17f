"""The RFC 5213 machines of MAG and LMA: messages, events and the time in, effects and a deadline out."""

from ryu_pmipls.mobility.binding_cache import BindingCacheEntry
from ryu_pmipls.mobility.config import AnchorConfig, GatewayConfig, MobileNodePolicy
from ryu_pmipls.mobility.effects import (
    Advertise,
    BuildTunnel,
    CheckTunnel,
    Effect,
    EraseBinding,
    Forward,
    Lease,
    Notice,
    ProbeNode,
    RecordBinding,
    RecordedBinding,
    RemoveTunnel,
    Send,
    SynchroniseClock,
)
from ryu_pmipls.mobility.local_mobility_anchor import LocalMobilityAnchor
from ryu_pmipls.mobility.mobile_access_gateway import MobileAccessGateway
from ryu_pmipls.mobility.prefix_pool import PrefixPool
from ryu_pmipls.mobility.update_list import BindingState, BindingUpdateEntry

__all__ = [
    "Advertise",
    "AnchorConfig",
    "BindingCacheEntry",
    "BindingState",
    "BindingUpdateEntry",
    "BuildTunnel",
    "CheckTunnel",
    "Effect",
    "EraseBinding",
    "Forward",
    "GatewayConfig",
    "Lease",
    "LocalMobilityAnchor",
    "MobileAccessGateway",
    "MobileNodePolicy",
    "Notice",
    "PrefixPool",
    "ProbeNode",
    "RecordBinding",
    "RecordedBinding",
    "RemoveTunnel",
    "Send",
    "SynchroniseClock",
]
