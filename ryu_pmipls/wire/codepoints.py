"""Numbers of Proxy Mobile IPv6 and its neighbours, as registered with IANA (mobility parameters).

Parsing keeps a number that is not listed here as a plain ``int``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag

#: IPv6 Next Header value of the Mobility Header (RFC 6275, section 6.1).
MOBILITY_HEADER = 135
#: UDP port of Proxy Mobile IPv6 signalling (RFC 5844, section 4).
UDP_PORT = 5436
#: Payload Proto of every Mobility Header: no next header.
NO_NEXT_HEADER = 59


@dataclass(frozen=True, slots=True, eq=False)
class CodePoints:
    """Numbers that a domain may choose: the draft assigns none (erratum E1).

    ``mobility_header_type`` carries the draft's five messages, told apart by the inner types; 11 is the type for
    experiments (RFC 5096). ``vendor_id`` marks our own vendor-specific options; 32473 is the enterprise number for
    examples (RFC 5612). ``ValueError`` when two of the inner types are equal, when a number does not fit its field,
    or when the Mobility Header type belongs to another message.
    """

    mobility_header_type: int = 11
    tunnel_request: int = 1
    tunnel_ack: int = 2
    load_info: int = 3
    load_adjust: int = 4
    route_adjust: int = 5
    vendor_id: int = 32473

    def __post_init__(self) -> None:
        for field in fields(self):
            limit = 2**32 if field.name == "vendor_id" else 256
            if not 0 <= getattr(self, field.name) < limit:
                raise ValueError(f"{field.name} must be a number from 0 to {limit - 1}")
        if self.mobility_header_type in {*MobilityHeaderType}:
            raise ValueError(f"mobility_header_type {self.mobility_header_type} belongs to another message")
        inner = (self.tunnel_request, self.tunnel_ack, self.load_info, self.load_adjust, self.route_adjust)
        if len({*inner}) < len(inner):
            raise ValueError("the five inner types must differ")


class MobilityHeaderType(IntEnum):
    """Mobility Header types that are supported, beside the one that ``CodePoints`` chooses."""

    BINDING_UPDATE = 5
    BINDING_ACKNOWLEDGEMENT = 6
    BINDING_ERROR = 7
    HEARTBEAT = 13
    BINDING_REVOCATION = 16
    UPDATE_NOTIFICATION = 19
    UPDATE_NOTIFICATION_ACKNOWLEDGEMENT = 20


class BindingUpdateFlag(IntFlag):
    """Flags of a Binding Update, by the letters of their RFCs."""

    A = 0x8000  # acknowledgement wanted (RFC 6275)
    H = 0x4000  # home registration (RFC 6275)
    L = 0x2000  # link-local address compatibility (RFC 6275)
    K = 0x1000  # key management mobility (RFC 6275)
    M = 0x0800  # mobility anchor point (RFC 4140)
    R = 0x0400  # mobile router (RFC 3963)
    P = 0x0200  # proxy registration (RFC 5213)
    F = 0x0100  # force UDP encapsulation (RFC 5555)
    T = 0x0080  # TLV header (RFC 5845)
    B = 0x0040  # bulk binding update (RFC 6602)
    S = 0x0020  # multicast signalling (RFC 7161)
    D = 0x0010  # distributed mobility management (RFC 8885)


class BindingAcknowledgementFlag(IntFlag):
    """Flags of a Binding Acknowledgement, by the letters of their RFCs."""

    K = 0x80  # key management mobility (RFC 6275)
    R = 0x40  # mobile router (RFC 3963)
    P = 0x20  # proxy registration (RFC 5213)
    T = 0x10  # TLV header (RFC 5845)
    B = 0x08  # bulk binding update (RFC 6602)
    S = 0x04  # multicast signalling (RFC 7161)
    D = 0x02  # distributed mobility management (RFC 8885)


class HeartbeatFlag(IntFlag):
    """Flags of a Heartbeat (RFC 5847, section 3.3)."""

    U = 0x0002  # unsolicited response
    R = 0x0001  # response; otherwise a request


class RevocationFlag(IntFlag):
    """Flags of both Binding Revocation messages (RFC 5846, section 5)."""

    P = 0x8000  # proxy binding
    V = 0x4000  # only the IPv4 home address binding
    G = 0x2000  # all bindings that meet the trigger


class UpdateNotificationFlag(IntFlag):
    """Flags of an Update Notification (RFC 7077, section 4.1)."""

    A = 0x8000  # acknowledgement wanted
    D = 0x4000  # retransmission


class RedirectFlag(IntFlag):
    """Address family of a Redirect option (RFC 6463, section 4.2)."""

    K = 0x8000  # IPv6
    N = 0x4000  # IPv4


class DhcpSupportFlag(IntFlag):
    """Flag of the IPv4 DHCP Support Mode option (RFC 5844, section 3.3.4)."""

    S = 0x0001  # the MAG is a DHCP server; otherwise a relay


class BindingStatus(IntEnum):
    """Status of a Binding Acknowledgement; below 128 the binding is accepted (RFC 6275, RFC 5213, RFC 5844 ...)."""

    ACCEPTED = 0
    ACCEPTED_PREFIX_DISCOVERY_NECESSARY = 1
    GRE_KEY_OPTION_NOT_REQUIRED = 2
    GRE_TUNNELING_BUT_TLV_HEADER_NOT_SUPPORTED = 3
    MCOA_NOTCOMPLETE = 4
    MCOA_RETURNHOME_WO_NDP = 5
    PBU_ACCEPTED_TB_IGNORED_SETTINGSMISMATCH = 6
    REASON_UNSPECIFIED = 128
    ADMINISTRATIVELY_PROHIBITED = 129
    INSUFFICIENT_RESOURCES = 130
    HOME_REGISTRATION_NOT_SUPPORTED = 131
    NOT_HOME_SUBNET = 132
    NOT_HOME_AGENT_FOR_THIS_MOBILE_NODE = 133
    DUPLICATE_ADDRESS_DETECTION_FAILED = 134
    SEQUENCE_NUMBER_OUT_OF_WINDOW = 135
    EXPIRED_HOME_NONCE_INDEX = 136
    EXPIRED_CARE_OF_NONCE_INDEX = 137
    EXPIRED_NONCES = 138
    REGISTRATION_TYPE_CHANGE_DISALLOWED = 139
    MOBILE_ROUTER_OPERATION_NOT_PERMITTED = 140
    INVALID_PREFIX = 141
    NOT_AUTHORIZED_FOR_PREFIX = 142
    FORWARDING_SETUP_FAILED = 143
    MIPV6_ID_MISMATCH = 144
    MIPV6_MESG_ID_REQD = 145
    MIPV6_AUTH_FAIL = 146
    PERMANENT_HOME_KEYGEN_TOKEN_UNAVAILABLE = 147
    CGA_AND_SIGNATURE_VERIFICATION_FAILED = 148
    PERMANENT_HOME_KEYGEN_TOKEN_EXISTS = 149
    NON_NULL_HOME_NONCE_INDEX_EXPECTED = 150
    SERVICE_AUTHORIZATION_FAILED = 151
    PROXY_REG_NOT_ENABLED = 152
    NOT_LMA_FOR_THIS_MOBILE_NODE = 153
    MAG_NOT_AUTHORIZED_FOR_PROXY_REG = 154
    NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX = 155
    TIMESTAMP_MISMATCH = 156
    TIMESTAMP_LOWER_THAN_PREV_ACCEPTED = 157
    MISSING_HOME_NETWORK_PREFIX_OPTION = 158
    BCE_PBU_PREFIX_SET_DO_NOT_MATCH = 159
    MISSING_MN_IDENTIFIER_OPTION = 160
    MISSING_HANDOFF_INDICATOR_OPTION = 161
    MISSING_ACCESS_TECH_TYPE_OPTION = 162
    GRE_KEY_OPTION_REQUIRED = 163
    MCOA_MALFORMED = 164
    MCOA_NON_MCOA_BINDING_EXISTS = 165
    MCOA_PROHIBITED = 166
    MCOA_UNKNOWN_COA = 167
    MCOA_BULK_REGISTRATION_PROHIBITED = 168
    MCOA_SIMULTANEOUS_HOME_AND_FOREIGN_PROHIBITED = 169
    NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE = 170
    NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS = 171
    NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE = 172
    MULTIPLE_IPV4_HOME_ADDRESS_ASSIGNMENT_NOT_SUPPORTED = 173
    INVALID_CARE_OF_ADDRESS = 174
    INVALID_MOBILE_NODE_GROUP_IDENTIFIER = 175
    REINIT_SA_WITH_HAC = 176
    NOT_AUTHORIZED_FOR_DELEGATED_MNP = 177
    REQUESTED_DMNP_IN_USE = 178
    CANNOT_MEET_QOS_SERVICE_REQUEST = 179
    CANNOT_SUPPORT_MULTIPATH_BINDING = 180


class BindingErrorStatus(IntEnum):
    """Status of a Binding Error (RFC 6275, section 6.1.9)."""

    UNKNOWN_BINDING = 1
    UNRECOGNIZED_MH_TYPE = 2


class RevocationTrigger(IntEnum):
    """Reason for a revocation (RFC 5846, section 5.1); 128 and above concern all bindings of a peer."""

    UNSPECIFIED = 0
    ADMINISTRATIVE_REASON = 1
    INTER_MAG_HANDOVER_SAME_ACCESS_TYPE = 2
    INTER_MAG_HANDOVER_DIFFERENT_ACCESS_TYPE = 3
    INTER_MAG_HANDOVER_UNKNOWN = 4
    USER_INITIATED_SESSION_TERMINATION = 5
    ACCESS_NETWORK_SESSION_TERMINATION = 6
    POSSIBLE_OUT_OF_SYNC_BCE_STATE = 7
    PER_PEER_POLICY = 128
    REVOKING_MOBILITY_NODE_LOCAL_POLICY = 129


class RevocationStatus(IntEnum):
    """Status of a Binding Revocation Acknowledgement (RFC 5846, section 5.2)."""

    SUCCESS = 0
    PARTIAL_SUCCESS = 1
    BINDING_DOES_NOT_EXIST = 128
    IPV4_HOME_ADDRESS_OPTION_REQUIRED = 129
    GLOBAL_REVOCATION_NOT_AUTHORIZED = 130
    REVOKED_MOBILE_NODES_IDENTITY_REQUIRED = 131
    REVOCATION_FAILED_MN_IS_ATTACHED = 132
    REVOCATION_TRIGGER_NOT_SUPPORTED = 133
    REVOCATION_FUNCTION_NOT_SUPPORTED = 134
    PROXY_BINDING_REVOCATION_NOT_SUPPORTED = 135


class UpdateNotificationReason(IntEnum):
    """Request of an Update Notification (RFC 7077, section 4.1)."""

    FORCE_REREGISTRATION = 1
    UPDATE_SESSION_PARAMETERS = 2
    VENDOR_SPECIFIC_REASON = 3
    ANI_PARAMS_REQUESTED = 4
    QOS_PARAMETERS = 5
    FLOW_MOBILITY = 8


class UpdateNotificationStatus(IntEnum):
    """Status of an Update Notification Acknowledgement (RFC 7077, section 4.2)."""

    SUCCESS = 0
    FAILED_TO_UPDATE_SESSION_PARAMETERS = 128
    MISSING_VENDOR_SPECIFIC_OPTION = 129
    CANNOT_MEET_QOS_SERVICE_REQUEST = 130
    REASON_UNSPECIFIED = 131
    MN_NOT_ATTACHED = 132


class HandoffType(IntEnum):
    """Values of the Handoff Indicator (RFC 5213, section 8.4; RFC 7864)."""

    RESERVED = 0
    NEW_INTERFACE = 1
    BETWEEN_INTERFACES = 2
    BETWEEN_MAGS = 3
    UNKNOWN = 4
    RE_REGISTRATION = 5
    NEW_INTERFACE_SHARING_PREFIXES = 6


class AccessTechnology(IntEnum):
    """Values of the Access Technology Type (RFC 5213, section 8.5)."""

    RESERVED = 0
    VIRTUAL = 1
    PPP = 2
    IEEE_802_3 = 3
    IEEE_802_11 = 4
    IEEE_802_16E = 5
    GERAN = 6
    UTRAN = 7
    E_UTRAN = 8
    EHRPD = 9
    HRPD = 10
    CDMA2000_1XRTT = 11
    UMB = 12
    NB_IOT = 13


class Ipv4HomeAddressStatus(IntEnum):
    """Status of an IPv4 Home Address Reply option (RFC 5844, section 3.3.2)."""

    SUCCESS = 0
    REASON_UNSPECIFIED = 128
    ADMINISTRATIVELY_PROHIBITED = 129
    INCORRECT_IPV4_HOME_ADDRESS = 130
    INVALID_IPV4_ADDRESS = 131
    DYNAMIC_ASSIGNMENT_NOT_AVAILABLE = 132


class IdentifierSubtype(IntEnum):
    """Kinds of mobile node identifiers (RFC 4283, RFC 8371)."""

    NAI = 1
    IPV6_ADDRESS = 2
    IMSI = 3
    P_TMSI = 4
    EUI_48 = 5
    EUI_64 = 6
    GUTI = 7
    DUID = 8


class TunnelStatusCode(IntEnum):
    """Answers to a tunnel request (erratum E13), with the numbers of ``BindingStatus``."""

    ACCEPTED = 0
    ADMINISTRATIVELY_PROHIBITED = 129
    INSUFFICIENT_RESOURCES = 130


class CoreRouting(IntEnum):
    """An LMA's report on the downlink traffic that the core network sends it (``docs/health.md``)."""

    ANNOUNCED = 0  # its sessions are up, and the home prefix pool is announced
    DRAINED = 1  # it has withdrawn the pool, on the operator's word
    WITHDRAWN = 2  # it has withdrawn the pool, because it cannot forward
    NOT_ANNOUNCED = 3  # its BGP session is up, but does not announce the pool
    BGP_DOWN = 4
    BFD_DOWN = 5  # and with it the BGP session
    UNWATCHED = 6  # the pool is announced, but no BFD session watches over that
    NO_ANSWER = 7  # its routing daemon gives no answer

    @property
    def word(self) -> str:
        """The status for a person to read."""
        return self.name.lower().replace("_", " ")

    @property
    def is_fault(self) -> bool:
        """True when somebody must do something about it."""
        return self not in (CoreRouting.ANNOUNCED, CoreRouting.DRAINED)

    @property
    def carries_traffic(self) -> bool:
        """True when the core sends the LMA downlink traffic nevertheless."""
        return self in (CoreRouting.ANNOUNCED, CoreRouting.UNWATCHED)


class Encapsulation(IntEnum):
    """Encapsulation at the two ends of a tunnel (erratum E13)."""

    GRE = 0
    SRV6 = 1
