"""Options for the redirection of new sessions to another LMA (RFC 6463)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from ryu_pmipls.wire.codepoints import RedirectFlag
from ryu_pmipls.wire.fields import EitherAddress, Flags, Ipv4, Number, Reserved
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options.option import Option, OptionDescription


@dataclass(frozen=True, slots=True)
class RedirectCapability(Option):
    """In a PBU: the MAG can be redirected to another LMA."""

    description = OptionDescription(
        number=46,
        title="Redirect-Capability",
        source="RFC 6463, section 4.1",
        alignment=(4, 0),
        layout=Layout(Reserved(2)),
    )


@dataclass(frozen=True, slots=True)
class Redirect(Option):
    """In a PBA: the LMA that holds the session. ``ValueError`` when ``flags`` name the other address family."""

    flags: RedirectFlag
    address: IPv6Address | IPv4Address

    description = OptionDescription(
        number=47,
        title="Redirect",
        source="RFC 6463, section 4.2",
        alignment=(4, 0),
        layout=Layout(Flags(name="flags", octets=2, values=RedirectFlag), EitherAddress(name="address")),
    )

    def __post_init__(self) -> None:
        if self.flags != (RedirectFlag.K if self.address.version == 6 else RedirectFlag.N):
            raise ValueError("flags and length of the address disagree")


@dataclass(frozen=True, slots=True)
class LoadInformation(Option):
    """An LMA's load as RFC 6463 defines it; not to be confused with the draft's ``LoadInfo`` message."""

    priority: int
    sessions: int
    maximum_sessions: int
    used_capacity: int
    maximum_capacity: int

    description = OptionDescription(
        number=48,
        title="Load Information",
        source="RFC 6463, section 4.3",
        alignment=(4, 0),
        layout=Layout(
            Number(name="priority", octets=2, text="the lower, the better"),
            Number(name="sessions", octets=4, text="in use"),
            Number(name="maximum_sessions", octets=4),
            Number(name="used_capacity", octets=4, text="kB/s"),
            Number(name="maximum_capacity", octets=4, text="kB/s"),
        ),
    )


@dataclass(frozen=True, slots=True)
class AlternateIpv4CareOfAddress(Option):
    """The IPv4 care-of address to be used with the LMA that a MAG was redirected to."""

    address: IPv4Address

    description = OptionDescription(
        number=49,
        title="Alternate IPv4 Care-of Address",
        source="RFC 6463, section 4.4",
        alignment=(4, 2),
        layout=Layout(Ipv4(name="address")),
    )
