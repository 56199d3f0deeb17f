"""All options that are spoken here."""

from __future__ import annotations

from ryu_pmipls.wire.options.authentication import Authentication, ReplayProtection
from ryu_pmipls.wire.options.ipv4 import (
    Ipv4DefaultRouterAddress,
    Ipv4DhcpSupportMode,
    Ipv4HomeAddressReply,
    Ipv4HomeAddressRequest,
)
from ryu_pmipls.wire.options.mobile_ipv6 import AlternateCareOfAddress, MobileNodeIdentifier, VendorSpecific
from ryu_pmipls.wire.options.option import Option
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

#: The options that are spoken here, by Type.
OPTIONS: dict[int, type[Option]] = {
    option.description.number: option
    for option in (
        AlternateCareOfAddress,
        MobileNodeIdentifier,
        Authentication,
        ReplayProtection,
        VendorSpecific,
        HomeNetworkPrefix,
        HandoffIndicator,
        AccessTechnologyType,
        MobileNodeLinkLayerIdentifier,
        LinkLocalAddress,
        Timestamp,
        RestartCounter,
        GreKey,
        Ipv4HomeAddressRequest,
        Ipv4HomeAddressReply,
        Ipv4DefaultRouterAddress,
        Ipv4DhcpSupportMode,
        RedirectCapability,
        Redirect,
        LoadInformation,
        AlternateIpv4CareOfAddress,
    )
    if option.description.number is not None
}

#: Our own vendor-specific options, by sub-type.
OWN_OPTIONS: dict[int, type[Option]] = {
    option.description.subtype: option
    for option in (Attachment, CoreGateway, LoadInfoPart, TunnelStatus, UplinkShare, Drain)
    if option.description.subtype is not None
}
