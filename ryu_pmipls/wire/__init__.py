"""Octets to typed messages and back, without sockets, clocks and state.

Mobility Headers with ``parse`` and ``build``; neighbour discovery in ``ryu_pmipls.wire.neighbour_discovery``;
registered numbers in ``ryu_pmipls.wire.codepoints``. ``docs/messages.md`` is generated from the descriptions here.
"""

from ryu_pmipls.wire.codepoints import AccessTechnology, BindingAcknowledgementFlag, BindingErrorStatus, BindingStatus, BindingUpdateFlag, CodePoints, CoreRouting, DhcpSupportFlag, Encapsulation, Handoff, HeartbeatFlag, IdentifierSubtype, Ipv4HomeAddressStatus, MobilityHeaderType, RedirectFlag, RevocationFlag, RevocationStatus, RevocationTrigger, TunnelStatusCode, UpdateNotificationFlag, UpdateNotificationReason, UpdateNotificationStatus
from ryu_pmipls.wire.wire_error import REASONS, Reason, WireError
from ryu_pmipls.wire.load_info import LoadInfoMerger, split_load_info
from ryu_pmipls.wire.messages import MESSAGES, ROUTE_PREFIX_LENGTH, BindingAcknowledgement, BindingError, BindingRevocationAcknowledgement, BindingRevocationIndication, BindingUpdate, Heartbeat, LoadAdjust, LoadInfo, MagLoad, Message, RouteAdjust, TunnelAck, TunnelRequest, UpdateNotification, UpdateNotificationAcknowledgement
from ryu_pmipls.wire.mobility_header import build, parse
from ryu_pmipls.wire.options import OPTIONS, OWN_OPTIONS
from ryu_pmipls.wire.options.mobility_authentication import Authentication, ReplayProtection
from ryu_pmipls.wire.options.ipv4 import Ipv4DefaultRouterAddress, Ipv4DhcpSupportMode, Ipv4HomeAddressReply, Ipv4HomeAddressRequest
from ryu_pmipls.wire.options.mobile_ipv6 import AlternateCareOfAddress, MobileNodeIdentifier, VendorSpecific
from ryu_pmipls.wire.options.option import Option, UnknownOption
from ryu_pmipls.wire.options.own import Attachment, CoreGateway, CoreRoutingStatus, Drain, LoadInfoPart, TunnelStatus, UplinkShare
from ryu_pmipls.wire.options.proxy_mobile_ipv6 import AccessTechnologyType, GreKey, HandoffIndicator, HomeNetworkPrefix, LinkLocalAddress, MobileNodeLinkLayerIdentifier, RestartCounter, Timestamp
from ryu_pmipls.wire.options.redirect_options import AlternateIpv4CareOfAddress, LoadInformation, Redirect, RedirectCapability

__all__ = [
    "MESSAGES",
    "OPTIONS",
    "OWN_OPTIONS",
    "REASONS",
    "ROUTE_PREFIX_LENGTH",
    "AccessTechnology",
    "AccessTechnologyType",
    "AlternateCareOfAddress",
    "AlternateIpv4CareOfAddress",
    "Attachment",
    "Authentication",
    "BindingAcknowledgement",
    "BindingAcknowledgementFlag",
    "BindingError",
    "BindingErrorStatus",
    "BindingRevocationAcknowledgement",
    "BindingRevocationIndication",
    "BindingStatus",
    "BindingUpdate",
    "BindingUpdateFlag",
    "CodePoints",
    "CoreGateway",
    "CoreRouting",
    "CoreRoutingStatus",
    "DhcpSupportFlag",
    "Drain",
    "Encapsulation",
    "GreKey",
    "Handoff",
    "HandoffIndicator",
    "Heartbeat",
    "HeartbeatFlag",
    "HomeNetworkPrefix",
    "IdentifierSubtype",
    "Ipv4DefaultRouterAddress",
    "Ipv4DhcpSupportMode",
    "Ipv4HomeAddressReply",
    "Ipv4HomeAddressRequest",
    "Ipv4HomeAddressStatus",
    "LinkLocalAddress",
    "LoadAdjust",
    "LoadInfo",
    "LoadInfoMerger",
    "LoadInfoPart",
    "LoadInformation",
    "MagLoad",
    "Message",
    "MobileNodeIdentifier",
    "MobileNodeLinkLayerIdentifier",
    "MobilityHeaderType",
    "Option",
    "Reason",
    "Redirect",
    "RedirectCapability",
    "RedirectFlag",
    "ReplayProtection",
    "RestartCounter",
    "RevocationFlag",
    "RevocationStatus",
    "RevocationTrigger",
    "RouteAdjust",
    "Timestamp",
    "TunnelAck",
    "TunnelRequest",
    "TunnelStatus",
    "TunnelStatusCode",
    "UnknownOption",
    "UpdateNotification",
    "UpdateNotificationAcknowledgement",
    "UpdateNotificationFlag",
    "UpdateNotificationReason",
    "UpdateNotificationStatus",
    "UplinkShare",
    "VendorSpecific",
    "WireError",
    "build",
    "parse",
    "split_load_info",
]
