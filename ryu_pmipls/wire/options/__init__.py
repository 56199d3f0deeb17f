"""Mobility options: what each holds, and the one description of its octets.

Each module has the options of an RFC or a purpose; ``registry`` has all of them by their numbers.
"""

from ryu_pmipls.wire.options.authentication import Authentication, ReplayProtection
from ryu_pmipls.wire.options.ipv4 import (
    Ipv4DefaultRouterAddress,
    Ipv4DhcpSupportMode,
    Ipv4HomeAddressReply,
    Ipv4HomeAddressRequest,
)
from ryu_pmipls.wire.options.mobile_ipv6 import AlternateCareOfAddress, MobileNodeIdentifier, VendorSpecific
from ryu_pmipls.wire.options.option import (
    PAD_1,
    PAD_N,
    HasOptions,
    Option,
    OptionDescription,
    UnknownOption,
    parse_fields,
)
from ryu_pmipls.wire.options.own import Attachment, CoreGateway, Drain, LoadInfoPart, TunnelStatus, UplinkShare
from ryu_pmipls.wire.options.proxy_mobile_ipv6 import (
    AccessTechnologyType,
    GreKey,
    HandoffIndicator,
    HomeNetworkPrefix,
    LinkLocalAddress,
    MobileNodeLinkLayerIdentifier,
    RestartCounter,
    Timestamp,
)
from ryu_pmipls.wire.options.redirection import (
    AlternateIpv4CareOfAddress,
    LoadInformation,
    Redirect,
    RedirectCapability,
)
from ryu_pmipls.wire.options.registry import OPTIONS, OWN_OPTIONS

__all__ = [
    "OPTIONS",
    "OWN_OPTIONS",
    "PAD_1",
    "PAD_N",
    "AccessTechnologyType",
    "AlternateCareOfAddress",
    "AlternateIpv4CareOfAddress",
    "Attachment",
    "Authentication",
    "CoreGateway",
    "Drain",
    "GreKey",
    "HandoffIndicator",
    "HasOptions",
    "HomeNetworkPrefix",
    "Ipv4DefaultRouterAddress",
    "Ipv4DhcpSupportMode",
    "Ipv4HomeAddressReply",
    "Ipv4HomeAddressRequest",
    "LinkLocalAddress",
    "LoadInfoPart",
    "LoadInformation",
    "MobileNodeIdentifier",
    "MobileNodeLinkLayerIdentifier",
    "Option",
    "OptionDescription",
    "Redirect",
    "RedirectCapability",
    "ReplayProtection",
    "RestartCounter",
    "Timestamp",
    "TunnelStatus",
    "UnknownOption",
    "UplinkShare",
    "VendorSpecific",
    "parse_fields",
]
