"""The domain profile: an administrator's description of a PMIPv6 domain, validated and frozen.

A profile names the RMS, the LMAs, the MAGs and the mobile nodes with their addresses, and sets every
threshold and timer. All nodes of a domain read the same profile (RFC 5213, section 9: "configured values
must be the same on every node").

Each module here has one section or a few of one kind. ``profile`` puts them together, ``consistency`` checks the
agreement between them, and ``loading`` finds and reads files: ``yaml_document`` parses them, ``faults`` tells a person
of the faults in one, and ``sound_parts`` keeps the sound parts for the checks of ``consistency``.
"""

from ryu_pmipls.domain.profile.certificates_settings import Certificates
from ryu_pmipls.domain.profile.failure_settings import Failure
from ryu_pmipls.domain.profile.faults import NoProfileError, ProfileError, fault_lines
from ryu_pmipls.domain.profile.handoff_settings import HandoffSettings
from ryu_pmipls.domain.profile.lab_settings import Correspondent, LabSettings
from ryu_pmipls.domain.profile.links_settings import Access, Downlink, TunnelSettings
from ryu_pmipls.domain.profile.load_sharing_settings import LoadSharingSettings
from ryu_pmipls.domain.profile.loading import (
    HOST_PROFILE,
    LAB_PROFILE,
    PROFILE_VARIABLE,
    SHIPPED_PROFILES,
    find_file,
    find_profile,
    load_document,
    load_profile,
    warning_lines,
)
from ryu_pmipls.domain.profile.nodes import (
    REST_DEFAULT,
    RMS_NAME,
    Api,
    Core,
    ListenEndpoint,
    Lma,
    Mag,
    MobileNode,
    Node,
    OpenFlowEndpoint,
    RestEndpoint,
    Rms,
    SwitchNode,
    is_beyond_loopback,
)
from ryu_pmipls.domain.profile.profile import Profile
from ryu_pmipls.domain.profile.signalling_settings import InnerTypes, Signalling
from ryu_pmipls.domain.profile.timers_settings import TimerSettings
from ryu_pmipls.domain.profile.values import ERROR_PORT_PREFIX, Fraction, LinkLayerAddress, Transport, format_link_layer

__all__ = [
    "ERROR_PORT_PREFIX",
    "HOST_PROFILE",
    "LAB_PROFILE",
    "PROFILE_VARIABLE",
    "REST_DEFAULT",
    "RMS_NAME",
    "SHIPPED_PROFILES",
    "Access",
    "Api",
    "Certificates",
    "Core",
    "Correspondent",
    "Downlink",
    "Failure",
    "Fraction",
    "HandoffSettings",
    "InnerTypes",
    "LabSettings",
    "LinkLayerAddress",
    "ListenEndpoint",
    "Lma",
    "LoadSharingSettings",
    "Mag",
    "MobileNode",
    "NoProfileError",
    "Node",
    "OpenFlowEndpoint",
    "Profile",
    "ProfileError",
    "RestEndpoint",
    "Rms",
    "Signalling",
    "SwitchNode",
    "TimerSettings",
    "Transport",
    "TunnelSettings",
    "fault_lines",
    "find_file",
    "find_profile",
    "format_link_layer",
    "is_beyond_loopback",
    "load_document",
    "load_profile",
    "warning_lines",
]
